"""How well the judge by geometry tells tracks apart by age, beside rules of one number, and which ghosts it rejects.

N tracks of a split at one age.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc, decision_quality
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.core.types import Ghost
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.geometry_samples import Sample
from track_persistence.tracking.results import probability

Floats = NDArray[np.float64]
GEOMETRY = "geometry"
METHODS = (GEOMETRY, "min_hits", "mean_confidence")
QUALITY = ("accuracy", "precision", "recall")
REAL = "real"


@dataclass(frozen=True, eq=False)
class Scoring:
    """How to measure: ages by name in order, the threshold, random numbers and replicates of the intervals."""

    ages: tuple[str, ...]
    threshold: float
    rng: np.random.Generator
    replicates: int


@dataclass(frozen=True, eq=False)
class _Age:
    """The tracks of a split at one age: whether each is real, its scene, its ghost, and each method's score, (N,)."""

    labels: NDArray[np.bool_]
    scenes: NDArray[np.int64]
    ghosts: NDArray[np.str_]
    scores: dict[str, Floats]


def measured(model: GeometryModel, samples: Sequence[Sample], scoring: Scoring) -> dict[str, Any]:
    """Return AUC of every method and the judge's decisions by age, and by ghost the share that it rejects."""
    by_frames, rejected = {}, {}
    for number, age in enumerate(scoring.ages):
        own = _age(model, [sample for sample in samples if sample.age == number])
        by_frames[age] = {"tracks": len(own.labels), **_quality(own, scoring)}
        gone = ~_kept(own.scores[GEOMETRY], scoring.threshold)
        rejected[age] = rejected_by_ghost({GEOMETRY: gone}, own.ghosts, own.scenes, scoring)[GEOMETRY]
    return {"by_frames": by_frames, "rejected_by_ghost": rejected}


def rejected_by_ghost(
    gone: dict[str, NDArray[np.bool_]], ghosts: NDArray[np.str_], scenes: NDArray[np.int64], scoring: Scoring
) -> dict[str, dict[str, Any]]:
    """Return by method and ghost (`real` for objects) the share of the tracks that are rejected, and their number.

    gone: by method whether each track is rejected, (N,). ghosts, scenes: (N,).
    """
    found: dict[str, dict[str, Any]] = {method: {} for method in gone}
    for ghost in np.unique(ghosts).tolist():
        rows = ghosts == ghost
        table = np.column_stack([own[rows] for own in gone.values()]).astype(np.float64)
        ends = bootstrap_intervals(
            lambda drawn: drawn.mean(axis=0).tolist(), [table], scenes[rows], scoring.rng, scoring.replicates
        )
        name = REAL if ghost == Ghost.NONE.value else ghost
        for method, share, pair in zip(gone, table.mean(axis=0).tolist(), ends.tolist(), strict=True):
            found[method][name] = value_of(share, *pair) | {"tracks": int(rows.sum())}
    return found


def value_of(value: float, low: float, high: float) -> dict[str, float]:
    """Return a number with its interval as metrics files hold it."""
    return {"value": value, "low": low, "high": high}


def _age(model: GeometryModel, samples: Sequence[Sample]) -> _Age:
    return _Age(
        np.array([sample.ghost is Ghost.NONE for sample in samples], np.bool_),
        np.array([sample.scene_id for sample in samples], np.int64),
        np.array([sample.ghost.value for sample in samples], np.str_),
        {
            GEOMETRY: np.array([model.judge(sample.cues).log_odds for sample in samples], np.float64),
            "min_hits": np.array([sample.hits for sample in samples], np.float64),
            "mean_confidence": np.array([sample.mean_confidence for sample in samples], np.float64),
        },
    )


def _kept(log_odds: Floats, threshold: float) -> NDArray[np.bool_]:
    return np.array([probability(value) >= threshold for value in log_odds.tolist()], np.bool_)


def _quality(own: _Age, scoring: Scoring) -> dict[str, dict[str, Any]]:
    kept = _kept(own.scores[GEOMETRY], scoring.threshold)
    arrays = [own.labels, kept, *(own.scores[method] for method in METHODS)]

    def statistics(labels: Any, kept: Any, *scores: Any) -> list[float]:
        return [*(area_under_roc(each, labels) for each in scores), *decision_quality(kept, labels)]

    values = statistics(*arrays)
    ends = bootstrap_intervals(statistics, arrays, own.scenes, scoring.rng, scoring.replicates).tolist()
    found = [value_of(value, *pair) for value, pair in zip(values, ends, strict=True)]
    quality = {method: {"auc": found[number]} for number, method in enumerate(METHODS)}
    quality[GEOMETRY] |= dict(zip(QUALITY, found[len(METHODS) :], strict=True))
    return quality
