"""The whole tokenizer: encoder, lookup-free quantizer and decoder."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from track_persistence.core.seeding import torch_seed
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.decoder import Decoder
from track_persistence.magvit.encoder import Encoder
from track_persistence.magvit.quantizer import LookupFreeQuantizer, Quantized

HALF_RANGE = 127.5


@dataclass(frozen=True)
class Tokenized:
    """Everything the tokenizer computes on the way from a clip to its reconstruction."""

    latents: Tensor
    """(B, D, L, 4, 4), before quantisation."""
    quantized: Quantized
    """Codes of the latents and the terms that shape them."""
    reconstruction: Tensor
    """(B, 3, T, 64, 64), about [-1, 1]."""


class TrackTokenizer(nn.Module):
    """Causal video tokenizer of 64x64 track crops, after MAGVIT-v2 (Yu et al. 2024)."""

    def __init__(self, config: ArchitectureConfig) -> None:
        """Build the network of `config` with fresh weights."""
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = LookupFreeQuantizer(config)
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, video: Tensor) -> Tokenized:
        """Encode, quantise and reconstruct (B, 3, 1 + s k, 64, 64) in [-1, 1]."""
        latents, _ = self.encoder(video)
        quantized = self.quantizer(latents)
        return Tokenized(latents, quantized, self.decoder(quantized.codes))


def fresh_tokenizer(config: ArchitectureConfig, seed: int) -> TrackTokenizer:
    """Return a tokenizer with the random weights that `seed` names; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "tokenizer weights"))
        return TrackTokenizer(config)


def to_video(crops: NDArray[np.uint8], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return crops (B, T, 64, 64, 3) uint8 as a video (B, 3, T, 64, 64) in [-1, 1], in channels_last_3d order."""
    pixels = torch.from_numpy(np.ascontiguousarray(crops))
    if device.type == "cuda":
        pixels = pixels.pin_memory()  # from pageable memory the copy would wait for the GPU
    pixels = pixels.to(device, non_blocking=True).float()
    return (pixels / HALF_RANGE - 1).to(dtype).permute(0, 4, 1, 2, 3)


def to_crops(video: Tensor) -> NDArray[np.uint8]:
    """Return a video (B, 3, T, 64, 64), about [-1, 1], as crops (B, T, 64, 64, 3) uint8."""
    pixels = ((video.float().clamp(-1, 1) + 1) * HALF_RANGE).round().to(torch.uint8)
    crops: NDArray[np.uint8] = pixels.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()
    return crops


def padded_length(frames: int, time_stride: int) -> int:
    """Return the least 1 + s k that is at least `frames`."""
    return 1 + -(-(frames - 1) // time_stride) * time_stride
