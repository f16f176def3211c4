"""How well every cue tells real tracks from ghosts, and how much it differs from MagVIT on the same tracks.

N tracks of a split, A ages, G methods.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.core.seeding import generator
from track_persistence.core.types import Ghost
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import LINEAR, MAGVIT, TRANSFORMER

Floats = NDArray[np.float64]
Method = tuple[str, str]
"""Head and cue."""
REFERENCES: Mapping[str, Method] = {
    f"minus_{head}_{cue}": (head, cue) for head, cue in ((TRANSFORMER, MAGVIT), (LINEAR, MAGVIT))
}
AnyMethod = TypeVar("AnyMethod", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Scored:
    """The tracks of one split: labels (N,) bool, scenes (N,), ghosts (N,) str, and every method's scores (N, A)."""

    labels: NDArray[np.bool_]
    scenes: NDArray[np.int64]
    ghosts: NDArray[np.str_]
    scores: Mapping[Method, Floats]


def ablation_metrics(scored: Scored, name: str, config: AblateConfig, seed: int) -> dict[str, Any]:
    """Return counts, each method's area under the ROC curve by age, and that against each kind of ghost at one age.

    All methods see the same resampled scenes. The differences are the method's area minus that of MagVIT's features
    under the transformer and under the logistic regression.
    """
    by_frames = {
        str(age): _nested(_areas(scored, number, generator(seed, "ablate", name, age), config))
        for number, age in enumerate(config.frames_seen)
    }
    return {
        "scenes": len(np.unique(scored.scenes)),
        "tracks": len(scored.labels),
        "persistent": int(scored.labels.sum()),
        "by_frames": by_frames,
        "by_ghost": _by_ghost(scored, name, config, seed),
    }


def _by_ghost(scored: Scored, name: str, config: AblateConfig, seed: int) -> dict[str, Any]:
    age = config.frames_seen.index(config.ghost_frames)
    found: dict[str, Any] = {}
    for ghost in np.unique(scored.ghosts[~scored.labels]).tolist():
        rows = scored.labels | (scored.ghosts == ghost)
        own = Scored(
            scored.labels[rows],
            scored.scenes[rows],
            scored.ghosts[rows],
            {method: scores[rows] for method, scores in scored.scores.items()},
        )
        areas = _areas(own, age, generator(seed, "ablate", name, "ghost", ghost), config)
        found[Ghost(ghost).value] = {"tracks": int((~own.labels).sum()), **_nested(areas)}
    return found


def measured_areas(
    scores: Mapping[AnyMethod, Floats],
    labels: NDArray[np.bool_],
    groups: NDArray[Any],
    references: Mapping[str, AnyMethod],
    rng: np.random.Generator,
    replicates: int,
) -> dict[AnyMethod, dict[str, dict[str, float]]]:
    """Return each method's area under the ROC curve, `auc`, and its differences to other methods, with intervals.

    scores: (N, A), the area is the mean over the A ages. labels: (N,). groups: (N,), rows of one value are drawn
    together. references: a difference's name to the method whose area is subtracted on the same resampled groups.
    """
    methods = list(scores)
    subtracted = [methods.index(method) for method in references.values()]

    def statistics(labels: NDArray[np.bool_], *columns: Floats) -> list[float]:
        areas = [float(np.mean([area_under_roc(age, labels) for age in each.T])) for each in columns]
        return [*areas, *(area - areas[reference] for reference in subtracted for area in areas)]

    values = statistics(labels, *scores.values())
    ends = bootstrap_intervals(statistics, [labels, *scores.values()], groups, rng, replicates)
    measured = [
        {"value": value, "low": low, "high": high} for value, (low, high) in zip(values, ends.tolist(), strict=True)
    ]
    names = ("auc", *references)
    return {method: dict(zip(names, measured[at :: len(methods)], strict=True)) for at, method in enumerate(methods)}


def _areas(scored: Scored, age: int, rng: np.random.Generator, config: AblateConfig) -> dict[Method, dict[str, Any]]:
    """Return, for each method, area and differences at one age, each with its interval."""
    columns = {method: scores[:, [age]] for method, scores in scored.scores.items()}
    return measured_areas(columns, scored.labels, scored.scenes, REFERENCES, rng, config.bootstrap_replicates)


def _nested(areas: Mapping[Method, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (head, cue), values in areas.items():
        found.setdefault(head, {})[cue] = values
    return found
