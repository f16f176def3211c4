"""Files of the MOT Challenge: detections, tracks and ground truth, one box a line, frames counted from 1."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import VideoError
from track_persistence.core.files import write_text
from track_persistence.core.types import FloatArray, IntArray

COLUMNS = ("frame", "id", "x", "y", "w", "h", "conf")
MOT16_COLUMNS = 9
Content = Literal["tracks", "detections", "ground truth"]
MAX_WHOLE = 2**31 - 1


@dataclass(frozen=True, eq=False)
class MotTable:
    """The N boxes of a MOT file, sorted by frame and, within one frame, as in the file.

    path: where they came from. frames: (N,) int32, from 1. ids: (N,) int64, -1 for detections.
    boxes_xywh_px: (N, 4) float32, top-left corner and size; the first pixel spans 0 to 1.
    scores: (N,) float64, the detector's own scale.
    lines: (N,) int32, line numbers from 1. texts: the N lines as they were read.
    """

    path: Path
    frames: IntArray
    ids: NDArray[np.int64]
    boxes_xywh_px: FloatArray
    scores: NDArray[np.float64]
    lines: IntArray
    texts: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of boxes N."""
        return len(self.frames)

    def rows_by_id(self) -> dict[int, NDArray[np.intp]]:
        """Return the row numbers of every track in order of time; ids are sorted."""
        order = np.argsort(self.ids, kind="stable")
        ids, starts = np.unique(self.ids[order], return_index=True)
        return {int(i): rows for i, rows in zip(ids, np.split(order, starts[1:]), strict=True)}


def read_mot(path: Path, content: Content) -> MotTable:
    """Read a MOT file: `frame,id,x,y,w,h,conf[,...]` a line, separated by commas.

    Ground truth of MOT16 and later (nine values a line) marks things of other classes by a seventh value of 0; those
    lines are left out. In the older files (ten values) a 0 marks objects that do not count in the challenge; they are
    objects all the same, and a track on one is no false track, so they stay.
    Raises `VideoError` naming file, line, value and rule on anything that is not such a file.
    """
    rows = [_parse(path, number, text) for number, text in _lines(path)]
    if content == "ground truth":
        rows = [row for row in rows if not (row[2][6] == 0 and row[1].count(",") + 1 == MOT16_COLUMNS)]
    if not rows:
        raise VideoError(f"{path}: holds no box; expected lines of frame,id,x,y,w,h,conf (is it the right file?)")
    values = np.array([row[2] for row in rows], np.float64)
    order = np.argsort(values[:, 0], kind="stable")
    table = MotTable(
        path,
        values[order, 0].astype(np.int32),
        np.full(len(rows), -1, np.int64) if content == "detections" else values[order, 1].astype(np.int64),
        values[order, 2:6].astype(np.float32),
        values[order, 6],
        np.array([row[0] for row in rows], np.int32)[order],
        tuple(rows[i][1] for i in order),
    )
    if content != "detections":
        _check_ids(table)
    return table


def write_mot(path: Path, table: MotTable, keep: Collection[int]) -> None:
    """Write the boxes of the tracks in `keep`, each line as it was read, atomically."""
    wanted = set(keep)
    lines = [text for track_id, text in zip(table.ids.tolist(), table.texts, strict=True) if track_id in wanted]
    write_text(path, "".join(f"{line}\n" for line in lines))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise VideoError(f"{path}: not a text file ({error.reason}); expected frame,id,x,y,w,h,conf a line") from error


def _parse(path: Path, number: int, text: str) -> tuple[int, str, Sequence[float]]:
    """Check one line; returns its number, its text and the first seven values."""
    fields = text.split(",")
    if len(fields) < len(COLUMNS):
        raise VideoError(
            f"{path}: line {number}: {text[:80]!r} has {len(fields)} values; "
            "expected at least 7, separated by commas: frame,id,x,y,w,h,conf"
        )
    values = []
    for name, field in zip(COLUMNS, fields, strict=False):
        try:
            value = float(field)
        except ValueError:
            raise VideoError(f"{path}: line {number}: {name} is {field.strip()!r}; expected a number") from None
        if not abs(value) <= MAX_WHOLE:
            raise VideoError(f"{path}: line {number}: {name} is {value}; must be finite and sane, drop the line")
        values.append(value)
    frame, track_id, _, _, width, height, _ = values
    if frame != int(frame) or frame < 1:
        raise VideoError(f"{path}: line {number}: frame is {frame:g}; must be a whole number, counted from 1")
    if track_id != int(track_id) or track_id < -1:
        raise VideoError(f"{path}: line {number}: id is {track_id:g}; must be a whole number, -1 for none")
    if np.float32(width) <= 0 or np.float32(height) <= 0:
        raise VideoError(
            f"{path}: line {number}: box size is {width:g} x {height:g} px; width and height must be above 0"
        )
    return number, text, values


def _check_ids(table: MotTable) -> None:
    without = np.flatnonzero(table.ids < 0)
    if without.size:
        at = without[0]
        raise VideoError(
            f"{table.path}: line {table.lines[at]}: id is {table.ids[at]}; a track's id must be at least 0; "
            "detections without ids go to --detections"
        )
    seen: dict[tuple[int, int], int] = {}
    for frame, track_id, line in zip(table.frames.tolist(), table.ids.tolist(), table.lines.tolist(), strict=True):
        first = seen.setdefault((frame, track_id), line)
        if first != line:
            raise VideoError(
                f"{table.path}: line {line}: frame {frame} of id {track_id} stands on line {first} already; "
                "a track has one box in a frame"
            )
