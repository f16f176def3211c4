"""The classifier beside its baselines: the same tracks, the same ages, the same resampled scenes.

N tracks of a split of one profile, A ages (those of the table, then the whole track).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import NoPixelsModel, best_threshold
from track_persistence.classifier.config import RulesConfig, TrainConfig
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.intervals import Resamples
from track_persistence.classifier.rules import RULES
from track_persistence.classifier.sprt import SequentialTest
from track_persistence.classifier.table import WHOLE
from track_persistence.core.errors import DataError
from track_persistence.core.seeding import TRAIN

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRANSFORMER, SPRT, NO_PIXELS = "transformer", "sprt", "no_pixels"
METHODS = (TRANSFORMER, SPRT, NO_PIXELS, *RULES)
PROBABILITIES = (TRANSFORMER, NO_PIXELS)
FITTED_THRESHOLDS = (SPRT, "mean_confidence", "max_confidence", "sum_confidence")
EVEN_ODDS = 0.5


@dataclass(frozen=True)
class Baselines:
    """The methods without pixels, fitted on the training tracks of one profile: an advantage the classifier lacks.

    no_pixels: one model an age. thresholds: method to (A,), for the methods that have no threshold of their own.
    """

    no_pixels: tuple[NoPixelsModel, ...]
    sequential: SequentialTest
    thresholds: Mapping[str, Floats]


@dataclass(frozen=True)
class Judged:
    """Every method's scores on the tracks of one split of one profile.

    rows: (N,), into the table. lengths: (N,) observed frames. scores: method to (N, A). thresholds: method to (A,); a
    track is kept at an age when its score is at least the threshold. names: of the A ages.
    """

    rows: NDArray[np.int64]
    labels: Bools
    scenes: NDArray[np.int64]
    ghosts: NDArray[np.str_]
    lengths: NDArray[np.int64]
    names: tuple[str, ...]
    scores: Mapping[str, Floats]
    thresholds: Mapping[str, Floats]

    def kept(self, method: str) -> Bools:
        """Return the decisions (N, A) of a method."""
        kept: Bools = self.scores[method] >= self.thresholds[method]
        return kept

    def up_to(self, method: str, frames: int) -> Floats:
        """Return the scores (N, frames) after 1, 2, ... observed frames; the table must hold all of them."""
        return self.scores[method][:, [self.names.index(str(age)) for age in range(1, frames + 1)]]


def age_names(ages: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the ages: their numbers, then `whole`."""
    return (*map(str, ages), WHOLE)


def rows_of_profile(source: InputSource, split: str, profile: str) -> NDArray[np.int64]:
    """Return the rows of a split of one profile; raises `DataError` when there is none."""
    rows = source.table.rows_of(split)
    rows = np.asarray(rows[source.profiles[rows] == profile])
    if len(rows) == 0:
        raise DataError(f"features: profile {profile} has no {split} track; generate more of its scenes")
    return rows


def fit_baselines(source: InputSource, profile: str) -> Baselines:
    """Fit the methods without pixels on the training tracks of a profile.

    Raises `DataError` when these are of one class.
    """
    rows = rows_of_profile(source, TRAIN, profile)
    labels, statistics = source.labels[rows], source.table.statistics[rows]
    models = [NoPixelsModel.fit(statistics[:, age], labels) for age in range(statistics.shape[1])]
    channels = [source.channels(row) for row in rows.tolist()]
    sequential = SequentialTest.fit(channels, labels)
    scores = {name: source.table.scores[name][rows] for name in FITTED_THRESHOLDS if name in RULES}
    scores[SPRT] = _sequential_scores(channels, source.table.ages, sequential)
    thresholds = {
        name: np.array([best_threshold(column, labels) for column in values.T]) for name, values in scores.items()
    }
    return Baselines(tuple(models), sequential, thresholds)


def judge(
    source: InputSource, rows: NDArray[np.int64], log_odds: Floats, baselines: Baselines, config: TrainConfig
) -> Judged:
    """Put the classifier's calibrated log-odds (N, A) beside the baselines' scores of the same tracks."""
    table = source.table
    statistics, count = table.statistics[rows], log_odds.shape[1]
    channels = [source.channels(row) for row in rows.tolist()]
    no_pixels = np.stack([model.score(statistics[:, age]) for age, model in enumerate(baselines.no_pixels)], axis=1)
    learned = {
        TRANSFORMER: 1 / (1 + np.exp(-log_odds)),
        SPRT: _sequential_scores(channels, table.ages, baselines.sequential),
        NO_PIXELS: no_pixels,
    }
    fixed = {TRANSFORMER: config.threshold, NO_PIXELS: EVEN_ODDS} | rule_thresholds(config.rules)
    return Judged(
        rows=rows,
        labels=table.labels[rows],
        scenes=table.scene_ids[rows],
        ghosts=table.ghosts[rows],
        lengths=table.lengths[rows],
        names=age_names(table.ages),
        scores=learned | {name: table.scores[name][rows] for name in RULES},
        thresholds={name: np.full(count, value) for name, value in fixed.items()} | dict(baselines.thresholds),
    )


def rule_thresholds(config: RulesConfig) -> dict[str, float]:
    """Return the score from which on each tracker's rule keeps a track."""
    return {
        "min_hits": float(config.min_hits),
        "n_init": float(config.n_init),
        "bytetrack": config.bytetrack_birth,
        "norfair": config.norfair_delay + 1.0,
    }


def split_metrics(judged: Judged, config: TrainConfig, resamples: Resamples) -> dict[str, Any]:
    """Return counts and, per age and method, AUC, accuracy, precision and recall with 95 % intervals over scenes.

    Methods that give probabilities have their expected calibration error too. All methods and ages see the same
    resampled scenes, so their intervals can be compared. Undefined values are NaN.
    """
    by_frames: dict[str, Any] = {}
    for name in age_names(config.frames_seen):
        age = judged.names.index(name)
        by_frames[name] = {"tracks": len(judged.rows)} | {
            method: _measured(judged, method, age, resamples) for method in METHODS
        }
    return {
        "scenes": len(np.unique(judged.scenes)),
        "tracks": len(judged.rows),
        "persistent": int(judged.labels.sum()),
        "by_frames": by_frames,
    }


def _measured(judged: Judged, method: str, age: int, resamples: Resamples) -> dict[str, dict[str, float]]:
    scores, kept, labels = judged.scores[method][:, age], judged.kept(method)[:, age], judged.labels
    found = {
        "auc": resamples.auc(scores, labels),
        "accuracy": resamples.share(kept == labels, np.ones_like(labels)),
        "precision": resamples.share(labels, kept),
        "recall": resamples.share(kept, labels),
    }
    if method in PROBABILITIES:
        found["calibration_error"] = resamples.calibration_error(scores, labels)
    return found


def _sequential_scores(tracks: Sequence[NDArray[np.float32]], ages: Sequence[int], test: SequentialTest) -> Floats:
    """Return the scores (N, A) of tracks given as their channels (T, K)."""
    scores = np.empty((len(tracks), len(ages) + 1))
    for at, channels in enumerate(tracks):
        running = test.score(channels)
        scores[at] = running[np.minimum([*ages, len(running)], len(running)) - 1]
    return scores
