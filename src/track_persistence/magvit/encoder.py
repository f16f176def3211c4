"""The causal video encoder: 64x64 crops to a 4x4 grid of latents per frame.

B clips, T frames, L latent frames (T where time is not strided), D latent channels.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.layers import Level, VoxelNorm

PATCHES = (4, 2, 2)
TIME_STRIDES = {1: (1, 1, 1), 2: (1, 1, 2), 4: (1, 2, 2)}

State = list[list[Tensor]]


class Encoder(nn.Module):
    """Compact encoder after MAGVIT-v2 (Yu et al. 2024): three levels of residual blocks at 16x16, 8x8 and 4x4."""

    def __init__(self, config: ArchitectureConfig) -> None:
        """Build the levels of `config`."""
        super().__init__()
        widths = (3, *config.encoder_widths)
        strides = TIME_STRIDES[config.time_stride]
        self.levels = nn.ModuleList(
            Level((widths[i], widths[i + 1]), PATCHES[i], strides[i], config.blocks_per_level) for i in range(3)
        )
        self.norm = VoxelNorm(widths[-1])
        self.latents: nn.Module = nn.Conv3d(widths[-1], config.latent_dim, 1)

    def forward(self, video: Tensor, state: Sequence[Sequence[Tensor]] | None = None) -> tuple[Tensor, State]:
        """Encode (B, 3, T, 64, 64) in [-1, 1], T = 1 + s k with time stride s, to (B, D, 1 + k, 4, 4).

        A long clip may come in pieces: `state` is the second result of the call on the piece before, and that
        piece's successor holds s k frames and gives k latent frames. Latent j depends on frames up to s j only.
        """
        x, carried = video, []
        for index, level in enumerate(self.levels):
            x, level_state = level(x, None if state is None else state[index])
            carried.append(level_state)
        return self.latents(F.silu(self.norm(x))), carried
