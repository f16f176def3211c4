"""Counts per scene first, ratios last: pooled metrics of many scenes with intervals that resample scenes.

S scenes, K counts of a method in a scene.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.evaluation.outcomes import OFF, ON, Counts

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
}
# metric: the count whose share has gone, compared with the filter off
REDUCTIONS = {"track_reduction": "kept", "point_reduction": "points"}


def pool(
    scenes: Mapping[str, Sequence[Counts]], expected_filtered: float, rng: np.random.Generator, replicates: int
) -> dict[str, Any]:
    """Return the metrics of one scenario.

    scenes: per method the counts of its S scenes, in the same order. Per method: every ratio as value, low and high,
    the share of tracks and 3D points that is gone compared with the filter off, and the summed counts.
    spurious_points and missed_points are means per scene; gospa_* are root mean squares over frames, in metres.
    """
    metrics = {
        method: {
            **_measured(rows, scenes[OFF], rng, replicates),
            "counts": {name: sum(row[name] for row in rows) for name in rows[0]},
        }
        for method, rows in scenes.items()
    }
    top = {name: metrics[ON][name] for name in REDUCTIONS}
    return {"seeds": len(scenes[OFF]), "expected_filtered": expected_filtered, **top, **metrics}


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

    def quotient(above: Sequence[str], below: Sequence[str]) -> float:
        return ratio(sum(mine[name] for name in above), sum(mine[name] for name in below))

    return {
        **{name: quotient(*parts) for name, parts in RATIOS.items()},
        **{name: math.sqrt(quotient(*parts)) for name, parts in ROOTS.items()},
        **{name: 1 - ratio(mine[count], off[count]) for name, count in REDUCTIONS.items()},
    }


def ratio(above: float, below: float) -> float:
    """Return above / below, NaN when below is 0."""
    return above / below if below else math.nan
