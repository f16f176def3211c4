"""A KITTI sequence as two views: the detector's boxes on the left, and on the right the same 3D boxes projected.

The second view is derived: it sees what the first sees, and only the noise of its edges is its own. The detector works
on laser points, and its left boxes are projections of its 3D boxes as well.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import StorageError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.evaluation.kitti_config import Category, KittiConfig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.geometry import project, to_camera
from track_persistence.video.confidence import confidences
from track_persistence.video.kitti import Boxes3D, KittiDetections, KittiLabels, read_detections, read_labels
from track_persistence.video.linking import link
from track_persistence.video.mot import MotTable

Floats = NDArray[np.float64]
LEFT, RIGHT = 2, 3  # the colour cameras are image_02 and image_03
LABELS, CALIBRATION, DETECTIONS = "label_02", "calib", "pointrcnn"
NEAREST_CORNER_M = 0.1  # a 3D box that reaches the camera has no projection


@dataclass(frozen=True, eq=False)
class Sequence3D:
    """One class in one sequence: the rig, the 2D tracks of both views, and the labels. frames: how many it has."""

    name: str
    rig: StereoRig
    tracks: tuple[tuple[BoxTrack, ...], tuple[BoxTrack, ...]]
    labels: KittiLabels
    frames: int


def load_rig_of(data: Path, name: str, config: KittiConfig) -> StereoRig:
    """Return the left and the right colour camera of a sequence."""
    path = data / CALIBRATION / f"{name}.txt"
    rig = load_rig(path, config.image_size_px, config.frame_rate_hz)
    if len(rig.cameras) <= RIGHT:
        raise StorageError(f"{path}: holds {len(rig.cameras)} cameras; expected P0 to P3")
    return rig.pair(LEFT, RIGHT)


def load_sequence(
    data: Path, name: str, category: Category, config: KittiConfig, rng: np.random.Generator
) -> Sequence3D:
    """Read a sequence, derive its second view with noise from `rng` and link both views.

    Raises `StorageError` or `VideoError` naming the file, and the line where one is wrong.
    """
    labels = read_labels(data / LABELS / f"{name}.txt")
    detections = read_detections(data / DETECTIONS / category / f"{name}.txt", category)
    frames = int(max(labels.frames[-1], detections.frames[-1])) + 1
    rig = load_rig_of(data, name, config)
    corners = detections.corners_px, derived_corners_px(rig.cameras[1], detections.boxes, config.edge_sigma_px, rng)
    views = [_linked(camera, detections, own, config) for camera, own in enumerate(corners)]
    return Sequence3D(name, rig, (views[0], views[1]), labels, frames)


def derived_corners_px(camera: Camera, boxes: Boxes3D, edge_sigma_px: float, rng: np.random.Generator) -> Floats:
    """Return x1 y1 x2 y2 (N, 4) of 3D boxes in `camera`, with noise on every edge and cut off by the image.

    Noise is drawn for every box, so that one box's visibility changes no other's. NaN where a box reaches the camera.
    """
    noise = rng.normal(0, edge_sigma_px, (len(boxes.turns_rad), 4))
    corners = boxes.corners_m.reshape(-1, 3)
    pixels = project(camera, corners).reshape(-1, 8, 2)
    found = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1) + noise
    last_px = np.array(camera.image_size_px, np.float64) - 1
    found = np.clip(found, 0, np.tile(last_px, 2))
    found[to_camera(camera, corners)[:, 2].reshape(-1, 8).min(axis=1) < NEAREST_CORNER_M] = np.nan
    return found


def _linked(camera: int, detections: KittiDetections, corners_px: Floats, config: KittiConfig) -> tuple[BoxTrack, ...]:
    sides = corners_px[:, 2:] - corners_px[:, :2]
    rows = np.flatnonzero((sides >= config.min_side_px).all(axis=1))
    if not rows.size:
        return ()
    table = MotTable(
        path=detections.path,
        frames=(detections.frames[rows] + 1).astype(np.int32),
        ids=np.full(len(rows), -1, np.int64),
        boxes_xywh_px=np.concatenate([corners_px[rows, :2], sides[rows]], axis=1).astype(np.float32),
        scores=detections.scores[rows],
        lines=detections.lines[rows],
        texts=tuple(f"{detections.frames[row] + 1},-1,{detections.lines[row]}" for row in rows),
    )
    linked = link(table, confidences(table, "raw"), config.link)
    sure = confidences(linked, "raw").astype(np.float32)
    return tuple(
        BoxTrack(camera, track_id, linked.frames[own] - 1, linked.boxes_xywh_px[own], sure[own])
        for track_id, own in linked.rows_by_id().items()
    )
