"""Which KITTI labels count, and which points are held against a method."""

import numpy as np
import pytest

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.evaluation.kitti_config import TruthConfig
from track_persistence.evaluation.kitti_truth import (
    Estimates,
    estimates_of,
    real_tracks,
    reference_offsets_m,
    scored_frames,
    truth_of,
)
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.video.kitti import read_labels

CONFIG = TruthConfig.model_validate(
    {
        "max_truncated": 0,
        "max_occluded": 2,
        "min_height_px": 25.0,
        "dont_care_share": 0.5,
        "neighbours": {"Car": ["Van"]},
    }
)
BASELINE_M, GATE_M = 0.5, 4.0
TALL = (0, 0, 30, 40)  # a box of 30 x 40 px


def camera(name, x_m):
    intrinsics = np.array([[700.0, 0, 600], [0, 700, 180], [0, 0, 1]])
    return Camera(name, intrinsics, np.empty(0), np.hstack([np.eye(3), [[-x_m], [0], [0]]]), (1200, 360), 10.0)


RIG = StereoRig((camera("left", 0.0), camera("right", BASELINE_M)))


def label(kind="Car", frame=0, truncated=0, occluded=0, corners_px=(0, 0, 30, 40), at_m=(0, 1, 20)):
    """Return the line of a cube with a side of 2 m; `at_m` is the middle of its bottom face."""
    corners, at = (" ".join(map(str, values)) for values in (corners_px, at_m))
    return f"{frame} 1 {kind} {truncated} {occluded} 0 {corners} 2 2 2 {at} 0"


@pytest.fixture
def labels(tmp_path):
    def labels(*lines):
        path = tmp_path / "0000.txt"
        path.write_text("\n".join(lines))
        return read_labels(path)

    return labels


def points(*rows):
    """Return one estimate a row: frame, position, corners, track."""
    frames, positions, corners, tracks = zip(*rows, strict=True)
    return Estimates(np.int32(frames), np.array(positions, float), np.array(corners, float), np.array(tracks, np.intp))


def only_frame(truth, found):
    (frame,) = scored_frames(1, truth, found, GATE_M, CONFIG)
    return frame


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        (label(), True),
        (label(occluded=2), True),
        (label(occluded=3), False),
        (label(truncated=1), False),
        (label(corners_px=(0, 0, 30, 25)), True),
        (label(corners_px=(0, 0, 30, 24.9)), False),
        (label("Van"), False),
        # The centre at x = -8.2 lies at 600 - 574 on the left and at 600 - 609 on the right, outside.
        (label(at_m=(-8.2, 1, 10)), False),
        (label(at_m=(0, 1, -20)), False),
    ],
)
def test_a_label_counts_when_both_images_show_it_well(labels, line, counted):
    assert truth_of(labels(line), RIG, "Car", CONFIG).counted.tolist() == [counted]


def test_other_classes_are_no_objects_and_regions_stand_apart(labels):
    truth = truth_of(
        labels(label("Pedestrian"), label("DontCare", corners_px=(1, 2, 3, 4)), label()), RIG, "Car", CONFIG
    )
    assert truth.positions_m.tolist() == [[0, 0, 20]]  # the middle of the cube, 1 m above its bottom
    assert truth.regions_px.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("corners_px", "excused"),
    [
        ((0, 0, 30, 40), False),
        ((90, 0, 120, 40), False),  # 10 of 30 columns lie in the region
        ((86, 0, 116, 40), False),  # 14 of 30
        ((84, 0, 114, 40), True),  # 16 of 30
        ((0, 0, 30, 24.9), True),  # small
    ],
)
def test_a_false_point_is_excused_when_small_or_mostly_in_a_region(labels, corners_px, excused):
    region = label("DontCare", corners_px=(50, 0, 100, 400))
    truth = truth_of(labels(region), RIG, "Car", CONFIG)
    frame = only_frame(truth, points((0, (5, 0, 20), corners_px, 0)))
    assert len(frame.estimate_m) == (0 if excused else 1)


def test_a_point_on_a_counted_object_is_never_excused(labels):
    truth = truth_of(labels(label(), label("DontCare", corners_px=(0, 0, 400, 300))), RIG, "Car", CONFIG)
    frame = only_frame(truth, points((0, (0, 0, 23.9), TALL, 0), (0, (0, 0, 24.1), TALL, 1)))
    assert frame.estimate_m.tolist() == [[0, 0, 23.9]]


def test_labels_that_do_not_count_are_passed_on_as_unseen(labels):
    truth = truth_of(labels(label(), label("Van", at_m=(5, 1, 20))), RIG, "Car", CONFIG)
    frame = only_frame(truth, points((1, (0, 0, 20), TALL, 0)))
    assert (frame.truth_m.tolist(), frame.unseen_m.tolist()) == ([[0, 0, 20]], [[5, 0, 20]])
    assert frame.estimate_m.shape == (0, 3)  # it belongs to frame 1


def test_a_point_in_a_gap_of_the_left_track_has_the_box_before(labels):
    boxes = np.array([[10, 20, 30, 40], [50, 60, 70, 80]], np.float32)
    left = BoxTrack(0, 7, np.int32([2, 5]), boxes, np.ones(2, np.float32))
    frames = np.arange(1, 7, dtype=np.int32)
    positions = np.tile([0.0, 0, 20], (6, 1))
    positions[3] = np.nan  # frame 4
    empty = np.zeros(6)
    track = Reconstructed3DTrack(
        (7, 3), frames, positions, positions, np.zeros((6, 3, 3)), np.uint8(empty), np.zeros((6, 2)), np.uint8(empty),
        None, np.float32(empty),
    )  # fmt: skip
    found = estimates_of([track], [left])
    assert found.frames.tolist() == [1, 2, 3, 5, 6]
    first, second = [10, 20, 40, 60], [50, 60, 120, 140]
    assert found.corners_px.tolist() == [first, first, first, second, second]


def test_a_track_is_real_when_half_of_its_points_are_on_objects_counted_or_not(labels):
    truth = truth_of(labels(label(), label(frame=1), label("Van", frame=2)), RIG, "Car", CONFIG)
    on, off = (0, 0, 23.9), (0, 0, 24.1)
    half = [(0, on, TALL, 0), (1, off, TALL, 0)]
    third = [(0, on, TALL, 1), (1, off, TALL, 1), (2, off, TALL, 1)]
    on_van = [(2, on, TALL, 2)]
    without_labels = [(3, on, TALL, 3)]
    found = real_tracks(truth, points(*half, *third, *on_van, *without_labels), GATE_M, CONFIG)
    assert found == {0: True, 1: False, 2: True, 3: False}


def test_a_false_track_that_is_mostly_excused_is_neither(labels):
    truth = truth_of(labels(label()), RIG, "Car", CONFIG)
    small = (0, 0, 30, 20)
    far = (9, 0, 20)
    excused = [(0, far, small, 0), (1, far, TALL, 0)]
    real = [(0, (0, 0, 20), small, 1)]
    assert real_tracks(truth, points(*excused, *real), GATE_M, CONFIG) == {1: True}


def test_the_box_centres_of_a_cube_ahead_meet_on_its_near_face(labels):
    # All edges of both boxes come from the near face while the cameras look at it from between its sides.
    ahead, partly_outside = label(at_m=(0.2, 1, 21)), label(at_m=(-9, 1, 11))
    offsets = reference_offsets_m(labels(ahead, partly_outside, label("Van")), RIG, "Car")
    np.testing.assert_allclose(offsets, [[0, 0, -1]], atol=1e-9)
