"""How well every cue tells real tracks from ghosts, and how much it differs from MagVIT on the same tracks.

N tracks of a split, A ages, G methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
REFERENCES: tuple[Method, ...] = ((TRANSFORMER, MAGVIT), (LINEAR, MAGVIT))
NAMES = ("auc", *(f"minus_{head}_{cue}" for head, cue in REFERENCES))


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
        str(age): _nested(scored, _areas(scored, number, generator(seed, "ablate", name, age), config))
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
        found[Ghost(ghost).value] = {"tracks": int((~own.labels).sum()), **_nested(own, areas)}
    return found


def _areas(scored: Scored, age: int, rng: np.random.Generator, config: AblateConfig) -> list[dict[str, Any]]:
    """Return, for each method, area and differences at one age, each with its interval."""
    methods = list(scored.scores)
    references = [methods.index(method) for method in REFERENCES]

    def statistics(labels: NDArray[np.bool_], *scores: Floats) -> list[float]:
        areas = [area_under_roc(each, labels) for each in scores]
        return [*areas, *(area - areas[reference] for reference in references for area in areas)]

    columns = [scored.scores[method][:, age] for method in methods]
    values = np.array(statistics(scored.labels, *columns)).reshape(len(NAMES), -1)
    arrays = [scored.labels, *columns]
    ends = bootstrap_intervals(statistics, arrays, scored.scenes, rng, config.bootstrap_replicates)
    ends = ends.reshape(len(NAMES), -1, 2)
    return [
        {
            name: {"value": values[row, column], "low": ends[row, column, 0], "high": ends[row, column, 1]}
            for row, name in enumerate(NAMES)
        }
        for column in range(len(methods))
    ]


def _nested(scored: Scored, areas: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (head, cue), values in zip(scored.scores, areas, strict=True):
        found.setdefault(head, {})[cue] = values
    return found
