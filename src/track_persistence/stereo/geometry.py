"""Projection, converged undistortion and epipolar errors.

N points or point pairs. "Normalised" coordinates are x/z and y/z in a camera's own frame, without distortion.
"""

from typing import Any

import cv2
import numpy as np

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, Lens, StereoRig
from track_persistence.stereo.pixels import FloatArray, check_pixels

# OpenCV's default stops after 5 iterations and leaves up to 1.6 px on an action-camera lens.
UNDISTORT_CRITERIA = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-12)
MAX_UNDISTORT_RESIDUAL_PX = 1e-3
NO_SHIFT = np.zeros(3)
# Normalised coordinates end at a right angle to the lens's axis.
MAX_FISHEYE_RAD = np.pi / 2 - 1e-6
# What differentiating theta^3, theta^5, ... brings down.
FISHEYE_SLOPE = np.array([3.0, 5.0, 7.0, 9.0])
# Stands for a depth of 0, where the projection has no value; smaller than any length that matters.
LEAST_DEPTH_M = 1e-12


def to_camera(camera: Camera, positions_m: FloatArray) -> FloatArray:
    """Return world points (N, 3) in the camera's frame, metres; the third column is the depth."""
    moved: FloatArray = positions_m @ camera.rotation.T + camera.translation_m
    return moved


def project(camera: Camera, positions_m: FloatArray) -> FloatArray:
    """Return the pixels (N, 2) of world points (N, 3) in metres, lens distortion included.

    The formula also answers for points behind the camera, where no image exists: look at `to_camera(...)[:, 2]`.
    """
    return distort(camera, _divided(to_camera(camera, np.asarray(positions_m, np.float64))))


def project_with_jacobian(camera: Camera, positions_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the pixels (N, 2) of world points (N, 3), and their derivative by the world point, (N, 2, 3) pixels/m."""
    inside = to_camera(camera, np.asarray(positions_m, np.float64))
    normalised = _divided(inside)
    by_point = (camera.rotation[:2] - normalised[:, :, None] * camera.rotation[2]) / _depths(inside)[:, :, None]
    if is_plain(camera):
        return distort(camera, normalised), by_point * np.diag(camera.intrinsics)[:2, None]
    jacobian: FloatArray = pixel_from_normalised(camera, normalised) @ by_point
    return distort(camera, normalised), jacobian


def is_plain(camera: Camera) -> bool:
    """Whether the lens bends nothing, so that pixels are normalised coordinates scaled and shifted."""
    return camera.lens is Lens.BROWN_CONRADY and not camera.distortion.any()


def distort(camera: Camera, normalised: FloatArray) -> FloatArray:
    """Return the pixels (N, 2) of normalised coordinates (N, 2)."""
    if len(normalised) == 0:
        return np.empty((0, 2))
    if is_plain(camera):
        scaled: FloatArray = normalised * np.diag(camera.intrinsics)[:2] + camera.intrinsics[:2, 2]
        return scaled
    rays = np.column_stack([normalised, np.ones(len(normalised))]).reshape(-1, 1, 3)
    lens = cv2.fisheye if camera.lens is Lens.FISHEYE else cv2
    pixels, _ = lens.projectPoints(rays, NO_SHIFT, NO_SHIFT, camera.intrinsics, camera.distortion)
    return np.asarray(pixels, np.float64).reshape(-1, 2)


def undistort_normalised(camera: Camera, pixels: Any) -> FloatArray:
    """Return the normalised coordinates (N, 2) of pixels (N, 2), iterated until they project back.

    Raises `DataError` where the lens model has no inverse: a pixel far outside the calibrated image, or in a fisheye a
    ray at a right angle to the lens's axis or beyond.
    """
    checked = check_pixels(f"camera {camera.name}", pixels)
    if len(checked) == 0:
        return np.empty((0, 2))
    unbent: FloatArray = (checked - camera.intrinsics[:2, 2]) / np.diag(camera.intrinsics)[:2]
    if is_plain(camera):
        return unbent
    if camera.lens is Lens.FISHEYE:
        normalised = _undistort_fisheye(camera.distortion, unbent)
    else:
        given = (checked.reshape(-1, 1, 2), camera.intrinsics, camera.distortion, np.eye(3), np.eye(3))
        normalised = np.asarray(cv2.undistortPointsIter(*given, UNDISTORT_CRITERIA), np.float64).reshape(-1, 2)
    residual_px = np.linalg.norm(distort(camera, normalised) - checked, axis=1)
    bad = ~(residual_px <= MAX_UNDISTORT_RESIDUAL_PX)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"camera {camera.name}: pixel {checked[at].round(1).tolist()} has no undistorted position (it projects "
            f"back {residual_px[at]:.2g} px away, allowed {MAX_UNDISTORT_RESIDUAL_PX:g}); "
            f"the {camera.lens.value} coefficients do not hold there: check the calibration or drop the box"
        )
    return normalised


def _undistort_fisheye(distortion: FloatArray, bent: FloatArray) -> FloatArray:
    """Solve theta (1 + k1 theta^2 + ...) = |bent| by Newton's method, bisecting where a step leaves the bracket.

    OpenCV's own function does not go beyond |bent| = pi / 2, which lenses with positive coefficients do.
    """
    slope = np.polynomial.Polynomial(np.concatenate([[1.0], distortion * FISHEYE_SLOPE]))
    # The radius grows with the angle up to the first root of the slope, a polynomial of the squared angle.
    roots = np.asarray(slope.roots(), np.complex128)
    turns = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > 0)]
    radius = np.linalg.norm(bent, axis=1)
    low, high = np.zeros_like(radius), np.full_like(radius, np.sqrt(np.min([MAX_FISHEYE_RAD**2, *turns])))
    theta = np.minimum(radius, high / 2)
    for _ in range(UNDISTORT_CRITERIA[1]):
        square = theta * theta
        excess = theta * (1 + np.vander(square, 5, increasing=True)[:, 1:] @ distortion) - radius
        low, high = np.where(excess <= 0, theta, low), np.where(excess >= 0, theta, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = theta - excess / slope(square)
        new = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        settled = np.abs(new - theta).max() <= UNDISTORT_CRITERIA[2]
        theta = new
        if settled:
            break
    unbent: FloatArray = bent * (np.tan(theta) / np.maximum(radius, np.finfo(np.float64).tiny))[:, None]
    return unbent


def pixel_from_normalised(camera: Camera, normalised: FloatArray) -> FloatArray:
    """Return the derivative of the pixel by the normalised coordinates, (N, 2, 2) pixels."""
    focal_px = np.diag(camera.intrinsics)[:2, None]
    if is_plain(camera):
        scale: FloatArray = np.broadcast_to(np.eye(2) * focal_px, (len(normalised), 2, 2)).copy()
        return scale
    if camera.lens is Lens.FISHEYE:
        bent: FloatArray = _fisheye_derivative(camera, normalised) * focal_px
        return bent
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
    return jacobian * focal_px


def _fisheye_derivative(camera: Camera, normalised: FloatArray) -> FloatArray:
    """Derivative of (x, y) bent(theta) / r by x and y, with r = |(x, y)| and theta = atan r."""
    r = np.maximum(np.linalg.norm(normalised, axis=1), 1e-9)
    theta = np.arctan(r)
    powers = theta[:, None] ** np.array([2, 4, 6, 8])
    bent = theta * (1 + powers @ camera.distortion)
    by_r = (1 + powers @ (camera.distortion * FISHEYE_SLOPE)) / (1 + r * r)
    scale = bent / r
    unit = normalised / r[:, None]
    along: FloatArray = unit[:, :, None] * unit[:, None, :]
    derivative: FloatArray = scale[:, None, None] * np.eye(2) + (by_r - scale)[:, None, None] * along
    return derivative


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
    return in_camera[:, :2] / _depths(in_camera)


def _depths(in_camera: FloatArray) -> FloatArray:
    depths: FloatArray = np.where(in_camera[:, 2:] == 0, LEAST_DEPTH_M, in_camera[:, 2:])
    return depths
