"""Which track of camera 1 and which of camera 2 are one thing: whole tracks, one partner or none.

Pairs are scored by the log-likelihood ratio "one thing" against "unrelated" over all joint frames, then assigned at
once (Hungarian method). J rows of joint frames: one row per pair of boxes seen in the same frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import Track
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import (
    FloatArray,
    epipolar_residuals,
    meeting_depths,
    ray_angle_sigma,
    undistort_normalised,
)
from track_persistence.stereo.triangulation import PARALLEL_SIGMAS

IndexArray = NDArray[np.intp]


@dataclass(frozen=True)
class Pair:
    """Two tracks that are one thing: their positions in the two sequences, and why."""

    first: int
    second: int
    log_likelihood_ratio: float
    """One thing against unrelated, natural logarithm, without the cost of a partner."""
    joint_frames: int


@dataclass(frozen=True, eq=False)
class Association:
    """Partners across the cameras and the tracks without one, as positions in the two sequences.

    log_likelihood_ratios: (tracks of camera 1, tracks of camera 2), -inf where a gate forbids the pair.
    """

    pairs: tuple[Pair, ...]
    unpaired: tuple[tuple[int, ...], tuple[int, ...]]
    log_likelihood_ratios: FloatArray


@dataclass(frozen=True, eq=False)
class _View:
    """All boxes of one camera, ordered by frame."""

    frames: NDArray[np.int32]
    rays: FloatArray
    sigmas_px: FloatArray
    sizes: FloatArray
    owners: IndexArray
    lengths: IndexArray

    def rows(self, chosen: IndexArray) -> "_View":
        """Return the chosen boxes."""
        return _View(
            self.frames[chosen],
            self.rays[chosen],
            self.sigmas_px[chosen],
            self.sizes[chosen],
            self.owners[chosen],
            self.lengths,
        )


def box_sigma_px(boxes_xywh_px: NDArray[np.float32], config: StereoConfig) -> FloatArray:
    """Return the standard deviation per axis of box centres, (T,) pixels; boxes_xywh_px: (T, 4)."""
    side: FloatArray = boxes_xywh_px[:, 2:].mean(axis=1, dtype=np.float64)
    sigma: FloatArray = np.hypot(config.pixel_sigma_px, config.size_sigma * side)
    return sigma


def joint_rows(first: Track, second: Track) -> tuple[NDArray[np.int32], IndexArray, IndexArray]:
    """Return the frames that both tracks saw, and their rows in each track, (J,) each."""
    frames, rows1, rows2 = np.intersect1d(first.frames, second.frames, assume_unique=True, return_indices=True)
    return frames, rows1, rows2


def associate(rig: StereoRig, tracks1: Sequence[Track], tracks2: Sequence[Track], config: StereoConfig) -> Association:
    """Find the partners among the tracks of the two cameras.

    A track without joint frames, behind a camera, or fitting no epipolar line stays without a partner.
    """
    ratios = np.full((len(tracks1), len(tracks2)), -np.inf)
    joint = np.zeros(ratios.shape, np.intp)
    if ratios.size:
        views = [_view(camera, tracks, config) for camera, tracks in zip(rig.cameras, (tracks1, tracks2), strict=True)]
        for index in range(len(tracks1)):
            mine = views[0].rows(np.flatnonzero(views[0].owners == index))
            ratios[index], joint[index] = _scores(rig, mine, views[1], config)
    chosen = _assign(ratios - config.null_partner_cost)
    pairs = tuple(Pair(i, j, float(ratios[i, j]), int(joint[i, j])) for i, j in chosen)
    unpaired = (
        tuple(sorted(set(range(len(tracks1))) - {pair.first for pair in pairs})),
        tuple(sorted(set(range(len(tracks2))) - {pair.second for pair in pairs})),
    )
    return Association(pairs, unpaired, ratios)


def _view(camera: Camera, tracks: Sequence[Track], config: StereoConfig) -> _View:
    boxes = np.concatenate([track.boxes_xywh_px for track in tracks])
    frames = np.concatenate([track.frames for track in tracks])
    lengths = np.array([len(track) for track in tracks], np.intp)
    focal_px = np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1])
    view = _View(
        frames,
        undistort_normalised(camera, np.concatenate([track.centres_px for track in tracks])),
        box_sigma_px(boxes, config),
        np.sqrt(boxes[:, 2:].prod(axis=1, dtype=np.float64)) / focal_px,
        np.repeat(np.arange(len(tracks)), lengths),
        lengths,
    )
    return view.rows(np.argsort(frames, kind="stable"))


def _joined(first: _View, second: _View) -> tuple[IndexArray, IndexArray]:
    """Return the rows of both views for every pair of boxes seen in one frame, (J,) each."""
    start = np.searchsorted(second.frames, first.frames, side="left")
    count = np.searchsorted(second.frames, first.frames, side="right") - start
    rows1 = np.repeat(np.arange(len(first.frames)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return rows1, np.repeat(start, count) + within


def _scores(rig: StereoRig, mine: _View, other: _View, config: StereoConfig) -> tuple[FloatArray, IndexArray]:
    """Log-likelihood ratios of one track of camera 1 with each of camera 2, and the numbers of joint frames."""
    rows1, rows2 = _joined(mine, other)
    one, two = mine.rows(rows1), other.rows(rows2)
    tracks = len(other.lengths)
    joint = np.bincount(two.owners, minlength=tracks)
    residual, deviation = epipolar_residuals(rig, one.rays, two.rays, one.sigmas_px, two.sigmas_px)
    off_median = np.abs(residual - _medians(two.owners, residual, tracks)[two.owners])
    fits = off_median <= config.outlier_sigmas * deviation
    moved = (one.frames - mine.frames.mean())[fits]
    ratios = _epipolar_ratios(rig, two.owners[fits], moved, (residual[fits], deviation[fits]), tracks, config)
    depth1, depth2, angle = meeting_depths(rig, one.rays, two.rays)
    far = angle < PARALLEL_SIGMAS * ray_angle_sigma(rig, np.column_stack([one.sigmas_px, two.sigmas_px]))
    near, nearest = np.minimum(depth1, depth2), np.maximum(depth1, depth2)
    meets = far | ((near >= config.min_depth_m) & (nearest <= config.max_depth_m))
    with np.errstate(invalid="ignore"):
        depth_ratio = np.where(far | ~(near > 0), 1.0, depth1 / depth2)
    log_size = np.log(one.sizes * depth_ratio / two.sizes)
    ratios += _size_ratios(two.owners, log_size, tracks, config)
    union = len(mine.frames) + other.lengths - joint
    ratios += config.overlap_weight * np.log(np.maximum(joint, 1) / union)
    allowed = joint >= config.min_joint_frames
    for good in (fits, meets):
        allowed &= np.bincount(two.owners, good, tracks) >= config.min_fitting_share * joint
    return np.where(allowed, ratios, -np.inf), joint


def _epipolar_ratios(
    rig: StereoRig,
    owners: IndexArray,
    moved_frames: FloatArray,
    residuals: tuple[FloatArray, FloatArray],
    tracks: int,
    config: StereoConfig,
) -> FloatArray:
    """Bayes factor (log) per track: residuals of one thing against those of two things that move on their own.

    Both hypotheses say: a line over time plus noise. Partners have an offset near 0 and no slope; unrelated tracks any
    offset and some slope, so a chance alignment pays once for its offset, not in every frame anew.
    residuals: epipolar distances and their deviations, (J,) pixels each.
    """
    values, deviations = residuals
    weights = 1 / (config.correlated_frames * deviations**2)
    s0, s1, s2, h0, h1 = (
        np.bincount(owners, term, tracks)
        for term in (
            weights,
            weights * moved_frames,
            weights * moved_frames**2,
            weights * values,
            weights * values * moved_frames,
        )
    )

    def evidence(offset_px: float, slope_px: float) -> FloatArray:
        """Log marginal likelihood with zero-mean normal priors on offset and slope, up to a common constant."""
        a, d = offset_px**2, slope_px**2
        determinant = (1 + a * s0) * (1 + d * s2) - a * d * s1**2
        square = a * (1 + d * s2) * h0**2 - 2 * a * d * s1 * h0 * h1 + d * (1 + a * s0) * h1**2
        log_likelihood: FloatArray = 0.5 * (square / determinant - np.log(determinant))
        return log_likelihood

    # A uniform offset over a side of the image has the deviation side / sqrt 12.
    anywhere_px = min(rig.cameras[1].image_size_px) / np.sqrt(12)
    return evidence(config.bias_sigma_px, 0.0) - evidence(anywhere_px, config.drift_spread_px)


def _size_ratios(owners: IndexArray, log_size: FloatArray, tracks: int, config: StereoConfig) -> FloatArray:
    """Log-likelihood ratio per track that both boxes have one metric size; counted once: frames share their error."""
    middle = _medians(owners, log_size, tracks)
    same, unrelated = config.log_size_sigma, config.log_size_spread
    ratio: FloatArray = np.log(unrelated / same) - 0.5 * middle**2 * (same**-2 - unrelated**-2)
    return ratio


def _medians(owners: IndexArray, values: FloatArray, tracks: int) -> FloatArray:
    """Median of `values` per owner, 0 for an owner without rows; the upper one of two middle values."""
    order = np.lexsort((values, owners))
    count = np.bincount(owners, minlength=tracks)
    found = np.zeros(tracks)
    seen = count > 0
    found[seen] = values[order][(np.cumsum(count) - count + count // 2)[seen]]
    return found


def _assign(gains: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs with the largest total gain; a gain of 0 or less is worse than no partner."""
    cost = np.hstack([np.where(gains > 0, -gains, 0.0), np.zeros((len(gains), len(gains)))])
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if j < gains.shape[1] and gains[i, j] > 0]
