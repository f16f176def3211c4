"""A toed-in pair with different lenses, and tracks of boxes around projected points."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import Track
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import project

BARREL = (-0.28, 0.08, 0.001, -0.0005, 0.01)


def make_camera(name: str, x_m: float, yaw_rad: float, distortion: tuple[float, ...]) -> Camera:
    rotation = cv2.Rodrigues(np.array([0.02, yaw_rad, 0.01]))[0]
    return Camera(
        name,
        np.array([[800.0, 0, 639.5], [0, 805, 359.5], [0, 0, 1]]),
        np.array(distortion, np.float64),
        np.column_stack([rotation, -rotation @ [x_m, 0, 0]]),
        (1280, 720),
        25.0,
    )


@pytest.fixture
def rig() -> StereoRig:
    return StereoRig((make_camera("left", -0.25, 0.03, BARREL), make_camera("right", 0.25, -0.03, ())))


@pytest.fixture
def parallel_rig() -> StereoRig:
    """f = 100 px, baseline 1 m, no distortion: everything can be worked out by hand."""

    def camera(name: str, x_m: float) -> Camera:
        intrinsics = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
        pose = np.column_stack([np.eye(3), [-x_m, 0, 0]])
        return Camera(name, intrinsics, np.empty(0), pose, (101, 101), 25.0)

    return StereoRig((camera("left", 0.0), camera("right", 1.0)))


@pytest.fixture
def config() -> StereoConfig:
    return StereoConfig(
        pixel_sigma_px=1.0,
        size_sigma=0.0,
        confidence_exponent=0.0,
        min_joint_frames=1,
        bias_sigma_px=1.0,
        drift_spread_px=3.0,
        correlated_frames=1.0,
        min_fitting_share=0.5,
        min_depth_m=1.0,
        max_depth_m=200.0,
        log_size_sigma=0.2,
        log_size_spread=0.8,
        overlap_weight=2.0,
        null_partner_cost=3.0,
        outlier_sigmas=4.0,
    )


@pytest.fixture
def track_of() -> Callable[..., Track]:
    """Return a function: the track that `camera` (index `number`) makes of points (T, 3) seen in `frames`."""

    def make(camera: Camera, number: int, track_id: int, points: Any, frames: Any, size_m: float = 1.0) -> Track:
        centres = project(camera, np.asarray(points, np.float64))
        depth = (np.asarray(points) @ camera.rotation.T + camera.translation_m)[:, 2:]
        sides = np.repeat(size_m * camera.intrinsics[0, 0] / np.abs(depth), 2, axis=1)
        return Track(
            number,
            track_id,
            np.asarray(frames, np.int32),
            np.hstack([centres - sides / 2, sides]).astype(np.float32),
            np.full(len(frames), 0.75, np.float32),
            np.zeros((len(frames), 64, 64, 3), np.uint8),
        )

    return make
