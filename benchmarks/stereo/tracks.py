"""Simulated pixels of known 3D paths: f 800 px, 1280x720, baseline 0.5 m, 3 to 30 m, one pixel of noise.

V cameras, N objects, F frames.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.stereo.geometry import project

Array = NDArray[np.float64]

FRAME_RATE_HZ = 25.0
DEPTHS_M = (3.0, 30.0)
MARGIN_PX = 20.0


def bench_rig(baseline_m: float = 0.5) -> StereoRig:
    """Return two parallel cameras without distortion; the world is the first camera's frame."""

    def camera(name: str, x_m: float) -> Camera:
        intrinsics = np.array([[800.0, 0, 639.5], [0, 800, 359.5], [0, 0, 1]])
        pose = np.column_stack([np.eye(3), [-x_m, 0, 0]])
        return Camera(name, intrinsics, np.empty(0), pose, (1280, 720), FRAME_RATE_HZ)

    return StereoRig((camera("left", 0.0), camera("right", baseline_m)))


def points_in_view(rig: StereoRig, count: int, rng: np.random.Generator) -> Array:
    """Return points (N, 3) that both cameras see, uniform over depth and over the first camera's image."""
    found = np.empty((0, 3))
    left, (width, height) = rig.cameras[0], rig.cameras[0].image_size_px
    while len(found) < count:
        depth = rng.uniform(*DEPTHS_M, 2 * count)
        pixels = rng.uniform(0, (width, height), (2 * count, 2))
        rays = (pixels - left.intrinsics[:2, 2]) / np.diag(left.intrinsics)[:2]
        points = np.column_stack([rays, np.ones(len(rays))]) * depth[:, None]
        found = np.concatenate([found, points[in_view(rig, points)]])
    return found[:count]


def in_view(rig: StereoRig, points_m: Array) -> NDArray[np.bool_]:
    """Return which of the points (..., 3) lie inside both images and in front of both cameras, (...)."""
    flat = points_m.reshape(-1, 3)
    inside = np.ones(len(flat), np.bool_)
    for camera in rig.cameras:
        pixels = project(camera, flat)
        inside &= (flat @ camera.rotation.T + camera.translation_m)[:, 2] > 0
        inside &= ((pixels > MARGIN_PX) & (pixels < np.array(camera.image_size_px) - MARGIN_PX)).all(axis=1)
    return inside.reshape(points_m.shape[:-1])


def paths_in_view(rig: StereoRig, count: int, frames: int, psd: float, rng: np.random.Generator) -> Array:
    """Return paths (N, F, 3) in metres that stay in both images and within the depths.

    Constant velocity (uniform within 1.5 m/s per axis) disturbed by white acceleration of density `psd` m^2/s^3.
    """
    dt = 1 / FRAME_RATE_HZ
    factor = np.linalg.cholesky(psd * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) + 1e-18 * np.eye(2))
    found = np.empty((0, frames, 3))
    while len(found) < count:
        start = points_in_view(rig, 2 * count, rng)
        velocity = rng.uniform(-1.5, 1.5, start.shape)
        noise = rng.standard_normal((2 * count, frames - 1, 3, 2)) @ factor.T
        steps = np.empty((2 * count, frames, 3))
        steps[:, 0] = start
        for frame in range(1, frames):
            steps[:, frame] = steps[:, frame - 1] + velocity * dt + noise[:, frame - 1, :, 0]
            velocity = velocity + noise[:, frame - 1, :, 1]
        near = (steps[..., 2] > DEPTHS_M[0]) & (steps[..., 2] < DEPTHS_M[1])
        found = np.concatenate([found, steps[(in_view(rig, steps) & near).all(axis=1)]])
    return found[:count]


def pixels_of(rig: StereoRig, points_m: Array, sigma_px: float, rng: np.random.Generator) -> Array:
    """Return noisy pixels (V, ..., 2) of the points (..., 3)."""
    flat = points_m.reshape(-1, 3)
    seen = np.stack([project(camera, flat) for camera in rig.cameras]).reshape(-1, *points_m.shape[:-1], 2)
    return seen + sigma_px * rng.standard_normal(seen.shape)
