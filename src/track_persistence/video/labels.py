"""Labels of real tracks: read from a file, or derived from ground truth by overlap."""

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from track_persistence.core.errors import VideoError
from track_persistence.core.params import Section
from track_persistence.core.types import FloatArray
from track_persistence.video.mot import MotTable

REAL, FALSE, UNCLEAR = 1, 0, -1
LABELS = (REAL, FALSE, UNCLEAR, -2)
Share = Annotated[float, Field(ge=0, le=1)]


class LabelConfig(Section):
    """When a track counts as real or as false, given ground truth; anything between is left out of the scores."""

    real_iou: Share
    """A box with at least this overlap (intersection over union) is on an object."""
    real_share: Share
    """A track is real when at least this share of its boxes is on an object."""
    false_iou: Share
    """A box with at least this overlap touches an object."""
    false_share: Share
    """A track is false when at most this share of its boxes touches an object ..."""
    false_mean_coverage: Share
    """... and objects cover, in the mean over its boxes, less than this share of the box: a box on a person's legs
    alone has a small intersection over union, but is no false one."""


def read_labels(path: Path, tracks: MotTable, every_track: bool = True) -> dict[int, int]:
    """Read `track_id,label[,...]` lines: 1 real, 0 false, -1 unclear, -2 a real object the ground truth forgot.

    every_track: whether each track needs a label. Raises `VideoError` naming file, line, value and rule.
    """
    labels: dict[int, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header[:2] != ["track_id", "label"]:
                raise VideoError(f"{path}: line 1: {','.join(header)!r}; expected the header track_id,label")
            for row in rows:
                if row:
                    track_id, label = _label(path, rows.line_num, row)
                    if track_id in labels:
                        raise VideoError(f"{path}: line {rows.line_num}: track {track_id} has a label already")
                    labels[track_id] = label
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise VideoError(f"{path}: not a CSV text file: {error}") from error
    ids = set(tracks.ids.tolist())
    for track_id in sorted(ids ^ labels.keys() if every_track else labels.keys() - ids):
        problem = "has no label; label it -1 to leave it out" if track_id in ids else f"is not in {tracks.path}"
        raise VideoError(f"{path}: track {track_id} {problem}")
    return labels


def label_by_overlap(tracks: MotTable, truth: MotTable, config: LabelConfig) -> dict[int, int]:
    """Label every track by its boxes' overlap with the ground-truth boxes of the same frames.

    Each box counts the object it overlaps most; a frame without ground truth has no object.
    """
    overlap, coverage = np.zeros(len(tracks)), np.zeros(len(tracks))
    truth_rows = _rows_by_frame(truth)
    for frame, rows in _rows_by_frame(tracks).items():
        if frame in truth_rows:
            found = overlaps(tracks.boxes_xywh_px[rows], truth.boxes_xywh_px[truth_rows[frame]])
            overlap[rows], coverage[rows] = (values.max(axis=1) for values in found)
    return {i: _judge(overlap[rows], coverage[rows], config) for i, rows in tracks.rows_by_id().items()}


def overlaps(boxes: FloatArray, others: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare boxes_xywh_px (N, 4) with others (M, 4).

    Returns the intersection over union and the share of each box that each other covers, both (N, M).
    """
    one, two = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    low = np.maximum(one[..., :2], two[..., :2])
    high = np.minimum(one[..., :2] + one[..., 2:], two[..., :2] + two[..., 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    area, other_area = np.prod(one[..., 2:], axis=-1), np.prod(two[..., 2:], axis=-1)
    return np.asarray(common / (area + other_area - common)), np.asarray(common / area)


def _judge(overlap: NDArray[np.float64], coverage: NDArray[np.float64], config: LabelConfig) -> int:
    if np.mean(overlap >= config.real_iou) >= config.real_share:
        return REAL
    if np.mean(overlap >= config.false_iou) <= config.false_share and coverage.mean() < config.false_mean_coverage:
        return FALSE
    return UNCLEAR


def _label(path: Path, line: int, row: list[str]) -> tuple[int, int]:
    try:
        track_id, label = int(row[0]), int(row[1])
    except (ValueError, IndexError):
        raise VideoError(f"{path}: line {line}: {','.join(row)!r}; expected a whole track_id and label") from None
    if label not in LABELS:
        raise VideoError(f"{path}: line {line}: label is {label}; must be 1 real, 0 false, -1 unclear or -2 forgotten")
    return track_id, label


def _rows_by_frame(table: MotTable) -> dict[int, NDArray[np.intp]]:
    frames, starts = np.unique(table.frames, return_index=True)
    rows = np.split(np.arange(len(table)), starts[1:])
    return {int(frame): part for frame, part in zip(frames, rows, strict=True)}
