"""How good 3D points are, frame by frame: matches within gates, RMSE, and GOSPA with its parts.

GOSPA follows Rahmathullah, Garcia-Fernandez and Svensson, "Generalized optimal sub-pattern assignment metric",
FUSION 2017, with alpha = 2, the one choice in which it splits into localisation, missed and false parts.
n true points of a frame, m estimated points of a frame.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from track_persistence.core.errors import DataError

Points = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Gospa:
    """GOSPA of one frame, each part as its contribution to gospa ** order, so that the parts sum to the whole.

    All in metres to the power `order`; `distance_m` is the metric itself in metres.
    """

    localisation: float
    missed: float
    false: float
    order: int

    @property
    def distance_m(self) -> float:
        """The metric in metres: the sum of the parts to the power 1 / order."""
        return float((self.localisation + self.missed + self.false) ** (1 / self.order))


@dataclass(frozen=True)
class PointCounts:
    """What the 3D points of one scene add up to; counts first, ratios are taken over many scenes.

    points: estimated points, = matched + spurious + ignored. ignored: those on a true object that not both cameras
    see, neither right nor wrong. truth: true points both cameras see, = matched + missed.
    squared_error_m2: summed over the matched points. frames: frames scored. gospa_*_m2: summed over the frames.
    """

    points: int
    ignored: int
    truth: int
    matched: int
    spurious: int
    missed: int
    squared_error_m2: float
    frames: int
    gospa_localisation_m2: float
    gospa_missed_m2: float
    gospa_false_m2: float


@dataclass(frozen=True, eq=False)
class Frame:
    """The true and the estimated points of one frame.

    truth_m: (n, 3) seen by both cameras. unseen_m: (u, 3) true points that not both cameras see.
    estimate_m: (m, 3). World coordinates in metres.
    """

    truth_m: Points
    unseen_m: Points
    estimate_m: Points

    def __post_init__(self) -> None:
        """Check the shapes."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value.ndim != 2 or value.shape[1] != 3 or not np.isfinite(value).all():
                raise DataError(f"{field.name}: expected finite (n, 3) metres, got shape {value.shape}")


GOSPA_ORDER = 2  # squares, so that the parts are mean squares and the localisation part is an RMSE


def gospa(truth_m: Points, estimate_m: Points, cutoff_m: float, order: int = GOSPA_ORDER) -> Gospa:
    """Return GOSPA between the sets truth_m (n, 3) and estimate_m (m, 3) with alpha = 2.

    A pair costs its distance ** order, a point left alone cutoff_m ** order / 2; a pair at `cutoff_m` or further
    costs as much as leaving both alone and counts as that. `order` is the metric's own exponent p >= 1.
    """
    alone = cutoff_m**order / 2
    pairs, distances_m = assign_within(truth_m, estimate_m, cutoff_m, order)
    return Gospa(
        localisation=float((distances_m**order).sum()),
        missed=alone * (len(truth_m) - len(pairs)),
        false=alone * (len(estimate_m) - len(pairs)),
        order=order,
    )


def assign_within(
    truth_m: Points, estimate_m: Points, gate_m: float, order: int = GOSPA_ORDER
) -> tuple[Indices, NDArray[np.float64]]:
    """Pair points one to one so that the sum of min(distance, gate_m) ** order is least.

    truth_m (n, 3), estimate_m (m, 3). Returns the pairs closer than `gate_m`: (k, 2) rows of truth and of estimate,
    and their distances (k,) in metres.
    """
    if len(truth_m) == 0 or len(estimate_m) == 0:
        return np.empty((0, 2), np.int64), np.empty(0)
    distances_m = np.linalg.norm(truth_m[:, None] - estimate_m[None, :], axis=2)  # (n, m)
    rows, columns = linear_sum_assignment(np.minimum(distances_m, gate_m) ** order)
    close = distances_m[rows, columns] < gate_m
    pairs = np.stack([rows[close], columns[close]], axis=1)
    return pairs, distances_m[rows[close], columns[close]]


def count_points(frames: Iterable[Frame], gate_m: float, cutoff_m: float) -> PointCounts:
    """Add up the 3D counts of the frames of one scene.

    In each frame the points are paired with the truth both cameras see; what is left over and lies within `gate_m`
    of a true object that not both cameras see is ignored, and the rest is spurious. GOSPA (cut-off `cutoff_m`) sees
    the same points without the ignored ones.
    """
    scored = [_count_frame(frame, gate_m, cutoff_m) for frame in frames]
    names = [field.name for field in fields(PointCounts)]
    if not scored:
        return PointCounts(**dict.fromkeys(names, 0))
    return PointCounts(**{name: sum(getattr(one, name) for one in scored) for name in names})


@dataclass(frozen=True, eq=False)
class Hits:
    """What became of matching at one distance, each (D,) for the D distances: counts of points, summed over frames."""

    distances_m: NDArray[np.float64]
    matched: Indices
    spurious: Indices
    missed: Indices


def count_at_distances(frames: Iterable[Frame], distances_m: Sequence[float]) -> Hits:
    """Count the matches of one scene's frames at each of the distances, with the rules of `count_points`.

    Precision at a distance is matched / (matched + spurious) and recall matched / (matched + missed), after summing
    over scenes.
    """
    counts = np.zeros((len(distances_m), 3), np.int64)
    for frame in frames:
        for row, gate_m in enumerate(distances_m):
            pairs, _ = assign_within(frame.truth_m, frame.estimate_m, gate_m)
            spurious = len(counted_points(frame, pairs, gate_m)) - len(pairs)
            counts[row] += len(pairs), spurious, len(frame.truth_m) - len(pairs)
    return Hits(np.asarray(distances_m, np.float64), *counts.T)


def counted_points(frame: Frame, pairs: Indices, gate_m: float) -> Indices:
    """Return the estimates (k,), by index and in order, that are right or wrong; the others are ignored.

    Ignored are those that `pairs` (l, 2), the matches with seen truth, leave over and that lie within `gate_m` of a
    true object that not both cameras see, one for each such object.
    """
    left, counted = np.ones((2, len(frame.estimate_m)), np.bool_)
    left[pairs[:, 1]] = False
    alone = np.flatnonzero(left)
    on_unseen, _ = assign_within(frame.unseen_m, frame.estimate_m[alone], gate_m)
    counted[alone[on_unseen[:, 1]]] = False
    return np.flatnonzero(counted)


def _count_frame(frame: Frame, gate_m: float, cutoff_m: float) -> PointCounts:
    pairs, distances_m = assign_within(frame.truth_m, frame.estimate_m, gate_m)
    counted = counted_points(frame, pairs, gate_m)
    parts = gospa(frame.truth_m, frame.estimate_m[counted], cutoff_m)
    return PointCounts(
        points=len(frame.estimate_m),
        ignored=len(frame.estimate_m) - len(counted),
        truth=len(frame.truth_m),
        matched=len(pairs),
        spurious=len(counted) - len(pairs),
        missed=len(frame.truth_m) - len(pairs),
        squared_error_m2=float((distances_m**2).sum()),
        frames=1,
        gospa_localisation_m2=parts.localisation,
        gospa_missed_m2=parts.missed,
        gospa_false_m2=parts.false,
    )
