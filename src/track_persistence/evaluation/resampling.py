"""Metrics of many scenes from rows of counts: sums first, ratios last, with intervals that resample scenes.

S scenes, K counts of a scene.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.intervals import bootstrap_intervals

Row = NDArray[np.float64]


def with_intervals(
    ratios: Callable[[Row], Mapping[str, float]], scenes: NDArray[np.float64], rng: np.random.Generator, replicates: int
) -> dict[str, dict[str, float]]:
    """Return every metric as its value and the ends of its 95 % bootstrap interval, `low` and `high`.

    ratios: the metrics (NaN where undefined) from the summed counts (K,). scenes: (S, K). The ends are NaN for a single
    scene, which says nothing about the spread between scenes.
    """
    values = ratios(scenes.sum(axis=0))
    ends = bootstrap_intervals(
        lambda drawn: list(ratios(drawn.sum(axis=0)).values()), [scenes], np.arange(len(scenes)), rng, replicates
    )
    return {
        name: {"value": value, "low": low, "high": high}
        for (name, value), (low, high) in zip(values.items(), ends.tolist(), strict=True)
    }
