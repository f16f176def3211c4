"""95 % bootstrap intervals that resample whole groups, since the tracks of a scene are not independent.

N tracks, R replicates, M statistics.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return np.nan, np.nan
    low, high = np.percentile(defined, [LOWER_PERCENT, UPPER_PERCENT])
    return float(low), float(high)
