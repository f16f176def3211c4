from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.types import (
    Ghost,
    Kind,
    LabelledFeatures,
    LabelledTrack,
    StereoScene,
    Track,
    Trajectory,
    check_crops,
)


def track(count: int = 3, **fields: object) -> Track:
    values: dict = {
        "camera": 0,
        "track_id": 4,
        "frames": np.arange(count, dtype=np.int32),
        "boxes_xywh_px": np.tile(np.float32([10, 20, 30, 40]), (count, 1)),
        "confidences": np.full(count, 0.5, np.float32),
        "crops": np.zeros((count, 64, 64, 3), np.uint8),
    }
    return Track(**(values | fields))


def test_the_centre_of_a_box_is_its_corner_plus_half_its_size() -> None:
    assert track().centres_px.tolist() == [[25, 40]] * 3  # 10 + 30 / 2, 20 + 40 / 2


def test_the_first_frames_of_a_track_are_a_track() -> None:
    prefix = track(count=5, frames=np.int32([1, 4, 5, 9, 12])).first(2)
    assert len(prefix) == 2
    assert prefix.frames.tolist() == [1, 4]
    assert prefix.crops.shape == (2, 64, 64, 3)


def test_gaps_in_the_frames_are_allowed() -> None:
    assert len(track(frames=np.int32([0, 5, 6]))) == 3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames", np.int32([0, 2, 2]), "frame 2 follows 2; frames must strictly increase"),
        ("frames", np.int32([0, 2, 1]), "frame 1 follows 2"),
        ("frames", np.array([0, 1, 2]), r"frames: expected shape \(T\) int32, got \(3,\) int64"),
        ("frames", [0, 1, 2], "frames: expected a numpy array, got list"),
        ("boxes_xywh_px", np.zeros((3, 4)), "boxes_xywh_px: expected .* float32, got .* float64"),
        ("boxes_xywh_px", np.zeros((2, 4), np.float32), r"expected shape \(3, 4\) float32, got \(2, 4\)"),
        ("boxes_xywh_px", np.float32([[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1]]), "frame 1: box .* above 0"),
        ("boxes_xywh_px", np.float32([[0, 0, 1, 1], [0, 0, 1, 1], [0, np.nan, 1, 1]]), "frame 2: box .* finite"),
        ("confidences", np.float32([0.5, 1.5, 0.5]), r"frame 1: confidence 1.5; must lie in \[0, 1\]"),
        ("confidences", np.float32([0.5, 0.5, np.nan]), "frame 2: confidence nan"),
        ("confidences", np.float32([-0.1, 0.5, 0.5]), "frame 0: confidence -0.1"),
        ("crops", np.zeros((3, 32, 32, 3), np.uint8), r"crops: expected shape \(T, 64, 64, 3\) uint8, got \(3, 32"),
        ("crops", np.zeros((3, 64, 64, 3), np.float32), "crops: expected .* uint8, got .* float32"),
        ("crops", np.zeros((2, 64, 64, 3), np.uint8), "expected 3 crops, got 2"),
    ],
)
def test_a_broken_track_is_refused_by_name(field: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        track(**{field: value})
    assert "track 4 of camera 0" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_track_is_refused() -> None:
    with pytest.raises(DataError, match="at least one frame, got 0; drop empty tracks"):
        track(count=0)
    with pytest.raises(DataError, match="at least one frame"):
        check_crops("crops", np.zeros((0, 64, 64, 3), np.uint8))


def test_the_limits_of_a_confidence_are_allowed() -> None:
    assert track(confidences=np.float32([0, 1, 0.5])).confidences[1] == 1


def test_only_a_persistent_track_has_no_ghost() -> None:
    assert LabelledTrack(track(), Kind.PERSISTENT).is_persistent
    assert not LabelledTrack(track(), Kind.BRIEF, Ghost.GLARE).is_persistent
    with pytest.raises(DataError, match="kind BRIEF cannot have ghost 'none'"):
        LabelledTrack(track(), Kind.BRIEF)
    with pytest.raises(DataError, match="kind PERSISTENT cannot have ghost 'glare'"):
        LabelledTrack(track(), Kind.PERSISTENT, Ghost.GLARE)


def features(**fields: object) -> LabelledFeatures:
    values: dict = {
        "scene_id": 1,
        "camera": 0,
        "track_id": 4,
        "frames": np.arange(3, dtype=np.int32),
        "boxes_xywh_px": np.ones((3, 4), np.float32),
        "confidences": np.full(3, 0.5, np.float32),
        "features": np.zeros((3, 8), np.float16),
        "kind": Kind.PERSISTENT,
        "ghost": Ghost.NONE,
        "object_id": 2,
    }
    return LabelledFeatures(**(values | fields))


def test_features_have_one_row_a_frame_and_are_finite() -> None:
    assert len(features()) == 3
    assert features().is_persistent
    with pytest.raises(DataError, match=r"scene 1: track 4 .* shape \(3, D\), got \(2, 8\)"):
        features(features=np.zeros((2, 8), np.float16))
    with pytest.raises(DataError, match="NaN or infinity"):
        features(features=np.full((3, 8), np.inf, np.float16))


def test_a_trajectory_has_a_position_and_visibility_for_every_frame() -> None:
    good = Trajectory(2, np.arange(2, dtype=np.int32), np.zeros((2, 3)), np.ones((2, 2), bool))
    with pytest.raises(DataError, match=r"trajectory of object 2: positions_m: expected shape \(2, 3\)"):
        replace(good, positions_m=np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"visible: expected .* bool, got .* float64"):
        replace(good, visible=np.ones((2, 2)))


def test_an_unlabelled_view_of_a_scene_shows_no_truth(scene: Callable[..., StereoScene]) -> None:
    view = scene().camera_tracks(1)
    assert len(view) == len(list(view)) == 1
    assert {type(item) for item in view} == {Track}
    assert view.camera.name == "right"
