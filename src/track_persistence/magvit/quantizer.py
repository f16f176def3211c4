"""Lookup-free quantisation (LFQ): a voxel's code is the signs of its projected latents (Yu et al. 2024).

N voxels, K bits, G groups of K / G bits each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from track_persistence.magvit.config import ArchitectureConfig

# With codes of -1 and +1, softmax over -(z - c)^2 gives the bit +1 the probability sigmoid(4 z).
LOGIT_PER_LATENT = 4.0


@dataclass(frozen=True)
class Quantized:
    """Codes and the three scalar terms that shape them."""

    codes: Tensor
    """(B, K, L, 4, 4), each -1 or +1; the gradient passes straight through to the projected latents."""
    uncertainty: Tensor
    """Mean entropy of a voxel's bits, nats per bit; 0 is decided."""
    diversity: Tensor
    """Entropy of the mean code over the batch, nats per bit; log 2 is every code used alike."""
    commitment: Tensor
    """Mean squared distance of the projected latents to their codes."""


class LookupFreeQuantizer(nn.Module):
    """Project D latents to K and keep their signs."""

    def __init__(self, config: ArchitectureConfig) -> None:
        """Take widths and grouping from `config`."""
        super().__init__()
        self.groups = config.code_groups
        self.project = nn.Conv3d(config.latent_dim, config.code_bits, 1)

    def forward(self, latents: Tensor) -> Quantized:
        """Quantise (B, D, L, 4, 4)."""
        projected = self.project(latents).float()  # (B, K, L, 4, 4)
        signs = torch.where(projected >= 0, 1.0, -1.0)
        rows = projected.permute(0, 2, 3, 4, 1).flatten(0, 3)  # (N, K)
        return Quantized(
            codes=projected + (signs - projected).detach(),
            uncertainty=_bit_entropy(rows).mean(),
            diversity=self._mean_code_entropy(rows),
            commitment=(projected - signs).square().mean(),
        )

    def code_indices(self, codes: Tensor) -> Tensor:
        """Number the codes of (B, K, L, 4, 4) per group: (N, G) integers below 2^(K / G)."""
        bits = self._grouped(codes.permute(0, 2, 3, 4, 1).flatten(0, 3) > 0)  # (N, G, K/G)
        indices: Tensor = (bits.long() << torch.arange(bits.shape[-1], device=bits.device)).sum(dim=-1)
        return indices

    def _grouped(self, rows: Tensor) -> Tensor:
        return rows.reshape(len(rows), self.groups, -1)

    def _mean_code_entropy(self, rows: Tensor) -> Tensor:
        """Entropy of the batch's mean distribution over the codes of each group, nats per bit."""
        on = self._grouped(torch.sigmoid(LOGIT_PER_LATENT * rows))  # (N, G, K/G)
        probability = torch.ones_like(on[..., :1])
        for bit in on.unbind(dim=-1):
            choices = torch.stack([1 - bit, bit], dim=-1)  # (N, G, 2)
            probability = (probability.unsqueeze(-1) * choices.unsqueeze(-2)).flatten(-2)  # (N, G, 2^bits)
        mean = probability.mean(dim=0)  # (G, 2^(K/G))
        entropy: Tensor = torch.special.entr(mean).sum() / rows.shape[1]
        return entropy


def _bit_entropy(rows: Tensor) -> Tensor:
    logits = LOGIT_PER_LATENT * rows
    softplus = nn.functional.softplus
    # -p log p - (1 - p) log (1 - p) with p = sigmoid(logit), finite for every logit
    on = torch.sigmoid(logits)
    entropy: Tensor = on * softplus(-logits) + (1 - on) * softplus(logits)
    return entropy
