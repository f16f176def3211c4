"""The encoder layer: pre-norm self-attention and a feed-forward part over packed frames.

B tracks in the batch, T frames after padding, N valid frames of all tracks together, D model width, H heads, K head
width = D / H, G tracks of one length group and L frames of its longest. Norms and projections run on the N valid
frames alone; attention pads only within groups of tracks of similar length, so a batch may mix lengths freely (batches
of one length would be batches of one class) and the content of padding cannot leak.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class LengthGroup:
    """Tracks of similar length: packed frames `start` to `end`, left-aligned in `valid` (G, L) bool.

    cells: (frames,) int64, where each frame lies in the flattened (G * L) cells; None when nothing is padding.
    """

    start: int
    end: int
    valid: Tensor
    cells: Tensor | None

    def pad(self, packed: Tensor) -> Tensor:
        """Return this group's frames of `packed` (N, W) as (G, L, W), zeros elsewhere."""
        frames = packed[self.start : self.end]
        if self.cells is not None:
            empty = packed.new_zeros(self.valid.numel(), packed.shape[1])
            frames = empty.index_copy(0, self.cells, frames)
        return frames.view(*self.valid.shape, -1)

    def pack(self, padded: Tensor) -> Tensor:
        """Return the frames (frames, W) of `padded` (G, L, W)."""
        flat = padded.flatten(0, 1)
        return flat if self.cells is None else flat.index_select(0, self.cells)


@dataclass(frozen=True)
class Packing:
    """Where each of the N valid frames of a batch lies; frames of one length group, then of one track, are adjacent.

    valid: (B, T) bool. rows: (N,) int64, index into the flattened (B * T) cells. tracks: (N,) int64, the frame's track.
    positions: (N,) int64, the frame's number among the observed frames of its track.
    """

    valid: Tensor
    rows: Tensor
    tracks: Tensor
    positions: Tensor
    groups: tuple[LengthGroup, ...]

    @classmethod
    def of(cls, valid: Tensor) -> "Packing":
        """Index the True cells of `valid` (B, T); a group's lengths lie between two powers of two."""
        lengths = valid.sum(dim=1).tolist()
        members: dict[int, list[int]] = {}
        for track, length in enumerate(lengths):
            members.setdefault((length - 1).bit_length(), []).append(track)
        groups, start = [], 0
        for _, tracks in sorted(members.items()):
            groups.append(_group(start, torch.tensor([lengths[track] for track in tracks]), valid.device))
            start = groups[-1].end
        order = torch.tensor([track for _, tracks in sorted(members.items()) for track in tracks], device=valid.device)
        line, frame = valid[order].nonzero(as_tuple=True)
        tracks_of = order[line]
        positions = (valid.cumsum(dim=1) - 1)[tracks_of, frame]
        return cls(valid, tracks_of * valid.shape[1] + frame, tracks_of, positions, tuple(groups))

    def pack(self, padded: Tensor) -> Tensor:
        """Return the valid frames (N, W) of `padded` (B, T, W)."""
        return padded.flatten(0, 1).index_select(0, self.rows)

    def pad(self, packed: Tensor) -> Tensor:
        """Return (B, T, W) with the frames of `packed` (N, W) in place and zeros elsewhere."""
        empty = packed.new_zeros(self.valid.numel(), packed.shape[1])
        return empty.index_copy(0, self.rows, packed).view(*self.valid.shape, -1)

    def mean(self, packed: Tensor) -> Tensor:
        """Return each track's mean (B, W) over its valid frames (N, W)."""
        total = packed.new_zeros(len(self.valid), packed.shape[1]).index_add(0, self.tracks, packed)
        return total / self.valid.sum(dim=1, keepdim=True)


def _group(start: int, lengths: Tensor, device: torch.device) -> LengthGroup:
    valid = torch.arange(int(lengths.max())) < lengths[:, None]
    cells = None if bool(valid.all()) else valid.flatten().nonzero().squeeze(1).to(device)
    return LengthGroup(start, start + int(lengths.sum()), valid.to(device), cells)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values (B, H, T, K) of `qkv` (B, T, 3D)."""
    q, k, v = qkv.view(*qkv.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)  # 3 x (B, H, T, K)
    return q, k, v


def attend(qkv: Tensor, valid: Tensor, heads: int) -> Tensor:
    """Mix frames with torch's fused attention; qkv: (B, T, 3D), valid: (B, T). Returns (B, T, D)."""
    q, k, v = split_heads(qkv, heads)
    mask = None if bool(valid.all()) else valid[:, None, None, :]
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def attend_with_weights(qkv: Tensor, valid: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Mix frames as `attend` does and return the weights (B, H, T, T) as well.

    Rows of valid frames sum to 1 over valid frames; rows and columns of padding are 0.
    """
    q, k, v = split_heads(qkv, heads)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (B, H, T, T)
    scores = scores.masked_fill(~valid[:, None, None, :], -torch.inf)
    weights = scores.softmax(dim=-1)
    return (weights @ v).transpose(1, 2).flatten(2), weights * valid[:, None, :, None]


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer whose attention weights are an ordinary value."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        """Build the layer for D = `width` and H = `heads`."""
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feedforward_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feedforward)
        self.contract = nn.Linear(feedforward, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Return the new frames (N, D) without forming the attention weights."""
        qkv = self.qkv(self.attention_norm(x))  # (N, 3D)
        mixed = [group.pack(attend(group.pad(qkv), group.valid, self.heads)) for group in packing.groups]
        return self._finish(x, torch.cat(mixed))

    def explain(self, x: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """Return what `forward` returns, and the attention weights (B, H, T, T)."""
        qkv = packing.pad(self.qkv(self.attention_norm(x)))  # (B, T, 3D)
        mixed, weights = attend_with_weights(qkv, packing.valid, self.heads)
        return self._finish(x, packing.pack(mixed)), weights

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.dropout(self.out(mixed))
        hidden = functional.gelu(self.expand(self.feedforward_norm(x)))  # (N, feedforward)
        added: Tensor = self.dropout(self.contract(hidden))
        return x + added
