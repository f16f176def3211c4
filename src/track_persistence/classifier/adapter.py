"""A site's adapter: linear witnesses of a track whose log-odds are added and calibrated.

Each witness is a linear score of one view of a track: its boxes, its pixels, its detector's confidence. The sum of
their log-odds (naive Bayes) takes a witness that is absent; slope and bias make it a probability, and a rule decides on
growing tracks. `adapter_fit` fits all of it.

N rows (a track at an age), D values of a witness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.decision import DecisionRule
from track_persistence.core.errors import DataError

Floats = NDArray[np.float64]
Evidence = Mapping[str, NDArray[Any]]
"""Witness to its rows (N, D)."""

PIXELS, SAME_DETECTOR, OTHER_DETECTOR, UNLABELLED = "pixels", "same_detector", "other_detector", "unlabelled"
"""Sets of witnesses: where only crops are known; with the boxes of the detector learned from, or of another; those that
teach each other where nothing is labelled."""


@dataclass(frozen=True, eq=False)
class Witness:
    """A linear score: weights (D,), bias, and what the score is cut to on either side."""

    weights: Floats
    bias: float
    limit: float

    def log_odds(self, rows: NDArray[Any]) -> Floats:
        """Return the log-odds (N,) of rows (N, D) within the limit; raises `DataError` on another width."""
        if rows.ndim != 2 or rows.shape[1] != len(self.weights):
            raise DataError(
                f"witness of {len(self.weights)} values: got rows of shape {rows.shape}; adapt again with this encoder"
            )
        return np.clip(rows.astype(np.float64) @ self.weights + self.bias, -self.limit, self.limit)


@dataclass(frozen=True)
class SumCalibration:
    """Log-odds = slope * (sum of the witnesses' log-odds) + bias."""

    slope: float
    bias: float

    def log_odds(self, sums: Floats) -> Floats:
        """Return the calibrated log-odds of sums of any shape."""
        return np.asarray(self.slope * sums + self.bias)


@dataclass(frozen=True, eq=False)
class Adapter:
    """Fitted witnesses by name, and for every set of them its members, its calibration and its decision rule."""

    witnesses: Mapping[str, Witness]
    sets: Mapping[str, tuple[str, ...]]
    calibrations: Mapping[str, SumCalibration]
    rules: Mapping[str, DecisionRule]

    def log_odds(self, evidence: Evidence, set_name: str) -> Floats:
        """Return the calibrated log-odds (N,) of being real; raises `DataError` when a witness of the set is absent."""
        if set_name not in self.sets:
            raise DataError(f"adapter: no set {set_name!r}; it has {sorted(self.sets)}")
        return self.calibrations[set_name].log_odds(_sum(self.witnesses, self.sets[set_name], evidence))


def sum_of(log_odds: Mapping[str, Floats], members: Sequence[str]) -> Floats:
    """Return the sum (N,) of the members' log-odds."""
    total: Floats = np.sum([log_odds[name] for name in members], axis=0)
    return total


def _sum(witnesses: Mapping[str, Witness], members: Sequence[str], evidence: Evidence) -> Floats:
    missing = [name for name in members if name not in evidence]
    if missing:
        raise DataError(
            f"adapter: no evidence of {missing}; give boxes and confidences, or ask the set of pixels alone"
        )
    return sum_of({name: witnesses[name].log_odds(evidence[name]) for name in members}, members)
