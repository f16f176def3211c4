"""Does the classifier lean on the length of a track? The same tracks, cut, repeated, averaged and shuffled.

M tracks, T observed frames, C input width.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.config import BatteryConfig, TrainConfig
from track_persistence.classifier.dataset import TrackLoader, TrackSource
from track_persistence.classifier.intervals import Resamples
from track_persistence.core.seeding import generator

Frames = NDArray[Any]
Rows = NDArray[np.int64]
Variant = Callable[[Frames, np.random.Generator], Frames]

WHOLE, MEAN_FRAME, SHUFFLED = "whole", "mean_frame", "shuffled"


def variants_of(config: BatteryConfig) -> dict[str, Variant]:
    """Return what is done to a track (T, C), by name; `whole` leaves it as it is."""
    return {
        WHOLE: lambda frames, _: frames,
        **{f"truncated_{count}": _truncated(count) for count in config.truncated_frames},
        **{f"tiled_{count}": _tiled(count) for count in config.tiled_frames},
        MEAN_FRAME: lambda frames, _: np.broadcast_to(frames.mean(axis=0, dtype=np.float32), frames.shape),
        SHUFFLED: lambda frames, rng: rng.permutation(frames),
    }


def battery_rows(source: TrackSource, rows: Rows, config: BatteryConfig) -> Rows:
    """Return the first `tracks` real and the first `tracks` false ones of each profile among `rows`, in order."""
    chosen = []
    for profile in np.unique(source.profiles[rows]):
        for label in (False, True):
            chosen.append(rows[(source.profiles[rows] == profile) & (source.labels[rows] == label)][: config.tracks])
    return np.sort(np.concatenate(chosen))


def variant_loader(source: TrackSource, rows: Rows, name: str, config: TrainConfig, seed: int) -> TrackLoader:
    """Return the tracks under one variant, nothing random but the order of shuffled frames."""
    change = variants_of(config.battery)[name]

    def read(row: int, count: int) -> Frames:
        return change(source.read(row, count), generator(seed, "train-battery", row))

    batches = tuple(np.array_split(np.arange(len(rows)), -(-len(rows) // config.batch_tracks)))
    return TrackLoader(read, source.labels, rows, source.lengths[rows], batches)


def shown_lengths(lengths: Rows, name: str) -> Rows:
    """Return how many frames a variant shows of tracks of these lengths (M,)."""
    kind, _, count = name.rpartition("_")
    if kind == "truncated":
        return np.minimum(lengths, int(count))
    return np.full_like(lengths, int(count)) if kind == "tiled" else lengths


def battery_metrics(
    logits: Mapping[str, NDArray[np.float64]],
    tracks: tuple[Rows, NDArray[np.bool_]],
    calibration: Calibration,
    config: TrainConfig,
    resamples: Resamples,
) -> dict[str, Any]:
    """Return what is kept of real tracks and of ghosts under every variant, and whether the limits are kept.

    logits: variant to (M,). tracks: lengths (M,) and labels (M,).
    """
    lengths, labels = tracks
    found: dict[str, Any] = {}
    for name, values in logits.items():
        probabilities = calibration.probabilities(values, shown_lengths(lengths, name))
        kept = probabilities >= config.threshold
        found[name] = {
            "auc": resamples.auc(probabilities, labels),
            "accuracy": resamples.share(kept == labels, np.ones_like(labels)),
            "real_kept": resamples.share(kept, labels),
            "ghosts_kept": resamples.share(kept, ~labels),
        }
    checks = dict(_checks(found, config.battery))
    return {
        "variants": found,
        "checks": checks,
        "passes": all(check["passes"] for check in checks.values()),
        "real": int(labels.sum()),
        "ghosts": int((~labels).sum()),
    }


def _checks(found: Mapping[str, Any], config: BatteryConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    def change(name: str, measure: str) -> float:
        return float(found[name][measure]["value"] - found[WHOLE][measure]["value"])

    gains = [change(f"tiled_{count}", "ghosts_kept") for count in config.tiled_frames]
    lost = -change(f"truncated_{config.checked_truncation}", "real_kept")
    shuffled = -change(SHUFFLED, "accuracy")
    yield "recall_lost_by_truncation", _check(lost, config.largest_recall_loss)
    yield "ghosts_gained_by_tiling", _check(max(gains), config.largest_ghost_gain)
    yield "accuracy_lost_by_shuffling", _check(shuffled, config.largest_shuffle_loss)


def _check(value: float, limit: float) -> dict[str, Any]:
    return {"value": value, "limit": limit, "passes": value <= limit}


def _truncated(count: int) -> Variant:
    return lambda frames, _: frames[:count]


def _tiled(count: int) -> Variant:
    return lambda frames, _: frames[np.arange(count) % len(frames)]
