"""Projection, converged undistortion and epipolar errors.

N points or point pairs. "Normalised" coordinates are x/z and y/z in a camera's own frame, without distortion.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, StereoRig

FloatArray = NDArray[np.float64]

# OpenCV's default stops after 5 iterations and leaves up to 1.6 px on an action-camera lens.
UNDISTORT_CRITERIA = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-12)
MAX_UNDISTORT_RESIDUAL_PX = 1e-3


def check_pixels(name: str, pixels: Any) -> FloatArray:
    """Return `pixels` as (N, 2) float64; raises `DataError` on another shape, integers, NaN or infinity.

    Integers are refused because rounding a box centre to whole pixels costs more than the detector's noise.
    """
    array = np.asarray(pixels)
    if array.ndim != 2 or array.shape[1] != 2:
        raise DataError(f"{name}: expected pixels of shape (N, 2), got {array.shape}")
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{name}: expected floating-point pixels, got {array.dtype}; do not round box centres")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{name}: row {at}: pixel {array[at].tolist()}; expected finite numbers, drop such frames first"
        )
    return array.astype(np.float64)


def to_camera(camera: Camera, positions_m: FloatArray) -> FloatArray:
    """Return world points (N, 3) in the camera's frame, metres; the third column is the depth."""
    moved: FloatArray = positions_m @ camera.rotation.T + camera.translation_m
    return moved


def project(camera: Camera, positions_m: FloatArray) -> FloatArray:
    """Return the pixels (N, 2) of world points (N, 3) in metres, lens distortion included.

    The formula also answers for points behind the camera, where no image exists: look at `to_camera(...)[:, 2]`.
    """
    return distort(camera, _divided(to_camera(camera, np.asarray(positions_m, np.float64))))


def distort(camera: Camera, normalised: FloatArray) -> FloatArray:
    """Return the pixels (N, 2) of normalised coordinates (N, 2)."""
    if len(normalised) == 0:
        return np.empty((0, 2))
    rays = np.column_stack([normalised, np.ones(len(normalised))])
    pixels, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera.intrinsics, camera.distortion)
    return np.asarray(pixels, np.float64).reshape(-1, 2)


def undistort_normalised(camera: Camera, pixels: Any) -> FloatArray:
    """Return the normalised coordinates (N, 2) of pixels (N, 2), iterated until they project back.

    Raises `DataError` where the lens model has no inverse (a pixel far outside the calibrated image).
    """
    checked = check_pixels(f"camera {camera.name}", pixels)
    if len(checked) == 0:
        return np.empty((0, 2))
    found = cv2.undistortPointsIter(
        checked.reshape(-1, 1, 2), camera.intrinsics, camera.distortion, np.eye(3), np.eye(3), UNDISTORT_CRITERIA
    )
    normalised = np.asarray(found, np.float64).reshape(-1, 2)
    residual_px = np.linalg.norm(distort(camera, normalised) - checked, axis=1)
    bad = ~(residual_px <= MAX_UNDISTORT_RESIDUAL_PX)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"camera {camera.name}: pixel {checked[at].round(1).tolist()} has no undistorted position (it projects "
            f"back {residual_px[at]:.2g} px away, allowed {MAX_UNDISTORT_RESIDUAL_PX:g}); "
            "the distortion coefficients do not hold there: check the calibration or drop the box"
        )
    return normalised


def pixel_from_normalised(camera: Camera, normalised: FloatArray) -> FloatArray:
    """Return the derivative of the pixel by the normalised coordinates, (N, 2, 2) pixels."""
    x, y = normalised[:, 0], normalised[:, 1]
    k1, k2, p1, p2, k3, k4, k5, k6 = np.concatenate([camera.distortion, np.zeros(8 - len(camera.distortion))])
    r2 = x * x + y * y
    above, below = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = above / below
    slope = (k1 + r2 * (2 * k2 + r2 * 3 * k3) - radial * (k4 + r2 * (2 * k5 + r2 * 3 * k6))) / below
    jacobian = np.empty((len(x), 2, 2))
    jacobian[:, 0, 0] = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    jacobian[:, 0, 1] = jacobian[:, 1, 0] = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    jacobian[:, 1, 1] = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    return jacobian * np.diag(camera.intrinsics)[:2, None]


def essential(rig: StereoRig) -> FloatArray:
    """Return E (3, 3) with x2^T E x1 = 0 for the normalised coordinates of one point (Longuet-Higgins 1981)."""
    first, second = rig.cameras
    rotation = second.rotation @ first.rotation.T
    x, y, z = second.translation_m - rotation @ first.translation_m
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix: FloatArray = cross @ rotation
    return matrix


def epipolar_residuals(
    rig: StereoRig,
    normalised1: FloatArray,
    normalised2: FloatArray,
    sigma1: FloatArray | float = 1.0,
    sigma2: FloatArray | float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the signed Sampson errors (N,) of point pairs and their standard deviations (N,), in image-2 pixels.

    normalised1, normalised2: (N, 2). sigma1, sigma2: deviation of a pixel per axis in each camera, pixels. The residual
    is the distance of the second point from the epipolar line of the first; its deviation comes from both points to
    first order, so residual / deviation is the Sampson error in standard deviations (Hartley and Zisserman, 11.4.3).
    """
    first, second = (np.column_stack([points, np.ones(len(points))]) for points in (normalised1, normalised2))
    matrix = essential(rig)
    line2, line1 = first @ matrix.T, second @ matrix
    # A pixel's deviation in normalised coordinates is sigma / f on each axis.
    focal1, focal2 = (np.diag(camera.intrinsics)[:2] for camera in rig.cameras)
    slope1 = np.linalg.norm(line1[:, :2] / focal1, axis=1)
    slope2 = np.linalg.norm(line2[:, :2] / focal2, axis=1)
    algebraic = np.einsum("ni,ni->n", second, line2)
    scale = np.maximum(slope2, np.finfo(np.float64).tiny)
    return algebraic / scale, np.hypot(np.asarray(sigma1) * slope1, np.asarray(sigma2) * slope2) / scale


def sampson_px(rig: StereoRig, pixels1: Any, pixels2: Any) -> FloatArray:
    """Return the signed Sampson errors (N,) in pixels of point pairs (N, 2) given as raw (distorted) pixels."""
    first, second = rig.cameras
    residual, sigma = epipolar_residuals(
        rig, undistort_normalised(first, pixels1), undistort_normalised(second, pixels2)
    )
    return residual / sigma


def meeting_depths(rig: StereoRig, normalised1: FloatArray, normalised2: FloatArray) -> tuple[FloatArray, ...]:
    """Return where pairs of rays come closest: depth in camera 1, depth in camera 2 (metres), ray angle (radians).

    normalised1, normalised2: (N, 2). Depths are negative behind a camera and NaN for exactly parallel rays.
    """
    first, second = rig.cameras
    ray1 = np.column_stack([normalised1, np.ones(len(normalised1))]) @ first.rotation
    ray2 = np.column_stack([normalised2, np.ones(len(normalised2))]) @ second.rotation
    gap = second.centre_m - first.centre_m
    a, b, c = (np.einsum("ni,ni->n", u, v) for u, v in ((ray1, ray1), (ray1, ray2), (ray2, ray2)))
    normal = np.cross(ray1, ray2)
    determinant = np.einsum("ni,ni->n", normal, normal)
    determinant = np.where(determinant > 0, determinant, np.nan)
    depth1 = (c * (ray1 @ gap) - b * (ray2 @ gap)) / determinant
    depth2 = (b * (ray1 @ gap) - a * (ray2 @ gap)) / determinant
    angle = np.arctan2(np.sqrt(np.nan_to_num(determinant)), b)
    return depth1, depth2, angle


def ray_angle_sigma(rig: StereoRig, sigmas_px: FloatArray) -> FloatArray:
    """Return the deviation of ray angles, (N,) radians, for pixel deviations (N, 2), one column per camera."""
    focal = np.array([np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1]) for camera in rig.cameras])
    deviation: FloatArray = np.linalg.norm(sigmas_px / focal, axis=1)
    return deviation


def _divided(in_camera: FloatArray) -> FloatArray:
    depth = in_camera[:, 2:]
    return in_camera[:, :2] / np.where(depth == 0, np.finfo(np.float64).tiny, depth)
