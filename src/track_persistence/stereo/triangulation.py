"""Two-view triangulation with covariance: ray midpoint, then two weighted Gauss-Newton steps.

N point pairs. Reference: Hartley and Sturm 1997; every such method lies within a few per cent of the Cramér-Rao bound,
so this one is chosen for its covariance and its speed.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.stereo.geometry import (
    FloatArray,
    check_pixels,
    epipolar_residuals,
    meeting_depths,
    pixel_from_normalised,
    project,
    ray_angle_sigma,
    to_camera,
    undistort_normalised,
)

GAUSS_NEWTON_STEPS = 2
# Below two standard deviations the ray angle is not told from zero, and the depth from infinity.
PARALLEL_SIGMAS = 2.0


class Status(IntEnum):
    """What became of a point pair; only `OK` points are measurements."""

    OK = 0
    BEHIND = 1
    PARALLEL = 2
    OUTLIER = 3


@dataclass(frozen=True, eq=False)
class Points:
    """Triangulated points.

    positions_m: (N, 3) world coordinates, NaN where status is BEHIND or PARALLEL. covariances_m2: (N, 3, 3), NaN alike.
    reprojection_px: (N, 2) distance from the measured pixel per camera, NaN alike. ray_angles_rad: (N,) angle
    between the two rays. residual_sigmas: (N,) signed epipolar error in standard deviations. status: (N,) uint8
    `Status`.
    """

    positions_m: FloatArray
    covariances_m2: FloatArray
    reprojection_px: FloatArray
    ray_angles_rad: FloatArray
    residual_sigmas: FloatArray
    status: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of point pairs N."""
        return len(self.status)

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which points are measurements, (N,) bool."""
        accepted: NDArray[np.bool_] = self.status == Status.OK
        return accepted

    def with_outliers(self, max_sigmas: float) -> "Points":
        """Return the points with status OUTLIER where the epipolar residual exceeds `max_sigmas` deviations."""
        far = self.ok & (np.abs(self.residual_sigmas) > max_sigmas)
        return replace(self, status=np.where(far, Status.OUTLIER, self.status).astype(np.uint8))


def triangulate(rig: StereoRig, pixels1: Any, pixels2: Any, sigma_px: Any) -> Points:
    """Triangulate pairs of raw (distorted) pixels.

    pixels1, pixels2: (N, 2) floats. sigma_px: deviation of a pixel per axis, a number, (N,), or (N, 2) with one
    column per camera. Raises `DataError` on NaN, integer pixels, unequal lengths or a deviation that is not above 0.
    Rays that meet behind a camera or are parallel within their noise get a status instead of a position.
    """
    pixels = (check_pixels("camera 1 pixels", pixels1), check_pixels("camera 2 pixels", pixels2))
    if len(pixels[0]) != len(pixels[1]):
        raise DataError(f"triangulation: {len(pixels[0])} pixels in camera 1 but {len(pixels[1])} in camera 2")
    sigmas = _sigmas(sigma_px, len(pixels[0]))
    rays = [undistort_normalised(camera, seen) for camera, seen in zip(rig.cameras, pixels, strict=True)]
    depth1, depth2, angle = meeting_depths(rig, rays[0], rays[1])
    residual, deviation = epipolar_residuals(rig, rays[0], rays[1], sigmas[:, 0], sigmas[:, 1])
    status = np.full(len(angle), Status.OK, np.uint8)
    status[~((depth1 > 0) & (depth2 > 0))] = Status.BEHIND
    status[angle < PARALLEL_SIGMAS * ray_angle_sigma(rig, sigmas)] = Status.PARALLEL
    positions, covariances = _solve(rig, rays, (depth1, depth2), sigmas, status == Status.OK)
    in_front = np.all([to_camera(camera, positions)[:, 2] > 0 for camera in rig.cameras], axis=0)
    status[(status == Status.OK) & ~in_front] = Status.BEHIND
    lost = status != Status.OK
    positions[lost], covariances[lost] = np.nan, np.nan
    errors = [
        np.linalg.norm(project(camera, positions) - seen, axis=1)
        for camera, seen in zip(rig.cameras, pixels, strict=True)
    ]
    return Points(positions, covariances, np.stack(errors, axis=1), angle, residual / deviation, status)


def _sigmas(sigma_px: Any, count: int) -> FloatArray:
    given = np.asarray(sigma_px, np.float64)
    if given.shape not in ((), (count,), (count, 2)):
        raise DataError(f"sigma_px: expected a number, ({count},) or ({count}, 2), got shape {given.shape}")
    if not (np.isfinite(given) & (given > 0)).all():
        raise DataError(f"sigma_px: smallest value {given.min()}; every deviation must be finite and above 0 pixels")
    return np.broadcast_to(given[:, None] if given.ndim == 1 else given, (count, 2))


def _solve(
    rig: StereoRig,
    rays: list[FloatArray],
    depths: tuple[FloatArray, FloatArray],
    sigmas: FloatArray,
    usable: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return positions (N, 3) and covariances (N, 3, 3); rows that are not usable are NaN."""
    positions, covariances = np.full((len(usable), 3), np.nan), np.full((len(usable), 3, 3), np.nan)
    rays = [ray[usable] for ray in rays]
    information = [
        _information(camera, ray, sigmas[usable, index])
        for index, (camera, ray) in enumerate(zip(rig.cameras, rays, strict=True))
    ]
    found = np.mean(
        [
            (np.column_stack([ray * depth[usable, None], depth[usable]]) - camera.translation_m) @ camera.rotation
            for camera, ray, depth in zip(rig.cameras, rays, depths, strict=True)
        ],
        axis=0,
    )
    for _ in range(GAUSS_NEWTON_STEPS):
        normal, gradient = _normal_equations(rig, rays, information, found)
        found = found + np.einsum("nij,nj->ni", _inverse(normal), gradient)
    normal, _ = _normal_equations(rig, rays, information, found)
    positions[usable], covariances[usable] = found, _inverse(normal)
    return positions, covariances


def _information(camera: Camera, ray: FloatArray, sigma: FloatArray) -> FloatArray:
    """Inverse covariance (N, 2, 2) of normalised coordinates whose pixels deviate by `sigma` (N,)."""
    jacobian = pixel_from_normalised(camera, ray)
    information: FloatArray = np.einsum("nki,nkj->nij", jacobian, jacobian) / sigma[:, None, None] ** 2
    return information


def _normal_equations(
    rig: StereoRig, rays: list[FloatArray], information: list[FloatArray], positions: FloatArray
) -> tuple[FloatArray, FloatArray]:
    normal, gradient = np.zeros((len(positions), 3, 3)), np.zeros((len(positions), 3))
    for camera, ray, weight in zip(rig.cameras, rays, information, strict=True):
        inside = to_camera(camera, positions)
        depth = inside[:, 2:]
        seen = inside[:, :2] / depth
        # d(x/z, y/z) / d(world) = (R[:2] - (x/z, y/z) R[2]) / z
        jacobian = (camera.rotation[:2] - seen[:, :, None] * camera.rotation[2]) / depth[:, :, None]
        weighted = np.einsum("nij,njk->nik", weight, jacobian)
        normal += np.einsum("nji,njk->nik", jacobian, weighted)
        gradient += np.einsum("nij,ni->nj", weighted, ray - seen)
    return normal, gradient


def _inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of symmetric positive (N, 3, 3) by cofactors: several times faster than LAPACK on small matrices."""
    rows = [matrix[:, index] for index in range(3)]
    cofactors = np.stack([np.cross(rows[1], rows[2]), np.cross(rows[2], rows[0]), np.cross(rows[0], rows[1])], axis=1)
    determinant = np.einsum("ni,ni->n", rows[0], cofactors[:, 0])
    inverse: FloatArray = cofactors / determinant[:, None, None]
    return (inverse + inverse.transpose(0, 2, 1)) / 2
