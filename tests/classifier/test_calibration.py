import numpy as np
import pytest

from track_persistence.classifier.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    calibrated,
    fit_temperature,
    negative_log_likelihood,
)


def test_an_overconfident_models_temperature_is_found() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=2, size=40_000)
    labels = rng.random(40_000) < 1 / (1 + np.exp(-honest))
    assert fit_temperature(3 * honest, labels) == pytest.approx(3, rel=0.05)


def test_the_temperature_of_two_values_is_the_one_derived_by_hand() -> None:
    # logit 2 right in 3 of 4: sigmoid(2 / t) = 3/4, so t = 2 / log(3)
    assert fit_temperature(np.full(4, 2.0), np.array([True, True, True, False])) == pytest.approx(
        2 / np.log(3), rel=1e-4
    )


def test_separated_classes_stop_at_the_lowest_temperature() -> None:
    logits, labels = np.array([-1.0, 1.0]), np.array([False, True])
    assert fit_temperature(logits, labels) == pytest.approx(LOWEST_TEMPERATURE, rel=1e-3)


def test_wrong_logits_stop_at_the_highest_temperature() -> None:
    logits, labels = np.array([-1.0, 1.0]), np.array([True, False])
    assert fit_temperature(logits, labels) == pytest.approx(HIGHEST_TEMPERATURE, rel=1e-3)


def test_a_coin_costs_one_bit() -> None:
    assert negative_log_likelihood(np.zeros(2), np.array([True, False]), 1.0) == pytest.approx(np.log(2))


def test_huge_logits_neither_overflow_nor_warn() -> None:
    assert calibrated(np.array([-1e4, 1e4]), 0.25).tolist() == [0, 1]
    assert negative_log_likelihood(np.array([-1e4]), np.array([True]), 1.0) == pytest.approx(1e4)
