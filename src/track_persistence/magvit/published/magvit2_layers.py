"""Convolutional layers of magvit2-pytorch's video tokenizer (Phil Wang, version 0.5.1).

B clips, C channels, T frames, H x W voxels per frame. All of them but the blur in time look back only.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.1


def frames_of(x: Tensor) -> Tensor:
    """Return (B, C, T, H, W) as single frames (B T, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


def clips_of(frames: Tensor, clips: int) -> Tensor:
    """Undo `frames_of`: (B T, C, H, W) to (B, C, T, H, W) for B = `clips`."""
    return frames.view(clips, -1, *frames.shape[1:]).transpose(1, 2)


def pad_front(x: Tensor, frames: int) -> Tensor:
    """Put `frames` frames of zeros before (B, C, T, H, W)."""
    return F.pad(x, (0, 0, 0, 0, frames, 0))


class CausalConvolution(nn.Conv3d):
    """A convolution with zeros before the first frame and around each frame, none after the last frame."""

    def __init__(self, channels: tuple[int, int], kernel: Sequence[int]) -> None:
        """Take (in, out) channels and the (time, height, width) of the kernel, odd in space."""
        time, height, width = kernel
        super().__init__(*channels, (time, height, width), padding=(0, height // 2, width // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', T, H, W)."""
        return super().forward(pad_front(x, self.kernel_size[0] - 1))


class ContextGate(nn.Module):
    """Squeeze and excitation with a learned average instead of the mean (Li et al. 2020, arXiv 2012.13375)."""

    def __init__(self, channels: int, hidden: int) -> None:
        """Gate `channels` channels through `hidden` ones."""
        super().__init__()
        self.key = nn.Conv2d(channels, 1, 1)
        self.narrow = nn.Conv2d(channels, hidden, 1)
        self.widen = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of every frame of (B, C, T, H, W), each frame by what it shows itself."""
        frames = frames_of(x)
        weights = self.key(frames).flatten(2).softmax(dim=-1)  # (B T, 1, H W)
        context = (frames.flatten(2) @ weights.transpose(1, 2)).unsqueeze(-1)  # (B T, C, 1, 1)
        gates = self.widen(F.leaky_relu(self.narrow(context), LEAK)).sigmoid()
        return x * clips_of(gates, x.shape[0])


class ResidualUnit(nn.Module):
    """x + gate(elu(mix(elu(conv(x)))))."""

    def __init__(self, channels: int, kernel: Sequence[int], hidden: int) -> None:
        """Keep `channels`; `kernel` is the convolution's, `hidden` the width of the gate."""
        super().__init__()
        self.conv = CausalConvolution((channels, channels), kernel)
        self.mix = nn.Conv3d(channels, channels, 1)
        self.gate = ContextGate(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        gated: Tensor = self.gate(F.elu(self.mix(F.elu(self.conv(x)))))
        return x + gated


class Blur(nn.Module):
    """Anti-aliasing before a stride, edges repeated (Zhang 2019, "Making Convolutional Networks Shift-Invariant")."""

    def __init__(self, dims: int) -> None:
        """Blur the last `dims` dimensions, 1 (time) or 2 (space)."""
        super().__init__()
        self.dims = dims
        self.register_buffer("taps", torch.empty(3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, L) or (N, C, H, W) to the same shape."""
        taps = self.get_buffer("taps")
        kernel = taps if self.dims == 1 else torch.outer(taps, taps)
        kernel = (kernel / kernel.abs().sum()).expand(x.shape[1], 1, *kernel.shape)
        padded = F.pad(x, (1, 1) * self.dims, mode="replicate")
        convolve = F.conv1d if self.dims == 1 else F.conv2d
        return convolve(padded, kernel, groups=x.shape[1])


class SpaceDownsample(nn.Module):
    """A convolution of every frame that halves H and W (`compress_space`)."""

    def __init__(self, channels: tuple[int, int], kernel: Sequence[int], blurred: bool) -> None:
        """Take (in, out) channels and the (height, width) of the kernel."""
        super().__init__()
        height, width = kernel
        self.blur = Blur(2) if blurred else nn.Identity()
        self.conv = nn.Conv2d(*channels, (height, width), stride=2, padding=(height // 2, width // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', T, H / 2, W / 2)."""
        return clips_of(self.conv(self.blur(frames_of(x))), x.shape[0])


class TimeDownsample(nn.Module):
    """A convolution of every voxel's sequence that halves T (`compress_time`).

    Output i depends on inputs 0 .. 2 i, and on input 2 i + 1 as well where it is blurred first.
    """

    def __init__(self, channels: tuple[int, int], kernel: int, blurred: bool) -> None:
        """Take (in, out) channels and the length of the kernel."""
        super().__init__()
        self.blur = Blur(1) if blurred else nn.Identity()
        self.conv = nn.Conv1d(*channels, kernel, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', ceil(T / 2), H, W)."""
        clips, _, _, height, width = x.shape
        sequences = x.permute(0, 3, 4, 1, 2).flatten(0, 2)  # (B H W, C, T)
        shrunk: Tensor = self.conv(F.pad(self.blur(sequences), (self.conv.kernel_size[0] - 1, 0)))
        return shrunk.view(clips, height, width, *shrunk.shape[1:]).permute(0, 3, 4, 1, 2)  # (B, C', T', H, W)
