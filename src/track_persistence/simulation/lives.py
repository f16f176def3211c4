"""When things are seen in the matched profile: fragments of one length distribution, for objects and ghosts alike.

T frames of a thing's life.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import IntArray
from track_persistence.simulation.matched_config import LivesConfig

Flags = NDArray[np.bool_]
TRIES = 200


@dataclass(frozen=True)
class Life:
    """Frames in which a thing is there, and per camera the runs of frames in which it is tracked."""

    frames: IntArray
    windows: tuple[tuple[range, ...], tuple[range, ...]]

    def is_in_view(self, present: tuple[Flags, Flags], least_share: float) -> bool:
        """Whether the thing is in view, `present` (T,) per camera, in at least that share of every window."""
        start = int(self.frames[0])
        return all(
            flags[window.start - start : window.stop - start].mean() >= least_share
            for flags, windows in zip(present, self.windows, strict=True)
            for window in windows
        )


def draw_life(rng: np.random.Generator, config: LivesConfig, total: int) -> Life:
    """Draw a life inside a sequence of `total` frames; what does not fit is drawn again."""
    shares = np.array(config.fragments)
    for _ in range(TRIES):
        count = 1 + int(rng.choice(len(shares), p=shares / shares.sum()))
        lengths = [draw_length(rng, config.length_frames) for _ in range(count)]
        gaps = [draw_length(rng, config.gap_frames) for _ in range(count - 1)]
        if sum(lengths) + sum(gaps) <= total:
            break
    else:
        lengths, gaps = [config.length_frames[0]], []
    start = int(rng.integers(total - sum(lengths) - sum(gaps) + 1))
    windows: tuple[list[range], list[range]] = ([], [])
    begin = start
    for number, length in enumerate(lengths):
        seen_by = (0, 1) if rng.random() >= config.one_camera_share else (int(rng.integers(2)),)
        for camera in seen_by:
            windows[camera].append(_in_camera(rng, config, begin, length, total))
        begin += length + (gaps[number] if number < len(gaps) else 0)
    every = [window for camera in windows for window in camera]
    before, after = rng.integers(config.margin_frames[0], config.margin_frames[1] + 1, 2).tolist()
    first = max(min(window.start for window in every) - before, 0)
    last = min(max(window.stop for window in every) + after, total)
    return Life(np.arange(first, last, dtype=np.int32), (_apart(windows[0]), _apart(windows[1])))


def draw_length(rng: np.random.Generator, limits: tuple[int, int]) -> int:
    """Draw a whole number of `limits`, ends included, log-uniformly."""
    low, high = np.log(limits[0]), np.log(limits[1] + 1)
    return min(int(np.exp(rng.uniform(low, high))), limits[1])


def _in_camera(rng: np.random.Generator, config: LivesConfig, begin: int, length: int, total: int) -> range:
    low, high = config.length_frames
    own = int(np.clip(round(length * np.exp(rng.normal(0, config.camera_length_spread))), low, high))
    first = int(np.clip(begin + round(rng.normal(0, config.camera_shift_frames)), 0, total - own))
    return range(first, first + own)


def _apart(windows: list[range]) -> tuple[range, ...]:
    """Windows of one camera in order of time, without those that begin before the one before has ended."""
    kept: list[range] = []
    for window in sorted(windows, key=lambda one: one.start):
        if not kept or window.start > kept[-1].stop:
            kept.append(window)
    return tuple(kept)


def reported(rng: np.random.Generator, config: LivesConfig, window: range, possible: Flags) -> IntArray:
    """Draw the frames of a window in which a detector reports a thing; `possible` (len(window),) says where it can.

    The tracker goes on with the longest part that no run of misses breaks; empty where nothing is left.
    """
    hit = possible & (rng.random(len(window)) >= rng.uniform(*config.miss_share))
    at = np.flatnonzero(hit)
    if len(at) == 0:
        return np.empty(0, np.int32)
    parts = np.split(at, np.flatnonzero(np.diff(at) - 1 > config.most_missed_frames) + 1)
    longest = max(parts, key=len)
    return (longest + window.start).astype(np.int32)
