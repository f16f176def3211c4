"""Fitting a site's adapter to a few labelled minutes of it.

With some two hundred labelled tracks nothing deep can be trained. Each witness is a ridge logistic regression over
principal components, folded into a single weight vector. Adding their log-odds needs no further labels; a logistic
regression on the sum of held-out blocks of time (Platt 1999) calibrates it, and the rule that decides on growing tracks
is fitted on the same blocks.

N rows (a track at an age), D values of a witness, K observed frames after which waiting ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from sklearn.linear_model import LogisticRegression

from track_persistence.classifier.adapter import Adapter, Evidence, Floats, SumCalibration, Witness, sum_of
from track_persistence.classifier.decision import fit_rule
from track_persistence.core.errors import DataError
from track_persistence.core.params import Section

Bools = NDArray[np.bool_]

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
    """Witnesses that are heard together: `same_detector`; `pixels`, where only crops are known; `other_detector`, those
    that mean the same for another detector; `unlabelled`, those that teach each other where nothing is labelled."""
    co_training_rounds: PositiveInt
    """Rounds in which the witnesses teach each other what unlabelled tracks are, see `co_training`."""
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


@dataclass(frozen=True, eq=False)
class Growth:
    """The N tracks of a lesson after each of their first K observed frames, in order of birth.

    evidence: witness to (N, K, D), rows past a track's end repeat its last. lengths: (N,) in observed frames.
    labels: (N,).
    """

    evidence: Evidence
    lengths: NDArray[np.int64]
    labels: Bools

    def by_witness(self, witnesses: Mapping[str, Witness], tracks: NDArray[np.int64]) -> dict[str, Floats]:
        """Return each witness's log-odds (n, K) of n `tracks`."""
        found = {}
        for name, witness in witnesses.items():
            rows = self.evidence[name][tracks]  # (n, K, D)
            found[name] = witness.log_odds(rows.reshape(-1, rows.shape[2])).reshape(rows.shape[:2])
        return found

    def log_odds(self, adapter: Adapter, set_name: str) -> Floats:
        """Return an adapter's calibrated log-odds (N, K) of all tracks."""
        shape = len(self.lengths), -1
        rows = {name: values.reshape(-1, values.shape[2]) for name, values in self.evidence.items()}
        return adapter.log_odds(rows, set_name).reshape(shape)


def fit_adapter(
    config: AdapterConfig, lesson: Lesson, growth: Growth, error_budget: float, trusted: Bools | None = None
) -> Adapter:
    """Fit every witness on all rows; the rest on what witnesses of other blocks of time say of a block.

    These are each set's calibration, and its decision rule with this `error_budget`, see `fit_rule`. trusted: which of
    the tracks have labels good enough for them; None means all. Raises `DataError` when a class is missing in all but
    one block of time, or when held-out sums rank upside down.
    """
    trusted = np.ones(len(growth.labels), bool) if trusted is None else trusted
    rows = trusted[lesson.tracks]
    folds = _folds(config, lesson)
    held, grown = _held_out_log_odds(folds, lesson), _grown_log_odds(folds, growth)
    calibrations, rules = {}, {}
    for name, members in config.sets.items():
        calibrations[name] = _calibrate(name, sum_of(held, members)[rows], lesson.labels[rows], lesson.tracks[rows])
        scores = calibrations[name].log_odds(sum_of(grown, members))  # (N, K)
        rules[name] = fit_rule(scores[trusted], growth.lengths[trusted], growth.labels[trusted], error_budget)
    return Adapter(_fit_all(config, lesson), dict(config.sets), calibrations, rules)


def time_blocks(tracks: int, blocks: int) -> list[NDArray[np.int64]]:
    """Cut tracks 0 to `tracks` - 1, in order of birth, into blocks of about equal size."""
    return [np.asarray(block, np.int64) for block in np.array_split(np.arange(tracks), blocks)]


def fit_witness(config: WitnessConfig, limit: float, rows: NDArray[Any], labels: Floats, weights: Floats) -> Witness:
    """Fit a ridge logistic regression on rows (N, D) with weights (N,).

    labels: (N,) in [0, 1]; what lies between is a probability, and counts as a share of both classes.
    Raises `DataError` when one class has no weight at all.
    """
    if not ((labels * weights).sum() > 0 and ((1 - labels) * weights).sum() > 0):
        raise DataError(f"adaptation: {len(labels)} rows of one class; give real and false tracks both")
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


def fit_witnesses(
    config: AdapterConfig, names: Iterable[str], evidence: Evidence, labels: Floats, weights: Floats
) -> dict[str, Witness]:
    """Fit some witnesses on rows with labels (N,) in [0, 1] and weights (N,).

    Both classes weigh alike: a witness tells by what it sees, the calibration knows how common real tracks are.
    """
    share = float(weights @ labels / weights.sum())
    if 0 < share < 1:
        of_real, of_false = labels * (0.5 / share), (1 - labels) * (0.5 / (1 - share))
        weights, labels = weights * (of_real + of_false), of_real / (of_real + of_false)
    return {
        name: fit_witness(config.witnesses[name], config.log_odds_limit, evidence[name], labels, weights)
        for name in names
    }


def _fit_all(config: AdapterConfig, lesson: Lesson) -> dict[str, Witness]:
    labels = lesson.labels.astype(np.float64)
    return fit_witnesses(config, config.witnesses, lesson.evidence, labels, _one_for_each(lesson.tracks))


def _folds(config: AdapterConfig, lesson: Lesson) -> list[tuple[NDArray[np.int64], dict[str, Witness]]]:
    """Return blocks of time, and for each the witnesses that were fitted without it."""
    numbers = np.unique(lesson.tracks)
    return [
        (block, _fit_all(config, lesson.of(np.setdiff1d(numbers, block))))
        for block in np.array_split(numbers, config.inner_folds)
    ]


def _held_out_log_odds(
    folds: Sequence[tuple[NDArray[np.int64], dict[str, Witness]]], lesson: Lesson
) -> dict[str, Floats]:
    """Return the log-odds (N,) of every row of the lesson by each witness that has not seen it."""
    found = {name: np.empty(len(lesson.labels)) for name in folds[0][1]}
    for block, witnesses in folds:
        held = np.isin(lesson.tracks, block)
        for name, witness in witnesses.items():
            found[name][held] = witness.log_odds(lesson.evidence[name][held])
    return found


def _grown_log_odds(folds: Sequence[tuple[NDArray[np.int64], dict[str, Witness]]], growth: Growth) -> dict[str, Floats]:
    """Return the log-odds (N, K) of every growing track by each witness that has not seen it."""
    blocks = [growth.by_witness(witnesses, block) for block, witnesses in folds]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _one_for_each(tracks: NDArray[np.int64]) -> Floats:
    """Return weights (N,) that sum to 1 over the rows of each track."""
    return np.asarray(1 / np.bincount(tracks)[tracks])


def _calibrate(name: str, sums: Floats, labels: Bools, tracks: NDArray[np.int64]) -> SumCalibration:
    regression = LogisticRegression(C=PLATT_INVERSE_REGULARISATION, max_iter=MOST_ITERATIONS)
    regression.fit(sums[:, None], labels, _one_for_each(tracks))
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
