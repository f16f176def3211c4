import numpy as np
import pytest

from track_persistence.classifier.baselines import STATISTICS, statistics_by_count
from track_persistence.core.types import BoxTrack
from track_persistence.tracking.site import box_evidence
from track_persistence.tracking.witnesses import MOST_HITS, RunningPixels
from track_persistence.video.descriptors import frame_descriptors, pooled


def track(count=5):
    boxes = np.column_stack([np.arange(count) * 30.0, np.full(count, 50), np.full(count, 30), np.full(count, 40)])
    confidences = np.linspace(0.2, 0.8, count).astype(np.float32)
    return BoxTrack(0, 1, np.arange(3, 3 + count, dtype=np.int32), boxes.astype(np.float32), confidences)


def test_statistics_are_those_of_the_no_pixels_baseline_but_for_confidence():
    rng = np.random.default_rng(1)
    frames = np.cumsum(rng.integers(1, 4, 7)).astype(np.int32)
    boxes = rng.uniform(20, 60, (7, 4)).astype(np.float32)
    seen = BoxTrack(0, 1, frames, boxes, rng.random(7).astype(np.float32))
    columns = [at for at, name in enumerate(STATISTICS) if not name.startswith("confidence")]
    expected = statistics_by_count(seen, np.arange(1, 8))[:, columns]
    assert box_evidence(seen)["statistics"] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_pixels_are_pooled_as_cheap_pixels_are():
    rng = np.random.default_rng(2)
    crops = rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    texture, layout = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)
    running = RunningPixels()
    rows = [running.add(*frame) for frame in zip(crops, texture, layout, strict=True)]
    descriptors = np.stack([row["descriptors"] for row in rows])
    assert np.array_equal(descriptors, pooled(frame_descriptors(crops), range(1, 5)))
    assert rows[2]["texture"] == pytest.approx(texture[:3].mean(axis=0))
    assert rows[3]["layout"] == pytest.approx(layout.mean(axis=0))


def test_confidence_is_the_mean_logit_so_far():
    assert box_evidence(track())["confidence"][0, 0] == pytest.approx(np.log(0.2 / 0.8), abs=1e-5)
    logits = [np.log(p / (1 - p)) for p in (0.2, 0.35, 0.5)]
    assert box_evidence(track())["confidence"][2, 0] == pytest.approx(np.mean(logits), abs=1e-5)


def test_place_is_centre_foot_and_height_with_their_products():
    place = box_evidence(track())["place"]
    centre, foot, height = 0.45, 0.9, np.log(0.4)  # after two boxes at x 0 and 30, in units of 100 px
    expected = [centre, foot, height, centre**2, centre * foot, centre * height, foot**2, foot * height, height**2]
    assert place[1] == pytest.approx(np.array([0.3, *expected[1:3], 0.09, 0.27, 0.3 * height, *expected[6:]]), abs=1e-5)


def test_hits_do_not_count_for_ever():
    """A parked van is seen for hundreds of frames; that must not make it ever more real."""
    long = BoxTrack(
        0,
        1,
        np.arange(60, dtype=np.int32),
        np.tile(np.array([5, 5, 30, 40], np.float32), (60, 1)),
        np.full(60, 0.5, np.float32),
    )
    statistics = box_evidence(long)["statistics"]
    assert statistics[:, 0].max() == MOST_HITS
    assert (statistics[MOST_HITS:] == statistics[-1]).all()
