"""What the smoother's model does not have: things that turn, and boxes that are far off.

N paths, F frames.
"""

import numpy as np
from benchmarks.stereo.tracks import FRAME_RATE_HZ, Array, in_view, points_in_view

from track_persistence.core.rig import StereoRig

OUTLIER_RATE, OUTLIERS_PX = 0.02, (10.0, 50.0)
SPEEDS_MPS, TURN_SIGMA_RADPS, TURN_SECONDS = (0.5, 2.0), 1.0, 1.0


def turning_paths(rig: StereoRig, count: int, frames: int, rng: np.random.Generator) -> Array:
    """Return paths (N, F, 3) in view of things that turn about the vertical at a rate that jumps now and then."""
    dt = 1 / FRAME_RATE_HZ
    found = np.empty((0, frames, 3))
    while len(found) < count:
        start = points_in_view(rig, 2 * count, rng)
        speed, heading = rng.uniform(*SPEEDS_MPS, 2 * count), rng.uniform(0, 2 * np.pi, 2 * count)
        jumps = rng.random((2 * count, frames)) < dt / TURN_SECONDS
        jumps[:, 0] = True
        rates = TURN_SIGMA_RADPS * rng.standard_normal(jumps.shape)
        latest = np.maximum.accumulate(np.where(jumps, np.arange(frames), 0), axis=1)
        headings = heading[:, None] + np.cumsum(np.take_along_axis(rates, latest, axis=1) * dt, axis=1)
        steps = speed[:, None, None] * dt * np.stack([np.cos(headings), 0 * headings, np.sin(headings)], axis=2)
        paths = start[:, None] + np.cumsum(steps, axis=1) - steps[:, :1]
        found = np.concatenate([found, paths[in_view(rig, paths).all(axis=1)]])
    return found[:count]


def with_outliers(pixels: Array, rng: np.random.Generator) -> Array:
    """Return pixels (..., 2) of which a share is moved anywhere within a ring."""
    shape = pixels.shape[:-1]
    angle, radius = rng.uniform(0, 2 * np.pi, shape), rng.uniform(*OUTLIERS_PX, shape)
    moved = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * radius[..., None]
    return pixels + moved * (rng.random(shape) < OUTLIER_RATE)[..., None]
