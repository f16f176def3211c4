"""Crops of a track, cut from the frames of a video in one pass."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import VideoError
from track_persistence.core.types import CROP_SIZE_PX, CropArray, FloatArray, Track
from track_persistence.video.mot import MotTable
from track_persistence.video.reader import Video

CAMERA = 0
LARGEST_BOX = 2
FIRST_CENTRE_PX = 0.5


def cut_crop(image: NDArray[np.uint8], box_xywh_px: FloatArray, margin: float) -> NDArray[np.uint8]:
    """Cut one crop (64, 64, 3) from `image` (H, W, 3); the box, (4,) pixels, may overhang the image's border.

    The box grows on each side by `margin` times its width or height and is cut to the image; what is left is stretched
    over the whole crop, as in the simulated crops that the filter is trained on. The box must touch the image.
    """
    left, top, width, height = (float(value) for value in box_xywh_px)
    columns, across = _sample_positions(left - margin * width, left + (1 + margin) * width, image.shape[1])
    rows, down = _sample_positions(top - margin * height, top + (1 + margin) * height, image.shape[0])
    grid = np.meshgrid(columns, rows)
    samples = cv2.remap(image, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if across == down == 1:
        return np.asarray(samples, np.uint8)
    return np.asarray(cv2.resize(samples, (CROP_SIZE_PX, CROP_SIZE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _sample_positions(low: float, high: float, limit: int) -> tuple[FloatArray, int]:
    """Return where to sample from edge `low` to `high`, both cut to [0, limit], and how many samples make a crop pixel.

    Positions count from the centre of the first pixel, edges from its outer side. With a sample in every image pixel
    at least, averaging them leaves no aliasing.
    """
    low, high = max(low, 0.0), min(high, float(limit))
    each = max(1, math.ceil((high - low) / CROP_SIZE_PX))
    count = each * CROP_SIZE_PX
    positions = low + (high - low) / count * (np.arange(count) + 0.5) - FIRST_CENTRE_PX
    return positions.astype(np.float32), each


def check_boxes(table: MotTable, video: Video) -> None:
    """Raise `VideoError` when a box has no pixel of the image, or no sane size, or a frame lies past the end."""
    width, height = video.size_px
    low, high = table.boxes_xywh_px[:, :2], table.boxes_xywh_px[:, :2] + table.boxes_xywh_px[:, 2:]
    outside = np.flatnonzero((high <= 0).any(axis=1) | (low >= (width, height)).any(axis=1))
    if outside.size:
        at = outside[0]
        raise VideoError(
            f"{table.path}: line {table.lines[at]}: box {_text(table.boxes_xywh_px[at])} lies outside the image of "
            f"{width} x {height} px; expected x, y, w, h in pixels of {video.path}"
        )
    size = table.boxes_xywh_px[:, 2:]
    huge = np.flatnonzero((size > LARGEST_BOX * np.array(video.size_px)).any(axis=1))
    if huge.size:
        at = huge[0]
        raise VideoError(
            f"{table.path}: line {table.lines[at]}: box size {_text(size[at])} px is more than {LARGEST_BOX} times "
            f"the image of {width} x {height} px; expected x, y, w, h in pixels of {video.path}"
        )
    video.check_length(int(table.frames[-1]))


def _text(values: FloatArray) -> str:
    return ", ".join(f"{value:g}" for value in values)


def stream_tracks(
    video: Video, table: MotTable, confidences: NDArray[np.float64], margin: float, longest: int
) -> Iterator[Track]:
    """Yield every track of `table`, with crops, as soon as its last box is cut.

    A track is yielded with its first `longest` boxes at most, so no more than the crops of the tracks that live at one
    time, `longest` each, are in memory. `confidences`: (N,) in [0, 1]. Order: by last frame used, then by id.
    The table's boxes count from the outer edge of the first pixel, the tracks' boxes from its centre.
    """
    check_boxes(table, video)
    pending = {track_id: _Pending(rows[:longest]) for track_id, rows in table.rows_by_id().items()}
    by_frame: dict[int, list[int]] = {}
    for track_id, track in pending.items():
        for frame in table.frames[track.rows].tolist():
            by_frame.setdefault(frame, []).append(track_id)
    for number, image in enumerate(video.frames(max(by_frame)), start=1):
        for track_id in by_frame.pop(number, ()):
            track = pending[track_id]
            track.crops.append(cut_crop(image, table.boxes_xywh_px[track.rows[len(track.crops)]], margin))
            if len(track.crops) == len(track.rows):
                yield _finish(track_id, pending.pop(track_id), table, confidences)


@dataclass
class _Pending:
    """A track of which some crops are still to come."""

    rows: NDArray[np.intp]
    crops: list[NDArray[np.uint8]] = field(default_factory=list)


def _finish(track_id: int, track: _Pending, table: MotTable, confidences: NDArray[np.float64]) -> Track:
    crops: CropArray = np.stack(track.crops)
    rows = track.rows
    boxes_xywh_px = table.boxes_xywh_px[rows]  # indexing by rows copies: the table keeps its own
    boxes_xywh_px[:, :2] -= FIRST_CENTRE_PX
    return Track(
        CAMERA,
        track_id,
        table.frames[rows],
        boxes_xywh_px,
        confidences[rows].astype(np.float32),
        crops,
    )
