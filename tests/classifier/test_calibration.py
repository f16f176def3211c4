import numpy as np
import pytest

from track_persistence.classifier.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    Calibration,
    fit_calibration,
    negative_log_likelihood,
)
from track_persistence.core.errors import DataError


def fitted(logits: np.ndarray, labels: np.ndarray, frames: np.ndarray | None = None) -> Calibration:
    seen = np.ones(len(logits), np.int64) if frames is None else frames
    ages = (1,) if frames is None else (1, 10)
    return fit_calibration(logits, labels, seen, np.ones(len(logits)), ages)


def test_an_overconfident_models_temperature_is_found() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=2, size=40_000)
    labels = rng.random(40_000) < 1 / (1 + np.exp(-honest))
    found = fitted(3 * honest, labels)
    assert found.temperatures[0] == pytest.approx(3, rel=0.05)
    assert found.biases[0] == pytest.approx(0, abs=0.06)


def test_each_age_gets_its_own_temperature_and_bias() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(scale=2, size=80_000)
    labels = rng.random(80_000) < 1 / (1 + np.exp(-honest))
    frames = np.where(np.arange(80_000) % 2, 1, 10)
    found = fitted(np.where(frames == 1, honest / 2, 2 * (honest - 1)), labels, frames)
    assert found.temperatures == pytest.approx((1 / 2, 2), rel=0.06)
    assert found.biases == pytest.approx((0, 1), abs=0.08)


def test_a_knot_without_a_track_takes_after_its_neighbour() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(scale=2, size=20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-honest))
    frames = np.ones(20_000, np.int64)
    found = fit_calibration(2 * (honest - 1), labels, frames, np.ones(20_000), (1, 10, 30))
    assert found.temperatures == pytest.approx((2, 2, 2), rel=0.06)
    assert found.biases == pytest.approx((1, 1, 1), abs=0.08)
    assert np.ptp(found.temperatures) < 0.05 > np.ptp(found.biases)


def test_the_fit_of_two_values_is_the_one_derived_by_hand() -> None:
    # logit 2 right in 3 of 4, logit -2 right in 3 of 4: sigmoid(2 / t) = 3/4, so t = 2 / log(3), and no bias
    logits, labels = np.repeat([2.0, -2.0], 4), np.array([True, True, True, False, False, False, False, True])
    found = fitted(logits, labels)
    assert found.temperatures[0] == pytest.approx(2 / np.log(3), rel=1e-4)
    assert found.biases[0] == pytest.approx(0, abs=1e-4)


def test_a_weight_counts_as_so_many_samples() -> None:
    logits, labels = np.array([1.0, 1.0, -1.0, -1.0]), np.array([True, False, False, True])
    weights = np.array([3.0, 1.0, 3.0, 1.0])
    found = fit_calibration(logits, labels, np.ones(4, np.int64), weights, (1,))
    repeated = fitted(np.repeat(logits, [3, 1, 3, 1]), np.repeat(labels, [3, 1, 3, 1]))
    assert found.temperatures == pytest.approx(repeated.temperatures, rel=1e-5)


def test_separated_and_inverted_classes_stop_at_the_bounds() -> None:
    logits = np.repeat([-1.0, 1.0], 50)
    assert fitted(logits, logits > 0).temperatures[0] == pytest.approx(LOWEST_TEMPERATURE, rel=1e-3)
    assert fitted(logits, logits < 0).temperatures[0] == pytest.approx(HIGHEST_TEMPERATURE, rel=1e-3)


def test_between_the_knots_log_temperature_and_bias_are_linear_in_log_frames() -> None:
    calibration = Calibration((1, 4), (1.0, 4.0), (0.0, 2.0))
    # 2 is halfway between 1 and 4 on the log scale: temperature 2, bias 1
    assert calibration.log_odds(6.0, 2) == pytest.approx(6 / 2 + 1)
    assert calibration.log_odds(6.0, 1) == pytest.approx(6)
    assert calibration.log_odds(6.0, 400) == pytest.approx(6 / 4 + 2)  # constant past the last knot
    assert calibration.log_odds(np.zeros((3, 2)), np.array([1, 4])) == pytest.approx(np.array([[0, 2]] * 3))


def test_tracks_of_one_class_cannot_calibrate() -> None:
    with pytest.raises(DataError, match="of one class"):
        fitted(np.zeros(3), np.ones(3, bool))


@pytest.mark.parametrize(
    "values", [((), (), ()), ((1, 1), (1.0, 1.0), (0.0, 0.0)), ((1,), (-1.0,), (0.0,)), ((1,), (1.0,), (np.inf,))]
)
def test_an_impossible_calibration_is_refused(values: tuple) -> None:
    with pytest.raises(DataError, match="calibration"):
        Calibration(*values)


def test_a_coin_costs_one_bit() -> None:
    assert negative_log_likelihood(np.zeros(2), np.array([True, False]), np.ones(2)) == pytest.approx(np.log(2))


def test_huge_logits_neither_overflow_nor_warn() -> None:
    assert Calibration.constant(0.25).probabilities([-1e4, 1e4], 1).tolist() == [0, 1]
    assert negative_log_likelihood(np.array([-1e4]), np.array([True]), np.ones(1)) == pytest.approx(1e4)
