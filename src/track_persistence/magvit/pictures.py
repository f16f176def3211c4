"""The sheet of reconstructions that people look at."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.core.types import CROP_SIZE_PX
from track_persistence.magvit.clips import Clip
from track_persistence.magvit.evaluate import reconstruct
from track_persistence.magvit.tokenizer import TrackTokenizer

SHEET_CLIPS = 12
GAP_PX = 4
ZOOM = 2
WHITE = 255


@torch.inference_mode()
def reconstruction_sheet(tokenizer: TrackTokenizer, clips: Sequence[Clip], frames: int) -> bytes:
    """Return a PNG: for up to 12 clips a row of the first `frames` frames over a row of their reconstructions."""
    picked = np.linspace(0, len(clips) - 1, min(SHEET_CLIPS, len(clips))).round().astype(int)
    rows: list[NDArray[np.uint8]] = []
    for index in picked:
        crops = clips[index].crops[:frames]
        reconstructed, _ = reconstruct(tokenizer, crops[None])
        rows += [_film_strip(crops, frames), _film_strip(reconstructed[0], frames), _blank(GAP_PX, frames)]
    sheet = np.concatenate(rows[:-1])[..., ::-1].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    return bytes(cv2.imencode(".png", sheet)[1])


def _film_strip(crops: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    strip = _blank(CROP_SIZE_PX, frames)
    strip[:, : len(crops) * CROP_SIZE_PX] = np.concatenate(list(crops), axis=1)
    return strip


def _blank(height_px: int, frames: int) -> NDArray[np.uint8]:
    return np.full((height_px, frames * CROP_SIZE_PX, 3), WHITE, np.uint8)
