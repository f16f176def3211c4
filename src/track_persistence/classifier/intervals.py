"""95 % bootstrap intervals that resample whole groups, since the tracks of a scene are not independent.

N tracks, R replicates, M statistics, G groups. `Resamples` does for the statistics of this package at once, by counting
how often each track was drawn, what `bootstrap_intervals` does for any statistic by drawing anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import CALIBRATION_BINS, area_under_roc, calibration_bins

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOWER_PERCENT, UPPER_PERCENT = 2.5, 97.5


def bootstrap_interval(
    statistic: Callable[..., float],
    arrays: Sequence[NDArray[Any]],
    groups: NDArray[Any],
    rng: np.random.Generator,
    replicates: int,
) -> tuple[float, float]:
    """Return the 95 % percentile interval (low, high) of one statistic; see `bootstrap_intervals`."""
    low, high = bootstrap_intervals(lambda *drawn: [statistic(*drawn)], arrays, groups, rng, replicates)[0]
    return float(low), float(high)


def bootstrap_intervals(
    statistics: Callable[..., Sequence[float]],
    arrays: Sequence[NDArray[Any]],
    groups: NDArray[Any],
    rng: np.random.Generator,
    replicates: int,
) -> NDArray[np.float64]:
    """Return the 95 % percentile intervals (M, 2) of the M statistics of `arrays`.

    arrays: each of N rows, passed resampled to `statistics`. groups: (N,), rows of one value are drawn together.
    A replicate in which a statistic is undefined (NaN) does not count for it; an interval is NaN when no replicate
    counts or when there are fewer than two groups, which say nothing about the spread between groups.
    """
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    count = len(statistics(*arrays))
    if len(members) < 2:
        return np.full((count, 2), np.nan)
    values = np.empty((replicates, count))
    for replicate in range(replicates):
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[group] for group in drawn])
        values[replicate] = statistics(*(array[rows] for array in arrays))
    return np.array([_percentiles(column) for column in values.T])


@dataclass(frozen=True)
class Resamples:
    """How often each of N tracks is in each of R bootstrap samples of whole groups: `counts` (R, N) float64.

    Every method returns `{"value", "low", "high"}`: the statistic on the tracks themselves and its 95 % percentile
    interval; NaN where undefined, and without an interval when there are fewer than two groups.
    """

    counts: Floats

    @classmethod
    def of(cls, groups: NDArray[Any], rng: np.random.Generator, replicates: int) -> "Resamples":
        """Draw groups with replacement; groups: (N,), rows of one value are drawn together."""
        _, member = np.unique(groups, return_inverse=True)
        number = int(member.max()) + 1 if len(member) else 0
        if number < 2:
            return cls(np.empty((0, len(member))))
        drawn = rng.integers(number, size=(replicates, number))
        offsets = np.arange(replicates)[:, None] * number
        multiplicity = np.bincount((drawn + offsets).ravel(), minlength=replicates * number).reshape(replicates, number)
        return cls(multiplicity[:, member].astype(np.float64))

    def of_rows(self, rows: NDArray[Any]) -> "Resamples":
        """Return the same samples of a part of the tracks."""
        return Resamples(self.counts[:, rows])

    def auc(self, scores: Floats, labels: Bools) -> dict[str, float]:
        """Return the area under the ROC curve of scores (N,) and labels (N,)."""
        if labels.all() or not labels.any():
            return _summary(float("nan"), np.empty(0))
        order = np.argsort(scores, kind="stable")
        starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
        drawn = self.counts[:, order]
        positive = np.add.reduceat(drawn * labels[order], starts, axis=1)  # (R, distinct scores)
        negative = np.add.reduceat(drawn * ~labels[order], starts, axis=1)
        wins = (positive * (np.cumsum(negative, axis=1) - negative / 2)).sum(axis=1)
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return _summary(area_under_roc(scores, labels), _divided(wins, pairs))

    def share(self, hits: Bools, among: Bools) -> dict[str, float]:
        """Return the share of the tracks `among` (N,) that are `hits` (N,)."""
        return self.mean(hits.astype(np.float64), among)

    def mean(self, values: Floats, among: Bools) -> dict[str, float]:
        """Return the mean of `values` (N,) over the tracks `among` (N,)."""
        value = float(values[among].mean()) if among.any() else float("nan")
        return _summary(value, _divided(self.counts @ (values * among), self.counts @ among.astype(np.float64)))

    def ratio(self, numerators: NDArray[Any], denominators: NDArray[Any]) -> dict[str, float]:
        """Return the ratio of the means of two positive quantities (N,) of the same tracks."""
        above, below = numerators.astype(np.float64), denominators.astype(np.float64)
        return _summary(float(above.mean() / below.mean()), _divided(self.counts @ above, self.counts @ below))

    def calibration_error(self, probabilities: Floats, labels: Bools) -> dict[str, float]:
        """Return the expected calibration error (Naeini et al. 2015) over equal-width bins."""
        member = np.eye(CALIBRATION_BINS)[calibration_bins(probabilities)]  # (N, bins)
        distances = member * (probabilities - labels)[:, None]
        value = float(np.abs(distances.sum(axis=0)).sum() / len(labels)) if len(labels) else float("nan")
        return _summary(value, _divided(np.abs(self.counts @ distances).sum(axis=1), self.counts.sum(axis=1)))


def _divided(numerators: Floats, denominators: Floats) -> Floats:
    return np.divide(numerators, denominators, out=np.full_like(numerators, np.nan), where=denominators > 0)


def _summary(value: float, replicates: Floats) -> dict[str, float]:
    low, high = _percentiles(replicates)
    return {"value": value, "low": low, "high": high}


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return np.nan, np.nan
    low, high = np.percentile(defined, [LOWER_PERCENT, UPPER_PERCENT])
    return float(low), float(high)
