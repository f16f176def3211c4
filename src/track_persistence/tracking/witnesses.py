"""What a site's adapter looks at: the witnesses of one track, frame by frame.

A witness after a frame depends on the frames so far alone, and costs the same however many there were. D values of a
witness, C0 and C1 channels of the encoder's first two levels.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from track_persistence.core.types import FloatArray
from track_persistence.video.descriptors import THUMBNAIL_SIZE, frame_descriptors

Floats = NDArray[np.float64]
# Beyond these a detector's certainty means nothing more.
CONFIDENCE_RANGE = (0.001, 0.999)
# Hits beyond these tell nothing new: real tracks may be short, and clutter stays.
MOST_HITS = 8
PLACE_UNIT_PX = 100.0


class RunningPixels:
    """The witnesses of one track that need its crops alone.

    descriptors: gradients, colours and thumbnail. texture, layout: the encoder's early levels. All are means over the
    frames so far; the descriptors end with the last thumbnail less the first.
    """

    def __init__(self) -> None:
        """Begin a track."""
        self._descriptors, self._texture, self._layout = _Mean(), _Mean(), _Mean()
        self._first_thumbnail: Floats | None = None

    def add(self, crop: NDArray[np.uint8], texture: FloatArray, layout: FloatArray) -> dict[str, FloatArray]:
        """Take in the next crop (64, 64, 3) RGB, its texture (C0,) and layout (16 C1,); returns each witness (D,)."""
        frame = frame_descriptors(crop[None])[0].astype(np.float64)
        thumbnail = frame[-THUMBNAIL_SIZE:]
        if self._first_thumbnail is None:
            self._first_thumbnail = thumbnail
        values = {
            "descriptors": np.concatenate([self._descriptors.add(frame), thumbnail - self._first_thumbnail]),
            "texture": self._texture.add(texture),
            "layout": self._layout.add(layout),
        }
        return {name: value.astype(np.float32) for name, value in values.items()}


class RunningBoxes:
    """The witnesses of one track that need its boxes and confidences.

    statistics: those of the no-pixels baseline but for confidence: hits so far (capped), gaps, displacement, speed,
    size and aspect, in pixels. confidence: the mean logit so far. place: where in the image the mean box stands
    and how tall it is, for a camera that does not move: centre, foot and log height, with their squares and products,
    so that the height expected of an object at that place can be learned (Hoiem et al. 2008).
    """

    def __init__(self) -> None:
        """Begin a track."""
        self._hits = 0
        self._first: tuple[int, Floats] | None = None
        self._last: tuple[int, Floats] | None = None
        self._speed, self._size, self._aspect = _Moments(), _Moments(), _Moments()
        self._confidence, self._place = _Mean(), _Mean()

    def add(self, frame: int, box_xywh_px: ArrayLike, confidence: float) -> dict[str, FloatArray]:
        """Take in the next box of the track, its frame and confidence in [0, 1]; returns each witness (D,)."""
        # As stored tracks have them.
        x, y, width, height = np.asarray(box_xywh_px, np.float32).astype(np.float64)
        certainty = np.clip(np.float64(np.float32(confidence)), *CONFIDENCE_RANGE)
        where = np.array(
            [(x + width / 2) / PLACE_UNIT_PX, (y + height) / PLACE_UNIT_PX, math.log(height / PLACE_UNIT_PX)]
        )
        mean = self._place.add(where)
        first, second = np.triu_indices(len(mean))
        values = {
            "statistics": self._statistics(frame, np.array([x + width / 2, y + height / 2]), (width, height)),
            "confidence": self._confidence.add(np.array([logit(certainty)])),
            "place": np.concatenate([mean, mean[first] * mean[second]]),
        }
        return {name: value.astype(np.float32) for name, value in values.items()}

    def _statistics(self, frame: int, centre_px: Floats, size_px: tuple[float, float]) -> Floats:
        self._hits += 1
        if self._first is None:
            self._first = frame, centre_px
        if self._last is not None:
            self._speed.add(math.dist(centre_px, self._last[1]) / (frame - self._last[0]))
        self._last = frame, centre_px
        self._size.add(math.sqrt(size_px[0] * size_px[1]))
        self._aspect.add(size_px[0] / size_px[1])
        gaps = frame - self._first[0] + 1 - self._hits
        moved_px = math.dist(centre_px, self._first[1])
        spreads = [value for moments in (self._speed, self._size, self._aspect) for value in moments.mean_and_std]
        return np.array([min(self._hits, MOST_HITS), gaps, moved_px, *spreads])


class _Mean:
    """A running mean of vectors."""

    def __init__(self) -> None:
        self._sum: Any = 0.0
        self._count = 0

    def add(self, values: NDArray[Any]) -> Floats:
        """Return the mean with `values` in it."""
        self._sum = self._sum + values.astype(np.float64)
        self._count += 1
        return np.asarray(self._sum / self._count)


class _Moments:
    """Running mean and standard deviation of numbers, both 0 of none.

    Sums run over the distance from the first, so a constant has a deviation of exactly 0.
    """

    def __init__(self) -> None:
        self._count, self._first, self._sum, self._squares = 0, 0.0, 0.0, 0.0

    def add(self, value: float) -> None:
        if self._count == 0:
            self._first = value
        shifted = value - self._first
        self._count += 1
        self._sum += shifted
        self._squares += shifted**2

    @property
    def mean_and_std(self) -> tuple[float, float]:
        count = max(self._count, 1)
        mean = self._sum / count
        return self._first + mean, math.sqrt(max(self._squares / count - mean**2, 0.0))
