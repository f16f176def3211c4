"""A site's adapter: linear witnesses fitted to a few labelled minutes of it, their log-odds added and calibrated.

With some two hundred labelled tracks nothing deep can be trained. Each witness is a ridge logistic regression on one
view of a track (its boxes, its pixels, its detector's confidence), over principal components and folded into a single
weight vector. The sum of their log-odds (naive Bayes) needs no further labels and takes a witness that is absent; a
logistic regression on the sum of held-out blocks of time (Platt 1999) makes it a probability.

N rows (a track at an age), D values of a witness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from sklearn.linear_model import LogisticRegression

from track_persistence.core.errors import DataError
from track_persistence.core.params import Section

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Evidence = Mapping[str, NDArray[Any]]
"""Witness to its rows (N, D)."""

CONFIDENCE = "confidence"
MOST_ITERATIONS = 3000
SMALLEST_DEVIATION = 1e-9
PLATT_INVERSE_REGULARISATION = 1e4


class WitnessConfig(Section):
    """How one witness is fitted."""

    components: PositiveInt
    """Principal components of its standardised values; as many as there are values when that is fewer."""
    inverse_regularisation: PositiveFloat
    """Inverse strength of the ridge, with the components scaled to a total variance of 1."""


class AdapterConfig(Section):
    """How a filter is adapted to a site."""

    training_ages_frames: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Each labelled track is learned from at these ages, in frames passed since its first box; a track weighs 1."""
    witnesses: Annotated[dict[str, WitnessConfig], Field(min_length=1)]
    """The witnesses by name, see `tracking.site`."""
    sets: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    """Witnesses that are heard together: `same_detector`; `pixels`, where only crops are known; `other_detector`, whose
    confidences mean something else."""
    log_odds_limit: PositiveFloat
    """A witness alone says no more than this, so that one cannot outvote all others."""
    inner_folds: Annotated[int, Field(ge=2)]
    """Blocks of time whose held-out sums calibrate."""

    @model_validator(mode="after")
    def _sets_are_known(self) -> Self:
        for name, members in self.sets.items():
            unknown = set(members) - self.witnesses.keys()
            if unknown or not members:
                raise ValueError(f"sets.{name}: {sorted(unknown)} not among witnesses {sorted(self.witnesses)}")
        if list(self.training_ages_frames) != sorted(set(self.training_ages_frames)):
            raise ValueError("training_ages_frames must strictly increase")
        return self


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


@dataclass(frozen=True, eq=False)
class Adapter:
    """Fitted witnesses by name, and for every set of them its members and its calibration."""

    witnesses: Mapping[str, Witness]
    sets: Mapping[str, tuple[str, ...]]
    calibrations: Mapping[str, SumCalibration]

    def log_odds(self, evidence: Evidence, set_name: str) -> Floats:
        """Return the calibrated log-odds (N,) of being real; raises `DataError` when a witness of the set is absent."""
        if set_name not in self.sets:
            raise DataError(f"adapter: no set {set_name!r}; it has {sorted(self.sets)}")
        calibration = self.calibrations[set_name]
        total = _sum(self.witnesses, self.sets[set_name], evidence)
        return np.asarray(calibration.slope * total + calibration.bias)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What an adapter is fitted on: rows of N (track, age) pairs.

    labels: (N,). tracks: (N,) number of the track, counted in order of birth.
    """

    evidence: Evidence
    labels: Bools
    tracks: NDArray[np.int64]

    def of(self, tracks: NDArray[np.int64]) -> "Lesson":
        """Return the rows of some tracks."""
        rows = np.flatnonzero(np.isin(self.tracks, tracks))
        chosen = {name: values[rows] for name, values in self.evidence.items()}
        return Lesson(chosen, self.labels[rows], self.tracks[rows])


def fit_adapter(config: AdapterConfig, lesson: Lesson) -> Adapter:
    """Fit every witness on all rows, and each set's calibration on sums that witnesses of other blocks of time gave.

    Raises `DataError` when a class is missing in all but one block of time, or when held-out sums rank upside down.
    """
    witnesses = _fit_witnesses(config, lesson)
    held = _held_out_log_odds(config, lesson)
    calibrations = {name: _calibrate(name, sum_of(held, members), lesson) for name, members in config.sets.items()}
    return Adapter(witnesses, dict(config.sets), calibrations)


def time_blocks(tracks: int, blocks: int) -> list[NDArray[np.int64]]:
    """Cut tracks 0 to `tracks` - 1, in order of birth, into blocks of about equal size."""
    return [np.asarray(block, np.int64) for block in np.array_split(np.arange(tracks), blocks)]


def fit_witness(config: WitnessConfig, limit: float, rows: NDArray[Any], labels: Floats, weights: Floats) -> Witness:
    """Fit a ridge logistic regression on rows (N, D) with weights (N,).

    labels: (N,) in [0, 1]; what lies between is a probability, and counts as a share of both classes.
    Raises `DataError` when one class has no weight at all.
    """
    if not ((labels * weights).sum() > 0 and ((1 - labels) * weights).sum() > 0):
        raise DataError(f"adaptation: {len(labels)} rows of one class; label real and false tracks both")
    values = rows.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + SMALLEST_DEVIATION
    values = (values - mean) / deviation
    axes = _principal_axes(values, config.components)  # (D, K)
    scores = values @ axes
    axes = axes / max(np.sqrt((scores**2).sum(axis=1).mean()), SMALLEST_DEVIATION)
    doubled = np.concatenate([labels * weights, (1 - labels) * weights])
    classes = np.repeat([True, False], len(labels))
    used = np.flatnonzero(doubled)
    regression = LogisticRegression(C=config.inverse_regularisation, max_iter=MOST_ITERATIONS)
    regression.fit(np.tile(values @ axes, (2, 1))[used], classes[used], doubled[used])
    folded: Floats = axes @ regression.coef_[0] / deviation
    return Witness(folded, float(regression.intercept_[0] - mean @ folded), limit)


def relearned_confidence(
    adapter: Adapter, config: AdapterConfig, evidence: Evidence, whole: Evidence, set_name: str
) -> Adapter:
    """Return an adapter whose set `set_name` also hears the confidences of a detector that nobody labelled.

    evidence: rows (N, D) of that detector's tracks at the training ages, age by age. whole: rows (M, D) of the same
    tracks at the last age. The other witnesses' probability on `whole` stands in for the labels (self-training), so
    confidence is learned upside down where it is upside down.
    """
    probabilities = 1 / (1 + np.exp(-adapter.log_odds(whole, set_name)))
    rows = evidence[CONFIDENCE]
    copies = len(rows) // len(probabilities)
    labels = np.tile(probabilities, copies)
    weights = np.full(len(rows), 1 / copies)
    limit = config.log_odds_limit
    witness = fit_witness(config.witnesses[CONFIDENCE], limit, rows, labels, weights)
    calibration = adapter.calibrations[set_name]
    # The set's calibration multiplies the sum; what was learned from probabilities must come out unchanged.
    scaled = Witness(witness.weights / calibration.slope, witness.bias / calibration.slope, limit / calibration.slope)
    members = (*adapter.sets[set_name], CONFIDENCE)
    return Adapter(
        {**adapter.witnesses, CONFIDENCE: scaled}, {**adapter.sets, set_name: members}, dict(adapter.calibrations)
    )


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


def _fit_witnesses(config: AdapterConfig, lesson: Lesson) -> dict[str, Witness]:
    labels = lesson.labels.astype(np.float64)
    # Both classes weigh alike: a witness tells by what it sees, the calibration knows how common real tracks are.
    weights = _one_for_each_track(lesson)
    real_share = float(weights @ labels / weights.sum())
    if 0 < real_share < 1:
        weights *= np.where(lesson.labels, 0.5 / real_share, 0.5 / (1 - real_share))
    return {
        name: fit_witness(witness, config.log_odds_limit, lesson.evidence[name], labels, weights)
        for name, witness in config.witnesses.items()
    }


def _held_out_log_odds(config: AdapterConfig, lesson: Lesson) -> dict[str, Floats]:
    """Return each witness's log-odds (N,) of every row, fitted without the row's block of time."""
    numbers = np.unique(lesson.tracks)
    found = {name: np.empty(len(lesson.labels)) for name in config.witnesses}
    for block in np.array_split(numbers, config.inner_folds):
        held = np.isin(lesson.tracks, block)
        fitted = _fit_witnesses(config, lesson.of(np.setdiff1d(numbers, block)))
        for name, witness in fitted.items():
            found[name][held] = witness.log_odds(lesson.evidence[name][held])
    return found


def _one_for_each_track(lesson: Lesson) -> Floats:
    """Return weights (N,) that sum to 1 over the rows of each track."""
    return np.asarray(1 / np.bincount(lesson.tracks)[lesson.tracks])


def _calibrate(name: str, sums: Floats, lesson: Lesson) -> SumCalibration:
    weights = _one_for_each_track(lesson)
    regression = LogisticRegression(C=PLATT_INVERSE_REGULARISATION, max_iter=MOST_ITERATIONS)
    regression.fit(sums[:, None], lesson.labels, weights)
    slope = float(regression.coef_[0, 0])
    if slope <= 0:
        raise DataError(
            f"adaptation: in held-out blocks of time the witnesses {name} rank false tracks above real ones; label "
            "more minutes, or check the labels"
        )
    return SumCalibration(slope, float(regression.intercept_[0]))


def _principal_axes(values: Floats, components: int) -> Floats:
    """Return up to `components` axes (D, K) of centred values (N, D); all D axes as they are when these are enough."""
    count, width = values.shape
    if width <= components:
        return np.eye(width)
    kept = min(components, count - 1)
    if width <= count:
        return np.asarray(np.linalg.eigh(values.T @ values)[1][:, ::-1][:, :kept])
    squares, vectors = np.linalg.eigh(values @ values.T)
    squares, vectors = squares[::-1][:kept], vectors[:, ::-1][:, :kept]
    present = squares > SMALLEST_DEVIATION * squares[0]
    return np.asarray(values.T @ vectors[:, present] / np.sqrt(squares[present]))
