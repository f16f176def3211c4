"""What the attention over a track's frames looks like, beside what weights without meaning would look like.

A raw maximum falls as 1/T for any weights, so every measure is relative to T, and each has its exact control: weights
drawn evenly from all those that sum to one (Dirichlet(1, ..., 1)). For T frames their expected greatest lift is the
harmonic number H_T, their expected entropy H_T - 1 nats, and the place of their maximum is uniform.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.explain.facts import measured

FloatVector = NDArray[np.float64]
Interval = Callable[[FloatVector, NDArray[np.int64]], tuple[float, float] | None]
SHORTEST = 2
UNIFORM_CONTROL = {"max_lift": 1.0, "entropy_ratio": 1.0}
RANDOM_PEAK_POSITION = 0.5


@dataclass(frozen=True)
class AttentionMeasures:
    """Shape of one track's attention a, (T,), T >= 2.

    max_lift: greatest T * a, 1 when even. entropy_ratio: entropy of a over ln T, 1 when even, 0 on a single frame.
    peak_position: place of the greatest weight, 0 first frame, 1 last frame; the mean place when several are equal.
    random_lift, random_entropy_ratio: what weights without meaning would have at this length.
    """

    max_lift: float
    entropy_ratio: float
    peak_position: float
    random_lift: float
    random_entropy_ratio: float


def measure(attention: FloatVector) -> AttentionMeasures | None:
    """Return the measures of `attention`, (T,) summing to 1; None for a single frame, where nothing can vary."""
    frames = len(attention)
    if frames < SHORTEST:
        return None
    positive = attention[attention > 0]
    entropy = float(-(positive * np.log(positive)).sum())
    harmonic = float((1 / np.arange(1, frames + 1)).sum())
    peaks = np.flatnonzero(attention == attention.max())
    return AttentionMeasures(
        max_lift=float(frames * attention.max()),
        entropy_ratio=entropy / math.log(frames),
        peak_position=float(peaks.mean()) / (frames - 1),
        random_lift=harmonic,
        random_entropy_ratio=(harmonic - 1) / math.log(frames),
    )


def mean_of(values: Sequence[float], groups: Sequence[int], interval: Interval) -> dict[str, float] | None:
    """Return the mean with its interval as a measured value; None when there are no values."""
    if not len(values):
        return None
    array = np.asarray(values, np.float64)
    return measured(float(array.mean()), interval(array, np.asarray(groups, np.int64)))


def summarise_attention(
    measures: Sequence[AttentionMeasures | None], groups: Sequence[int], interval: Interval
) -> dict[str, Any]:
    """Return the attention facts of one group of tracks; `groups` names each track's scene for the intervals.

    `excess_lift` is the mean of a track's greatest lift minus that of meaningless weights of the same length: above
    0 the attention is more concentrated than chance, below 0 it is more even.
    """
    pairs = [(item, group) for item, group in zip(measures, groups, strict=True) if item is not None]
    kept, scenes = [item for item, _ in pairs], [group for _, group in pairs]
    return {
        "tracks": len(kept),
        "single_frame_tracks": len(measures) - len(kept),
        "max_lift": mean_of([item.max_lift for item in kept], scenes, interval),
        "max_lift_random_control": mean_of([item.random_lift for item in kept], scenes, _no_interval),
        "excess_lift": mean_of([item.max_lift - item.random_lift for item in kept], scenes, interval),
        "entropy_ratio": mean_of([item.entropy_ratio for item in kept], scenes, interval),
        "entropy_ratio_random_control": mean_of([item.random_entropy_ratio for item in kept], scenes, _no_interval),
        "peak_position": mean_of([item.peak_position for item in kept], scenes, interval),
    }


def _no_interval(values: FloatVector, groups: NDArray[np.int64]) -> None:
    """Controls are exact given the lengths."""
