"""People found in images: what a detector is, OpenCV's HOG detector, and detections of a whole video as a MOT file.

N boxes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from track_persistence.core.errors import VideoError
from track_persistence.core.files import write_text
from track_persistence.core.params import Section
from track_persistence.core.progress import track_progress
from track_persistence.video.mot import MotTable, read_mot
from track_persistence.video.reader import Video

Share = Annotated[float, Field(ge=0, le=1)]
Floats = NDArray[np.float64]
# The detector was trained on windows of 64 x 128 px with people 96 px tall in their middle (Dalal and Triggs 2005).
PERSON_SHARE = np.array([0.5, 0.75])
FIRST_CENTRE_PX = 0.5


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image.

    boxes_xywh_px: (N, 4), top-left corner and size; pixel (0, 0) is the centre of the top-left pixel. scores: (N,) on
    the detector's own scale.
    """

    boxes_xywh_px: Floats
    scores: Floats


class Detector(Protocol):
    """Whoever finds things in an image."""

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return what is in `image`, (H, W, 3) uint8 RGB."""
        ...


class HogConfig(Section):
    """OpenCV's people detector: HOG features and a linear SVM, slid over a pyramid of the image."""

    hit_threshold: float
    """Least SVM margin of a window."""
    stride_px: PositiveInt
    """Step of the sliding window in pixels."""
    padding_px: NonNegativeInt
    """What is added on each side of the image, so that people at its border fit into a window."""
    pyramid_step: Annotated[float, Field(gt=1)]
    """Ratio of neighbouring sizes of the pyramid."""
    merge_iou: Share
    """A box is the mean of all windows that overlap its best one by at least this; 1 keeps the best one alone."""
    nms_iou: Share
    """Boxes that overlap a better one by more than this are the same person."""


class HogPeopleDetector:
    """Finds standing people at least 96 px tall; the scores are SVM margins, a box is the person within the window."""

    def __init__(self, config: HogConfig) -> None:
        """Raises `VideoError` when the package for non-maximum suppression is not installed."""
        try:
            import supervision
        except ImportError as error:
            raise VideoError(
                f"the people detector needs the package {error.name!r}; run `pip install track-persistence[video]`, "
                "or pass --detections of another detector"
            ) from error
        self._supervision: Any = supervision
        self._config = config
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return the people in `image`, (H, W, 3) uint8 RGB, best first."""
        config = self._config
        found, margins = self._hog.detectMultiScale(
            np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)),
            hitThreshold=config.hit_threshold,
            winStride=(config.stride_px, config.stride_px),
            padding=(config.padding_px, config.padding_px),
            scale=config.pyramid_step,
            groupThreshold=0,
        )
        windows = np.asarray(found, np.float64).reshape(-1, 4)
        return self._merged(windows, np.asarray(margins, np.float64).reshape(-1))

    def _merged(self, windows: Floats, margins: Floats) -> Detections:
        """Return one box of a person's many windows (N, 4)."""
        if not len(windows):
            return Detections(np.empty((0, 4)), np.empty(0))
        # OpenCV's threads hand in windows in any order.
        order = np.lexsort((*windows.T, -margins))
        windows, margins = windows[order], margins[order]
        corners = windows.copy()
        corners[:, 2:] += corners[:, :2]
        kept = self._supervision.Detections(
            xyxy=corners,
            confidence=margins,
            class_id=np.zeros(len(corners), int),
            data={"row": np.arange(len(corners))},
        ).with_nms(threshold=self._config.nms_iou, class_agnostic=True)
        best = np.sort(kept.data["row"])
        near = self._supervision.box_iou_batch(corners[best], corners) >= self._config.merge_iou
        near[np.arange(len(best)), best] = True
        means = near @ windows / near.sum(axis=1, keepdims=True)
        size = means[:, 2:] * PERSON_SHARE
        corner = means[:, :2] + (means[:, 2:] - size) / 2 - FIRST_CENTRE_PX
        return Detections(np.column_stack([corner, size]), margins[best])


def detect_video(video: Video, detector: Detector, last: int, path: Path) -> MotTable:
    """Detect in frames 1 to `last`, write the MOT file `path`, and return it as it reads.

    Boxes whose centre lies outside the image are left out. Raises `VideoError` when nothing is found at all.
    """
    lines = []
    frames = enumerate(video.frames(last), start=1)
    for number, image in track_progress(frames, last, f"people in {video.path.name}", "frames"):
        found = detector.detect(image)
        centres = found.boxes_xywh_px[:, :2] + found.boxes_xywh_px[:, 2:] / 2 + FIRST_CENTRE_PX
        inside = ((centres >= 0) & (centres <= video.size_px)).all(axis=1)
        for (x, y, width, height), score in zip(found.boxes_xywh_px[inside], found.scores[inside], strict=True):
            x, y = x + FIRST_CENTRE_PX, y + FIRST_CENTRE_PX  # a MOT file's first pixel spans 0 to 1
            lines.append(f"{number},-1,{x:.2f},{y:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n")
    if not lines:
        raise VideoError(
            f"{video.path}: nobody found in {last} frames; lower multicamera.hog.hit_threshold, raise "
            "multicamera.scale for small people, or pass --detections of another detector"
        )
    write_text(path, "".join(lines))
    return read_mot(path, "detections")


def video_clock(path: Path) -> tuple[float, int]:
    """Return the frame rate in Hz that a video file states and the number of frames that can be decoded.

    Raises `VideoError` when it states none.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        rate_hz, count = float(capture.get(cv2.CAP_PROP_FPS)), 0
        while capture.grab():
            count += 1
    finally:
        capture.release()
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise VideoError(f"{path}: states no frame rate (got {rate_hz}); write it into the file with ffmpeg -r")
    return rate_hz, count
