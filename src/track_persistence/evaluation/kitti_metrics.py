"""Counts of whole sequences to pooled 3D metrics with intervals that resample the sequences.

S sequences, K counts of a sequence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from track_persistence.evaluation.outcomes import OFF, Counts
from track_persistence.evaluation.pooling import ratio
from track_persistence.evaluation.resampling import Row, with_intervals

# metric: (numerators that are added, denominators that are added); those in ROOTS are roots of the quotient
RATIOS = {
    "precision": (("matched",), ("matched", "spurious")),
    "recall": (("matched",), ("truth",)),
    "spurious_per_frame": (("spurious",), ("frames",)),
    "missed_per_frame": (("missed",), ("frames",)),
    "gospa_m": (("gospa_localisation_m2", "gospa_missed_m2", "gospa_false_m2"), ("frames",)),
    "gospa_localisation_m": (("gospa_localisation_m2",), ("frames",)),
    "gospa_missed_m": (("gospa_missed_m2",), ("frames",)),
    "gospa_false_m": (("gospa_false_m2",), ("frames",)),
    "rmse_m": (("squared_error_m2",), ("matched",)),
}
ROOTS = {"gospa_m", "gospa_localisation_m", "gospa_missed_m", "gospa_false_m", "rmse_m"}
CHANGE = "gospa_change_m"  # the method's gospa_m less that without a filter, on the same sequences

BySequence = Mapping[str, Counts]
"""Counts of a method on every sequence, always in the same order."""


def choose(candidates: Mapping[float, BySequence]) -> tuple[dict[str, Counts], dict[str, float]]:
    """Take for each sequence the candidate with the least GOSPA on all other sequences, the smaller one of equals.

    Returns the counts of all sequences in their order, and the candidate of each sequence.
    """
    chosen = {}
    for sequence in next(iter(candidates.values())):
        others = {
            value: metrics_of(_summed(counts for name, counts in found.items() if name != sequence))["gospa_m"]
            for value, found in candidates.items()
        }
        chosen[sequence] = min(others, key=lambda value: (others[value], value))
    return {sequence: candidates[value][sequence] for sequence, value in chosen.items()}, chosen


def pool_sequences(
    methods: Mapping[str, BySequence], rng: np.random.Generator, replicates: int
) -> dict[str, dict[str, Any]]:
    """Return the metrics of every method as value, low and high, its summed counts, and GOSPA by sequence.

    methods: counts on the same sequences in the same order; one method is `outcomes.OFF`. Lengths are in metres; GOSPA
    is a root mean square over frames.
    """
    return {name: _measured(found, methods[OFF], rng, replicates) for name, found in methods.items()}


def metrics_of(counts: Counts) -> dict[str, float]:
    """Return the metrics of summed counts, NaN where a denominator is 0."""
    found = {
        name: ratio(sum(counts[part] for part in above), sum(counts[part] for part in below))
        for name, (above, below) in RATIOS.items()
    }
    return {name: math.sqrt(value) if name in ROOTS else value for name, value in found.items()}


def _measured(found: BySequence, off: BySequence, rng: np.random.Generator, replicates: int) -> dict[str, Any]:
    assert list(found) == list(off)
    names = sorted(next(iter(found.values())))
    table = np.array([[each[name] for each in pair for name in names] for pair in _pairs(found, off)], np.float64)

    def ratios(row: Row) -> dict[str, float]:
        mine, others = (metrics_of(dict(zip(names, half.tolist(), strict=True))) for half in np.split(row, 2))
        return {**mine, CHANGE: mine["gospa_m"] - others["gospa_m"]}

    measured = with_intervals(ratios, table, rng, replicates)
    for name, (_, below) in RATIOS.items():
        # Sequences without a denominator change nothing: one alone says nothing about the spread between them.
        if sum(any(counts[part] for part in below) for counts in found.values()) < 2:
            measured[name] |= {"low": math.nan, "high": math.nan}
    return {
        **measured,
        "counts": _summed(found.values()),
        "gospa_m_by_sequence": {name: metrics_of(counts)["gospa_m"] for name, counts in found.items()},
    }


def _pairs(found: BySequence, off: BySequence) -> Sequence[tuple[Counts, Counts]]:
    return [(counts, off[name]) for name, counts in found.items()]


def _summed(rows: Iterable[Counts]) -> Counts:
    listed = list(rows)
    return {name: sum(row[name] for row in listed) for name in listed[0]}
