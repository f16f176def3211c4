"""What every family of published checkpoints is turned into."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

Family = Literal["open_magvit2", "o2_magvit2", "magvit2_pytorch"]
PRE_OUT = "pre_out"
LATENT = "latent"
TAPS = (PRE_OUT, LATENT)


@dataclass(frozen=True)
class PublishedNetwork:
    """The encoder of a published checkpoint, its weights read, in evaluation mode, float32, on the CPU.

    `module(video)` takes (B, 3, T, 64, 64) in `pixel_range`, T = 1 + s k for the time stride s, and returns a tensor
    (B, C, 1 + k, h, w) for every name in `taps`.
    """

    family: Family
    """Whose architecture it is."""
    module: nn.Module
    """The encoder."""
    pixel_range: tuple[float, float]
    """What black and white are mapped to."""
    time_stride: int
    """Frames per latent after the first."""
    taps: Mapping[str, int]
    """Channels of each tap: `pre_out` is the input of the last projection, `latent` its output."""
    ema: bool
    """Whether the running average of the weights was taken instead of the last ones."""
    is_causal: bool
    """Whether latent j depends on frames 0 .. s j only; normalising over time makes it False."""
    lag: int = 0
    """Frames that every latent trails: latent j depends on frames up to s j - lag, 0 <= lag < s."""
