"""The loss: reconstruct, use the codes, tell tracks apart, and name the cause that the simulator gave them.

N clips in the batch, T frames, L latent frames, D latent channels, K causes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from track_persistence.core.seeding import torch_seed
from track_persistence.magvit.clips import CAUSES, UNKNOWN_CAUSE, Pair
from track_persistence.magvit.config import ArchitectureConfig, LossConfig
from track_persistence.magvit.tokenizer import TrackTokenizer, padded_length, to_video


def pair_videos(tokenizer: TrackTokenizer, pair: Pair, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return both views as videos (N, 3, 1 + s k, 64, 64), the last frame repeated where time is strided."""
    short = padded_length(pair.first.shape[1], tokenizer.config.time_stride) - pair.first.shape[1]
    views = []
    for crops in (pair.first, pair.second):
        video = to_video(crops, torch.float32, device)
        views.append(torch.cat([video, video[:, :, -1:].expand(-1, -1, short, -1, -1)], dim=2))
    return views[0], views[1]


def clip_embeddings(latents: Tensor) -> Tensor:
    """Mean latents (N, D, L, 4, 4) over frames and space and scale to length 1: (N, D)."""
    return F.normalize(latents.float().mean(dim=(2, 3, 4)), dim=1)


def info_nce(first: Tensor, second: Tensor, distinct: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE (van den Oord et al. 2018), both directions, of unit vectors (N, D).

    Rows that are not `distinct` (N,) hold the same clip twice: they are negatives only. 0 when all are such.
    """
    if not distinct.any():
        return first.new_zeros(())
    logits = first @ second.T / temperature  # (N, N)
    targets = torch.arange(len(first), device=first.device)
    forth = F.cross_entropy(logits, targets, reduction="none")
    back = F.cross_entropy(logits.T, targets, reduction="none")
    return (forth + back)[distinct].mean() / 2


def fresh_cause_head(config: ArchitectureConfig, seed: int) -> nn.Linear:
    """Return the layer from a clip's mean latents (N, D) to logits (N, K) of `CAUSES`; it only serves training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "tokenizer cause head"))
        return nn.Linear(config.latent_dim, len(CAUSES))


def cause_loss(logits: Tensor, causes: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy of logits (N, K) against causes (N,) int64 where they are known; 0 if none is."""
    if not (causes != UNKNOWN_CAUSE).any():
        return logits.sum() * 0
    return F.cross_entropy(logits, causes, label_smoothing=smoothing, ignore_index=UNKNOWN_CAUSE)


def pair_loss(
    tokenizer: TrackTokenizer, cause_head: nn.Linear, pair: Pair, config: LossConfig, device: torch.device
) -> dict[str, Tensor]:
    """Return the terms of the loss by name and their weighted sum as `total`.

    Both views are encoded; of the first view `config.reconstructed_share` of the clips are quantised and reconstructed.
    """
    first, second = pair_videos(tokenizer, pair, device)
    count = len(first)
    latents, _ = tokenizer.encoder(torch.cat([first, second]))  # (2N, D, L, 4, 4)
    shown = math.ceil(config.reconstructed_share * count)
    quantized = tokenizer.quantizer(latents[:shown])
    reconstruction = tokenizer.decoder(quantized.codes)
    embeddings = clip_embeddings(latents)
    distinct = torch.from_numpy(pair.distinct).to(device)
    causes = torch.from_numpy(pair.causes).to(device).repeat(2)
    terms = {
        "reconstruction": (reconstruction.float() - first[:shown]).abs().mean(),
        "code_certainty": quantized.uncertainty,
        "code_diversity": -quantized.diversity,
        "commitment": quantized.commitment,
        "contrastive": info_nce(embeddings[:count], embeddings[count:], distinct, config.contrastive_temperature),
        "cause": cause_loss(cause_head(latents.float().mean(dim=(2, 3, 4))).float(), causes, config.cause_smoothing),
    }
    total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return {**terms, "total": total}
