"""Counts per scene first, ratios last: pooled metrics of many scenes with intervals that resample scenes.

S scenes, K counts of a method in a scene.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import pool_consistency
from track_persistence.evaluation.outcomes import OFF, Counts
from track_persistence.evaluation.resampling import Row, with_intervals
from track_persistence.evaluation.scene_counts import SceneCounts
from track_persistence.evaluation.track_metrics3d import pool_tracks

SCENES = "scenes"  # a count of 1 in every scene, so that a mean over scenes is a ratio like the others

# metric: (numerators that are added, denominators that are added)
RATIOS = {
    "precision": (("persistent_kept",), ("kept",)),
    "recall": (("persistent_kept",), ("persistent",)),
    "spurious_points": (("spurious",), (SCENES,)),
    "missed_points": (("missed",), (SCENES,)),
}
# metric: the same, with a square root of the quotient; GOSPA's parts therefore add up in squares
ROOTS = {
    "rmse_m": (("squared_error_m2",), ("matched",)),
    "gospa_m": (("gospa_localisation_m2", "gospa_missed_m2", "gospa_false_m2"), ("frames",)),
    "gospa_localisation_m": (("gospa_localisation_m2",), ("frames",)),
    "gospa_missed_m": (("gospa_missed_m2",), ("frames",)),
    "gospa_false_m": (("gospa_false_m2",), ("frames",)),
    "ospa_m": (("ospa_m2",), ("frames",)),
}
# metric: the count whose share has gone, compared with the filter off
REDUCTIONS = {"track_reduction": "kept", "point_reduction": "points"}


def pool(
    scenes: Mapping[str, Sequence[SceneCounts]],
    fusion: str,
    expected_filtered: float | None,
    config: ScenariosConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the metrics of one scenario.

    scenes: per method the counts of its S scenes, in the same order. fusion: the method whose reductions stand at the
    top. expected_filtered: None where nothing is expected. ghost_tracks: 2D tracks of each kind of ghost.
    Per method: every ratio as value, low and high; the share of tracks and 3D points that is gone and
    `gospa_change_m`, both compared with the filter off; the summed counts; and what is under `rejected` (share of the
    2D tracks of each kind of ghost), `distances` (precision and recall of 3D points), `tracks` (`track_metrics`) and
    `paths` (`consistency_metrics`).
    spurious_points and missed_points are means per scene; gospa_* and ospa_m are root mean squares over frames, metres.
    """
    metrics = {method: _pooled(rows, scenes[OFF], config, rng) for method, rows in scenes.items()}
    top = {name: metrics[fusion][name] for name in REDUCTIONS}
    tracks = _ghost_table(scenes[OFF]).sum(axis=0)[0]
    counted = dict(zip(_kinds(scenes[OFF]), map(int, tracks), strict=True))
    return {
        "seeds": len(scenes[OFF]),
        "fusion": fusion,
        "expected_filtered": expected_filtered,
        "ghost_tracks": counted,
        **top,
        **metrics,
    }


def _pooled(
    rows: Sequence[SceneCounts], off: Sequence[SceneCounts], config: ScenariosConfig, rng: np.random.Generator
) -> dict[str, Any]:
    replicates = config.replicates
    points = [row.points for row in rows]
    distances = np.stack([row.distances for row in rows])
    return {
        **_measured(points, [row.points for row in off], rng, replicates),
        "rejected": _rejected(rows, rng, replicates),
        "distances": with_intervals(partial(_at_distances, config.distances_cm), distances, rng, replicates),
        "tracks": pool_tracks([row.tracks for row in rows], rng, replicates),
        "paths": pool_consistency([row.paths for row in rows], rng, replicates),
        "counts": {name: sum(row[name] for row in points) for name in points[0]},
    }


def _kinds(rows: Sequence[SceneCounts]) -> list[str]:
    return sorted({kind for row in rows for kind in row.ghosts})


def _ghost_table(rows: Sequence[SceneCounts]) -> NDArray[np.float64]:
    """Return the 2D tracks of each kind of ghost and the rejected ones among them, (S, 2, kinds)."""
    by_kind = [[row.ghosts.get(kind, (0, 0)) for kind in _kinds(rows)] for row in rows]
    return np.array(by_kind, np.float64).reshape(len(rows), -1, 2).swapaxes(1, 2)


def _rejected(rows: Sequence[SceneCounts], rng: np.random.Generator, replicates: int) -> dict[str, dict[str, float]]:
    kinds = _kinds(rows)

    def shares(row: Row) -> dict[str, float]:
        tracks, rejected = row.reshape(2, -1)
        return {kind: ratio(*pair) for kind, *pair in zip(kinds, rejected, tracks, strict=True)}

    table = _ghost_table(rows).reshape(len(rows), -1)
    return with_intervals(shares, table, rng, replicates) if kinds else {}


def _at_distances(distances_cm: Sequence[int], row: Row) -> dict[str, float]:
    """Return precision and recall of 3D points at each distance from the summed matched, spurious and missed points."""
    metrics = {}
    for distance_cm, (matched, spurious, missed) in zip(distances_cm, row.reshape(3, -1).T, strict=True):
        metrics[f"precision_at_{distance_cm}cm"] = ratio(matched, matched + spurious)
        metrics[f"recall_at_{distance_cm}cm"] = ratio(matched, matched + missed)
    return metrics


def _measured(
    rows: Sequence[Counts], off: Sequence[Counts], rng: np.random.Generator, replicates: int
) -> dict[str, dict[str, float]]:
    names = sorted(rows[0])
    tables = [np.array([[row[name] for name in names] for row in each], np.float64) for each in (rows, off)]

    def statistics(mine: NDArray[np.float64], others: NDArray[np.float64]) -> list[float]:
        return list(_metrics(_summed(names, mine), _summed(names, others)).values())

    values = _metrics(*(_summed(names, table) for table in tables))
    intervals = bootstrap_intervals(statistics, tables, np.arange(len(rows)), rng, replicates)
    return {
        name: {"value": value, "low": low, "high": high}
        for (name, value), (low, high) in zip(values.items(), intervals.tolist(), strict=True)
    }


def _summed(names: Sequence[str], table: NDArray[np.float64]) -> Counts:
    return {**dict(zip(names, table.sum(axis=0).tolist(), strict=True)), SCENES: len(table)}


def _metrics(mine: Counts, off: Counts) -> dict[str, float]:
    """Return every metric from summed counts; NaN where its denominator is 0."""
    roots = _roots(mine)
    return {
        **{name: _quotient(mine, *parts) for name, parts in RATIOS.items()},
        **roots,
        **{name: 1 - ratio(mine[count], off[count]) for name, count in REDUCTIONS.items()},
        "gospa_change_m": roots["gospa_m"] - _roots(off)["gospa_m"],
    }


def _roots(counts: Counts) -> dict[str, float]:
    return {name: math.sqrt(_quotient(counts, *parts)) for name, parts in ROOTS.items()}


def _quotient(counts: Counts, above: Sequence[str], below: Sequence[str]) -> float:
    return ratio(sum(counts[name] for name in above), sum(counts[name] for name in below))


def ratio(above: float, below: float) -> float:
    """Return above / below, NaN when below is 0."""
    return above / below if below else math.nan
