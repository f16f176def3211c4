"""Track crops to features through a published encoder.

B clips, T frames, L latent frames, C channels of the tap, D feature width, s time stride.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from track_persistence.core.errors import ParamsError
from track_persistence.core.files import digest_of
from track_persistence.core.types import CropArray, FloatArray, check_crops
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.inference import DTYPES
from track_persistence.magvit.published.network import PublishedNetwork
from track_persistence.magvit.published.projection import orthogonal_matrix, project
from track_persistence.magvit.tokenizer import padded_length

# Frames that clips share a pass up to. At the published sizes, 128 channels of 64 x 64 voxels, a frame takes 10 MB or
# more; longer clips go through alone.
FRAMES_PER_PASS = 8
WHITE = 255


@dataclass(frozen=True)
class _Clip:
    """Frames of one track that are encoded together."""

    row: int
    start: int
    frames: int


class PublishedEncoder:
    """A published encoder as a function from crops to features.

    `is_causal` says whether a frame's feature depends on that frame and those before it only.
    """

    def __init__(self, network: PublishedNetwork, digest: str, config: ExtractConfig, device: str) -> None:
        """Take over `network`, read from the file with `digest`, to compute on `device`.

        Raises `ParamsError` when `config.published` does not fit the network.
        """
        settings = config.published
        _check(network, settings.tap, settings.clip_frames)
        channels = network.taps[settings.tap]
        self.digest = digest_of("published", digest, settings.model_dump(mode="json"))
        self.precision = config.precision
        self.is_causal = network.is_causal
        shapes = {name: list(value.shape) for name, value in network.module.state_dict().items()}
        self.architecture_digest = digest_of(network.family, shapes)
        self._matrix: NDArray[np.float64] | None = None
        if settings.projection == "orthogonal":
            self._matrix = orthogonal_matrix(channels, settings.dimension, settings.projection_seed)
        self.dimension = channels if self._matrix is None else settings.dimension
        self.provenance: dict[str, str | int | bool] = {
            "family": network.family,
            "sha256": digest,
            "ema": network.ema,
            "tap": settings.tap,
            "pixel_range": f"[{network.pixel_range[0]:g}, {network.pixel_range[1]:g}]",
            "dtype": config.precision,
            "projection": f"{settings.projection} {channels} to {self.dimension}",
            "time_stride": network.time_stride,
        }
        self._settings = settings
        self._network = network
        self._device = resolve_device(device)
        self._module = network.module.to(self._device, DTYPES[config.precision])

    @torch.inference_mode()
    def encode(self, crops: Sequence[CropArray]) -> list[FloatArray]:
        """Return the features (T, D) float32 of each track's crops (T, 64, 64, 3) uint8 RGB, any T >= 1.

        A track is cut into clips of `clip_frames`, each encoded alone and padded with its last frame to 1 + s k. Frame
        t of a clip takes the spatial mean of latent floor((t + lag) / s), the last one whose convolutions see no later
        frame; where `is_causal` is False the normalisation looks at the whole clip all the same.
        Raises `DataError` on crops of another shape or dtype.
        """
        for index, track in enumerate(crops):
            check_crops(f"crops of track {index}", track)
        stride, lag = self._network.time_stride, self._network.lag
        features = [np.empty((len(track), self.dimension), np.float32) for track in crops]
        for clips, length in _batches([len(track) for track in crops], self._settings.clip_frames, stride):
            for clip, means in zip(clips, self._latent_means(crops, clips, length), strict=True):
                rows = means if self._matrix is None else project(means, self._matrix)
                latents = (np.arange(clip.frames) + lag) // stride
                features[clip.row][clip.start : clip.start + clip.frames] = rows[latents]
        return features

    def _latent_means(self, crops: Sequence[CropArray], clips: Sequence[_Clip], length: int) -> FloatArray:
        """Encode clips, all padded to `length` frames, in one pass. Returns (B, L, C)."""
        steps = np.arange(length)
        batch = np.stack([crops[clip.row][clip.start + np.minimum(steps, clip.frames - 1)] for clip in clips])
        low, high = self._network.pixel_range
        pixels = torch.from_numpy(batch).to(self._device).float() * ((high - low) / WHITE) + low  # (B, T, H, W, 3)
        video = pixels.permute(0, 4, 1, 2, 3).to(DTYPES[self.precision]).contiguous()  # (B, 3, T, H, W)
        latents: Tensor = self._module(video)[self._settings.tap]  # (B, C, L, h, w)
        means: FloatArray = latents.float().mean(dim=(3, 4)).transpose(1, 2).cpu().numpy()  # (B, L, C)
        return means


def _check(network: PublishedNetwork, tap: str, clip_frames: int) -> None:
    if tap not in network.taps:
        raise ParamsError(f"extract.published.tap: {network.family} has {', '.join(network.taps)}, got {tap}")
    if padded_length(clip_frames, network.time_stride) != clip_frames:
        raise ParamsError(
            f"extract.published.clip_frames: expected 1 + {network.time_stride} k, since {network.family} makes one "
            f"latent of every {network.time_stride} frames after the first; got {clip_frames}"
        )


def _batches(lengths: Sequence[int], clip_frames: int, time_stride: int) -> Iterator[tuple[list[_Clip], int]]:
    """Yield clips that go through the encoder together, and the length they are padded to, short ones first.

    Which clips meet depends on the given lengths alone.
    """
    groups: dict[int, list[_Clip]] = {}
    for row, length in enumerate(lengths):
        for start in range(0, length, clip_frames):
            frames = min(clip_frames, length - start)
            groups.setdefault(padded_length(frames, time_stride), []).append(_Clip(row, start, frames))
    for length, clips in sorted(groups.items()):
        size = max(1, FRAMES_PER_PASS // length)
        for first in range(0, len(clips), size):
            yield clips[first : first + size], length
