import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.false_boxes import (
    covered_shares,
    drifting,
    duplicate_offset,
    duplicated,
    merged,
    switched,
)
from track_persistence.video.labels import overlaps

OBJECT = np.array([[100.0, 50.0, 40.0, 80.0], [104.0, 50.0, 40.0, 80.0], [108.0, 50.0, 40.0, 80.0]])


def test_a_duplicate_keeps_its_overlap_with_the_object_below_that_of_a_hit(config: GenerateConfig) -> None:
    rng = generator(3, "duplicates")
    low, high = config.matched.tracker.duplicate_iou
    assert high < 0.5
    for _ in range(50):
        boxes = duplicated(OBJECT, duplicate_offset(rng, config.matched.tracker))
        iou, _ = overlaps(boxes[:1].astype(np.float32), OBJECT[:1].astype(np.float32))
        assert low - 1e-6 <= iou[0, 0] <= high + 1e-6
        np.testing.assert_allclose(np.diff(boxes[:, 0]), 4.0)


def test_a_merged_box_is_the_smallest_around_both_objects() -> None:
    other = OBJECT + np.array([30.0, 10.0, 0.0, 0.0])
    assert merged(OBJECT, other)[0].tolist() == [100.0, 50.0, 70.0, 90.0]


def test_the_covered_share_is_that_of_the_smaller_box() -> None:
    # A box of 20 x 80 whose left half lies inside the object's 40 x 80.
    half_inside = np.tile([130.0, 50.0, 20.0, 80.0], (1, 1))
    assert covered_shares(OBJECT[:1], half_inside).tolist() == [0.5]


def test_an_id_switch_leaves_its_object_and_does_not_come_back() -> None:
    boxes = np.repeat(OBJECT[:1], 12, axis=0)
    left = switched(generator(4, "switch"), boxes, 3, 2)
    np.testing.assert_array_equal(left[:3], boxes[:3])
    iou, _ = overlaps(left[3:].astype(np.float32), boxes[:1].astype(np.float32))
    assert iou[1:].max() < 0.2
    assert len(left) == 12


def test_an_id_switch_that_has_not_come_yet_leaves_the_boxes_alone() -> None:
    np.testing.assert_array_equal(switched(generator(4, "switch"), OBJECT, 3, 2), OBJECT)


def test_noise_wanders_from_where_it_began() -> None:
    boxes = drifting(generator(5, "noise"), np.array([10.0, 10.0, 20.0, 30.0]), 400, 2.0)
    assert boxes[0].tolist() == [10.0, 10.0, 20.0, 30.0]
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    assert np.diff(middles, axis=0).std() == pytest.approx(2.0, rel=0.1)
