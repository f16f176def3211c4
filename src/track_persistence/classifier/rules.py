"""How trackers decide without pixels that a track is real: SORT, DeepSORT, ByteTrack, Norfair, confidence.

T observed frames of a track. Every rule is a causal running score and monotone in its own threshold: the rule with
threshold h keeps the track at observed frame t exactly when its score at t is at least h, so one score serves the
decision and the ROC.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# ByteTrack starts a track above its detection threshold plus this, and goes on with detections above the threshold.
BYTETRACK_BIRTH_MARGIN = 0.1


class Timeline(Protocol):
    """What a track shows besides its pixels; shapes as in `Track`."""

    @property
    def frames(self) -> NDArray[np.int32]:
        """Frame numbers, (T,)."""

    @property
    def boxes_xywh_px(self) -> NDArray[np.float32]:
        """Boxes, (T, 4)."""

    @property
    def confidences(self) -> NDArray[np.float32]:
        """Detector confidences, (T,)."""


def min_hits(track: Timeline) -> Floats:
    """Return the longest run of hits without a miss so far, (T,): `min_hits` of SORT (Bewley et al. 2016)."""
    return np.maximum.accumulate(_streaks(track.frames))


def n_init(track: Timeline) -> Floats:
    """Return the length of the run of hits from birth so far, (T,): `n_init` of DeepSORT (Wojke et al. 2017).

    A tentative track is deleted at its first miss, so the score stays there for good.
    """
    streaks = _streaks(track.frames)
    unbroken = streaks == np.arange(1, len(streaks) + 1)
    return np.maximum.accumulate(np.where(unbroken, streaks, 0.0))


def bytetrack(track: Timeline) -> Floats:
    """Return the highest birth threshold at which the track is confirmed by now, (T,): ByteTrack (Zhang et al. 2022).

    A track is born from a detection whose score reaches the birth threshold and confirmed when the next frame has one
    that reaches the threshold less 0.1. In [0, 1] when confirmed; before, the best score less 2, in [-2, -1].
    """
    confidences = track.confidences.astype(np.float64)
    pairs = np.minimum(confidences[:-1], confidences[1:] + BYTETRACK_BIRTH_MARGIN)
    confirmed = np.concatenate(([-2.0], np.where(np.diff(track.frames) == 1, pairs, -2.0)))
    return np.maximum.accumulate(np.maximum(confirmed, confidences - 2))


def norfair(track: Timeline) -> Floats:
    """Return the highest initialisation counter so far, (T,): Norfair's object starts to count above its delay.

    The counter is 1 at birth, rises by 1 with every hit and falls by 1 with every miss; below 0 the object is dead, and
    its score stays.
    """
    steps = np.concatenate(([1.0], 2.0 - np.diff(track.frames)))
    counter = np.cumsum(steps)
    lowest = counter - np.concatenate(([0.0], np.ones(len(steps) - 1)))
    alive = np.logical_and.accumulate(lowest >= 0)
    return np.maximum.accumulate(np.where(alive, counter, 0.0))


def mean_confidence(track: Timeline) -> Floats:
    """Return the mean confidence so far, (T,), in [0, 1]."""
    return np.cumsum(track.confidences, dtype=np.float64) / np.arange(1, len(track.confidences) + 1)


def max_confidence(track: Timeline) -> Floats:
    """Return the highest confidence so far, (T,), in [0, 1]."""
    return np.maximum.accumulate(track.confidences.astype(np.float64))


def sum_confidence(track: Timeline) -> Floats:
    """Return the sum of the confidences so far, (T,), in [0, T]."""
    return np.cumsum(track.confidences, dtype=np.float64)


RULES: Mapping[str, Callable[[Timeline], Floats]] = {
    "min_hits": min_hits,
    "n_init": n_init,
    "bytetrack": bytetrack,
    "norfair": norfair,
    "mean_confidence": mean_confidence,
    "max_confidence": max_confidence,
    "sum_confidence": sum_confidence,
}


def rule_score(name: str, track: Timeline, frames_seen: int | None) -> float:
    """Return the score of rule `name` after the first min(frames_seen, T) observed frames; None takes them all."""
    running = RULES[name](track)
    return float(running[-1] if frames_seen is None else running[min(frames_seen, len(running)) - 1])


def _streaks(frames: NDArray[np.int32]) -> Floats:
    """Return the number of hits in consecutive frames that end at each observed frame, (T,)."""
    number = np.arange(len(frames))
    broken = np.concatenate(([True], np.diff(frames) > 1))
    return (number - np.maximum.accumulate(np.where(broken, number, 0)) + 1).astype(np.float64)
