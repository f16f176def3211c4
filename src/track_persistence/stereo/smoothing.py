"""Batched iterated extended Kalman smoother in pixel space.

Each pass linearises the cameras about the path of the pass before and runs a Kalman filter forwards and a
Rauch-Tung-Striebel smoother backwards, which is Gauss-Newton on the whole path's posterior (Bell, "The iterated Kalman
smoother as a Gauss-Newton method", 1994). Student-t pixel errors become weights (Piché, Särkkä and Hartikainen 2012).
V cameras, B groups, F frames from a group's first to its last, n numbers of the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.geometry import project_with_jacobian, to_camera
from track_persistence.stereo.motion import MotionModel, motion_model
from track_persistence.stereo.observations import Observations
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.triangulation import triangulate

# The lens model means nothing at the lens: a path that comes nearer to a camera is not linearised there.
NEAREST_M = 0.05
# Medians over so many points keep outliers out of the path that is linearised first.
FIRST_PATH_FRAMES = 9
QUADRATURE_POINTS = 64


@dataclass(frozen=True, eq=False)
class SmoothedPath:
    """The path of one group.

    frames: (F,) int32, every frame from the first to the last that was seen, gaps included. positions_m: (F, 3) world,
    velocities_mps: (F, 3), covariances_m2: (F, 3, 3) of the positions. views: (F,) uint8 cameras that saw it. weights:
    (V, F) of the measurements, 1 for normal errors, near 0 for an outlier, NaN where there is none.
    log_likelihood: of the innovations, natural logarithm.
    """

    frames: NDArray[np.int32]
    positions_m: FloatArray
    velocities_mps: FloatArray
    covariances_m2: FloatArray
    views: NDArray[np.uint8]
    weights: FloatArray
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Measurements of B groups on one time axis, padded at the end.

    pixels: (V, B, F, 2), sigmas_px: (V, B, F), seen: (V, B, F) bool; what was not seen is 0, and its deviation 1.
    lengths: (B,) frames of each group.
    """

    pixels: FloatArray
    sigmas_px: FloatArray
    seen: NDArray[np.bool_]
    lengths: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Linear:
    """Cameras linearised about a path: pixel = offset + slope (position - path), per view.

    measured: (V, B, F, 2) pixel + slope path - predicted. slopes: (V, B, F, 2, 3). seen: (V, B, F).
    """

    measured: FloatArray
    slopes: FloatArray
    seen: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Filtered:
    """States before and after each frame's measurements: means (F, B, n), covariances (F, B, n, n)."""

    predicted: FloatArray
    predicted_covariances: FloatArray
    means: FloatArray
    covariances: FloatArray
    log_likelihoods: FloatArray
    """(B,)"""


def smooth(rig: CameraRig, seen: Sequence[Observations], config: SmoothingConfig) -> list[SmoothedPath]:
    """Smooth the paths of the groups, each on its own; batching them changes no result beyond rounding.

    Raises `DataError` for a group that has no triangulated point to start from, `ParamsError` when
    `config.motion` is off.
    """
    model = motion_model(config, rig.cameras[0].frame_rate_hz)
    if not seen:
        return []
    batch, path, dof = make_batch(seen), first_path(rig, seen), config.student_dof
    located, weights = np.zeros((*path.shape, 3)), np.ones(batch.seen.shape)
    for _ in range(config.iterations):
        if dof is not None:
            weights = student_weights(rig, batch, path, located, dof)
        linear = linearise(rig, batch, path)
        filtered = filter_forwards(linear, batch.sigmas_px / np.sqrt(weights), model, path[:, 0])
        means, covariances = smooth_backwards(filtered, model)
        path, velocities = (means[..., columns].transpose(1, 0, 2) for columns in (slice(3), slice(3, 6)))
        located = covariances[..., :3, :3].transpose(1, 0, 2, 3)
    if dof is not None:
        sigmas_px = batch.sigmas_px / np.sqrt(weights * student_information(dof))
        _, covariances = smooth_backwards(filter_forwards(linear, sigmas_px, model, path[:, 0]), model)
        located = covariances[..., :3, :3].transpose(1, 0, 2, 3)
    return [
        SmoothedPath(
            np.arange(item.frames[0], item.frames[-1] + 1, dtype=np.int32),
            path[row, :length],
            velocities[row, :length],
            located[row, :length],
            batch.seen[:, row, :length].sum(axis=0).astype(np.uint8),
            np.where(batch.seen[:, row, :length], weights[:, row, :length], np.nan),
            float(filtered.log_likelihoods[row]),
        )
        for row, (item, length) in enumerate(zip(seen, batch.lengths.tolist(), strict=True))
    ]


def make_batch(seen: Sequence[Observations]) -> Batch:
    """Return the measurements of all groups on one time axis that starts at each group's first frame."""
    lengths = np.array([item.frames[-1] - item.frames[0] + 1 for item in seen], np.intp)
    shape = (seen[0].pixels.shape[0], len(seen), int(lengths.max()))
    pixels, sigmas, there = np.zeros((*shape, 2)), np.ones(shape), np.zeros(shape, np.bool_)
    for row, item in enumerate(seen):
        columns = item.frames - item.frames[0]
        pixels[:, row, columns] = np.nan_to_num(item.pixels)
        sigmas[:, row, columns] = np.where(item.seen, item.sigmas_px, 1.0)
        there[:, row, columns] = item.seen
    return Batch(pixels, sigmas, there, lengths)


def first_path(rig: CameraRig, seen: Sequence[Observations]) -> FloatArray:
    """Return where to linearise first, (B, F, 3): running medians of triangulated points, interpolated between them."""
    counts = np.cumsum([0, *(len(item.frames) for item in seen)])
    points = triangulate(
        rig,
        np.concatenate([item.pixels for item in seen], axis=1),
        np.concatenate([item.sigmas_px for item in seen], axis=1),
    )
    longest = max(int(item.frames[-1] - item.frames[0]) + 1 for item in seen)
    path = np.empty((len(seen), longest, 3))
    for row, item in enumerate(seen):
        rows = np.arange(counts[row], counts[row + 1])
        ok = rows[points.ok[rows]]
        if not len(ok):
            raise DataError(
                f"smoothing: group {row} (frames {item.frames[0]} to {item.frames[-1]}) has no triangulated point: its "
                "rays never meet in front of two cameras; leave it out"
            )
        frames = item.frames[ok - counts[row]] - item.frames[0]
        positions = median_filter(points.positions_m[ok], (FIRST_PATH_FRAMES, 1), mode="nearest")
        for axis in range(3):
            path[row, :, axis] = np.interp(np.arange(longest), frames, positions[:, axis])
    return path


def linearise(rig: CameraRig, batch: Batch, path: FloatArray) -> Linear:
    """Linearise every camera about `path` (B, F, 3)."""
    flat = path.reshape(-1, 3)
    measured, slopes, seen = np.empty_like(batch.pixels), np.empty((*batch.seen.shape, 2, 3)), batch.seen.copy()
    for number, camera in enumerate(rig.cameras):
        near = to_camera(camera, flat)[:, 2] < NEAREST_M
        usable = np.where(near[:, None], camera.centre_m + camera.rotation[2], flat)
        predicted, slope = project_with_jacobian(camera, usable)
        offset = (slope @ usable[:, :, None])[..., 0] - predicted
        measured[number] = batch.pixels[number] + offset.reshape(batch.pixels[number].shape)
        slopes[number] = slope.reshape(slopes[number].shape)
        seen[number] &= ~near.reshape(seen[number].shape)
    return Linear(measured, slopes, seen)


def filter_forwards(linear: Linear, sigmas_px: FloatArray, model: MotionModel, start: FloatArray) -> Filtered:
    """Run the Kalman filter over the frames; `start` (B, 3) is the mean of the wide prior's position."""
    views, groups, frames = linear.seen.shape
    size = len(model.prior)
    shape = (frames, groups, size)
    square = (*shape, size)
    result = Filtered(np.empty(shape), np.empty(square), np.empty(shape), np.empty(square), np.zeros(groups))
    mean = np.zeros((groups, size))
    mean[:, :3] = start
    covariance = np.broadcast_to(model.prior, (groups, size, size))
    for frame in range(frames):
        if frame:
            mean = mean @ model.transition.T
            covariance = model.transition @ covariance @ model.transition.T + model.noise
        result.predicted[frame], result.predicted_covariances[frame] = mean, covariance
        for view in range(views):
            mean, covariance, gained = _update(
                (mean, covariance),
                linear.measured[view, :, frame],
                linear.slopes[view, :, frame],
                np.where(linear.seen[view, :, frame], sigmas_px[view, :, frame] ** 2, np.inf),
            )
            result.log_likelihoods[:] += gained
        result.means[frame], result.covariances[frame] = mean, covariance
    return result


def _update(
    state: tuple[FloatArray, FloatArray], measured: FloatArray, slope: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Take in one camera's pixels (B, 2) with slope (B, 2, 3); an infinite variance (B,) means that there are none.

    One pixel axis at a time and in Joseph's form: where the prior is wide and the camera near and sharp, the
    determinant of both axes and the difference of prior and gain lose all their digits.
    """
    mean, covariance = state
    use, noise = np.isfinite(variance).astype(np.float64), np.where(np.isfinite(variance), variance, 1.0)
    gained = np.zeros(len(mean))
    for axis in range(2):
        row = slope[:, axis]  # (B, 3)
        crossed = (covariance[:, :, :3] @ row[:, :, None])[..., 0]  # (B, n)
        spread = (row * crossed[:, :3]).sum(axis=1) + noise
        innovation = measured[:, axis] - (row * mean[:, :3]).sum(axis=1)
        gain = crossed * (use / spread)[:, None]
        mean = mean + gain * innovation[:, None]
        # (1 - gain row) covariance (1 - gain row)^T + noise gain gain^T, an outer product at a time.
        half = covariance - gain[:, :, None] * crossed[:, None]
        whole = half - (half[:, :, :3] @ row[:, :, None]) * gain[:, None]
        covariance = whole + noise[:, None, None] * gain[:, :, None] * gain[:, None]
        gained -= 0.5 * use * (innovation**2 / spread + np.log(2 * np.pi * spread))
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2, gained


def smooth_backwards(filtered: Filtered, model: MotionModel) -> tuple[FloatArray, FloatArray]:
    """Return the smoothed means (F, B, n) and covariances (F, B, n, n) (Rauch, Tung and Striebel 1965)."""
    means, covariances = filtered.means.copy(), filtered.covariances.copy()
    for frame in range(len(means) - 2, -1, -1):
        ahead = filtered.predicted_covariances[frame + 1]
        gain = np.linalg.solve(ahead, model.transition @ filtered.covariances[frame]).transpose(0, 2, 1)
        change = means[frame + 1] - filtered.predicted[frame + 1]
        means[frame] += (gain @ change[..., None])[..., 0]
        covariances[frame] += gain @ (covariances[frame + 1] - ahead) @ gain.transpose(0, 2, 1)
    return means, (covariances + covariances.swapaxes(-1, -2)) / 2


def student_weights(rig: CameraRig, batch: Batch, path: FloatArray, covariances: FloatArray, dof: float) -> FloatArray:
    """Return the expected precision of each pixel error relative to a normal one, (V, B, F): (dof + 2) / (dof + r^2).

    r^2 is the expected squared error in deviations: that of the path plus what the path's covariance adds.
    """
    linear = linearise(rig, batch, path)
    predicted = (linear.slopes @ path[None, ..., None])[..., 0]
    residual = linear.measured - predicted
    spread = np.einsum("vbfij,bfjk,vbfik->vbf", linear.slopes, covariances, linear.slopes, optimize=True)
    square = ((residual**2).sum(axis=-1) + spread) / batch.sigmas_px**2
    return np.where(linear.seen, (dof + 2) / (dof + square), 1.0)


def student_information(dof: float) -> float:
    """Return what a measurement says about a location that is estimated with `student_weights`, over its mean weight.

    It is 1 without weights. Errors are taken as normal but for the outliers, which the weights keep out: with error r
    and weight w the estimate's precision is (E d(w r)/dr)^2 / E (w r)^2 (Huber 1964). That the errors have a Student-t
    distribution throughout would be more cautious, 10 % in variance at 10 degrees of freedom.
    """
    half_square, mass = np.polynomial.laguerre.laggauss(QUADRATURE_POINTS)  # of r^2 / 2, exponential in two dimensions
    weight = (dof + 2) / (dof + 2 * half_square)
    slope, square = mass @ weight**2 * dof / (dof + 2), mass @ (weight**2 * half_square)
    return float(slope**2 / square / (mass @ weight))
