"""KITTI's labels as the truth of 3D points: which objects count, and which points are neither right nor wrong.

The rules are those of KITTI's tracking benchmark: labels that are truncated or hidden, and neighbouring classes, may be
found or left out; a point that is on no object is not held against a method when most of its box lies in a `DontCare`
region or its box is small. Small labels may be left out here as well, as their boxes may be found, and so may objects
that not both images show. The true point of an object is the centre of its 3D box.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import BoxTrack, IntArray
from track_persistence.evaluation.kitti_config import Category, TruthConfig
from track_persistence.evaluation.metrics3d import Frame, assign_within
from track_persistence.stereo.geometry import project, to_camera
from track_persistence.stereo.triangulation import triangulate
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.video.kitti import DONT_CARE, KittiLabels

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
EXACT_PX = 1e-3  # deviation of pixels that are known: no ray counts as parallel to another


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of one class: N objects and R regions.

    frames: (N,), positions_m: (N, 3), counted: (N,) bool, the others may be found or left out. region_frames: (R,),
    regions_px: (R, 4) x1 y1 x2 y2 of the `DontCare` regions in the left image.
    """

    frames: IntArray
    positions_m: Floats
    counted: Mask
    region_frames: IntArray
    regions_px: Floats


@dataclass(frozen=True, eq=False)
class Estimates:
    """The M points of some 3D tracks.

    frames: (M,). positions_m: (M, 3). corners_px: (M, 4) x1 y1 x2 y2 of the left box, in a gap of the left track that
    of the box before. tracks: (M,) which of the 3D tracks, by position.
    """

    frames: IntArray
    positions_m: Floats
    corners_px: Floats
    tracks: NDArray[np.intp]


def truth_of(labels: KittiLabels, rig: StereoRig, category: Category, config: TruthConfig) -> Truth:
    """Return what the labels say about one class."""
    own = labels.types == category
    objects = own | np.isin(labels.types, config.neighbours.get(category, ()))
    counted = (
        own
        & (labels.truncated <= config.max_truncated)
        & (labels.occluded <= config.max_occluded)
        & (labels.corners_px[:, 3] - labels.corners_px[:, 1] >= config.min_height_px)
    )
    centres = labels.boxes.centres_m[objects]
    visible = _inside(rig.cameras[0], centres) & _inside(rig.cameras[1], centres)
    regions = labels.types == DONT_CARE
    return Truth(
        labels.frames[objects], centres, counted[objects] & visible, labels.frames[regions], labels.corners_px[regions]
    )


def estimates_of(reconstructed: Sequence[Reconstructed3DTrack], left: Sequence[BoxTrack]) -> Estimates:
    """Return the points of the 3D tracks; `left` holds the left camera's 2D tracks."""
    by_id = {track.track_id: track for track in left}
    frames, positions = [np.empty(0, np.int32)], [np.empty((0, 3))]
    boxes, tracks = [np.empty((0, 4))], [np.empty(0, np.intp)]
    for number, track in enumerate(reconstructed):
        first = track.track_ids[0]
        assert first is not None, "a group of two cameras has a track in both"
        seen = by_id[first]
        now = track.frames[track.located]
        at = np.maximum(np.searchsorted(seen.frames, now, side="right") - 1, 0)
        frames.append(now)
        positions.append(track.positions_m[track.located])
        boxes.append(seen.boxes_xywh_px[at].astype(np.float64))
        tracks.append(np.full(len(now), number, np.intp))
    corners = np.concatenate(boxes)
    corners[:, 2:] += corners[:, :2]
    return Estimates(np.concatenate(frames), np.concatenate(positions), corners, np.concatenate(tracks))


def scored_frames(frames: int, truth: Truth, found: Estimates, gate_m: float, config: TruthConfig) -> Iterator[Frame]:
    """Yield the frames 0 to `frames` - 1, without the points that are not held against a method."""
    for frame in range(frames):
        now, own = truth.frames == frame, found.frames == frame
        points = found.positions_m[own]
        excused = _excused(found.corners_px[own], truth.regions_px[truth.region_frames == frame], config)
        true = truth.positions_m[now]
        pairs, _ = assign_within(true[truth.counted[now]], points, gate_m)
        excused[pairs[:, 1]] = False
        yield Frame(true[truth.counted[now]], true[~truth.counted[now]], points[~excused])


def real_tracks(truth: Truth, found: Estimates, gate_m: float, config: TruthConfig) -> dict[int, bool]:
    """Return whether a 3D track is a real object, by its position among those `found` was made of.

    It is when at least half of its points lie closer than `gate_m` to an object, counted or not. Left out are tracks
    without points, and others of whose points at least half are not held against a method.
    """
    on_object, excused = np.zeros(len(found.frames), np.bool_), np.zeros(len(found.frames), np.bool_)
    for frame in np.unique(found.frames):
        own = found.frames == frame
        true = truth.positions_m[truth.frames == frame]
        distances_m = np.linalg.norm(found.positions_m[own][:, None] - true[None], axis=2)
        on_object[own] = distances_m.min(axis=1, initial=np.inf) < gate_m
        excused[own] = _excused(found.corners_px[own], truth.regions_px[truth.region_frames == frame], config)
    answers = {}
    for track in np.unique(found.tracks).tolist():
        own = found.tracks == track
        is_real = bool(on_object[own].mean() >= 0.5)
        if is_real or excused[own].mean() < 0.5:
            answers[track] = is_real
    return answers


def reference_offsets_m(labels: KittiLabels, rig: StereoRig, category: Category) -> Floats:
    """Return triangulated minus true centres (K, 3) of the class's labelled boxes that are wholly in both images.

    The point that two box centres without noise triangulate to lies nearer than the centre of the 3D box, for the near
    end of a thing is the larger one: this much of the localisation error is no fault of a method.
    """
    boxes = labels.boxes[labels.types == category]
    pixels, whole = [], np.ones(len(boxes.turns_rad), np.bool_)
    for camera in rig.cameras:
        corners_m = boxes.corners_m.reshape(-1, 3)
        corners = project(camera, corners_m).reshape(-1, 8, 2)
        pixels.append((corners.min(axis=1) + corners.max(axis=1)) / 2)
        whole &= _inside(camera, corners_m).reshape(-1, 8).all(axis=1)
    points = triangulate(rig, np.array(pixels)[:, whole], EXACT_PX)
    return points.positions_m - boxes.centres_m[whole]


def _excused(corners_px: Floats, regions_px: Floats, config: TruthConfig) -> Mask:
    """Which boxes (m, 4) are small, or lie in one of the regions (r, 4) with a large enough share of their area."""
    small = corners_px[:, 3] - corners_px[:, 1] < config.min_height_px
    low = np.maximum(corners_px[:, None, :2], regions_px[None, :, :2])
    high = np.minimum(corners_px[:, None, 2:], regions_px[None, :, 2:])
    shared_px2 = np.maximum(high - low, 0).prod(axis=2)  # (m, r)
    area_px2 = (corners_px[:, 2:] - corners_px[:, :2]).prod(axis=1)
    excused: Mask = small | (shared_px2 > config.dont_care_share * area_px2[:, None]).any(axis=1)
    return excused


def _inside(camera: Camera, positions_m: Floats) -> Mask:
    ahead: Mask = to_camera(camera, positions_m)[:, 2] > 0
    pixels = project(camera, np.where(ahead[:, None], positions_m, camera.centre_m + camera.rotation[2]))
    inside: Mask = ahead & ((pixels >= 0) & (pixels <= np.array(camera.image_size_px) - 1)).all(axis=1)
    return inside
