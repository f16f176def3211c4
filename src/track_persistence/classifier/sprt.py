"""Wald's sequential probability ratio test without pixels: the classical track score (Wald 1945; Blackman 1986).

T observed frames, K channels, N tracks. Each frame adds the log of how much likelier its channels are for a real object
than for a ghost. Channels count as independent, and densities are histograms over quantiles of the training frames.
Frames of a track are not independent, so that the ratios of later frames are discounted by one factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.channels import CHANNELS
from track_persistence.classifier.curves import area_under_roc
from track_persistence.core.errors import DataError

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

BINS = 20
PSEUDOCOUNT = 1.0
FIRST_FRAME = ("confidence", "log_side", "log_aspect")
LATER_FRAMES = ("confidence", "displacement", "size_change", "gap")
DISCOUNTS = (1.0, 0.5, 0.25, 0.125, 0.0625)
DISCOUNT_AGES = (2, 3, 5, 10)


@dataclass(frozen=True)
class _Density:
    """The log-likelihood ratio of one channel: (B,) values between (B - 1,) edges."""

    edges: Floats
    log_ratios: Floats

    @classmethod
    def fit(cls, values: Floats32, labels: NDArray[np.bool_]) -> "_Density":
        edges = np.unique(np.quantile(values.astype(np.float64), np.arange(1, BINS) / BINS))
        bins = np.searchsorted(edges, values, side="left")
        logs = [_log_shares(bins[labels == label], len(edges) + 1) for label in (True, False)]
        return cls(edges, logs[0] - logs[1])

    def __call__(self, values: Floats32) -> Floats:
        return np.asarray(self.log_ratios[np.searchsorted(self.edges, values, side="left")])


@dataclass(frozen=True)
class SequentialTest:
    """The fitted ratios of the first frame and of every later one, by channel, and the discount of the latter."""

    first: dict[str, _Density]
    later: dict[str, _Density]
    discount: float

    @classmethod
    def fit(cls, tracks: Sequence[Floats32], labels: NDArray[np.bool_]) -> "SequentialTest":
        """Fit on the channels (T_i, K) of N tracks and their labels (N,); raises `DataError` for one class only.

        The discount is the one of `DISCOUNTS` with the largest mean AUC over `DISCOUNT_AGES` on these tracks.
        """
        if labels.all() or not labels.any():
            raise DataError(f"sequential test: {len(labels)} tracks of one class; both classes are needed to fit")
        firsts = np.stack([track[0] for track in tracks])
        laters = np.concatenate([track[1:] for track in tracks])
        later_labels = np.repeat(labels, [len(track) - 1 for track in tracks])
        densities = _fitted(FIRST_FRAME, firsts, labels), _fitted(LATER_FRAMES, laters, later_labels)
        ends = np.minimum(np.array([len(track) for track in tracks])[:, None], DISCOUNT_AGES) - 1
        running = [cls(*densities, 1.0).score(track) for track in tracks]
        first = np.array([track[0] for track in running])
        at_ages = np.stack([track[end] for track, end in zip(running, ends, strict=True)])  # (N, ages)
        later = at_ages - first[:, None]

        def quality(discount: float) -> float:
            scores = first[:, None] + discount * later
            return float(np.mean([area_under_roc(column, labels) for column in scores.T]))

        return cls(*densities, max(DISCOUNTS, key=quality))

    def score(self, channels: Floats32) -> Floats:
        """Return the cumulated log-likelihood ratio (T,) of one track's channels (T, K)."""
        ratios = sum(density(channels[:, CHANNELS.index(name)]) for name, density in self.later.items())
        ratios = self.discount * np.array(ratios)
        ratios[0] = sum(density(channels[:1, CHANNELS.index(name)])[0] for name, density in self.first.items())
        return np.cumsum(ratios)


def _fitted(names: Sequence[str], channels: Floats32, labels: NDArray[np.bool_]) -> dict[str, _Density]:
    return {name: _Density.fit(channels[:, CHANNELS.index(name)], labels) for name in names}


def _log_shares(bins: NDArray[np.int64], count: int) -> Floats:
    counts = np.bincount(bins, minlength=count) + PSEUDOCOUNT
    return np.asarray(np.log(counts / counts.sum()))
