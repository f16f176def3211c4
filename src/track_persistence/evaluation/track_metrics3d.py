"""How good whole 3D tracks are: CLEAR, IDF1 and HOTA, counted by TrackEval on distances in metres.

CLEAR: Bernardin and Stiefelhagen 2008. IDF1: Ristani et al. 2016. HOTA: Luiten et al., IJCV 2021. The similarity of two
points is max(0, 1 - distance / zero_distance_m), as in TrackEval's own 3D benchmarks. A truth point that not every
needed camera sees takes no part, and an estimate that only such a truth explains is taken out first
(`metrics3d.counted_points`), so it is neither right nor wrong. As in TrackEval, an object that is out of sight for a
while and tracked again starts a new fragment.

A thresholds alpha of HOTA, n true and m estimated points of a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trackeval.metrics import CLEAR, HOTA, Identity

from track_persistence.core.errors import DataError
from track_persistence.evaluation.metrics3d import assign_within, counted_points
from track_persistence.evaluation.paths3d import EstimatedPath, Moment, TruePath, moments
from track_persistence.evaluation.resampling import Row, with_intervals

HOTA_PARTS = ("HOTA_TP", "HOTA_FN", "HOTA_FP")


@dataclass(frozen=True, eq=False)
class TrackCounts:
    """What the 3D tracks of one scene, or the sum of several, add up to; all floats, counts unless a unit is named.

    matched, missed, spurious: points after CLEAR's matching within the gate. distance_m: summed over the matched.
    id_switches, fragmentations; objects: true paths with a seen point, of which mostly_tracked in more than 80 % and
    mostly_lost in less than 20 % of their points. id_*: points under the one best pairing of whole paths (IDF1).
    hota: (4, A) true positives, misses, false positives, and the association score summed over the true positives.
    """

    scenes: float
    matched: float
    missed: float
    spurious: float
    distance_m: float
    id_switches: float
    fragmentations: float
    objects: float
    mostly_tracked: float
    mostly_lost: float
    id_matched: float
    id_missed: float
    id_spurious: float
    hota: NDArray[np.float64]

    @property
    def row(self) -> Row:
        """All numbers behind each other; rows of scenes add up."""
        return np.concatenate([np.ravel(getattr(self, field.name)) for field in fields(self)])

    @classmethod
    def from_row(cls, row: Row) -> "TrackCounts":
        """Return the counts whose `row` this is."""
        names = [field.name for field in fields(cls) if field.name != "hota"]
        scalars: dict[str, Any] = dict(zip(names, row.tolist(), strict=False))
        return cls(**scalars, hota=row[len(names) :].reshape(len(HOTA_PARTS) + 1, -1))


def count_tracks(
    truth: Sequence[TruePath], estimates: Sequence[EstimatedPath], gate_m: float, zero_distance_m: float
) -> TrackCounts:
    """Count the 3D tracks of one scene against its true paths.

    gate_m: CLEAR and IDF1 accept a match up to this distance. zero_distance_m: distance at which the similarity for
    HOTA reaches 0; above `gate_m`.
    """
    if not 0 < gate_m < zero_distance_m:
        raise DataError(
            f"gate_m {gate_m}, zero_distance_m {zero_distance_m}; expected 0 < gate_m < zero_distance_m, "
            "since from the latter on all points are equally unlike and none could be told from a match"
        )
    data = _sequence([_scored(moment, gate_m, zero_distance_m) for moment in moments(truth, estimates)])
    settings = {"THRESHOLD": 1 - gate_m / zero_distance_m, "PRINT_CONFIG": False}
    clear = CLEAR(dict(settings)).eval_sequence(data)
    identity = Identity(dict(settings)).eval_sequence(data)
    hota = HOTA().eval_sequence(data)
    association = hota["AssA"] * hota["HOTA_TP"]
    return TrackCounts(
        scenes=1.0,
        matched=float(clear["CLR_TP"]),
        missed=float(clear["CLR_FN"]),
        spurious=float(clear["CLR_FP"]),
        distance_m=float(zero_distance_m * (clear["CLR_TP"] - clear["MOTP_sum"])),
        id_switches=float(clear["IDSW"]),
        fragmentations=float(clear["Frag"]),
        objects=float(data["num_gt_ids"]),
        mostly_tracked=float(clear["MT"]),
        mostly_lost=float(clear["ML"]),
        id_matched=float(identity["IDTP"]),
        id_missed=float(identity["IDFN"]),
        id_spurious=float(identity["IDFP"]),
        hota=np.stack([*[hota[part] for part in HOTA_PARTS], association]),
    )


def track_metrics(counts: TrackCounts) -> dict[str, float]:
    """Return the metrics of summed counts; NaN where a denominator is 0.

    mota, idf1, hota, deta, assa: shares, of which MOTA can fall below 0; hota, deta and assa are means over alpha.
    motp_m: mean distance of the matched points in metres. mostly_tracked, mostly_lost: shares of the objects.
    id_switches, fragmentations: means per scene.
    """
    true_positives, misses, false_positives, association = counts.hota
    detection = _shares(true_positives, true_positives + misses + false_positives)
    association = association / np.maximum(1, true_positives)  # without a match nothing is associated: 0, not undefined
    association[np.isnan(detection)] = np.nan
    truth = counts.matched + counts.missed
    wrong = counts.missed + counts.spurious + counts.id_switches
    id_points = counts.id_matched + (counts.id_missed + counts.id_spurious) / 2
    above_below = {
        "mota": (truth - wrong, truth),
        "motp_m": (counts.distance_m, counts.matched),
        "idf1": (counts.id_matched, id_points),
        "mostly_tracked": (counts.mostly_tracked, counts.objects),
        "mostly_lost": (counts.mostly_lost, counts.objects),
        "id_switches": (counts.id_switches, counts.scenes),
        "fragmentations": (counts.fragmentations, counts.scenes),
    }
    return {
        "hota": float(np.sqrt(detection * association).mean()),
        "deta": float(detection.mean()),
        "assa": float(association.mean()),
        **{name: float(_shares(*map(np.float64, parts))) for name, parts in above_below.items()},
    }


def pool_tracks(
    scenes: Sequence[TrackCounts], rng: np.random.Generator, replicates: int
) -> dict[str, dict[str, float]]:
    """Return `track_metrics` of the summed scenes, each as value, low and high of its 95 % interval over scenes."""
    table = np.stack([scene.row for scene in scenes])
    return with_intervals(lambda row: track_metrics(TrackCounts.from_row(row)), table, rng, replicates)


def _shares(above: Any, below: Any) -> NDArray[np.float64]:
    below = np.asarray(below, np.float64)
    shares: NDArray[np.float64] = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return shares


def _scored(moment: Moment, gate_m: float, zero_distance_m: float) -> tuple[Any, Any, NDArray[np.float64]]:
    """Return the objects (n,), the tracks (m,) without the ignored, and their similarities (n, m)."""
    points = moment.points
    pairs, _ = assign_within(points.truth_m, points.estimate_m, gate_m)
    counted = counted_points(points, pairs, gate_m)
    distances_m = np.linalg.norm(points.truth_m[:, None] - points.estimate_m[counted][None, :], axis=2)
    return moment.objects, moment.tracks[counted], np.maximum(0, 1 - distances_m / zero_distance_m)


def _sequence(scored: Sequence[tuple[Any, Any, NDArray[np.float64]]]) -> dict[str, Any]:
    """Return the frames as TrackEval reads them, with ids counted from 0 without gaps."""
    objects, object_names = _renumbered([row[0] for row in scored])
    tracks, track_names = _renumbered([row[1] for row in scored])
    return {
        "num_timesteps": len(scored),
        "num_gt_ids": object_names,
        "num_tracker_ids": track_names,
        "num_gt_dets": sum(map(len, objects)),
        "num_tracker_dets": sum(map(len, tracks)),
        "gt_ids": objects,
        "tracker_ids": tracks,
        "similarity_scores": [row[2] for row in scored],
    }


def _renumbered(ids: Sequence[Any]) -> tuple[list[Any], int]:
    used, numbers = np.unique(np.concatenate([np.empty(0, np.int64), *ids]), return_inverse=True)
    return np.split(numbers, np.cumsum([len(one) for one in ids])[:-1]) if ids else [], len(used)
