"""A chessboard's corners in pairs of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.stereo.formats.opencv import opened
from track_persistence.stereo.pixels import FloatArray

# Half the side of the window in which a corner is refined, as a share of the smallest distance between corners: from
# 0.4 on, the window reaches the next corner's edges and the held-out epipolar error of real pairs rises from 0.11 px.
WINDOW_SHARE = 0.3
MIN_WINDOW_PX = 2
REFINEMENT = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-4)
MIN_CORNERS = 3
Found = tuple[tuple[int, int], FloatArray | None]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pairs of images in which the board was found.

    shape: (rows, columns) of corners. names: one a pair. corners_px: per camera and pair (rows * columns, 2) float64,
    row by row, the same corner first in both images. sizes_px: (width, height) per camera. not_found: image names.
    """

    shape: tuple[int, int]
    names: tuple[str, ...]
    corners_px: tuple[list[FloatArray], list[FloatArray]]
    sizes_px: tuple[tuple[int, int], tuple[int, int]]
    not_found: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.names)

    @property
    def grid(self) -> FloatArray:
        """The corners on the board, (rows * columns, 3) in squares."""
        rows, columns = self.shape
        across, down = np.meshgrid(np.arange(columns), np.arange(rows))
        return np.column_stack([across.ravel(), down.ravel(), np.zeros(rows * columns)]).astype(np.float64)


def find_pictures(pairs: Sequence[tuple[Path, Path]], corners: tuple[int, int]) -> Pictures:
    """Find the board with `corners` = (columns, rows) inner corners in (left, right) images.

    Raises `StorageError` when an image cannot be read, `DataError` when sizes differ or no pair shows the board.
    """
    if min(corners) < MIN_CORNERS:
        raise DataError(f"corners: {corners}; expected at least {MIN_CORNERS} inner corners along each side")
    sizes: list[tuple[int, int] | None] = [None, None]
    names, not_found, kept = [], [], []
    for pair in pairs:
        views = []
        for camera, path in enumerate(pair):
            size, seen = _corners(path, corners)
            sizes[camera] = sizes[camera] or size
            if size != sizes[camera]:
                raise DataError(f"{path}: {size} px, but earlier images of this camera have {sizes[camera]} px")
            if seen is None:
                not_found.append(path.name)
            else:
                views.append(seen)
        if len(views) == 2:
            names.append(f"{pair[0].name}, {pair[1].name}")
            kept.append((views[0], _aligned(views[0], views[1])))
    if sizes[0] is None or sizes[1] is None or not kept:
        raise DataError(
            f"no board of {corners[0]}x{corners[1]} inner corners in both images of any of {len(pairs)} pairs; "
            "check the count of corners (squares less one) and that the whole board is in view"
        )
    views_px = ([first for first, _ in kept], [second for _, second in kept])
    return Pictures((corners[1], corners[0]), tuple(names), views_px, (sizes[0], sizes[1]), tuple(not_found))


def read_image_list(path: Path) -> list[Path]:
    """Return the image files of OpenCV's image list (XML, YAML or JSON), which are relative to its folder."""
    try:
        storage = opened(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise StorageError(f"{path}: not a text file; give an image list or two images and more") from error
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from error
    root = storage.root()
    lists = [node for key in root.keys() if (node := root.getNode(key)).isSeq()]
    if not lists or not all(lists[0].at(index).isString() for index in range(lists[0].size())):
        raise StorageError(f"{path}: expected a list of image files, as in OpenCV's stereo_calib.xml")
    return [path.parent / lists[0].at(index).string() for index in range(lists[0].size())]


def _corners(path: Path, corners: tuple[int, int]) -> Found:
    """Return an image's size and the refined corners (N, 2), None when the board is not found."""
    if not path.is_file():
        raise StorageError(f"{path}: no such image; check the list and its folder")
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise StorageError(f"{path}: cannot be read as an image")
    size = (image.shape[1], image.shape[0])
    found, seen = cv2.findChessboardCorners(image, corners)
    if not found:
        return size, None
    grid = seen.reshape(corners[1], corners[0], 2)
    spacing = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min()) for axis in (0, 1))
    window = max(MIN_WINDOW_PX, int(WINDOW_SHARE * spacing))
    refined = cv2.cornerSubPix(image, seen, (window, window), (-1, -1), REFINEMENT)
    return size, np.asarray(refined, np.float64).reshape(-1, 2)


def _aligned(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the second image's corners in the first one's order: a board is found either way round.

    Two cameras of a pair are rolled against each other by less than a right angle.
    """
    return second if (first[-1] - first[0]) @ (second[-1] - second[0]) >= 0 else second[::-1]
