"""Track crops to features: batching that depends on the tracks alone, and mapping back to every frame.

B tracks in the batch, T frames, L latent frames, D feature width.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from track_persistence.core.files import digest_of, file_digest
from track_persistence.core.types import CropArray, FloatArray, check_crops
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.encoder import State
from track_persistence.magvit.inference import DTYPES, ready_encoder
from track_persistence.magvit.tokenizer import TrackTokenizer, padded_length, to_video

# Frames that one pass of the encoder holds: more is no faster; about 60 MB of activations in float32.
FRAMES_PER_PASS = 64


class MagvitEncoder:
    """The encoder of a trained tokenizer as a function from crops to features."""

    def __init__(self, tokenizer: TrackTokenizer, digest: str, precision: Precision, device: str) -> None:
        """Copy the encoder of `tokenizer`; `digest` names its weights, `precision` is the arithmetic on `device`."""
        self.digest = digest
        self.precision = precision
        self.dimension = tokenizer.config.latent_dim
        self.is_causal = tokenizer.config.time_stride == 1
        self.architecture_digest = digest_of(tokenizer.config.model_dump(mode="json"))
        self.provenance: dict[str, str | int | bool] = {
            "dtype": precision,
            "ema": False,
            "family": "native",
            "pixel_range": "[-1, 1]",
            "sha256": digest,
            "tap": "latent_mean",
            "time_stride": tokenizer.config.time_stride,
        }
        self._device = resolve_device(device)
        self._dtype = DTYPES[precision]
        self._time_stride = tokenizer.config.time_stride
        self._encoder = ready_encoder(tokenizer.encoder, precision, self._device)

    @classmethod
    def from_checkpoint(cls, path: Path | str, precision: Precision, device: str) -> "MagvitEncoder":
        """Load a native checkpoint; raises `DeviceError` or `CheckpointError` before any work."""
        resolve_device(device)
        return cls(load_tokenizer(Path(path)), file_digest(Path(path)), precision, device)

    @torch.inference_mode()
    def encode(self, crops: Sequence[CropArray]) -> list[FloatArray]:
        """Return the features (T, D) float32 of each track's crops (T, 64, 64, 3) uint8 RGB, any T >= 1.

        A frame's feature is the spatial mean of its latents before quantisation. Without time stride it depends on
        that frame and those before it only; with stride s a clip is padded with its last frame to 1 + s k frames
        and features are interpolated linearly between latents, so they look up to s - 1 frames ahead.
        Raises `DataError` on crops of another shape or dtype.
        """
        for index, track in enumerate(crops):
            check_crops(f"crops of track {index}", track)
        passes = []
        for rows, length in _batches([len(track) for track in crops]):
            padded = padded_length(length, self._time_stride)
            batch = np.stack([_edge_padded(crops[row], padded) for row in rows])  # (B, T', 64, 64, 3)
            passes.append((rows, self._latent_means(batch)))  # (B, L, D)
        # Fetched when all passes are under way: on a GPU each fetch waits for all that was asked for before it.
        features: dict[int, FloatArray] = {}
        for rows, means in passes:
            for row, mean in zip(rows, means.cpu().numpy(), strict=True):
                features[row] = _at_every_frame(mean, len(crops[row]), self._time_stride)
        return [features[row] for row in range(len(crops))]

    def _latent_means(self, batch: NDArray[np.uint8]) -> Tensor:
        """Encode (B, T', 64, 64, 3) piece by piece in time; memory does not grow with T'. Returns (B, L, D) float32."""
        state: State | None = None
        means = []
        for piece in _pieces(batch.shape[1], self._time_stride):
            latents, carried = self._encoder(to_video(batch[:, piece], self._dtype, self._device), state)
            means.append(latents.float().mean(dim=(3, 4)).transpose(1, 2))  # (B, L, D)
            if piece.stop < batch.shape[1]:
                state = [[past.clone() for past in level] for level in carried]
        return torch.cat(means, dim=1)


def _pieces(frames: int, time_stride: int) -> Iterator[slice]:
    """Cut 1 + s k frames: the first piece holds 1 + s k' of them, the others multiples of s."""
    start, end = 0, FRAMES_PER_PASS - time_stride + 1
    while start < frames:
        yield slice(start, min(end, frames))
        start, end = end, end + FRAMES_PER_PASS


def _batches(lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Yield tracks that go through the encoder together, and their length, short ones first.

    Equal lengths share a pass: one costs about as much as two frames more, which is less than padding the tracks to a
    common length would. Which tracks meet depends on the given list alone.
    """
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(length, []).append(row)
    for length, rows in sorted(groups.items()):
        size = max(1, FRAMES_PER_PASS // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size], length


def _edge_padded(crops: CropArray, frames: int) -> CropArray:
    return crops if len(crops) == frames else crops[np.minimum(np.arange(frames), len(crops) - 1)]


def _at_every_frame(mean: FloatArray, frames: int, time_stride: int) -> FloatArray:
    """Interpolate latents at frames 0, s, 2s, ... linearly to frames 0 .. T-1: (L, D) to (T, D)."""
    if time_stride == 1:
        return mean[:frames].copy()
    at = np.arange(frames) / time_stride
    left = np.floor(at).astype(np.int64)
    right = np.minimum(left + 1, len(mean) - 1)
    share: NDArray[Any] = (at - left)[:, None].astype(np.float32)
    return ((1 - share) * mean[left] + share * mean[right]).astype(np.float32)
