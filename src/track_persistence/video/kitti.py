"""Files of KITTI's tracking set (Geiger et al. 2013): labels, and detections of a 3D detector; frames count from 0.

N boxes. 3D boxes stand in the rectified frame of camera 0 (x right, y down, z ahead, metres): the middle of the bottom
face, height, width and length, and the turn about the y axis, 0 when the length points along x.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import VideoError
from track_persistence.core.types import IntArray

Floats = NDArray[np.float64]
LABEL_COLUMNS = "frame id type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry".split()
DETECTION_COLUMNS = "frame type x1 y1 x2 y2 score h w l x y z ry alpha".split()
CODES = {"Pedestrian": 1, "Car": 2, "Cyclist": 3}
DONT_CARE = "DontCare"
MAX_WHOLE = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Boxes3D:
    """3D boxes. bottoms_m: (N, 3) middle of the bottom face. sizes_hwl_m: (N, 3). turns_rad: (N,)."""

    bottoms_m: Floats
    sizes_hwl_m: Floats
    turns_rad: Floats

    @property
    def centres_m(self) -> Floats:
        """The boxes' centres, (N, 3): y points down, so they lie half a height above the bottom."""
        centres: Floats = self.bottoms_m - self.sizes_hwl_m[:, :1] / 2 * np.array([0.0, 1.0, 0.0])
        return centres

    @property
    def corners_m(self) -> Floats:
        """The boxes' corners, (N, 8, 3)."""
        height, width, length = self.sizes_hwl_m.T[:, :, None]
        x = length * np.array([1, 1, -1, -1, 1, 1, -1, -1]) / 2
        y = height * np.array([0, 0, 0, 0, -1, -1, -1, -1])
        z = width * np.array([1, -1, -1, 1, 1, -1, -1, 1]) / 2
        cosine, sine = np.cos(self.turns_rad)[:, None], np.sin(self.turns_rad)[:, None]
        return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=2) + self.bottoms_m[:, None]

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes3D":
        """Return the boxes at `rows`."""
        return Boxes3D(self.bottoms_m[rows], self.sizes_hwl_m[rows], self.turns_rad[rows])


@dataclass(frozen=True, eq=False)
class KittiDetections:
    """Detections of one class, sorted by frame.

    frames: (N,) int32 from 0. corners_px: (N, 4) x1 y1 x2 y2 in the left colour image, pixel (0, 0) is the centre of
    the top-left pixel. scores: (N,) on the detector's own scale. lines: (N,) int32 from 1.
    """

    path: Path
    frames: IntArray
    corners_px: Floats
    scores: Floats
    boxes: Boxes3D
    lines: IntArray

    def __len__(self) -> int:
        """Return the number of detections N."""
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class KittiLabels:
    """The labels of one sequence, sorted by frame; regions of type `DontCare` have the id -1 and no 3D box.

    frames: (N,) int32 from 0. ids: (N,). types: (N,) str. truncated: (N,) 0 to 2, occluded: (N,) 0 to 3, -1 in
    `DontCare`. corners_px, lines: as in `KittiDetections`.
    """

    path: Path
    frames: IntArray
    ids: IntArray
    types: NDArray[np.str_]
    truncated: IntArray
    occluded: IntArray
    corners_px: Floats
    boxes: Boxes3D
    lines: IntArray

    def __len__(self) -> int:
        """Return the number of labels N."""
        return len(self.frames)


def read_detections(path: Path, category: str) -> KittiDetections:
    """Read `frame,type,x1,y1,x2,y2,score,h,w,l,x,y,z,ry,alpha` a line, all of one `category` of `CODES`.

    Raises `VideoError` naming file, line, value and rule.
    """
    lines, texts = _read(path, DETECTION_COLUMNS, ",")
    values = _numbers(path, lines, texts, DETECTION_COLUMNS)
    wrong = np.flatnonzero(values["type"] != CODES[category])
    if wrong.size:
        raise VideoError(
            f"{path}: line {lines[wrong[0]]}: type is {values['type'][wrong[0]]:g}; {category} has the type "
            f"{CODES[category]} (is it another class's file?)"
        )
    corners, boxes = _boxes(path, lines, values, np.ones(len(lines), np.bool_))
    return KittiDetections(path, values["frame"].astype(np.int32), corners, values["score"], boxes, lines)


def read_labels(path: Path) -> KittiLabels:
    """Read a file of `label_02`: `frame id type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry` a line.

    Raises `VideoError` naming file, line, value and rule.
    """
    lines, texts = _read(path, LABEL_COLUMNS, None)
    types = np.array([row[LABEL_COLUMNS.index("type")] for row in texts], np.str_)
    numeric = [name for name in LABEL_COLUMNS if name != "type"]
    values = _numbers(path, lines, [[*row[:2], *row[3:]] for row in texts], numeric)
    corners, boxes = _boxes(path, lines, values, types != DONT_CARE)
    whole = {name: _whole(path, lines, name, values[name]) for name in ("frame", "id", "truncated", "occluded")}
    return KittiLabels(
        path, whole["frame"], whole["id"], types, whole["truncated"], whole["occluded"], corners, boxes, lines
    )


def _read(path: Path, columns: Sequence[str], separator: str | None) -> tuple[IntArray, list[list[str]]]:
    """Return line numbers and fields, sorted by frame."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}; pass the folder of the data set") from error
    except UnicodeDecodeError as error:
        raise VideoError(f"{path}: not a text file ({error.reason})") from error
    rows = [(number, line.split(separator)) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, row in rows:
        if len(row) != len(columns):
            raise VideoError(f"{path}: line {number}: {len(row)} columns; expected {len(columns)}: {' '.join(columns)}")
        if not re.fullmatch(r"\d{1,9}", row[0].strip()):
            raise VideoError(f"{path}: line {number}: frame is {row[0][:40]!r}; must be a whole number from 0")
    if not rows:
        raise VideoError(f"{path}: holds no box; expected lines of {' '.join(columns)}")
    rows.sort(key=lambda row: int(row[1][0]))
    return np.array([number for number, _ in rows], np.int32), [row for _, row in rows]


def _numbers(path: Path, lines: IntArray, texts: list[list[str]], columns: Sequence[str]) -> dict[str, Floats]:
    values = np.empty((len(texts), len(columns)))
    for row, text in enumerate(texts):
        for column, name in enumerate(columns):
            try:
                values[row, column] = float(text[column])
            except ValueError:
                raise VideoError(
                    f"{path}: line {lines[row]}: {name} is {text[column][:40]!r}; expected a number"
                ) from None
    for row, column in np.argwhere(~(np.abs(values) <= MAX_WHOLE)):
        raise VideoError(
            f"{path}: line {lines[row]}: {columns[column]} is {values[row, column]}; must be finite and sane"
        )
    return dict(zip(columns, values.T, strict=True))


def _whole(path: Path, lines: IntArray, name: str, values: Floats) -> IntArray:
    broken = np.flatnonzero(values != np.round(values))
    if broken.size:
        at = broken[0]
        raise VideoError(
            f"{path}: line {lines[at]}: {name} is {values[at]:g}; must be a whole number (a label of the object set, "
            "which has shares here?)"
        )
    return values.astype(np.int32)


def _boxes(path: Path, lines: IntArray, values: dict[str, Floats], solid: NDArray[np.bool_]) -> tuple[Floats, Boxes3D]:
    """Return the image boxes and the 3D boxes; those that are not `solid` (N,) have no 3D box to check."""
    corners = np.column_stack([values[name] for name in ("x1", "y1", "x2", "y2")])
    sizes = np.column_stack([values[name] for name in "hwl"])
    swapped = (corners[:, 2:] < corners[:, :2]).any(axis=1)
    if swapped.any():
        at = int(np.argmax(swapped))
        raise VideoError(
            f"{path}: line {lines[at]}: box {corners[at].tolist()}; x2 must not be below x1, nor y2 below y1"
        )
    empty = solid & (sizes <= 0).any(axis=1)
    if empty.any():
        at = int(np.argmax(empty))
        raise VideoError(f"{path}: line {lines[at]}: h w l is {sizes[at].tolist()}; all must be above 0 metres")
    return corners, Boxes3D(np.column_stack([values[name] for name in "xyz"]), sizes, values["ry"])
