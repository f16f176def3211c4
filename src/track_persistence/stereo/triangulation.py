"""Triangulation of N views with covariance: a linear start, then two weighted Gauss-Newton steps.

Every such method lies within a few per cent of the Cramér-Rao bound (Hartley and Sturm 1997), so this one is chosen for
its covariance and its speed: each component is an array of its own, and blocks of points stay in the cache.

V cameras, N points in all, n in a block. In one camera R, t are its pose, p the point in its frame, (x, y) the measured
and (u, v) = (p0, p1) / p2 the predicted normalised coordinates, and w the inverse covariance of (x, y).
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, CameraRig
from track_persistence.stereo.geometry import distort, is_plain, pixel_from_normalised, undistort_normalised
from track_persistence.stereo.pixels import BoolArray, FloatArray, check_sigmas, check_views, deviations, unseen_points

GAUSS_NEWTON_STEPS = 2
# Below two standard deviations the ray angle is not told from zero, and the depth from infinity.
PARALLEL_SIGMAS = 2.0
# A block's arrays of 128 KiB share the second-level cache; results do not depend on it.
BLOCK = 1 << 14
Vector = list[FloatArray]
"""Two or three components, each (n,)."""
Symmetric = list[FloatArray]
"""The entries 00 01 02 11 12 22 of symmetric 3x3 matrices, each (n,)."""
Weights = tuple[FloatArray, FloatArray | None, FloatArray]
"""Entries 00 01 11 of symmetric 2x2 matrices, each (n,), or (1,) where it is the same for all; None where it is 0."""
ENTRIES = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


class Status(IntEnum):
    """What became of a point; only `OK` points are measurements."""

    OK = 0
    BEHIND = 1
    """The rays meet behind a camera that saw the point."""
    PARALLEL = 2
    """No two rays differ in direction by more than their noise."""
    OUTLIER = 3
    """The rays pass each other farther apart than `Points.with_outliers` allows."""
    ONE_VIEW = 4
    """Fewer than two cameras saw it."""


@dataclass(frozen=True, eq=False)
class Points:
    """Triangulated points.

    positions_m: (N, 3) world coordinates and covariances_m2: (N, 3, 3), NaN unless status is OK or OUTLIER.
    reprojection_px: (N, V) distance from the measured pixel per camera, NaN alike and where a camera did not see it.
    ray_angles_rad: (N,) largest angle between two rays, 0 of one ray. residual_sigmas: (N,) root of the reprojection's
    chi-square per degree of freedom, which are 2 per view less 3. status: (N,) uint8 `Status`.
    """

    positions_m: FloatArray
    covariances_m2: FloatArray
    reprojection_px: FloatArray
    ray_angles_rad: FloatArray
    residual_sigmas: FloatArray
    status: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of points N."""
        return len(self.status)

    @property
    def ok(self) -> BoolArray:
        """Which points are measurements, (N,) bool."""
        accepted: BoolArray = self.status == Status.OK
        return accepted

    def with_outliers(self, max_sigmas: float) -> "Points":
        """Return the points with status OUTLIER where `residual_sigmas` exceeds `max_sigmas`."""
        far = self.ok & (self.residual_sigmas > max_sigmas)
        return replace(self, status=np.where(far, Status.OUTLIER, self.status).astype(np.uint8))


def triangulate(rig: CameraRig, pixels: Any, sigma_px: Any) -> Points:
    """Triangulate raw (distorted) pixels of N points in V cameras.

    pixels: (V, N, 2) floats, both NaN where a camera did not see the point. sigma_px: deviation of a pixel per axis, a
    number, (V,) or (V, N), NaN allowed where the pixel is. Raises `DataError` on integer pixels, infinity, half a NaN,
    another shape, or a deviation that is not above 0. Rays that meet behind a camera, are parallel within their noise,
    or stand alone get a status instead of a position.
    """
    seen = check_views(rig, pixels)
    count, cameras = len(seen[0]), len(rig.cameras)
    sigmas = check_sigmas(sigma_px, cameras, count)
    found = Points(
        np.empty((count, 3)),
        np.empty((count, 3, 3)),
        np.empty((count, cameras)),
        np.empty(count),
        np.empty(count),
        np.empty(count, np.uint8),
    )
    for start in range(0, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        views = [_view(*given, rows) for given in zip(rig.cameras, seen, sigmas, strict=True)]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            _triangulate_block(views, found, rows)
    return found


@dataclass(frozen=True, eq=False)
class _View:
    """One camera's block; sigma_px is (n,) or (1,), `unseen` (n,) or None where the camera saw all points."""

    camera: Camera
    pixels: FloatArray
    x: FloatArray
    y: FloatArray
    w: Weights
    sigma_px: FloatArray
    unseen: BoolArray | None


def _triangulate_block(views: list[_View], found: Points, rows: slice) -> None:
    angle, parallel = _ray_angles(views)
    point, inside, in_front = _fit(views)
    covariance = _inverse(_normal_equations(views, inside)[0])
    chi_square, count = _reproject(views, inside, found.reprojection_px[rows])
    status = np.where(in_front & np.isfinite(chi_square), Status.OK, Status.BEHIND).astype(np.uint8)
    status[parallel] = Status.PARALLEL
    status[count < 2] = Status.ONE_VIEW
    for axis in range(3):
        found.positions_m[rows, axis] = point[axis]
    for entry, (i, j) in zip(covariance, ENTRIES, strict=True):
        found.covariances_m2[rows, i, j] = found.covariances_m2[rows, j, i] = entry
    found.ray_angles_rad[rows] = angle
    found.residual_sigmas[rows] = np.sqrt(chi_square / np.maximum(2 * count - 3, 1))
    found.status[rows] = status
    lost = status != Status.OK
    if lost.any():
        for values in (found.positions_m, found.covariances_m2, found.reprojection_px, found.residual_sigmas):
            values[rows][lost] = np.nan


def _fit(views: list[_View]) -> tuple[Vector, list[Vector], BoolArray]:
    """Return the points, the same in each camera's frame, and whether all steps stayed in front of the cameras."""
    point, in_front = _solve(*_start_equations(views)), np.ones(len(views[0].x), np.bool_)
    inside = [_in_camera(view, point) for view in views]
    for _ in range(GAUSS_NEWTON_STEPS):
        in_front &= _in_front(views, inside)
        step = _solve(*_normal_equations(views, inside))
        point = [old + new for old, new in zip(point, step, strict=True)]
        inside = [_in_camera(view, point) for view in views]
    return point, inside, in_front & _in_front(views, inside)


def _reproject(views: list[_View], inside: list[Vector], reprojection_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fill in the reprojection errors (n, V); return their chi-square and the number of cameras, both (n,)."""
    chi_square, count = np.zeros((2, len(views[0].x)))
    for number, (view, p) in enumerate(zip(views, inside, strict=True)):
        error_px = _reprojection_px(view, p)
        sigmas = error_px / view.sigma_px
        if view.unseen is not None:
            error_px[view.unseen], sigmas[view.unseen] = np.nan, 0.0
            count -= view.unseen
        count += 1
        reprojection_px[:, number] = error_px
        chi_square += sigmas * sigmas
    return chi_square, count


def _view(camera: Camera, pixels: FloatArray, sigma: FloatArray, rows: slice) -> _View:
    block = pixels[rows].astype(np.float64, copy=False)
    name = f"camera {camera.name}"
    unseen = unseen_points(name, block, rows.start)
    sigma = deviations(name, sigma if len(sigma) == 1 else sigma[rows], unseen)
    weight = 1 / (sigma * sigma)
    if unseen is not None:
        weight[unseen] = 0.0
    w: Weights
    if is_plain(camera):
        (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
        x, y = (block[:, 0] - cx) / fx, (block[:, 1] - cy) / fy
        w = (weight * fx**2, None, weight * fy**2)
    else:
        normalised = np.zeros_like(block)
        kept = slice(None) if unseen is None else ~unseen
        normalised[kept] = undistort_normalised(camera, block[kept])
        x, y = normalised.T.copy()
        a, b, c, d = pixel_from_normalised(camera, normalised).reshape(-1, 4).T.copy()
        w = (weight * (a * a + c * c), weight * (a * b + c * d), weight * (b * b + d * d))
    if unseen is not None:
        x[unseen] = y[unseen] = 0.0
    return _View(camera, block, x, y, w, sigma, unseen)


def _ray_angles(views: list[_View]) -> tuple[FloatArray, BoolArray]:
    """Return the largest angle between two rays, and whether every pair's angle drowns in its noise."""
    rays = [_rays(view) for view in views]
    largest, parallel = np.zeros(len(views[0].x)), np.ones(len(views[0].x), np.bool_)
    for i, j in combinations(range(len(views)), 2):
        (ax, ay, az), (bx, by, bz) = rays[i], rays[j]
        cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        angle = np.arctan2(np.sqrt(cx * cx + cy * cy + cz * cz), ax * bx + ay * by + az * bz)
        for view in (views[i], views[j]):
            if view.unseen is not None:
                angle[view.unseen] = 0.0
        np.maximum(largest, angle, out=largest)
        parallel &= angle < PARALLEL_SIGMAS * np.hypot(_sigma_rad(views[i]), _sigma_rad(views[j]))
    return largest, parallel


def _rays(view: _View) -> Vector:
    """Return directions of the rays in the world, of any length."""
    r = view.camera.rotation.tolist()
    return [r[0][k] * view.x + r[1][k] * view.y + r[2][k] for k in range(3)]


def _sigma_rad(view: _View) -> FloatArray:
    k = view.camera.intrinsics
    deviation: FloatArray = view.sigma_px / np.sqrt(k[0, 0] * k[1, 1])
    return deviation


def _in_camera(view: _View, point: Vector) -> Vector:
    (x, y, z), pose = point, view.camera.cam_from_world.tolist()
    return [a * x + b * y + c * z + t for a, b, c, t in pose]


def _in_front(views: list[_View], inside: list[Vector]) -> BoolArray:
    ahead = np.ones(len(inside[0][2]), np.bool_)
    for view, p in zip(views, inside, strict=True):
        ahead &= p[2] > 0 if view.unseen is None else (p[2] > 0) | view.unseen
    return ahead


def _start_equations(views: list[_View]) -> tuple[Symmetric, Vector]:
    """Return the normal equations of (R0 - x R2) X = x t2 - t0 and its like in y, linear in the world point X."""
    terms = []
    for view in views:
        t0, t1, t2 = view.camera.translation_m.tolist()
        terms.append(_terms(view, [view.x, view.y], view.w, [view.x * t2 - t0, view.y * t2 - t1]))
    return _sums(terms)


def _normal_equations(views: list[_View], inside: list[Vector]) -> tuple[Symmetric, Vector]:
    """Return those of a Gauss-Newton step: the derivative of u by X is (R0 - u R2) / p2, the misfit x - p0 / p2."""
    terms = []
    for view, (p0, p1, p2) in zip(views, inside, strict=True):
        inverse = 1 / p2
        if view.unseen is not None:
            inverse[view.unseen] = 0.0
        square = inverse * inverse
        wxx, wxy, wyy = view.w
        w = (wxx * square, None if wxy is None else wxy * square, wyy * square)
        terms.append(_terms(view, [p0 * inverse, p1 * inverse], w, [view.x * p2 - p0, view.y * p2 - p1]))
    return _sums(terms)


def _terms(view: _View, uv: Vector, w: Weights, misfit: Vector) -> tuple[Symmetric, Vector]:
    """Return J^T w J and J^T w misfit of one camera, where J has the rows a = R0 - u R2 and b = R1 - v R2."""
    (u, v), (wxx, wxy, wyy), (ex, ey) = uv, w, misfit
    r0, r1, r2 = view.camera.rotation.tolist()
    a = [r0[k] - u * r2[k] for k in range(3)]
    b = [r1[k] - v * r2[k] for k in range(3)]
    wa, wb = [wxx * part for part in a], [wyy * part for part in b]
    if wxy is not None:
        wa = [part + wxy * other for part, other in zip(wa, b, strict=True)]
        wb = [part + wxy * other for part, other in zip(wb, a, strict=True)]
    normal = [wa[i] * a[j] + wb[i] * b[j] for i, j in ENTRIES]
    return normal, [wa[k] * ex + wb[k] * ey for k in range(3)]


def _sums(terms: list[tuple[Symmetric, Vector]]) -> tuple[Symmetric, Vector]:
    normal, gradient = terms[0]
    for more_normal, more_gradient in terms[1:]:
        for total, part in zip(normal + gradient, more_normal + more_gradient, strict=True):
            total += part
    return normal, gradient


def _cofactors(m: Symmetric) -> tuple[Symmetric, FloatArray]:
    """Return the cofactors and the inverse determinant."""
    m00, m01, m02, m11, m12, m22 = m
    c00, c01, c02 = m11 * m22 - m12 * m12, m02 * m12 - m01 * m22, m01 * m12 - m02 * m11
    cofactors = [c00, c01, c02, m00 * m22 - m02 * m02, m01 * m02 - m00 * m12, m00 * m11 - m01 * m01]
    return cofactors, 1 / (m00 * c00 + m01 * c01 + m02 * c02)


def _solve(matrix: Symmetric, right: Vector) -> Vector:
    (c00, c01, c02, c11, c12, c22), scale = _cofactors(matrix)
    a, b, c = (part * scale for part in right)
    return [c00 * a + c01 * b + c02 * c, c01 * a + c11 * b + c12 * c, c02 * a + c12 * b + c22 * c]


def _inverse(matrix: Symmetric) -> Symmetric:
    cofactors, scale = _cofactors(matrix)
    return [entry * scale for entry in cofactors]


def _reprojection_px(view: _View, p: Vector) -> FloatArray:
    if is_plain(view.camera):
        fx, fy = view.camera.intrinsics.diagonal()[:2].tolist()
        inverse = 1 / p[2]
        ex, ey = (view.x - p[0] * inverse) * fx, (view.y - p[1] * inverse) * fy
    else:
        ex, ey = (view.pixels - distort(view.camera, np.column_stack(p[:2]) / p[2][:, None])).T
    distance: FloatArray = np.sqrt(ex * ex + ey * ey)
    return distance
