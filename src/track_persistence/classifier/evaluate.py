"""The classifier beside its baselines: the same tracks, the same ages, the same resampled scenes.

N tracks of a split, A ages (the ages of `frames_seen`, then the whole track).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import NoPixelsModel, best_threshold
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import area_under_roc, decision_quality
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.classifier.table import WHOLE, TrackTable
from track_persistence.core.seeding import TRAIN, generator

METRICS = ("auc", "accuracy", "precision", "recall")
EVEN_ODDS = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Every method's scores on the tracks of one split.

    rows: (N,), into the table. scores: method to (N, A). thresholds: method to (A,); a track is kept at an age when its
    score is at least the threshold.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.bool_]
    scenes: NDArray[np.int64]
    scores: dict[str, Floats]
    thresholds: dict[str, Floats]

    def kept(self, method: str) -> NDArray[np.bool_]:
        """Return the decisions (N, A) of a method."""
        kept: NDArray[np.bool_] = self.scores[method] >= self.thresholds[method]
        return kept


def age_names(config: TrainConfig) -> list[str]:
    """Return the names of the ages: the numbers of `frames_seen`, then `whole`."""
    return [*map(str, config.frames_seen), WHOLE]


def fit_baselines(table: TrackTable) -> tuple[list[NoPixelsModel], Floats]:
    """Fit, on the training split at every age, the no-pixels model and the threshold (A,) on mean confidence."""
    rows = table.rows_of(TRAIN)
    labels, confidences = table.labels[rows], table.scores["mean_confidence"][rows]
    ages = range(confidences.shape[1])
    models = [NoPixelsModel.fit(table.statistics[rows, age], labels) for age in ages]
    return models, np.array([best_threshold(confidences[:, age], labels) for age in ages])


def judge(
    table: TrackTable,
    rows: NDArray[np.int64],
    probabilities: Floats,
    baselines: tuple[list[NoPixelsModel], Floats],
    config: TrainConfig,
) -> Judged:
    """Put the classifier's calibrated probabilities (N, A) beside the baselines' scores of the same tracks."""
    models, confidence_thresholds = baselines
    statistics = table.statistics[rows]
    no_pixels = np.stack([model.score(statistics[:, age]) for age, model in enumerate(models)], axis=1)
    ages = probabilities.shape[1]
    return Judged(
        rows=rows,
        labels=table.labels[rows],
        scenes=table.scene_ids[rows],
        scores={
            "transformer": probabilities,
            "min_hits": table.scores["min_hits"][rows],
            "mean_confidence": table.scores["mean_confidence"][rows],
            "no_pixels": no_pixels,
        },
        thresholds={
            "transformer": np.full(ages, config.threshold),
            "min_hits": np.full(ages, float(config.min_hits)),
            "mean_confidence": confidence_thresholds,
            "no_pixels": np.full(ages, EVEN_ODDS),
        },
    )


def split_metrics(judged: Judged, split: str, config: TrainConfig, seed: int) -> dict[str, Any]:
    """Return counts and, per age and method, AUC, accuracy, precision and recall with 95 % intervals over scenes.

    All methods and ages see the same resampled scenes, so their intervals can be compared. Undefined values are NaN.
    """
    by_frames: dict[str, Any] = {}
    for age, name in enumerate(age_names(config)):
        by_frames[name] = {"tracks": len(judged.rows)}
        for method in judged.scores:
            rng = generator(seed, "train-bootstrap", split)
            by_frames[name][method] = _measured(judged, method, age, rng, config.bootstrap_replicates)
    return {
        "scenes": len(np.unique(judged.scenes)),
        "tracks": len(judged.rows),
        "persistent": int(judged.labels.sum()),
        "by_frames": by_frames,
    }


def _measured(
    judged: Judged, method: str, age: int, rng: np.random.Generator, replicates: int
) -> dict[str, dict[str, float]]:
    def measure(scores: Floats, kept: NDArray[np.bool_], labels: NDArray[np.bool_]) -> list[float]:
        return [area_under_roc(scores, labels), *decision_quality(kept, labels)]

    arrays = (judged.scores[method][:, age], judged.kept(method)[:, age], judged.labels)
    values = measure(*arrays)
    intervals = bootstrap_intervals(measure, arrays, judged.scenes, rng, replicates)
    return {
        metric: {"value": value, "low": float(low), "high": float(high)}
        for metric, value, (low, high) in zip(METRICS, values, intervals, strict=True)
    }
