"""Building blocks that never look ahead in time.

B clips in the batch, C channels, T frames, H x W voxels per frame. Videos are (B, C, T, H, W) tensors in
`channels_last_3d` memory order, which the CPU's convolutions are fastest with.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RMS_EPSILON = 1e-6


class _RootMeanSquare(torch.autograd.Function):
    """Rows divided by their root mean square, times a gain.

    `F.rms_norm` has no kernel of its own on the CPU: at the default widths forward and backward took 1.3 to 2.6 times
    as long as this.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, gain: Tensor) -> Tensor:
        """Normalise rows (..., C) by gain (C,), both of one dtype; sums of squares are float32 at least."""
        # Asked for a dtype, vector_norm first copies its input to it; without one it sums in float32 all the same.
        norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        square = norm.to(torch.promote_types(norm.dtype, torch.float32)).square()
        scale = torch.rsqrt(square / rows.shape[-1] + RMS_EPSILON).to(rows.dtype)
        normed = rows * scale
        ctx.save_for_backward(normed, scale, gain)
        return normed * gain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of rows and gain."""
        (gradient,) = gradients
        normed, scale, gain = ctx.saved_tensors
        own = gradient * gain
        along = (own * normed).sum(dim=-1, keepdim=True) / normed.shape[-1]
        of_gain = (gradient * normed).flatten(0, -2).sum(dim=0)
        return torch.addcmul(own, normed, along, value=-1) * scale, of_gain


class VoxelNorm(nn.Module):
    """RMS normalisation over the channels of each voxel (Zhang & Sennrich 2019).

    GroupNorm, which MAGVIT-v2 has here, takes its mean over time as well and so leaks the future.
    """

    def __init__(self, channels: int) -> None:
        """Start as the plain normalisation, all gains 1."""
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, T, H, W) over C."""
        rows = x.permute(0, 2, 3, 4, 1)  # (B, T, H, W, C), no copy in channels_last_3d
        normed: Tensor = _RootMeanSquare.apply(rows, self.gain.to(x.dtype))  # type: ignore[no-untyped-call]
        return normed.permute(0, 4, 1, 2, 3)  # (B, C, T, H, W)


class CausalConv3d(nn.Module):
    """A 3D convolution whose output at frame t depends on frames up to t only (MAGVIT-v2, Yu et al. 2024).

    Before its first frame a clip is taken to have stood still: the first frame is repeated. Zeros there would tell
    the network how many frames it has seen, and so the track's age.
    """

    def __init__(self, channels: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        """Take (in, out) channels and (time, space) kernel and stride; space is padded to keep H / stride."""
        super().__init__()
        self.history = kernel[0] - 1
        self.carried = kernel[0] - stride[0]
        self.still: nn.Module | None = None
        """What convolves a lone frame where its weights were summed beforehand."""
        self.conv: nn.Module = nn.Conv3d(
            channels[0],
            channels[1],
            (kernel[0], kernel[1], kernel[1]),
            (stride[0], stride[1], stride[1]),
            (0, (kernel[1] - 1) // 2 if stride[1] == 1 else 0, (kernel[1] - 1) // 2 if stride[1] == 1 else 0),
        )

    def forward(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convolve (B, C, T, H, W); `past` is what an earlier call on the same clip returned second, or None.

        Returns the output and the last input frames that the next frames of the clip will need.
        """
        if past is None:
            # Not expand(): torch.cat of a repeated view leaves channels_last_3d, and takes 30 times as long.
            past = torch.cat([x[:, :, :1]] * self.history, dim=2) if self.history else x[:, :, :0]
            if x.shape[2] == 1:
                return self._convolve_still(x), past[:, :, : self.carried]
        if past.shape[2] > 0:
            x = torch.cat([past, x], dim=2)  # (B, C, history + T, H, W)
        return self.conv(x), x[:, :, x.shape[2] - self.carried :]

    def _convolve_still(self, x: Tensor) -> Tensor:
        """Convolve a lone frame (B, C, 1, H, W): all taps in time see it, so their sum does, at a third of the cost."""
        if self.still is not None:
            return cast(Tensor, self.still(x))
        conv = cast(nn.Conv3d, self.conv)
        return F.conv3d(x, still_weight(conv), conv.bias, (1, *conv.stride[1:]), conv.padding)


def still_weight(conv: nn.Conv3d) -> Tensor:
    """Return the weight (O, I, 1, h, w) that does to a lone frame what `conv` does to a clip that stands still."""
    return conv.weight.sum(dim=2, keepdim=True)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))) with 3x3x3 causal convolutions."""

    def __init__(self, channels: int) -> None:
        """Keep `channels` throughout."""
        super().__init__()
        self.norms = nn.ModuleList(VoxelNorm(channels) for _ in range(2))
        self.convs = nn.ModuleList(CausalConv3d((channels, channels), (3, 3), (1, 1)) for _ in range(2))

    def forward(self, x: Tensor, past: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Map (B, C, T, H, W) to the same shape; `past` and the second result as in `CausalConv3d`."""
        carried: list[Tensor] = []
        y = x
        for index, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            y, last = conv(F.silu(norm(y)), None if past is None else past[index])
            carried.append(last)
        return x + y, carried


class Level(nn.Module):
    """One resolution of the encoder: a patch convolution down to it, then residual blocks."""

    def __init__(self, channels: tuple[int, int], patch: int, time_stride: int, blocks: int) -> None:
        """Shrink space by `patch` and time by `time_stride` (a clip of 1 + s k frames to 1 + k)."""
        super().__init__()
        kernel = (1 if time_stride == 1 else 3, patch)
        self.down = CausalConv3d(channels, kernel, (time_stride, patch))
        self.blocks = nn.ModuleList(ResidualBlock(channels[1]) for _ in range(blocks))

    def forward(self, x: Tensor, past: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Map (B, C, T, H, W) to (B, C', T', H / patch, W / patch); `past` as in `CausalConv3d`."""
        x, last = self.down(x, None if past is None else past[0])
        carried = [last]
        for index, block in enumerate(self.blocks):
            x, block_past = block(x, None if past is None else past[1 + 2 * index : 3 + 2 * index])
            carried += block_past
        return x, carried
