"""The rig from its params, and the way between world points, pixels and rays.

T frames. Pixel (0, 0) is the centre of the top-left pixel; "normalised" means undistorted, at unit depth.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.simulation.config import RigConfig

Array = NDArray[np.float64]
# Inverts the distortion until it is exact; OpenCV's own limit leaves more than a pixel at the corners.
CONVERGED = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)


def build_rig(config: RigConfig) -> StereoRig:
    """Return the pair: camera1 at x = -baseline/2, camera2 at +baseline/2, both turned inwards and down."""
    left, right = (
        _camera(config, number, side * config.baseline_m / 2, -side * config.toe_in_rad)
        for number, side in ((0, -1.0), (1, 1.0))
    )
    return StereoRig((left, right))


def _camera(config: RigConfig, number: int, x_m: float, yaw_rad: float) -> Camera:
    width, height = config.image_size_px
    sin_yaw, cos_yaw = np.sin(yaw_rad), np.cos(yaw_rad)
    sin_pitch, cos_pitch = np.sin(config.pitch_rad), np.cos(config.pitch_rad)
    rotation = np.array(
        [
            [cos_yaw, 0.0, -sin_yaw],
            [-sin_yaw * sin_pitch, cos_pitch, -cos_yaw * sin_pitch],
            [sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch],
        ]
    )
    translation = -rotation @ np.array([x_m, 0.0, 0.0])
    focal = config.focal_px
    return Camera(
        name=f"camera{number + 1}",
        intrinsics=np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]),
        distortion=np.array(config.distortion[number], np.float64),
        cam_from_world=np.hstack([rotation, translation[:, None]]),
        image_size_px=(width, height),
        frame_rate_hz=config.frame_rate_hz,
    )


def to_camera(camera: Camera, points_m: Array) -> Array:
    """World points (..., 3) to camera coordinates (..., 3), metres."""
    moved: Array = points_m @ camera.rotation.T + camera.translation_m
    return moved


def distort(camera: Camera, normalised: Array) -> Array:
    """Normalised points (..., 2) to distorted pixels (..., 2), float64."""
    flat = np.ones((normalised.size // 2, 3))
    flat[:, :2] = normalised.reshape(-1, 2)
    zero = np.zeros(3)
    pixels, _ = cv2.projectPoints(flat, zero, zero, camera.intrinsics, camera.distortion)
    return np.asarray(pixels, np.float64).reshape(normalised.shape)


def undistort(camera: Camera, pixels: Array) -> Array:
    """Distorted pixels (..., 2) to normalised points (..., 2), converged."""
    flat = np.ascontiguousarray(pixels.reshape(-1, 1, 2), dtype=np.float64)
    eye, same = np.eye(3), np.eye(3)
    points = cv2.undistortPointsIter(flat, camera.intrinsics, camera.distortion, eye, same, CONVERGED)
    return np.asarray(points, np.float64).reshape(pixels.shape)


def project(camera: Camera, points_m: Array) -> Array:
    """World points (..., 3) in front of the camera to distorted pixels (..., 2)."""
    local = to_camera(camera, points_m)
    return distort(camera, local[..., :2] / local[..., 2:])


def world_rays(camera: Camera, normalised: Array) -> Array:
    """Directions (..., 3) in world coordinates of normalised points (..., 2); not of unit length."""
    directions = np.concatenate([normalised, np.ones((*normalised.shape[:-1], 1))], axis=-1)
    turned: Array = directions @ camera.rotation
    return turned


def boxes_from_extents(camera: Camera, extents: Array) -> Array:
    """Boxes (T, 4) x, y, w, h in pixels of the normalised extents (T, 4) left, top, right, bottom."""
    left, top, right, bottom = extents.T
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    sides = np.stack([left, middle_y, right, middle_y, middle_x, top, middle_x, bottom], axis=-1)
    pixels = distort(camera, sides.reshape(-1, 4, 2))
    corner = np.stack([pixels[:, 0, 0], pixels[:, 2, 1]], axis=-1)
    size = np.stack([pixels[:, 1, 0] - pixels[:, 0, 0], pixels[:, 3, 1] - pixels[:, 2, 1]], axis=-1)
    return np.concatenate([corner, size], axis=-1)


def extents_from_boxes(camera: Camera, boxes_xywh_px: Array) -> Array:
    """Normalised extents (T, 4) left, top, right, bottom of boxes (T, 4); inverse of `boxes_from_extents`."""
    x, y, width, height = np.asarray(boxes_xywh_px, np.float64).T
    middle_x, middle_y = x + width / 2, y + height / 2
    sides = np.stack([x, middle_y, x + width, middle_y, middle_x, y, middle_x, y + height], axis=-1)
    points = undistort(camera, sides.reshape(-1, 4, 2))
    return np.stack([points[:, 0, 0], points[:, 2, 1], points[:, 1, 0], points[:, 3, 1]], axis=-1)


def meeting_points(rig: StereoRig, pixels: tuple[Array, Array]) -> Array:
    """World points (T, 3) midway between the rays of pixels (T, 2) of both cameras at their closest."""
    first, second = rig.cameras
    u = world_rays(first, undistort(first, pixels[0]))
    v = world_rays(second, undistort(second, pixels[1]))
    between = second.centre_m - first.centre_m
    uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    ub, vb = u @ between, v @ between
    determinant = uu * vv - uv * uv
    along_u = (vv * ub - uv * vb) / determinant
    along_v = (uv * ub - uu * vb) / determinant
    points: Array = (first.centre_m + along_u[:, None] * u + second.centre_m + along_v[:, None] * v) / 2
    return points
