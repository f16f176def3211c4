"""What the encoder's early levels see: texture, and its layout within the crop.

The latents at the end of the encoder are trained to survive a new background and new colours, and their spatial mean
forgets where in the crop a thing was seen. The levels before keep both; a filter that is adapted to a site reads them.

B tracks in a pass, T frames, C channels of a level.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from track_persistence.core.errors import CheckpointError
from track_persistence.core.types import CropArray, FloatArray, check_crops
from track_persistence.magvit.config import Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.encoder import Encoder, State
from track_persistence.magvit.features import FRAMES_PER_PASS
from track_persistence.magvit.inference import DTYPES, ready_encoder
from track_persistence.magvit.tokenizer import TrackTokenizer, to_video

LAYOUT_GRID = 4
LEVELS_READ = 2


class LevelEncoder:
    """The first two levels of a trained tokenizer's encoder as a function from crops to texture and layout."""

    def __init__(self, tokenizer: TrackTokenizer, precision: Precision, device: str) -> None:
        """Copy the encoder of `tokenizer`, to run in `precision` on `device`.

        Raises `CheckpointError` when the encoder has a time stride, `DeviceError` when the device is absent.
        """
        stride = tokenizer.config.time_stride
        if stride != 1:
            raise CheckpointError(
                f"encoder: time_stride is {stride}; a filter is adapted to a site with features of every frame, train "
                "the tokenizer with time_stride 1"
            )
        self._device = resolve_device(device)
        self._dtype = DTYPES[precision]
        self._encoder = ready_encoder(tokenizer.encoder, precision, self._device)

    @torch.inference_mode()
    def encode(self, crops: CropArray) -> tuple[FloatArray, FloatArray]:
        """Return texture (T, C0) and layout (T, 4 * 4 * C1) float32 of one track's crops (T, 64, 64, 3) uint8 RGB.

        texture: spatial mean of the first level's activations. layout: the second level's, averaged down to a grid of
        4 x 4 cells. Both depend on a frame and those before it only. Raises `DataError` on other crops.
        """
        check_crops("crops", crops)
        state: State | None = None
        textures, layouts = [], []
        for start in range(0, len(crops), FRAMES_PER_PASS):
            video = to_video(crops[None, start : start + FRAMES_PER_PASS], self._dtype, self._device)
            activations, state = self._levels(video, state)
            texture, layout = texture_and_layout(activations)
            textures.append(texture[0])
            layouts.append(layout[0])
        return np.concatenate(textures), np.concatenate(layouts)

    def _levels(self, video: Tensor, state: State | None) -> tuple[list[Tensor], State]:
        """Return what both levels give, (1, C, T, H, W), and what the next frames need."""
        x, activations, carried = video, [], []
        for index, level in enumerate(self._encoder.levels[:LEVELS_READ]):
            x, past = level(x, None if state is None else state[index])
            activations.append(x)
            carried.append([part.clone() for part in past])
        return activations, carried


@contextmanager
def listening(encoder: Encoder) -> Iterator[list[Tensor]]:
    """Collect what the early levels give, (B, C, T, H, W) each, when the encoder runs as a whole."""
    heard: list[Tensor] = []
    hooks = [
        level.register_forward_hook(lambda _level, _inputs, outputs: heard.append(outputs[0]))
        for level in encoder.levels[:LEVELS_READ]
    ]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def texture_and_layout(activations: Sequence[Tensor]) -> tuple[FloatArray, FloatArray]:
    """Return texture (B, T, C0) and layout (B, T, 4 * 4 * C1) float32 of what the early levels gave."""
    first, second = (F.silu(x).float().transpose(1, 2) for x in activations)  # (B, T, C, H, W)
    cells = F.adaptive_avg_pool2d(second.flatten(0, 1), LAYOUT_GRID)  # (B T, C1, 4, 4)
    layout = cells.permute(0, 2, 3, 1).reshape(*first.shape[:2], -1)
    return first.mean(dim=(3, 4)).cpu().numpy(), layout.cpu().numpy()
