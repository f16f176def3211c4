"""What a trained tokenizer is worth on validation tracks, beside controls that learned nothing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.core.seeding import generator
from track_persistence.magvit.clips import Clip, Pair
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.objective import clip_embeddings, pair_videos
from track_persistence.magvit.tokenizer import TrackTokenizer, to_crops

CLIPS_PER_BATCH = 8
CONFIDENCE_PERCENT = (2.5, 97.5)
MAX_PIXEL = 255.0
# A perfect reconstruction would be infinitely good; half a grey level of error is 54 dB.
LEAST_MEAN_SQUARED_ERROR = 0.25

Measurement = dict[str, float]


@torch.inference_mode()
def evaluate(
    tokenizer: TrackTokenizer,
    untrained: TrackTokenizer,
    clips: Sequence[Clip],
    config: TokenizerConfig,
    seed: int,
) -> dict[str, Any]:
    """Measure reconstruction, codebook use and track recognition on `clips`, in float32.

    Intervals (95 %) resample whole scenes. `track_recognition` is how often the second half of a track is closer to
    its first half than to that of any other track, by cosine of the mean features.
    """
    longest = max(config.clip_lengths)
    errors, baselines, indices, scenes = [], [], [], []
    for batch in _equal_lengths(clips, longest):
        crops = np.stack([clip.crops[:longest] for clip in batch])  # (B, T, 64, 64, 3)
        reconstructed, codes = reconstruct(tokenizer, crops)
        errors += [_mean_squared_error(*pair) for pair in zip(crops, reconstructed, strict=True)]
        baselines += [_mean_squared_error(clip, clip.mean(axis=(1, 2), keepdims=True)) for clip in crops]
        indices.append(codes)
        scenes += [clip.scene_id for clip in batch]
    rng = generator(seed, "tokenizer intervals")
    measured = partial(_measured, rng=rng, replicates=config.bootstrap_replicates)
    moving = [clip for clip in clips if len(clip) >= 2]
    return {
        "clips": len(clips),
        "scenes": len(set(scenes)),
        "psnr_db": measured(_psnr_db(errors), scenes),
        "psnr_mean_colour_db": measured(_psnr_db(baselines), scenes),
        "codebook": _codebook_use(np.concatenate(indices), config),
        "track_recognition": {
            "tracks": len(moving),
            "chance": 1 / max(len(moving), 1),
            "trained": measured(_recognised(tokenizer, moving, longest), [clip.scene_id for clip in moving]),
            "random_weights": measured(_recognised(untrained, moving, longest), [clip.scene_id for clip in moving]),
        },
    }


def reconstruct(tokenizer: TrackTokenizer, crops: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the reconstruction of (B, T, 64, 64, 3) and the code numbers (N, G) of all voxels."""
    video, _ = pair_videos(tokenizer, Pair.same(crops), torch.device("cpu"))
    result = tokenizer(video)
    codes: NDArray[np.int64] = tokenizer.quantizer.code_indices(result.quantized.codes).numpy()
    return to_crops(result.reconstruction)[:, : crops.shape[1]], codes


def _equal_lengths(clips: Sequence[Clip], longest: int) -> Iterator[list[Clip]]:
    groups: dict[int, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(min(len(clip), longest), []).append(clip)
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), CLIPS_PER_BATCH):
            yield group[start : start + CLIPS_PER_BATCH]


def _mean_squared_error(crops: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.square(crops.astype(np.float64) - other).mean())


def _psnr_db(errors: Sequence[float]) -> NDArray[np.float64]:
    """PSNR of each clip in decibels."""
    floored = np.maximum(errors, LEAST_MEAN_SQUARED_ERROR)
    psnr: NDArray[np.float64] = 10 * np.log10(MAX_PIXEL**2 / floored)
    return psnr


def _recognised(tokenizer: TrackTokenizer, clips: Sequence[Clip], longest: int) -> NDArray[np.float64]:
    """1 for each clip whose second half finds its own first half among all clips', else 0."""
    halves: list[Callable[[Clip], NDArray[np.uint8]]] = [
        lambda clip: clip.crops[: min(len(clip) // 2, longest)],
        lambda clip: clip.crops[-min(len(clip) // 2, longest) :],
    ]
    if not clips:
        return np.empty(0)
    first, second = (torch.stack([_embed(tokenizer, half(clip)) for clip in clips]) for half in halves)  # (N, D)
    nearest = (second @ first.T).argmax(dim=1).numpy()
    hits: NDArray[np.float64] = (nearest == np.arange(len(clips))).astype(np.float64)
    return hits


def _embed(tokenizer: TrackTokenizer, crops: NDArray[np.uint8]) -> torch.Tensor:
    video, _ = pair_videos(tokenizer, Pair.same(crops[None]), torch.device("cpu"))
    latents, _ = tokenizer.encoder(video)
    return clip_embeddings(latents)[0]


def _codebook_use(indices: NDArray[np.int64], config: TokenizerConfig) -> dict[str, Any]:
    """Share of each group's codes that occur, and the perplexity of their distribution as a share of the codes."""
    codes = 2 ** (config.architecture.code_bits // config.architecture.code_groups)
    used, perplexity = [], []
    for group in indices.T:
        counts = np.bincount(group, minlength=codes)
        share = counts[counts > 0] / counts.sum()
        used.append(len(share) / codes)
        perplexity.append(float(np.exp(-(share * np.log(share)).sum())) / codes)
    return {
        "voxels": len(indices),
        "codes_per_group": codes,
        "used_share": float(np.mean(used)),
        "perplexity_share": float(np.mean(perplexity)),
    }


def _measured(
    values: NDArray[np.float64], scenes: Sequence[int], rng: np.random.Generator, replicates: int
) -> Measurement:
    """Mean of `values` with the interval from resampling whole scenes."""
    _, groups = np.unique(np.asarray(scenes, np.int64), return_inverse=True)
    if len(values) == 0:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    draws = rng.integers(len(counts), size=(replicates, len(counts)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.percentile(means, CONFIDENCE_PERCENT)
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}
