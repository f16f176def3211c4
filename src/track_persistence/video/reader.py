"""Frames of a video file, decoded once and in order."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from cv2.utils import logging
from numpy.typing import NDArray

from track_persistence.core.errors import VideoError

# FFmpeg's own lines on standard error would bury the one error line; OpenCV reads this once, at its first video
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
TEXT_CODEC = cv2.VideoWriter.fourcc(*"ansi")  # FFmpeg plays any .txt as a video of its letters


class Video:
    """A video file that OpenCV's FFmpeg can decode; frames are counted from 1.

    size_px: (width, height). Raises `VideoError` when the file is missing or its first frame cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        """Decode the first frame to learn the size and that decoding works at all."""
        self.path = path
        if not path.is_file():
            raise VideoError(f"{path}: no such video file")
        with _capture(path) as capture:
            ok, frame = capture.read()
            if not ok or capture.get(cv2.CAP_PROP_FOURCC) == TEXT_CODEC:
                raise VideoError(
                    f"{path}: cannot be decoded, not even frame 1; convert it, say with "
                    "`ffmpeg -i FILE -c:v libx264 converted.mp4`"
                )
            self.size_px = (int(frame.shape[1]), int(frame.shape[0]))

    def frames(self, last: int) -> Iterator[NDArray[np.uint8]]:
        """Yield frames 1 to `last` as (H, W, 3) uint8 RGB.

        Raises `VideoError` when the video ends before, or changes its size.
        """
        with _capture(self.path) as capture:
            for number in range(1, last + 1):
                ok, bgr = capture.read()
                if not ok:
                    raise self._ended(last, number - 1)
                if bgr.shape[1::-1] != self.size_px:
                    raise VideoError(
                        f"{self.path}: frame {number} is {bgr.shape[1]} x {bgr.shape[0]} px, frame 1 is "
                        f"{self.size_px[0]} x {self.size_px[1]} px; all frames must have one size"
                    )
                yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

    def check_length(self, last: int) -> None:
        """Raise `VideoError` when fewer than `last` frames can be decoded.

        The container's own count is wrong in many files, so this decodes; next to scoring the crops that is cheap,
        and nothing is computed that a late error would throw away.
        """
        with _capture(self.path) as capture:
            count = 0
            while count < last and capture.grab():
                count += 1
        if count < last:
            raise self._ended(last, count)

    def _ended(self, wanted: int, count: int) -> VideoError:
        return VideoError(
            f"{self.path}: frame {wanted} is asked for, but the video has {count} decodable frames; "
            "is it the video of those boxes, are their frames counted from 1, was it cut?"
        )


@contextmanager
def _capture(path: Path) -> Iterator[cv2.VideoCapture]:
    """Open `path` without OpenCV's warnings: what they say is in our errors."""
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        yield capture
    finally:
        capture.release()
        logging.setLogLevel(level)
