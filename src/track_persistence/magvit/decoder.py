"""The decoder: codes back to 64x64 frames. It serves training and the reconstructions people look at.

B clips, K code bits, L latent frames, T frames.
"""

from torch import Tensor, nn

from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.layers import ResidualBlock

RGB = 3
PATCH = 4


def depth_to_space(x: Tensor, factor: int) -> Tensor:
    """Spread channels over space: (B, C f f, T, H, W) to (B, C, T, H f, W f)."""
    x = x.reshape(len(x), -1, factor, factor, *x.shape[2:])  # (B, C, f, f, T, H, W)
    x = x.permute(0, 1, 4, 5, 2, 6, 3)  # (B, C, T, H, f, W, f)
    return x.flatten(5, 6).flatten(3, 4)


class BlockStack(nn.Sequential):
    """Residual blocks one after the other, over whole clips."""

    def __init__(self, width: int, count: int) -> None:
        """Hold `count` blocks of `width` channels."""
        super().__init__(*(ResidualBlock(width) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        for block in self:
            x, _ = block(x, None)
        return x


class Decoder(nn.Module):
    """Mirror of the encoder, causal too, usually thinner."""

    def __init__(self, config: ArchitectureConfig) -> None:
        """Build the levels from 4x4 up to 16x16."""
        super().__init__()
        fine, middle, coarse = config.decoder_widths
        self.time_stride = config.time_stride
        self.entry = nn.Conv3d(config.code_bits, coarse, 1)
        self.levels = nn.ModuleList(BlockStack(width, config.blocks_per_level) for width in (coarse, middle, fine))
        self.ups = nn.ModuleList([nn.Conv3d(coarse, middle * 4, 1), nn.Conv3d(middle, fine * 4, 1)])
        self.pixels = nn.Conv3d(fine, RGB * PATCH * PATCH, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Decode (B, K, 1 + k, 4, 4) to (B, 3, 1 + s k, 64, 64), about [-1, 1], with time stride s."""
        stride = self.time_stride
        x = self.entry(codes.repeat_interleave(stride, dim=2)[:, :, stride - 1 :])  # (B, C, T, 4, 4)
        for index, blocks in enumerate(self.levels):
            if index > 0:
                x = depth_to_space(self.ups[index - 1](x), 2)  # (B, C', T, 2H, 2W)
            x = blocks(x)
        return depth_to_space(self.pixels(x), PATCH)
