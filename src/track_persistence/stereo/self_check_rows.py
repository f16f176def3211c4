"""Partners in a rig that may be wrong, at each time offset, and what their joint frames say about the rig.

An offset is the number of frames added to the second camera's frame numbers. K pairs of partners, J joint frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
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
from track_persistence.stereo.grouping import assign
from track_persistence.stereo.observations import box_sigma_px, cut_axes
from track_persistence.stereo.pair_evidence import pair_evidence
from track_persistence.stereo.pixels import BoolArray, FloatArray
from track_persistence.stereo.scoring import score
from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.stereo.triangulation import PARALLEL_SIGMAS

Pair = tuple[BoxTrack, BoxTrack]
# The windows of a velocity end here, in deviations.
WINDOW_SIGMAS = 3.0
# Steps of the numerical derivatives; residuals are smooth on the scale of degrees and of frames.
STEP_RAD = 1e-4
STEP_FRAMES = 0.1


@dataclass(frozen=True, eq=False)
class Rows:
    """The joint frames of all partners.

    pairs: (J,) which pair of partners, counted from 0 to `count` - 1. residuals_px, deviations_px: (J,) signed distance
    from the epipolar line in the second image. slopes: (J, 4) its derivative by what the second camera has to be turned
    about its x, y and z axis (pixels per radian) and by frames to be added to its frame numbers (pixels per frame).
    pixels1: (J, 2) box centres in the first camera. in_front: (J,) whether the rays meet in front of both cameras, or
    are parallel within their noise.
    """

    count: int
    pairs: NDArray[np.intp]
    residuals_px: FloatArray
    deviations_px: FloatArray
    slopes: FloatArray
    pixels1: FloatArray
    in_front: BoolArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sums of `values` (J, ...) over the frames of each pair, (K, ...)."""
        found = np.zeros((self.count, *values.shape[1:]))
        np.add.at(found, self.pairs, values)
        return found


def shifted(tracks: Sequence[BoxTrack], frames: int) -> list[BoxTrack]:
    """Return the tracks, without pixels, with `frames` added to their frame numbers."""
    return [
        BoxTrack(track.camera, track.track_id, track.frames + np.int32(frames), track.boxes_xywh_px, track.confidences)
        for track in tracks
    ]


def find_partners(
    rig: StereoRig,
    tracks1: Sequence[BoxTrack],
    tracks2: Sequence[BoxTrack],
    config: StereoConfig,
    anywhere: bool = False,
) -> tuple[list[Pair], float]:
    """Return the partners and the sum of their log-likelihood ratios above the null partner's.

    anywhere: let pairs pass whose rays meet outside the depth range, behind the cameras too.
    """
    evidence = pair_evidence(rig, tracks1, tracks2, config)
    if anywhere:
        fits = evidence.fitting_shares >= config.min_fitting_share
        evidence = replace(evidence, allowed=fits & (evidence.joint_frames >= config.min_joint_frames))
    gains = score(rig, evidence, config)[0] - config.null_partner_cost
    chosen = assign(gains)
    return [(tracks1[i], tracks2[j]) for i, j in chosen], float(sum(gains[i, j] for i, j in chosen))


def joint_rows(rig: StereoRig, partners: Sequence[Pair], stereo: StereoConfig, config: SelfCheckConfig) -> Rows:
    """Return what the joint frames of partners say.

    Frames in which the image's border cuts a box off are left out, and pairs without a frame left.
    """
    parts = [part for part in (_pair_rows(rig, pair, stereo, config) for pair in partners) if len(part[0])]
    if not parts:
        none = np.empty(0)
        return Rows(0, none.astype(np.intp), none, none, np.empty((0, 4)), np.empty((0, 2)), none.astype(np.bool_))
    owners = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    residuals, deviations, slopes, pixels, in_front = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Rows(len(parts), owners, residuals, deviations, slopes, pixels, in_front.astype(np.bool_))


def cut_off(camera: Camera, track: BoxTrack, config: SelfCheckConfig) -> BoolArray:
    """Return in which frames (T,) the image's border cuts the box off."""
    return np.asarray(cut_axes(camera, track, config.border_px).any(axis=1), np.bool_)


def _pair_rows(rig: StereoRig, pair: Pair, stereo: StereoConfig, config: SelfCheckConfig) -> tuple[FloatArray, ...]:
    """Residuals, deviations, slopes, first pixels and whether in front, of one pair; empty without joint frames."""
    frames, *at = np.intersect1d(pair[0].frames, pair[1].frames, assume_unique=True, return_indices=True)
    views = list(zip(rig.cameras, pair, at, strict=True))
    cut1, cut2 = (cut_off(camera, track, config)[rows] for camera, track, rows in views)
    whole = ~(cut1 | cut2)
    frames, views = frames[whole], [(camera, track, rows[whole]) for camera, track, rows in views]
    pixels = [track.centres_px[rows] for _, track, rows in views]
    rays1, rays2 = (undistort_normalised(camera, seen) for (camera, _, _), seen in zip(views, pixels, strict=True))
    sigma1, sigma2 = (
        box_sigma_px(track.boxes_xywh_px[rows], track.confidences[rows], stereo) for _, track, rows in views
    )
    residuals, deviations = epipolar_residuals(rig, rays1, rays2, sigma1, sigma2)
    depth1, depth2, angle = meeting_depths(rig, rays1, rays2)
    far = angle < PARALLEL_SIGMAS * ray_angle_sigma(rig, np.column_stack([sigma1, sigma2]))
    in_front = far | ((depth1 > 0) & (depth2 > 0))
    slopes = _slopes(rig, frames, (rays1, rays2), config)
    return residuals, deviations, slopes, pixels[0].astype(np.float64), in_front.astype(np.float64)


def _slopes(
    rig: StereoRig, frames: NDArray[np.int32], rays: tuple[FloatArray, FloatArray], config: SelfCheckConfig
) -> FloatArray:
    """Return `Rows.slopes` of one pair, (J, 4)."""

    def residual(seen1: FloatArray, seen2: FloatArray) -> FloatArray:
        return epipolar_residuals(rig, seen1, seen2)[0]

    if not len(frames):
        return np.empty((0, 4))
    columns = []
    for axis in np.eye(3):
        # A camera turned by R has seen what the camera as it is calls R^T x.
        there, back = (_turned(rays[1], -side * STEP_RAD * axis) for side in (1, -1))
        columns.append((residual(rays[0], there) - residual(rays[0], back)) / (2 * STEP_RAD))
    (smooth1, _), (smooth2, velocity2) = (moved(frames, seen, config.velocity_frames) for seen in rays)
    # With a frame added to its number, what was seen a frame earlier is the partner of the same frame.
    step = STEP_FRAMES * velocity2
    columns.append((residual(smooth1, smooth2 - step) - residual(smooth1, smooth2 + step)) / (2 * STEP_FRAMES))
    return np.column_stack(columns)


def moved(frames: NDArray[np.int32], values: FloatArray, sigma_frames: float) -> tuple[FloatArray, FloatArray]:
    """Return values (J, C) and their change per frame (J, C) by a line fitted in a Gaussian window about each frame.

    frames: (J,) strictly increasing. Where no other frame lies in the window the change is 0.
    """
    reach = int(np.ceil(WINDOW_SIGMAS * sigma_frames))
    times = np.arange(-reach, reach + 1)
    window = np.exp(-0.5 * (times / sigma_frames) ** 2)
    at = frames - frames[0] + reach
    dense = np.zeros((at[-1] + reach + 1, 1 + values.shape[1]))
    dense[at, 0] = 1.0
    # About the mean, so that nothing is lost by cancellation.
    middle = values.mean(axis=0)
    dense[at, 1:] = values - middle

    def moment(power: int) -> FloatArray:
        kernel = (window * times**power)[::-1]
        found: FloatArray = np.column_stack([np.convolve(column, kernel, mode="same") for column in dense.T])[at]
        return found

    zeroth, first = moment(0), moment(1)
    second = moment(2)[:, :1]
    s0, s1 = zeroth[:, :1], first[:, :1]
    spread = s0 * second - s1**2
    alone = spread <= 1e-9 * s0**2
    safe = np.where(alone, 1.0, spread)
    value: FloatArray = np.where(alone, zeroth[:, 1:] / s0, (second * zeroth[:, 1:] - s1 * first[:, 1:]) / safe)
    change: FloatArray = np.where(alone, 0.0, (s0 * first[:, 1:] - s1 * zeroth[:, 1:]) / safe)
    return value + middle, change


def _turned(rays: FloatArray, vector_rad: FloatArray) -> FloatArray:
    rotation = np.asarray(cv2.Rodrigues(vector_rad)[0], np.float64)
    points = np.column_stack([rays, np.ones(len(rays))]) @ rotation.T
    turned: FloatArray = points[:, :2] / points[:, 2:]
    return turned
