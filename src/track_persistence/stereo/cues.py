"""What the geometry of associated tracks says about whether they show one real thing: no pixels, no labels.

V cameras, J joint frames (seen by at least two members), L of them with a point.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from track_persistence.core.rig import Camera, CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Association, Group
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import (
    distort,
    epipolar_residuals,
    pixel_from_normalised,
    to_camera,
    undistort_normalised,
)
from track_persistence.stereo.observations import Observations, observe
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.triangulation import triangulate

LOG_SQRT_2_PI = 0.5 * np.log(2 * np.pi)
DEPTHS_TRIED = 17


@dataclass(frozen=True)
class MotionPrior:
    """How real things move: with a velocity that white acceleration disturbs."""

    process_psd: float
    """Power spectral density of the acceleration per world axis, m^2/s^3."""
    speed_sigma_mps: float
    """Deviation of the velocity per world axis before anything is seen, metres per second."""


@dataclass(frozen=True)
class GeometryCues:
    """The cues of one group; None where its frames do not define one."""

    epipolar_log_likelihood_ratio: float
    """The association's: one thing against unrelated things, summed over the pairs of cameras, natural logarithm."""
    epipolar_log_likelihood: float
    """Mean over the joint frames of the normal log-density of the epipolar residual, in standard deviations about the
    rig's own offset; at best -log sqrt(2 pi) = -0.92."""
    motion_chi_square: float | None
    """Of the triangulated points about the likeliest path under the motion prior, per degree of freedom; 1 is expected
    of a thing that moves so. From two points on."""
    depth_m: float | None
    """Median over the points of the depth seen from the nearest member's camera."""
    speed_mps: float | None
    """Length of that path over its duration. From two points on."""
    size_m: float | None
    """Root of the box's area at the depth of the point: median over the frames, geometric mean over the views."""
    size_disagreement: float | None
    """Largest difference of two views in the logarithm of that size."""
    size_change: float | None
    """Root mean square change of its logarithm from one point to the next. From two points on."""
    ray_angle_rad: float
    """Median over the joint frames of the largest angle between two rays."""
    joint_frames: int
    """Frames that at least two members saw, J."""
    lost_share: float
    """Share of them without a point: rays that meet behind a camera, are parallel, or miss each other."""


@dataclass(frozen=True)
class UnpairedCues:
    """The cues of one track without partner."""

    expected_share: float
    """How surely another camera should have seen it: share of its epipolar segments, between the nearest and the
    farthest depth and even in inverse depth, that lies inside the image; mean over its frames, of the best camera."""
    candidates: int
    """Tracks of other cameras that no gate of the association forbids."""
    best_log_likelihood_ratio: float | None
    """The largest one with a candidate; None without any."""


@dataclass(frozen=True, eq=False)
class SceneCues:
    """groups: in the order of `Association.groups`. unpaired: per camera, in the order of `Association.unpaired`."""

    groups: tuple[GeometryCues, ...]
    unpaired: tuple[tuple[UnpairedCues, ...], ...]


def cues(
    rig: CameraRig,
    association: Association,
    tracks: Sequence[Sequence[BoxTrack]],
    config: StereoConfig,
    motion: MotionPrior,
) -> SceneCues:
    """Return the cues of every group and of every track without partner; `tracks` are those given to `associate`."""
    return SceneCues(
        tuple(group_cues(rig, association, group, tracks, config, motion) for group in association.groups),
        tuple(
            tuple(unpaired_cues(rig, association, (camera, index), tracks[camera][index], config) for index in indices)
            for camera, indices in enumerate(association.unpaired)
        ),
    )


def group_cues(
    rig: CameraRig,
    association: Association,
    group: Group,
    tracks: Sequence[Sequence[BoxTrack]],
    config: StereoConfig,
    motion: MotionPrior,
) -> GeometryCues:
    """Return the cues of one group of `association`; its members have at least one joint frame."""
    members = [None if index is None else own[index] for own, index in zip(tracks, group.members, strict=True)]
    seen = observe(members, config)
    joint = seen.views >= 2
    points = triangulate(rig, seen.pixels[:, joint], seen.sigmas_px[:, joint]).with_outliers(config.outlier_sigmas)
    ok = points.ok
    frames, positions = seen.frames[joint][ok], points.positions_m[ok]
    depths = np.array([to_camera(camera, positions)[:, 2] for camera in rig.cameras])  # (V, L)
    log_sizes = _log_sizes(rig, members, frames, depths)  # (V, L)
    views = [float(np.nanmedian(row)) for row in log_sizes if not np.isnan(row).all()]
    chi_square, speed, change = None, None, None
    if len(frames) >= 2:
        times_s = frames / rig.cameras[0].frame_rate_hz
        chi_square, speed = _motion(times_s, positions, points.covariances_m2[ok], motion)
        change = float(np.sqrt(np.mean(np.diff(np.nanmean(log_sizes, axis=0)) ** 2)))
    return GeometryCues(
        epipolar_log_likelihood_ratio=group.log_likelihood_ratio,
        epipolar_log_likelihood=_epipolar_log_likelihood(rig, association, seen),
        motion_chi_square=chi_square,
        depth_m=float(np.median(np.where(np.isnan(log_sizes), np.inf, depths).min(axis=0))) if views else None,
        speed_mps=speed,
        size_m=float(np.exp(np.mean(views))) if views else None,
        size_disagreement=float(np.ptp(views)) if views else None,
        size_change=change,
        ray_angle_rad=float(np.median(points.ray_angles_rad)),
        joint_frames=group.joint_frames,
        lost_share=float(1 - ok.mean()),
    )


def unpaired_cues(
    rig: CameraRig, association: Association, place: tuple[int, int], track: BoxTrack, config: StereoConfig
) -> UnpairedCues:
    """Return the cues of one track without partner; `place` is its camera and its position in that camera's tracks."""
    own, index = place
    shares = [
        _share_inside(rig.cameras[own], other, track, config)
        for number, other in enumerate(rig.cameras)
        if number != own
    ]
    ratios = np.concatenate(
        [
            found[index] if own == pair[0] else found[:, index]
            for pair, found in association.log_likelihood_ratios.items()
            if own in pair
        ]
    )
    allowed = ratios[np.isfinite(ratios)]
    return UnpairedCues(max(shares), len(allowed), float(allowed.max()) if len(allowed) else None)


def _epipolar_log_likelihood(rig: CameraRig, association: Association, seen: Observations) -> float:
    squares = []
    for pair in combinations(range(len(rig.cameras)), 2):
        both = seen.seen[list(pair)].all(axis=0)
        if both.any():
            rays = [undistort_normalised(rig.cameras[view], seen.pixels[view, both]) for view in pair]
            residual, deviation = epipolar_residuals(rig.pair(*pair), *rays, *seen.sigmas_px[list(pair)][:, both])
            bias = association.biases[pair]
            squares.append((residual - bias.mean_px) ** 2 / (deviation**2 + bias.sigma_px**2))
    return float(-0.5 * np.concatenate(squares).mean() - LOG_SQRT_2_PI)


def _log_sizes(
    rig: CameraRig, members: Sequence[BoxTrack | None], frames: NDArray[np.int32], depths: FloatArray
) -> FloatArray:
    """Logarithm of the metric sizes (V, L) of the boxes seen in `frames` (L,) at `depths` (V, L); NaN unseen."""
    sizes = np.full(depths.shape, np.nan)
    for view, (camera, track) in enumerate(zip(rig.cameras, members, strict=True)):
        if track is not None:
            _, rows, columns = np.intersect1d(track.frames, frames, assume_unique=True, return_indices=True)
            area_px2 = track.boxes_xywh_px[rows, 2:].prod(axis=1, dtype=np.float64)
            focal_px2 = camera.intrinsics[0, 0] * camera.intrinsics[1, 1]
            sizes[view, columns] = np.log(depths[view, columns]) + 0.5 * np.log(area_px2 / focal_px2)
    return sizes


def _motion(
    times_s: FloatArray, positions_m: FloatArray, covariances_m2: FloatArray, prior: MotionPrior
) -> tuple[float, float]:
    """Return chi-square per degree of freedom and speed of points (L, 3) at `times_s` (L,), L >= 2.

    The likeliest path of positions and velocities solves a banded linear system, in time linear in L. At it the squared
    residuals of points, motion and first velocity sum to the chi-square of a Kalman filter's innovations: 3 L
    numbers less 3 for the unknown first position.
    """
    steps_s = np.diff(times_s)
    information = np.linalg.inv(covariances_m2)
    process, transition = _process(steps_s, prior)
    linked = np.einsum("nji,njk->nik", transition, process)
    diagonal = np.zeros((len(times_s), 6, 6))
    diagonal[:, :3, :3] = information
    diagonal[0, 3:, 3:] += np.eye(3) / prior.speed_sigma_mps**2
    diagonal[:-1] += linked @ transition
    diagonal[1:] += process
    # About their mean: far from the world's origin the squares would lose digits.
    measured = positions_m - positions_m.mean(axis=0)
    right = np.zeros((len(times_s), 6))
    right[:, :3] = np.einsum("nij,nj->ni", information, measured)
    path = solveh_banded(_banded(diagonal, -linked), right.ravel()).reshape(-1, 6)
    missed = measured - path[:, :3]
    disturbed = path[1:] - np.einsum("nij,nj->ni", transition, path[:-1])
    chi_square = (
        np.einsum("ni,nij,nj->", missed, information, missed)
        + np.einsum("ni,nij,nj->", disturbed, process, disturbed)
        + (path[0, 3:] ** 2).sum() / prior.speed_sigma_mps**2
    )
    way_m = np.linalg.norm(np.diff(path[:, :3], axis=0), axis=1).sum()
    return float(chi_square / (3 * len(times_s) - 3)), float(way_m / steps_s.sum())


def _process(steps_s: FloatArray, prior: MotionPrior) -> tuple[FloatArray, FloatArray]:
    """Inverse covariance of what white acceleration adds in each step, and the transition: (L - 1, 6, 6) each."""
    inverse, transition = np.empty((2, len(steps_s), 2, 2))
    inverse[:, 0, 0] = 12 / steps_s**3
    inverse[:, 0, 1] = inverse[:, 1, 0] = -6 / steps_s**2
    inverse[:, 1, 1] = 4 / steps_s
    transition[:] = np.eye(2)
    transition[:, 0, 1] = steps_s
    axes = np.eye(3)
    both = (np.kron(inverse / prior.process_psd, axes), np.kron(transition, axes))
    return np.asarray(both[0], np.float64), np.asarray(both[1], np.float64)


def _banded(diagonal: FloatArray, above: FloatArray) -> FloatArray:
    """Upper banded form of the symmetric matrix with blocks `diagonal` (L, n, n) and `above` them (L - 1, n, n)."""
    size = diagonal.shape[1]
    band = np.zeros((2 * size, len(diagonal) * size))
    for row in range(size):
        for column in range(size):
            if row <= column:
                band[2 * size - 1 + row - column, column::size] = diagonal[:, row, column]
            band[size - 1 + row - column, size + column :: size] = above[:, row, column]
    return band


def _share_inside(camera: Camera, other: Camera, track: BoxTrack, config: StereoConfig) -> float:
    """Mean share of the epipolar segments of a track's box centres that lies inside the other camera's image."""
    inverse_m = np.linspace(1 / config.max_depth_m, 1 / config.min_depth_m, DEPTHS_TRIED)
    rays = np.column_stack([undistort_normalised(camera, track.centres_px), np.ones(len(track))])
    along = (rays[:, None] / inverse_m[:, None]).reshape(-1, 3)
    local = to_camera(other, (along - camera.translation_m) @ camera.rotation)
    ahead = local[local[:, 2] > 0]
    normalised = ahead[:, :2] / ahead[:, 2:]
    pixels = distort(other, normalised)
    inside = ((pixels >= -0.5) & (pixels < np.array(other.image_size_px) - 0.5)).all(axis=1)
    # Far outside the calibrated image a polynomial lens can fold back into it.
    inside &= np.linalg.det(pixel_from_normalised(other, normalised)) > 0
    return float(inside.sum() / len(local))
