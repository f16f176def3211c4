"""Batches of padded features and labels.

N tracks, B tracks of a batch, T frames after padding, C feature width. Which tracks and prefixes share a batch is a
function of seed and epoch alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from track_persistence.classifier.config import TrainConfig
from track_persistence.core.errors import DataError
from track_persistence.core.seeding import generator

Rows = NDArray[np.int64]
ReadFeatures = Callable[[int, int], NDArray[Any]]


class Batch(NamedTuple):
    """features: (B, T, C) float32, zeros on padding. valid: (B, T) bool, False on padding. labels: (B,) float32."""

    features: Tensor
    valid: Tensor
    labels: Tensor


class Loader(Protocol):
    """What training and validation iterate over; a list of `Batch` is one."""

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches."""

    def __len__(self) -> int:
        """Return the number of batches."""


def collate(features: Sequence[NDArray[Any]], labels: Sequence[bool] | NDArray[np.bool_]) -> Batch:
    """Pad the features (T_i, C) of B tracks to the longest and put them beside their labels."""
    if len(features) == 0 or len(features) != len(labels):
        raise DataError(f"batch: {len(features)} tracks and {len(labels)} labels; expected as many of both, at least 1")
    lengths = torch.tensor([len(track) for track in features])
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for row, track in enumerate(features):
        padded[row, : len(track)] = torch.from_numpy(np.array(track, np.float32))
    valid = torch.arange(padded.shape[1]) < lengths[:, None]
    return Batch(padded, valid, torch.tensor(np.asarray(labels), dtype=torch.float32))


@dataclass(frozen=True)
class TrackLoader:
    """Batches of the first `counts[i]` frames of track `rows[i]`, the i of each batch listed in `batches`.

    rows, counts: (N,). labels: (all tracks,) bool. read(row, count) returns the first frames of a track (count, C).
    """

    read: ReadFeatures
    labels: NDArray[np.bool_]
    rows: Rows
    counts: Rows
    batches: tuple[Rows, ...]

    def __iter__(self) -> Iterator[Batch]:
        """Read and pad one batch after the other."""
        for members in self.batches:
            tracks = [self.read(int(self.rows[item]), int(self.counts[item])) for item in members]
            yield collate(tracks, self.labels[self.rows[members]])

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)


def draw_prefixes(
    lengths: Rows, share: float, distribution: Literal["uniform", "log_uniform"], rng: np.random.Generator
) -> Rows:
    """Return how many frames of each track are shown: a random prefix with probability `share`, else all.

    `uniform`: every length of 1..T alike. `log_uniform`: length n with probability log((n + 1) / n) / log(T + 1), so
    that short prefixes of long tracks are as common as short tracks and a small length does not betray the class.
    """
    is_prefix = rng.random(len(lengths)) < share
    draw = rng.random(len(lengths))
    prefixes = 1 + draw * lengths if distribution == "uniform" else (lengths + 1.0) ** draw
    return np.where(is_prefix, np.minimum(prefixes.astype(np.int64), lengths), lengths)


class TrackSource(Protocol):
    """Where the loaders take tracks from; rows number all its tracks."""

    @property
    def lengths(self) -> Rows:
        """Observed frames of every track."""

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether each track is a real object."""

    @property
    def profiles(self) -> NDArray[np.str_]:
        """Where every track comes from."""

    def read(self, row: int, count: int) -> NDArray[Any]:
        """Return the features (count, C) of a track's first frames."""


def length_bins(lengths: Rows) -> Rows:
    """Return a bin of similar lengths for each length from 1 on: exact up to 8, then a quarter of an octave wide."""
    bins: Rows = np.floor(4 * np.log2(lengths) + 1e-9).astype(np.int64)
    return bins


def balance_weights(
    profiles: NDArray[np.str_],
    lengths: Rows,
    labels: NDArray[np.bool_],
    share: float,
    mode: Literal["off", "pooled", "within_profile"],
) -> NDArray[np.float64]:
    """Return weights (N,) in [0, 1] that leave the share of real samples at `share` at every length.

    within_profile: of every profile on its own; pooled: of all together; off: all weights are 1. Where a length bin has
    one class only, its weight is 0: there the length alone would tell the class. Of the others the scarcer class,
    relative to `share`, keeps weight 1.
    """
    if mode == "off" or len(lengths) == 0:
        return np.ones(len(lengths))
    groups = np.unique(profiles, return_inverse=True)[1] * (mode == "within_profile")
    cells = np.unique(np.stack([groups, length_bins(lengths)]), axis=1, return_inverse=True)[1]
    counts = np.stack(
        [np.bincount(cells, weights=labels == label, minlength=cells.max() + 1) for label in (False, True)]
    )
    wanted = np.array([1 - share, share])[:, None]
    most = (counts / wanted).min(axis=0)
    weights = np.divide(most * wanted, counts, out=np.zeros_like(counts), where=counts > 0)
    return np.asarray(weights[labels.astype(np.int64), cells])


def training_loader(source: TrackSource, rows: Rows, config: TrainConfig, seed: int, epoch: int) -> TrackLoader:
    """Return one epoch: every track at most once, in random order, many of them cut to a random prefix.

    Unless `balance_lengths` is off, tracks are left out at random: each is kept with its `balance_weights`. Of those
    shown, the frames of a share `shuffled_share` stand in random order.
    """
    rng = generator(seed, "train-batches", epoch)
    shuffled = rng.permutation(rows)
    lengths = np.minimum(source.lengths[shuffled], config.max_frames)
    counts = draw_prefixes(lengths, config.prefix_share, config.prefix_lengths, rng)
    if config.balance_lengths != "off":
        labels = source.labels[shuffled]
        weights = balance_weights(
            source.profiles[shuffled], counts, labels, float(labels.mean()), config.balance_lengths
        )
        taken = rng.random(len(shuffled)) < weights
        shuffled, counts = shuffled[taken], counts[taken]
    if len(shuffled) == 0:
        raise DataError(
            "train: no length is common to real and false training tracks; set train.balance_lengths to off or "
            "generate more scenes"
        )
    number = math.ceil(len(shuffled) / config.batch_tracks)
    batches = tuple(np.array_split(np.arange(len(shuffled)), number))
    read = _sometimes_shuffled(source.read, config.shuffled_share, seed, epoch)
    return TrackLoader(read, source.labels, shuffled, counts, batches)


def _sometimes_shuffled(read: ReadFeatures, share: float, seed: int, epoch: int) -> ReadFeatures:
    """Return `read` with the frames of each track in random order with probability `share`."""

    def changed(row: int, count: int) -> NDArray[Any]:
        rng = generator(seed, "train-order", epoch, row)
        frames = read(row, count)
        return rng.permutation(frames) if rng.random() < share else frames

    return changed


def evaluation_loader(source: TrackSource, rows: Rows, frames_seen: int | None, config: TrainConfig) -> TrackLoader:
    """Return the first `frames_seen` frames of every track (None: all), shortest tracks first, nothing random.

    A batch holds at most `batch_tracks` tracks and about `batch_tracks * max_frames` frames, so that very long tracks
    do not fill the memory.
    """
    lengths = source.lengths[rows]
    counts = lengths if frames_seen is None else np.minimum(lengths, frames_seen)
    order = np.argsort(counts, kind="stable")
    batches, start = [], 0
    for item in range(1, len(rows) + 1):
        most_frames = config.batch_tracks * config.max_frames
        full = item - start == config.batch_tracks
        if item == len(rows) or full or (item - start + 1) * counts[order[item]] > most_frames:
            batches.append(order[start:item])
            start = item
    return TrackLoader(source.read, source.labels, rows, counts, tuple(batches))
