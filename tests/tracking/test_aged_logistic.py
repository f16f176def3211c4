import numpy as np
import pytest
from pydantic import ValidationError

from track_persistence.tracking.aged_logistic import AgedLogistic, fit_aged

MODEL = AgedLogistic(ages=(1.0, 4.0), base=(1.0, 0.0), weights={"a": (2.0, 4.0), "b": (0.0, -1.0)})


def test_weights_are_linear_in_the_logarithm_of_the_age_and_constant_beyond() -> None:
    assert [MODEL.weight("a", age) for age in (1, 2, 4, 100)] == pytest.approx([2.0, 3.0, 4.0, 4.0])
    assert MODEL.parts({"a": 10.0, "b": 6.0}, 2) == pytest.approx({"base": 0.5, "a": 30.0, "b": -3.0})


def test_many_samples_get_the_sums_of_their_parts() -> None:
    numbers = {"a": np.array([10.0, -1.0, 0.5]), "b": np.array([6.0, 3.0, 2.0])}
    ages = np.array([2.0, 9.0, 3.5])
    found = MODEL.log_odds(numbers, ages)
    for row, age in enumerate(ages):
        parts = MODEL.parts({name: float(values[row]) for name, values in numbers.items()}, float(age))
        assert found[row] == pytest.approx(sum(parts.values()))


def test_the_fit_recovers_the_model_that_drew_the_labels() -> None:
    rng = np.random.default_rng(5)
    count = 60_000
    numbers = {"a": rng.normal(0.3, 1.0, count), "b": rng.normal(0.0, 4.0, count)}
    ages = rng.choice([1.0, 2.0, 4.0, 8.0], count)
    true = AgedLogistic(ages=(1.0, 4.0), base=(0.5, -0.5), weights={"a": (0.5, 1.5), "b": (0.0, -0.5)})
    labels = rng.random(count) < 1 / (1 + np.exp(-true.log_odds(numbers, ages)))
    found = fit_aged(numbers, ages, labels, (1, 4), inverse_regularisation=100.0)
    # About four standard errors of 60 000 samples.
    np.testing.assert_allclose(found.base, true.base, atol=0.08)
    for name in numbers:
        np.testing.assert_allclose(found.weights[name], true.weights[name], atol=0.08)


def test_a_witness_that_repeats_another_is_not_counted_twice() -> None:
    rng = np.random.default_rng(6)
    said = rng.normal(0.0, 2.0, 20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-said))
    found = fit_aged({"one": said, "again": said}, np.ones(20_000), labels, (1,), inverse_regularisation=100.0)
    assert found.weights["one"][0] + found.weights["again"][0] == pytest.approx(1.0, abs=0.06)


def test_a_number_that_never_changes_adds_nothing_but_a_base() -> None:
    labels = np.arange(400) % 4 == 0  # 100 real ones of 400, and one more of each class by Laplace's rule
    found = fit_aged({"a": np.full(400, 7.0)}, np.ones(400), labels, (1,), inverse_regularisation=1e6)
    assert sum(found.parts({"a": 7.0}, 1).values()) == pytest.approx(np.log(101 / 301), abs=1e-3)


def test_without_samples_of_a_class_the_base_follows_laplace() -> None:
    found = fit_aged({"a": np.zeros(3)}, np.ones(3), np.ones(3, np.bool_), (1,), 1e6)
    assert found.base[0] == pytest.approx(np.log(4 / 1), abs=1e-2)  # 3 + 1 real ones, 0 + 1 others
    empty = fit_aged({"a": np.empty(0)}, np.empty(0), np.empty(0, np.bool_), (1, 5), 1.0)
    np.testing.assert_allclose([*empty.base, *empty.weights["a"]], 0, atol=1e-9)


@pytest.mark.parametrize(
    "change", [{"ages": (2.0, 2.0)}, {"ages": (0.5, 2.0)}, {"base": (1.0,)}, {"weights": {"a": (1.0, 2.0, 3.0)}}]
)
def test_a_model_with_holes_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AgedLogistic.model_validate(MODEL.model_dump() | change)
