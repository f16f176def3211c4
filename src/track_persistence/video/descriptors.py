"""What cheap pixels show: gradients, colours and a thumbnail of a track's crops, frame by frame and pooled.

T frames, A ages, D = `DESCRIPTOR_SIZE` values of a pooled descriptor.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.types import CROP_SIZE_PX, CropArray, FloatArray

CELL_PX, BLOCK_PX, ORIENTATIONS = 8, 16, 9
THUMBNAIL_PX = 8
LEVELS = 4
"""Levels of each of red, green and blue that the joint histogram tells apart."""
BRIGHTEST = 255

GRADIENTS_SIZE = ((CROP_SIZE_PX - BLOCK_PX) // CELL_PX + 1) ** 2 * (BLOCK_PX // CELL_PX) ** 2 * ORIENTATIONS
COLOURS_SIZE = LEVELS**3
THUMBNAIL_SIZE = THUMBNAIL_PX**2 * 3
FRAME_SIZE = GRADIENTS_SIZE + COLOURS_SIZE + THUMBNAIL_SIZE
DESCRIPTOR_SIZE = FRAME_SIZE + THUMBNAIL_SIZE


def gradient_histograms(crops: CropArray) -> FloatArray:
    """Return the histogram of oriented gradients of every crop, (T, `GRADIENTS_SIZE`), by OpenCV.

    Dalal and Triggs 2005: cells of 8 pixels, blocks of 2 x 2 cells, 9 orientations.
    """
    descriptor = cv2.HOGDescriptor(
        (CROP_SIZE_PX, CROP_SIZE_PX), (BLOCK_PX, BLOCK_PX), (CELL_PX, CELL_PX), (CELL_PX, CELL_PX), ORIENTATIONS
    )
    return np.stack([np.asarray(descriptor.compute(crop), np.float32).ravel() for crop in crops])


def colour_histograms(crops: CropArray) -> FloatArray:
    """Return the share of pixels in each of 4 x 4 x 4 cells of the RGB cube, (T, `COLOURS_SIZE`), rows sum to 1."""
    step = (BRIGHTEST + 1) // LEVELS
    levels = (crops // step).reshape(len(crops), -1, 3).astype(np.int64)  # (T, pixels, 3)
    cells = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]  # (T, pixels)
    numbered = cells + COLOURS_SIZE * np.arange(len(crops))[:, None]
    counts = np.bincount(numbered.ravel(), minlength=len(crops) * COLOURS_SIZE).reshape(len(crops), COLOURS_SIZE)
    shares: FloatArray = (counts / cells.shape[1]).astype(np.float32)
    return shares


def thumbnails(crops: CropArray) -> FloatArray:
    """Return every crop averaged down to 8 x 8 pixels, (T, `THUMBNAIL_SIZE`), in [0, 1]."""
    side = CROP_SIZE_PX // THUMBNAIL_PX
    cells = crops.reshape(len(crops), THUMBNAIL_PX, side, THUMBNAIL_PX, side, 3)
    means: FloatArray = (cells.mean(axis=(2, 4), dtype=np.float64) / BRIGHTEST).astype(np.float32)
    return means.reshape(len(crops), THUMBNAIL_SIZE)


def frame_descriptors(crops: CropArray) -> FloatArray:
    """Return gradients, colours and thumbnail of every crop side by side, (T, `FRAME_SIZE`) float32."""
    return np.hstack([gradient_histograms(crops), colour_histograms(crops), thumbnails(crops)])


def pooled(frames: NDArray[Any], ages: Sequence[int]) -> FloatArray:
    """Pool `frame_descriptors` (T, `FRAME_SIZE`) over the first min(a, T) frames for each a of `ages`: (A, D) float32.

    A row holds the mean over those frames, then the last thumbnail minus the first. Raises `DataError` on an age
    below 1.
    """
    if len(ages) == 0 or min(ages) < 1:
        raise DataError(f"ages: got {list(ages)}; expected at least one, each a number of frames from 1 on")
    last = np.minimum(np.asarray(ages), len(frames)) - 1
    exact = frames.astype(np.float64)
    means = np.cumsum(exact, axis=0)[last] / (last + 1)[:, None]  # (A, FRAME_SIZE)
    small = exact[:, -THUMBNAIL_SIZE:]
    return np.hstack([means, small[last] - small[0]]).astype(np.float32)
