import numpy as np
import pytest

from track_persistence.classifier.baselines import (
    STATISTICS,
    NoPixelsModel,
    best_threshold,
    mean_confidence_score,
    min_hits_score,
    no_pixel_statistics,
    statistics_by_count,
)
from track_persistence.core.errors import DataError
from track_persistence.core.types import Track


@pytest.fixture
def track() -> Track:
    """Three observed frames with one miss; 8x2, 4x4 and 2x8 boxes, all of size 4, centres 3-4-5 px apart."""
    return Track(
        camera=0,
        track_id=0,
        frames=np.array([10, 11, 13], np.int32),
        boxes_xywh_px=np.array([[0, 0, 8, 2], [5, 3, 4, 4], [9, 5, 2, 8]], np.float32),
        confidences=np.array([0.5, 0.25, 0.75], np.float32),
        crops=np.zeros((3, 64, 64, 3), np.uint8),
    )


def test_hits_are_counted_without_a_miss_up_to_the_age(track: Track) -> None:
    assert [min_hits_score(track, age) for age in (1, 2, 10, None)] == [1, 2, 2, 2]


def test_mean_confidence_is_that_of_the_frames_seen(track: Track) -> None:
    assert [mean_confidence_score(track, age) for age in (1, 2, None)] == [1 / 2, 3 / 8, 1 / 2]


def test_statistics_of_a_track_are_those_computed_by_hand(track: Track) -> None:
    # centres (4, 1), (7, 5), (10, 9): steps of 5 px over 1 and 2 frames; aspects 4, 1, 1/4 with mean 7/4
    found = dict(zip(STATISTICS, no_pixel_statistics(track, None), strict=True))
    aspect_variance = ((4 - 7 / 4) ** 2 + (1 - 7 / 4) ** 2 + (1 / 4 - 7 / 4) ** 2) / 3
    assert found == pytest.approx(
        {
            "hits_frames": 3,
            "gaps_frames": 1,
            "confidence_mean": 1 / 2,
            "confidence_max": 3 / 4,
            "confidence_min": 1 / 4,
            "displacement_px": 10,
            "speed_mean_px_per_frame": (5 + 5 / 2) / 2,
            "speed_std_px_per_frame": 5 / 4,
            "size_mean_px": 4,
            "size_std_px": 0,
            "aspect_mean": 7 / 4,
            "aspect_std": np.sqrt(aspect_variance),
        }
    )


def test_one_frame_has_no_motion(track: Track) -> None:
    found = dict(zip(STATISTICS, no_pixel_statistics(track, 1), strict=True))
    assert found["hits_frames"] == 1
    assert found["displacement_px"] == found["speed_mean_px_per_frame"] == found["speed_std_px_per_frame"] == 0


def test_one_pass_over_a_track_gives_the_statistics_of_every_age(track: Track) -> None:
    at_once = statistics_by_count(track, np.array([1, 2, 3]))
    for age in (1, 2, 3):
        assert at_once[age - 1] == pytest.approx(no_pixel_statistics(track.first(age), None), abs=1e-12)


def test_later_frames_do_not_change_earlier_statistics(track: Track) -> None:
    assert np.array_equal(no_pixel_statistics(track, 2), no_pixel_statistics(track.first(2), None))


def test_logistic_regression_ranks_what_a_statistic_separates() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2 == 0
    statistics = rng.normal(size=(100, 3))
    statistics[:, 1] += 10 * labels
    scores = NoPixelsModel.fit(statistics, labels).score(statistics)
    assert scores[labels].min() > 0.5 > scores[~labels].max()


def test_a_constant_statistic_does_no_harm() -> None:
    statistics = np.column_stack((np.ones(4), [0.0, 1.0, 2.0, 3.0]))
    assert np.isfinite(NoPixelsModel.fit(statistics, np.array([False, False, True, True])).score(statistics)).all()


def test_logistic_regression_needs_both_classes() -> None:
    with pytest.raises(DataError, match="4 tracks of one class"):
        NoPixelsModel.fit(np.zeros((4, 2)), np.ones(4, bool))


@pytest.mark.parametrize(
    ("scores", "labels", "expected", "reason"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 3, "keeping from 3 on is right four times"),
        ([1, 2, 3, 4], [0, 1, 0, 1], 2, "from 2 and from 4 on are right three times; the lower one"),
        ([1, 1, 1], [1, 0, 1], 1, "equal scores cannot be told apart: keep all, right twice"),
        ([1, 1, 1], [0, 0, 1], np.inf, "keep none, right twice"),
        ([4, 3], [0, 1], 3, "keep all or none are right once; the lower threshold"),
    ],
)
def test_the_best_threshold_is_right_most_often(
    scores: list[float], labels: list[int], expected: float, reason: str
) -> None:
    assert best_threshold(np.array(scores, float), np.array(labels, bool)) == expected, reason
