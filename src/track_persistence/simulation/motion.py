"""Smooth paths on the ground plane: constant velocity with gentle turns.

T frames. Headings turn from +z towards +x.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import IntArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Path:
    """Where a body is: frames (T,), positions_m (T, 3) of its reference point, heading_rad (T,), travelled_m (T,)."""

    frames: IntArray
    positions_m: Array
    heading_rad: Array
    travelled_m: Array


def draw_path(
    rng: np.random.Generator, frames: IntArray, middle_m: Array, speed_mps: float, turn_rate_rps: float, rate_hz: float
) -> Path:
    """Draw a path that passes `middle_m` (3,) in the middle of `frames`, at constant speed and height.

    turn_rate_rps: standard deviation of the turning rate, which is constant plus a slow swing.
    """
    time_s = (frames - frames[0]) / rate_hz
    duration_s = max(float(time_s[-1]), 1 / rate_hz)
    turn = rng.normal(0, turn_rate_rps)
    swing = rng.normal(0, turn_rate_rps / 2)
    phase = rng.uniform(0, 2 * np.pi)
    # People and cars mostly cross the view; a third walks towards or away from the cameras.
    crossing = np.pi / 2 * (1 if rng.random() < 0.5 else -1) + rng.normal(0, 0.5)
    start = crossing if rng.random() < 2 / 3 else rng.uniform(0, 2 * np.pi)
    heading: Array = start + turn * time_s + swing * duration_s * np.sin(phase + np.pi * time_s / duration_s)
    step = float(speed_mps) / rate_hz
    moves = np.stack([np.sin(heading), np.zeros_like(heading), np.cos(heading)], axis=-1) * step
    positions = np.cumsum(moves, axis=0)
    positions += middle_m - positions[len(frames) // 2]
    return Path(frames, positions, heading, np.arange(len(frames), dtype=np.float64) * step)
