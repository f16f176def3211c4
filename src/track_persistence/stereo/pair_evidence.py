"""How every track of one camera compares with every track of another: the sums from which pairs are scored.

J rows of joint frames: one row per pair of boxes seen in the same frame. n, m tracks of the first and second camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import (
    epipolar_residuals,
    meeting_depths,
    ray_angle_sigma,
    undistort_normalised,
)
from track_persistence.stereo.observations import box_sigma_px
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.triangulation import PARALLEL_SIGMAS

IndexArray = NDArray[np.intp]
# Variance of an offset that no frame measured.
USELESS_PX2 = 1e12


@dataclass(frozen=True, eq=False)
class PairEvidence:
    """What speaks for each pair of tracks, all (n, m) but for `line_sums`.

    joint_frames: frames that both saw. fitting_shares, meeting_shares: share of these near the pair's median residual,
    and share whose rays meet within the depth range. depths_m: median over them of the depth from the nearer camera,
    inf where rays are parallel. allowed: whether no gate forbids the pair. like_ratios: log-likelihood ratio of the
    metric sizes and the overlap in time. sides_px: median mean side of the boxes in pixels of the second camera, of the
    track where it is larger. line_sums: (5, n, m) weighted sums over the fitting frames of 1, t, t^2, r and
    r t, with the epipolar residual r in pixels and the time t in frames.
    """

    joint_frames: NDArray[np.intp]
    fitting_shares: FloatArray
    meeting_shares: FloatArray
    depths_m: FloatArray
    allowed: NDArray[np.bool_]
    like_ratios: FloatArray
    sides_px: FloatArray
    line_sums: FloatArray

    @property
    def offsets_px(self) -> FloatArray:
        """Weighted mean residual of the fitting frames, (n, m); 0 without such frames."""
        offsets: FloatArray = self.line_sums[3] * self.offset_variances_px2
        return offsets

    @property
    def offset_variances_px2(self) -> FloatArray:
        """Variance of `offsets_px`, (n, m); that of a useless measurement without fitting frames."""
        variances: FloatArray = np.reciprocal(np.maximum(self.line_sums[0], 1 / USELESS_PX2))
        return variances

    def reordered(self, chosen: tuple[IndexArray, ...]) -> "PairEvidence":
        """Return the pairs that `np.ix_` of rows and columns chose."""
        return PairEvidence(**{name: array[..., *chosen] for name, array in vars(self).items()})


def pair_evidence(
    rig: StereoRig, tracks1: Sequence[BoxTrack], tracks2: Sequence[BoxTrack], config: StereoConfig
) -> PairEvidence:
    """Compare every pair of tracks of the two cameras."""
    shape = (len(tracks1), len(tracks2))
    floats, sums = np.zeros((4, *shape)), np.zeros((5, *shape))
    joint = np.zeros(shape, np.intp)
    if min(shape):
        views = [_view(camera, tracks, config) for camera, tracks in zip(rig.cameras, (tracks1, tracks2), strict=True)]
        for index in range(len(tracks1)):
            mine = views[0].rows(np.flatnonzero(views[0].owners == index))
            joint[index], floats[:, index], sums[:, index] = _compared(rig, mine, views[1], config)
    fitting, meeting, depths, like = floats
    allowed = (joint >= config.min_joint_frames) & (joint > 0)
    allowed &= (fitting >= config.min_fitting_share) & (meeting >= config.min_fitting_share)
    focal_ratio = np.divide(*(np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1]) for camera in rig.cameras))
    sides = np.maximum.outer(_sides_px(tracks1) / focal_ratio, _sides_px(tracks2))
    return PairEvidence(joint, fitting, meeting, depths, allowed, like, sides, sums)


def _sides_px(tracks: Sequence[BoxTrack]) -> FloatArray:
    return np.array([np.median(track.boxes_xywh_px[:, 2:].mean(axis=1)) for track in tracks], np.float64)


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


def _view(camera: Camera, tracks: Sequence[BoxTrack], config: StereoConfig) -> _View:
    boxes = np.concatenate([track.boxes_xywh_px for track in tracks])
    frames = np.concatenate([track.frames for track in tracks])
    lengths = np.array([len(track) for track in tracks], np.intp)
    focal_px = np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1])
    view = _View(
        frames,
        undistort_normalised(camera, np.concatenate([track.centres_px for track in tracks])),
        box_sigma_px(boxes, np.concatenate([track.confidences for track in tracks]), config),
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


def _compared(
    rig: StereoRig, mine: _View, other: _View, config: StereoConfig
) -> tuple[NDArray[np.intp], list[FloatArray], list[FloatArray]]:
    """Return joint frames (m,), the float fields of `PairEvidence` and its line sums of one track with each other."""
    rows1, rows2 = _joined(mine, other)
    one, two = mine.rows(rows1), other.rows(rows2)
    tracks = len(other.lengths)
    joint = np.bincount(two.owners, minlength=tracks)
    residual, deviation = epipolar_residuals(rig, one.rays, two.rays, one.sigmas_px, two.sigmas_px)
    off_median = np.abs(residual - _medians(two.owners, residual, tracks)[two.owners])
    fits = off_median <= config.outlier_sigmas * deviation
    moved = (one.frames - mine.frames.mean())[fits]
    sums = _line_sums(two.owners[fits], moved, (residual[fits], deviation[fits]), tracks, config)
    depth1, depth2, angle = meeting_depths(rig, one.rays, two.rays)
    far = angle < PARALLEL_SIGMAS * ray_angle_sigma(rig, np.column_stack([one.sigmas_px, two.sigmas_px]))
    near, nearest = np.minimum(depth1, depth2), np.maximum(depth1, depth2)
    meets = far | ((near >= config.min_depth_m) & (nearest <= config.max_depth_m))
    with np.errstate(invalid="ignore", divide="ignore"):
        depth_ratio = np.where(far | ~(near > 0), 1.0, depth1 / depth2)
    like = _size_ratios(two.owners, np.log(one.sizes * depth_ratio / two.sizes), tracks, config)
    union = len(mine.frames) + other.lengths - joint
    like += config.overlap_weight * np.log(np.maximum(joint, 1) / union)
    shares = [np.bincount(two.owners, good, tracks) / np.maximum(joint, 1) for good in (fits, meets)]
    return joint, [*shares, _medians(two.owners, np.where(far, np.inf, near), tracks), like], sums


def _line_sums(
    owners: IndexArray,
    moved_frames: FloatArray,
    residuals: tuple[FloatArray, FloatArray],
    tracks: int,
    config: StereoConfig,
) -> list[FloatArray]:
    """Return the weighted sums of a line through residuals over time, per owner: 1, t, t^2, residual, residual t.

    residuals: epipolar distances and their deviations, (J,) pixels each.
    """
    values, deviations = residuals
    weights = 1 / (config.correlated_frames * deviations**2)
    terms = (np.ones_like(values), moved_frames, moved_frames**2, values, values * moved_frames)
    return [np.bincount(owners, weights * term, tracks).astype(np.float64) for term in terms]


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
