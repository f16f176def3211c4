"""Attention layers of magvit2-pytorch's video tokenizer (Phil Wang, version 0.5.1).

B clips, C channels, T frames, H x W voxels per frame; N sequences of L entries, A heads of width D.
None has a position code, so all of them take frames of any size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from track_persistence.magvit.published.magvit2_layers import pad_front

SMALLEST_DIVISOR = 1e-5


class GainNorm(nn.Module):
    """Division by the root mean square over the channels, times a gain (Zhang & Sennrich 2019)."""

    def __init__(self, channels: int, channels_first: bool) -> None:
        """Take the channels from dimension 1 of videos (B, C, T, H, W), or else from the last one."""
        super().__init__()
        self.dim = 1 if channels_first else -1
        self.scale = math.sqrt(channels)
        self.gain = nn.Parameter(torch.empty(channels, 1, 1, 1) if channels_first else torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` to the same shape; a vector of zeros stays one."""
        return F.normalize(x, dim=self.dim) * self.scale * self.gain


class FeedForward(nn.Module):
    """The voxelwise network of a transformer layer with a gated GELU (Shazeer 2020, "GLU Variants")."""

    def __init__(self, channels: int, hidden: int) -> None:
        """Keep `channels`; `hidden` is the width after the gate."""
        super().__init__()
        self.norm = GainNorm(channels, channels_first=True)
        self.widen = nn.Conv3d(channels, 2 * hidden, 1)
        self.narrow = nn.Conv3d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        values, gates = self.widen(self.norm(x)).chunk(2, dim=1)
        narrowed: Tensor = self.narrow(F.gelu(gates) * values)
        return narrowed


class MemoryAttention(nn.Module):
    """Attention to the entries of a sequence and to a few learned ones before it."""

    def __init__(self, channels: int, memory: tuple[int, int, int], causal: bool) -> None:
        """Keep `channels`; `memory` is (heads, learned entries of each, head width), `causal` hides later entries."""
        super().__init__()
        heads, entries, head_width = memory
        inner = heads * head_width
        self.causal = causal
        self.norm = GainNorm(channels, channels_first=False)
        self.memory = nn.Parameter(torch.empty(2, heads, entries, head_width))
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (N, L, C) to the same shape."""
        _, heads, entries, _ = self.memory.shape
        q, k, v = self.qkv(self.norm(rows)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)  # 3 x (N, A, L, D)
        learned = self.memory.unsqueeze(1).expand(-1, len(rows), -1, -1, -1)  # (2, N, A, M, D)
        k, v = torch.cat([learned[0], k], dim=2), torch.cat([learned[1], v], dim=2)  # (N, A, M + L, D)
        visible = None
        if self.causal:
            visible = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(entries)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        projected: Tensor = self.out(mixed.transpose(1, 2).flatten(2))  # (N, L, C)
        return projected


class TaylorAttention(nn.Module):
    """Attention of linear cost: exp(q k) taken to its second order (Keles et al. 2022, arXiv 2209.04881)."""

    def __init__(self, channels: int, heads: int, head_width: int) -> None:
        """Keep `channels`."""
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.norm = GainNorm(channels, channels_first=False)
        self.query = nn.Linear(channels, inner, bias=False)
        self.key_value = nn.Linear(channels, 2 * inner, bias=False)
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (N, L, C) to the same shape."""
        normed = self.norm(rows)
        q = self.query(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, A, L, D)
        k, v = self.key_value(normed).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 2 x (N, A, L, D)
        q, k = _expanded(q / math.sqrt(q.shape[-1])), _expanded(k)  # (N, A, L, E)
        total = (q @ k.sum(dim=2).unsqueeze(-1)).clamp(min=SMALLEST_DIVISOR)  # (N, A, L, 1)
        mixed = q @ (k.transpose(-1, -2) @ v) / total  # (N, A, L, D)
        projected: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return projected


def _expanded(x: Tensor) -> Tensor:
    """Return (..., E = 1 + D + D^2) whose inner product is 1 + x y + (x y)^2 / 2 for x, y of (..., D)."""
    squares = (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2) * math.sqrt(0.5)
    return torch.cat([torch.ones_like(x[..., :1]), x, squares], dim=-1)


class AttendSpace(nn.Module):
    """A transformer layer over the voxels of each frame (`attend_space`, `linear_attend_space`)."""

    def __init__(self, attention: MemoryAttention | TaylorAttention, feed_forward: FeedForward) -> None:
        """Take the two halves of the layer."""
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        rows = x.permute(0, 2, 3, 4, 1)  # (B, T, H, W, C)
        flat = rows.flatten(2, 3).flatten(0, 1)  # (B T, H W, C)
        mixed: Tensor = self.attention(flat)
        x = x + mixed.view(rows.shape).permute(0, 4, 1, 2, 3)
        fed: Tensor = self.feed_forward(x)
        return x + fed


class AttendTime(nn.Module):
    """A transformer layer over the frames of each voxel, later ones hidden (`attend_time`).

    Before either half the second half of the channels comes from the frame before (Zhang et al. 2021, "Token Shift
    Transformer").
    """

    def __init__(self, attention: MemoryAttention, feed_forward: FeedForward) -> None:
        """Take the two halves of the layer."""
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        rows = shifted(x).permute(0, 3, 4, 2, 1)  # (B, H, W, T, C)
        mixed: Tensor = self.attention(rows.flatten(0, 2))
        x = x + mixed.view(rows.shape).permute(0, 4, 3, 1, 2)
        fed: Tensor = self.feed_forward(shifted(x))
        return x + fed


def shifted(x: Tensor) -> Tensor:
    """Delay the second half of the channels of (B, C, T, H, W) by a frame; the first frame gets zeros there."""
    kept, moved = x.chunk(2, dim=1)
    return torch.cat([kept, pad_front(moved[:, :, :-1], 1)], dim=1)


class GateLoop(nn.Module):
    """x + q h with h(t) = sigmoid(a) h(t - 1) + v, all of x(t) (`gateloop_time`; Katsch 2023, "GateLoop")."""

    def __init__(self, channels: int) -> None:
        """Keep `channels`."""
        super().__init__()
        self.norm = GainNorm(channels, channels_first=False)
        self.project = nn.Linear(channels, 3 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        query, value, decay = self.project(self.norm(x.permute(0, 3, 4, 2, 1))).chunk(3, dim=-1)  # 3 x (B, H, W, T, C)
        decay = decay.sigmoid()
        states = [value[..., 0, :]]
        for frame in range(1, x.shape[2]):
            states.append(decay[..., frame, :] * states[-1] + value[..., frame, :])
        looped: Tensor = query * torch.stack(states, dim=-2)
        return x + looped.permute(0, 4, 3, 1, 2)
