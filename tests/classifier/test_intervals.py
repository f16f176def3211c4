import numpy as np
import pytest

from track_persistence.classifier.curves import area_under_roc, reliability
from track_persistence.classifier.intervals import Resamples, bootstrap_interval, bootstrap_intervals


def test_the_interval_of_a_mean_has_the_normal_width() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    low, high = bootstrap_interval(np.mean, [values], np.arange(400), rng, 1000)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(400), rel=0.15)


def test_the_truth_lies_in_about_95_of_100_intervals() -> None:
    inside = 0
    for index in range(200):
        rng = np.random.default_rng(index)
        low, high = bootstrap_interval(np.mean, [rng.normal(size=60)], np.arange(60), rng, 200)
        inside += low <= 0 <= high
    assert inside / 200 == pytest.approx(0.95, abs=0.05)


def test_rows_of_one_group_are_drawn_together() -> None:
    groups = np.array([3, 1, 3, 1])
    drawn = []

    def remember(rows: np.ndarray) -> float:
        drawn.append(tuple(sorted(rows)))
        return 0.0

    bootstrap_interval(remember, [np.arange(4)], groups, np.random.default_rng(0), 50)
    assert set(drawn) == {(0, 1, 2, 3), (0, 0, 2, 2), (1, 1, 3, 3)}


def test_identical_tracks_within_scenes_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    alone = bootstrap_interval(np.mean, [values], np.arange(50), np.random.default_rng(1), 200)
    tenfold = bootstrap_interval(
        np.mean, [np.repeat(values, 10)], np.repeat(np.arange(50), 10), np.random.default_rng(1), 200
    )
    assert tenfold == pytest.approx(alone)


def test_undefined_replicates_do_not_count() -> None:
    def positive_share(labels: np.ndarray) -> float:
        return float("nan") if not labels.any() else 1.0

    interval = bootstrap_interval(positive_share, [np.array([0, 0, 1])], np.arange(3), np.random.default_rng(0), 100)
    assert interval == (1, 1)


def test_what_is_never_defined_has_no_interval() -> None:
    interval = bootstrap_interval(lambda _: float("nan"), [np.arange(3)], np.arange(3), np.random.default_rng(0), 20)
    assert np.isnan(interval).all()


def test_one_group_says_nothing_about_the_spread_between_groups() -> None:
    interval = bootstrap_interval(np.mean, [np.arange(9)], np.zeros(9), np.random.default_rng(0), 20)
    assert np.isnan(interval).all()


def test_several_statistics_share_the_resampled_rows() -> None:
    values = np.random.default_rng(0).normal(size=30)
    both = bootstrap_intervals(
        lambda rows: [rows.mean(), 2 * rows.mean()], [values], np.arange(30), np.random.default_rng(1), 40
    )
    assert both.shape == (2, 2)
    assert both[1] == pytest.approx(2 * both[0])


@pytest.fixture
def tracks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores in [0, 1] with ties, labels and scenes of 120 tracks."""
    rng = np.random.default_rng(5)
    labels = rng.random(120) < 0.6
    scores = np.clip(np.round(rng.normal(0.4, 0.2, 120) + 0.2 * labels, 1), 0, 1)
    return scores, labels, np.sort(rng.integers(0, 15, 120))


def test_counting_tracks_gives_the_intervals_of_drawing_them(tracks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, labels, scenes = tracks

    def drawn(statistics, *arrays: np.ndarray) -> np.ndarray:
        return bootstrap_intervals(statistics, arrays, scenes, np.random.default_rng(3), 100)[0]

    def found(summary: dict[str, float]) -> list[float]:
        return [summary["low"], summary["high"]]

    resamples = Resamples.of(scenes, np.random.default_rng(3), 100)
    assert found(resamples.auc(scores, labels)) == pytest.approx(
        drawn(lambda s, y: [area_under_roc(s, y)], scores, labels)
    )
    kept = scores > 0.5
    assert found(resamples.share(labels, kept)) == pytest.approx(drawn(lambda y, k: [y[k].mean()], labels, kept))
    assert found(resamples.calibration_error(scores, labels)) == pytest.approx(
        drawn(lambda s, y: [reliability(s, y).expected_calibration_error], scores, labels)
    )
    frames = np.arange(1, 121)
    assert found(resamples.ratio(frames, frames[::-1])) == pytest.approx(
        drawn(lambda a, b: [a.mean() / b.mean()], frames, frames[::-1])
    )


def test_the_value_is_that_of_the_tracks_themselves(tracks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, labels, scenes = tracks
    resamples = Resamples.of(scenes, np.random.default_rng(3), 20)
    assert resamples.auc(scores, labels)["value"] == area_under_roc(scores, labels)
    expected = reliability(scores, labels).expected_calibration_error
    assert resamples.calibration_error(scores, labels)["value"] == pytest.approx(expected)
    assert resamples.mean(scores, labels)["value"] == pytest.approx(scores[labels].mean())


def test_a_part_of_the_tracks_sees_the_same_samples(tracks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, _, scenes = tracks
    resamples = Resamples.of(scenes, np.random.default_rng(3), 50)
    rows = np.flatnonzero(np.arange(120) % 3 > 0)
    among = np.isin(np.arange(120), rows)
    assert resamples.of_rows(rows).mean(scores[rows], np.ones(80, bool)) == pytest.approx(resamples.mean(scores, among))


def test_one_scene_and_one_class_have_values_without_interval(
    tracks: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, _ = tracks
    alone = Resamples.of(np.zeros(120), np.random.default_rng(0), 20).auc(scores, labels)
    assert alone["value"] == area_under_roc(scores, labels)
    assert np.isnan([alone["low"], alone["high"]]).all()
    one_class = Resamples.of(np.arange(120), np.random.default_rng(0), 20).auc(scores, np.ones(120, bool))
    assert np.isnan(list(one_class.values())).all()
