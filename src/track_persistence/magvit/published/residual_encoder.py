"""The encoder of the MAGVIT-v2 paper as Open-MAGVIT2 and O2-MAGVIT2 publish it.

B clips, C channels, T frames, H x W voxels per frame. Yu et al. 2024, "Language Model Beats Diffusion", appendix;
names and details after the two repositories.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published.network import LATENT, PRE_OUT, Family, PublishedNetwork

GROUPS = 32
# Values that a convolution reads at once: three frames of 128 channels at 64 x 64.
PIECE_VALUES = 3 * 128 * 64 * 64


@dataclass(frozen=True)
class ResidualArchitecture:
    """What the tensors of a file say of the network, and what its family says beyond them."""

    first_width: int
    """Channels after the first convolution."""
    widths: tuple[int, ...]
    """Channels of each level; every level but the last ends with a convolution that halves H and W."""
    blocks: tuple[int, ...]
    """Residual blocks of each level."""
    middle_blocks: int
    """Residual blocks after the last level."""
    latent_dim: int
    """Channels before quantisation."""
    first_bias: bool
    """Whether the first convolution has a bias."""
    frame_norm: bool
    """Whether groups are normalised frame by frame; over all frames they tell every frame of the later ones."""
    epsilon: float
    """Of the normalisation."""

    @property
    def time_strides(self) -> tuple[int, ...]:
        """Frames per frame of each downsampling: levels as wide as the first keep them all, wider ones every other."""
        return tuple(1 if width == self.first_width else 2 for width in self.widths[:-1])


class CausalConv(nn.Conv3d):
    """A convolution with zeros before the first frame and around each frame, none after the last frame."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: tuple[int, int], bias: bool) -> None:
        """Take (in, out) channels, the edge of the cubic kernel and the (time, space) stride."""
        steps = (stride[0], stride[1], stride[1])
        super().__init__(*channels, kernel, steps, padding=(0, kernel // 2, kernel // 2), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', ceil(T / stride), ...): frame 0, then one frame a stride.

        Long clips go through in pieces, which bounds the memory for padded and reordered copies.
        """
        history, step = self.kernel_size[0] - 1, self.stride[0]
        if x.shape[2] == 1:  # all but the last tap in time see zeros
            return F.conv3d(x, self.weight[:, :, history:], self.bias, (1, *self.stride[1:]), self.padding)
        frames = -(-x.shape[2] // step)
        size = max(1, PIECE_VALUES * x.shape[2] // x.numel() // step)
        if frames <= size:
            return super().forward(_window(x, -history, x.shape[2]))
        height, width = (-(-side // self.stride[1]) for side in x.shape[3:])
        y = x.new_empty(x.shape[0], self.out_channels, frames, height, width)
        for first in range(0, frames, size):
            end = min(first + size, frames)
            y[:, :, first:end] = super().forward(_window(x, first * step - history, (end - 1) * step + 1))
        return y


def _window(x: Tensor, start: int, stop: int) -> Tensor:
    """Return frames start .. stop - 1 of (B, C, T, H, W), zeros for those before the first."""
    window = x[:, :, max(start, 0) : stop]
    return F.pad(window, (0, 0, 0, 0, -start, 0)) if start < 0 else window


class GroupNorm(nn.GroupNorm):
    """Group normalisation over all voxels of a clip, or over those of each frame."""

    def __init__(self, channels: int, architecture: ResidualArchitecture) -> None:
        """Cut `channels` into 32 groups."""
        super().__init__(GROUPS, channels, eps=architecture.epsilon)
        self.frame_norm = architecture.frame_norm

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, T, H, W)."""
        if not self.frame_norm:
            return super().forward(x.contiguous())  # in channels_last_3d order PyTorch's sums are ten times less exact
        y = torch.empty_like(x)
        for frame in range(x.shape[2]):
            y[:, :, frame] = super().forward(x[:, :, frame])
        return y


class ResidualBlock(nn.Module):
    """shortcut(x) + conv(silu(norm(conv(silu(norm(x))))))."""

    def __init__(self, channels: tuple[int, int], architecture: ResidualArchitecture) -> None:
        """Map (in, out) channels; the shortcut is a 1x1x1 convolution where they differ."""
        super().__init__()
        inputs, outputs = channels
        self.norms = nn.ModuleList(GroupNorm(width, architecture) for width in channels)
        self.convs = nn.ModuleList(CausalConv((width, outputs), 3, (1, 1), bias=False) for width in channels)
        self.shortcut = nn.Identity() if inputs == outputs else CausalConv(channels, 1, (1, 1), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', T, H, W)."""
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = F.silu(norm(y), inplace=True)
            y = conv(y)
        return y.add_(self.shortcut(x))


class ResidualEncoder(nn.Module):
    """Convolution, levels of residual blocks, normalisation and a 1x1x1 convolution to the latents."""

    def __init__(self, architecture: ResidualArchitecture) -> None:
        """Build the levels of `architecture`."""
        super().__init__()
        width = architecture.first_width
        # One flat sequence: it lets go of each step's input, where nested ones hold on to those of every level.
        steps: dict[str, nn.Module] = {"first": CausalConv((3, width), 3, (1, 1), bias=architecture.first_bias)}
        strides = (*architecture.time_strides, None)
        for level, (blocks, stride) in enumerate(zip(architecture.blocks, strides, strict=True)):
            for block in range(blocks):
                steps[f"level{level}_block{block}"] = ResidualBlock((width, architecture.widths[level]), architecture)
                width = architecture.widths[level]
            if stride is not None:
                steps[f"level{level}_down"] = CausalConv((width, width), 3, (stride, 2), bias=True)
        for block in range(architecture.middle_blocks):
            steps[f"middle_block{block}"] = ResidualBlock((width, width), architecture)
        self.steps = nn.Sequential(OrderedDict(steps))
        self.norm = GroupNorm(width, architecture)
        self.last = CausalConv((width, architecture.latent_dim), 1, (1, 1), bias=True)

    def forward(self, video: Tensor) -> dict[str, Tensor]:
        """Encode (B, 3, T, H, W) in [-1, 1]; the values are (B, C, T', h, w)."""
        x = F.silu(self.norm(self.steps(video)), inplace=True)
        return {PRE_OUT: x, LATENT: self.last(x)}


def empty_encoder(path: Path, architecture: ResidualArchitecture) -> ResidualEncoder:
    """Return the encoder without memory for its weights; raises `CheckpointError` where `path` tells odd widths."""
    for width in (architecture.first_width, *architecture.widths):
        if width % GROUPS:
            raise CheckpointError(
                f"{path}: a level has {width} channels; its normalisation cuts them into {GROUPS} groups, so this is "
                "not the published architecture"
            )
    with torch.device("meta"):
        return ResidualEncoder(architecture)


def random_encoder(architecture: ResidualArchitecture, seed: int) -> ResidualEncoder:
    """Return an encoder with the random weights that `seed` names, to measure with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResidualEncoder(architecture)


def published_network(
    family: Family, module: ResidualEncoder, architecture: ResidualArchitecture, ema: bool
) -> PublishedNetwork:
    """Return `module`, its weights read, with what `architecture` says of it."""
    return PublishedNetwork(
        family=family,
        module=module.eval().requires_grad_(False),
        pixel_range=(-1.0, 1.0),
        time_stride=math.prod(architecture.time_strides),
        taps={PRE_OUT: architecture.widths[-1], LATENT: architecture.latent_dim},
        ema=ema,
        is_causal=architecture.frame_norm,
    )
