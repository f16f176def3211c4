"""What errors that last as long as a track add to the stated covariance of its 3D path.

A path averages the errors of single frames away, but not those that all of its frames share: where the detector sets
its boxes on this thing, which part the image's border cuts off, how far the clocks are apart. Such an error is an
unknown constant times a known shift of the pixels. The smoother is linear in the pixels, so smoothing the shift itself
says how far one deviation of the constant moves the path; the path's own estimate stays as it is. That is the consider
covariance of a Schmidt-Kalman smoother (Schmidt 1966; Jazwinski 1970, 8.4).

V cameras, B groups, F frames of a group, K constants, independent and of unit variance.
"""

from collections.abc import Sequence

import numpy as np

from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import BiasConfig, LastingConfig, SmoothingConfig
from track_persistence.stereo.geometry import project_with_jacobian
from track_persistence.stereo.motion import motion_model
from track_persistence.stereo.observations import Observations, cut_axes
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.smoothing import (
    Linear,
    SmoothedPath,
    filter_forwards,
    linearise,
    make_batch,
    smooth_backwards,
    student_information,
)
from track_persistence.stereo.triangulation import Points

AXES = 2


def bias_sigmas_px(
    rig: CameraRig, members: Sequence[BoxTrack | None], seen: Observations, bias: BiasConfig, border_px: float
) -> FloatArray:
    """Return the deviation of a lasting error along x and y, (V, F, 2) pixels; 0 where a camera saw nothing.

    seen: what `observe` made of `members`.
    """
    sigmas = np.zeros((*seen.sigmas_px.shape, AXES))
    for view, (camera, track) in enumerate(zip(rig.cameras, members, strict=True)):
        if track is not None:
            sides = track.boxes_xywh_px[:, 2:].astype(np.float64)
            share = np.hypot(bias.size_sigma, bias.cut_size_sigma * cut_axes(camera, track, border_px))
            sigmas[view, np.searchsorted(seen.frames, track.frames)] = np.hypot(bias.pixel_sigma_px, share * sides)
    return sigmas


def lasting_shifts_px(
    rig: CameraRig, members: Sequence[BoxTrack | None], seen: Observations, config: LastingConfig
) -> FloatArray:
    """Return how one deviation of each constant moves the pixels, (K, V, F, 2), K = 2 + 2 V.

    Two constants, along x and y, are common to all cameras, whose images are upright alike; each camera has two more.
    """
    shared, own = (bias_sigmas_px(rig, members, seen, bias, config.border_px) for bias in (config.shared, config.own))
    views = len(members)
    shifts = np.zeros((AXES * (1 + views), *shared.shape))
    for axis in range(AXES):
        shifts[axis, ..., axis] = shared[..., axis]
        for view in range(views):
            shifts[AXES * (1 + view) + axis, view, :, axis] = own[view, :, axis]
    return shifts


def added_to_paths(
    rig: CameraRig,
    seen: Sequence[Observations],
    paths: Sequence[SmoothedPath],
    shifts_px: Sequence[FloatArray],
    config: tuple[SmoothingConfig, LastingConfig],
) -> list[FloatArray]:
    """Return what lasting errors add to the covariances of smoothed paths, (F, 3, 3) m^2 each.

    seen: what the paths were smoothed from. shifts_px: (K, V, F', 2) for the frames of `seen`. The clocks' errors move
    the pixels of each further camera along the path's own velocity.
    """
    if not seen:
        return []
    smoothing, lasting = config
    rate_hz = rig.cameras[0].frame_rate_hz
    batch = make_batch(seen)
    longest = batch.seen.shape[2]
    located = np.stack([_padded(path.positions_m, longest) for path in paths])
    sigmas_px = batch.sigmas_px.copy()
    if smoothing.student_dof is not None:
        weights = np.stack([_padded(np.nan_to_num(path.weights, nan=1.0).T, longest).T for path in paths], axis=1)
        sigmas_px /= np.sqrt(weights * student_information(smoothing.student_dof))
    linear = linearise(rig, batch, located)
    pixels = np.stack([_on_time_axis(shifts, item, longest) for shifts, item in zip(shifts_px, seen, strict=True)], 2)
    velocities = np.stack([_padded(path.velocities_mps, longest) for path in paths])
    late = (linear.slopes @ velocities[None, ..., None])[..., 0] * (lasting.clock_sigma_frames / rate_hz)
    clocks = np.zeros((len(rig.cameras) - 1, *late.shape))
    for view in range(1, len(rig.cameras)):
        clocks[view - 1, view] = late[view]
    moved = _moved(linear, np.concatenate([pixels, clocks]), sigmas_px, smoothing, rate_hz)  # (F, K, B, 3)
    added = np.einsum("fkbi,fkbj->bfij", moved, moved)
    return [added[row, :length] for row, length in enumerate(batch.lengths.tolist())]


def added_to_points(rig: CameraRig, seen: Observations, points: Points, shifts_px: FloatArray) -> FloatArray:
    """Return what lasting errors add to the covariances of triangulated points, (F, 3, 3) m^2; NaN where there is none.

    Without a motion there is no velocity, so that the clocks' errors are left out.
    """
    pull = np.zeros((len(shifts_px), len(points), 3))
    weights = np.where(seen.seen, seen.sigmas_px, np.inf) ** -2
    for view, camera in enumerate(rig.cameras):
        _, slopes = project_with_jacobian(camera, points.positions_m)
        pull += np.einsum("fai,kfa->kfi", slopes, shifts_px[:, view] * weights[view, :, None])
    moved = np.einsum("fij,kfj->kfi", points.covariances_m2, pull)
    added: FloatArray = np.einsum("kfi,kfj->fij", moved, moved)
    return added


def _moved(
    linear: Linear, shifts_px: FloatArray, sigmas_px: FloatArray, smoothing: SmoothingConfig, rate_hz: float
) -> FloatArray:
    """Return how far pixels shifted by shifts_px (K, V, B, F, 2) move the paths, (F, K, B, 3)."""
    count, views, groups, frames, _ = shifts_px.shape
    model = motion_model(smoothing, rate_hz)
    measured = shifts_px.transpose(1, 0, 2, 3, 4).reshape(views, count * groups, frames, AXES)
    many = Linear(measured, np.tile(linear.slopes, (1, count, 1, 1, 1)), np.tile(linear.seen, (1, count, 1)))
    filtered = filter_forwards(many, np.tile(sigmas_px, (1, count, 1)), model, np.zeros((count * groups, 3)))
    means, _ = smooth_backwards(filtered, model)
    moved: FloatArray = means[..., :3].reshape(frames, count, groups, 3)
    return moved


def _padded(values: FloatArray, length: int) -> FloatArray:
    """Return values (F, ...) with the last one repeated up to `length`."""
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])


def _on_time_axis(shifts_px: FloatArray, seen: Observations, length: int) -> FloatArray:
    """Return shifts (K, V, F', 2) of the observed frames on the axis (K, V, length, 2) of `make_batch`, else 0."""
    spread = np.zeros((*shifts_px.shape[:2], length, AXES))
    spread[:, :, seen.frames - seen.frames[0]] = shifts_px
    return spread
