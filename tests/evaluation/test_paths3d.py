from typing import Any

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.evaluation.paths3d import EstimatedPath, TruePath, moments

NO_COVARIANCE = None


def along(x_m: float, count: int) -> np.ndarray:
    return np.column_stack([np.full(count, x_m), np.zeros((count, 2))])


def true(object_id: int, frames: list[int], x_m: float, seen: list[bool] | None = None) -> TruePath:
    flags = np.ones(len(frames), bool) if seen is None else np.array(seen)
    return TruePath(object_id, np.array(frames), along(x_m, len(frames)), flags)


def estimate(track_id: int, frames: list[int], x_m: float) -> EstimatedPath:
    return EstimatedPath(track_id, np.array(frames), along(x_m, len(frames)), NO_COVARIANCE)


def test_every_frame_holds_who_is_there() -> None:
    truth = [true(7, [1, 2], 0.0, [True, False]), true(8, [2], 5.0)]
    found = list(moments(truth, [estimate(3, [2, 4], 0.5)]))
    assert [len(moment.points.truth_m) for moment in found] == [1, 1, 0]  # frames 1, 2, 4
    assert [moment.objects.tolist() for moment in found] == [[0], [1], []]
    assert [moment.tracks.tolist() for moment in found] == [[], [0], [0]]
    assert found[1].points.unseen_m.tolist() == [[0, 0, 0]]
    assert found[1].points.estimate_m.tolist() == [[0.5, 0, 0]]


def test_without_paths_there_are_no_frames() -> None:
    assert list(moments([], [])) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.array([1.0, 2.0])}, "3D track 4: frames: expected integers"),
        ({"frames": np.array([2, 2])}, "3D track 4: frame 2 follows 2"),
        ({"positions_m": np.zeros((3, 3))}, r"3D track 4: positions_m: expected finite \(2, 3\)"),
        ({"positions_m": np.full((2, 3), np.nan)}, "3D track 4: positions_m"),
        ({"covariances_m2": np.zeros((2, 3))}, r"3D track 4: covariances_m2: expected \(2, 3, 3\)"),
        (
            {"covariances_m2": np.stack([np.eye(3), np.diag([1.0, 1, -1])])},
            "3D track 4: frame 6: covariance .* positive definite",
        ),
        ({"covariances_m2": np.full((2, 3, 3), np.nan)}, "3D track 4: frame 5: covariance .* positive definite"),
    ],
)
def test_an_estimate_that_is_no_path_is_refused(change: dict[str, Any], message: str) -> None:
    good = {"track_id": 4, "frames": np.array([5, 6]), "positions_m": np.zeros((2, 3)), "covariances_m2": None}
    EstimatedPath(**good)
    with pytest.raises(DataError, match=message):
        EstimatedPath(**(good | change))


def test_a_true_path_says_of_every_frame_whether_it_was_seen() -> None:
    with pytest.raises(DataError, match=r"true path of object 7: seen: expected bool \(2,\), got bool \(1,\)"):
        true(7, [1, 2], 0.0, [True])
    with pytest.raises(DataError, match="seen: expected bool"):
        TruePath(7, np.array([1]), np.zeros((1, 3)), np.ones(1))
