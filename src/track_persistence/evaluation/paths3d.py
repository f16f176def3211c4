"""True and estimated 3D paths of one scene, and who stands where in each frame.

T frames of a path, n seen true points, u unseen ones and m estimated points of a frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.evaluation.metrics3d import Frame, Indices, Points

Frames = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class TruePath:
    """The path of one real object.

    frames: (T,) integers, strictly increasing. positions_m: (T, 3) finite world coordinates. seen: (T,) bool, whether
    every camera that is needed for a 3D point sees it. Raises `DataError` on anything else.
    """

    object_id: int
    frames: Frames
    positions_m: Points
    seen: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check the arrays."""
        name = f"true path of object {self.object_id}"
        _check_path(name, self.frames, self.positions_m)
        if self.seen.shape != self.frames.shape or self.seen.dtype != np.bool_:
            raise DataError(f"{name}: seen: expected bool {self.frames.shape}, got {self.seen.dtype} {self.seen.shape}")


@dataclass(frozen=True, eq=False)
class EstimatedPath:
    """The path of one 3D track: the frames in which it has a position, and no others.

    frames: (T,) integers, strictly increasing. positions_m: (T, 3) finite world coordinates. covariances_m2: (T, 3, 3)
    positive definite, or None of a tracker that gives none. Raises `DataError` on anything else.
    """

    track_id: int
    frames: Frames
    positions_m: Points
    covariances_m2: NDArray[np.float64] | None

    def __post_init__(self) -> None:
        """Check the arrays."""
        name = f"3D track {self.track_id}"
        _check_path(name, self.frames, self.positions_m)
        if self.covariances_m2 is None:
            return
        if self.covariances_m2.shape != (len(self.frames), 3, 3):
            raise DataError(
                f"{name}: covariances_m2: expected ({len(self.frames)}, 3, 3), got {self.covariances_m2.shape}"
            )
        bad = ~np.asarray(np.isfinite(self.covariances_m2).all(axis=(1, 2)))
        bad[~bad] = np.linalg.eigvalsh(self.covariances_m2[~bad])[:, 0] <= 0
        if bad.any():
            raise DataError(
                f"{name}: frame {self.frames[bad][0]}: covariance {self.covariances_m2[bad][0].tolist()}; "
                "expected a positive definite matrix: leave frames without a point out"
            )


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame with the names of its points.

    objects: (n,) index of the true path of each row of points.truth_m. tracks: (m,) index of the estimated path of each
    row of points.estimate_m.
    """

    points: Frame
    objects: Indices
    tracks: Indices


def moments(truth: Sequence[TruePath], estimates: Sequence[EstimatedPath]) -> Iterator[Moment]:
    """Yield every frame in which an object or a 3D track is there, in order."""
    true_frames, true_m, objects = _joined(truth)
    seen = np.concatenate([np.empty(0, np.bool_), *[path.seen for path in truth]])
    point_frames, points_m, tracks = _joined(estimates)
    for frame in np.unique(np.concatenate([true_frames, point_frames])):
        there, found = true_frames == frame, point_frames == frame
        points = Frame(true_m[there & seen], true_m[there & ~seen], points_m[found])
        yield Moment(points, objects[there & seen], tracks[found])


def _joined(paths: Sequence[TruePath] | Sequence[EstimatedPath]) -> tuple[Indices, Points, Indices]:
    """Return the frames, the positions and the index of the path, of all points of all paths."""
    return (
        np.concatenate([np.empty(0, np.int64), *[path.frames for path in paths]]),
        np.concatenate([np.empty((0, 3)), *[path.positions_m for path in paths]]),
        np.repeat(np.arange(len(paths)), [len(path.frames) for path in paths]),
    )


def _check_path(name: str, frames: Any, positions_m: Any) -> None:
    if frames.ndim != 1 or not np.issubdtype(frames.dtype, np.integer):
        raise DataError(f"{name}: frames: expected integers (T,), got {frames.dtype} {frames.shape}")
    steps = np.diff(frames)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        raise DataError(f"{name}: frame {frames[at]} follows {frames[at - 1]}; frames must strictly increase")
    if positions_m.shape != (len(frames), 3) or not np.isfinite(positions_m).all():
        raise DataError(f"{name}: positions_m: expected finite ({len(frames)}, 3) metres, got {positions_m.shape}")
