"""Which kinds of ghost each method tells from real objects, by frames seen.

N tracks of a split of one profile.
"""

from typing import Any

import numpy as np

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.evaluate import NO_PIXELS, SPRT, TRANSFORMER, Judged, age_names
from track_persistence.classifier.intervals import Resamples
from track_persistence.core.types import Ghost

COMPARED = (TRANSFORMER, NO_PIXELS, SPRT, "mean_confidence")


def ghost_metrics(judged: Judged, config: TrainConfig, resamples: Resamples) -> dict[str, Any]:
    """Return, per kind of ghost that is there, `tracks` and by age and method `rejected` and `auc`.

    rejected: share below the method's threshold. auc: of real tracks against this kind alone.
    """
    found: dict[str, Any] = {}
    for ghost in Ghost:
        chosen = ~judged.labels & (judged.ghosts == ghost.value)
        if chosen.any():
            found[ghost.value] = {
                "tracks": int(chosen.sum()),
                "by_frames": _by_frames(judged, ghost, config, resamples),
            }
    return found


def _by_frames(judged: Judged, ghost: Ghost, config: TrainConfig, resamples: Resamples) -> dict[str, Any]:
    rows = np.flatnonzero(judged.labels | (judged.ghosts == ghost.value))
    labels, drawn = judged.labels[rows], resamples.of_rows(rows)
    found: dict[str, Any] = {}
    for name in age_names(config.frames_seen):
        age = judged.names.index(name)
        found[name] = {
            method: {
                "auc": drawn.auc(judged.scores[method][rows, age], labels),
                "rejected": drawn.share(~judged.kept(method)[rows, age], ~labels),
            }
            for method in COMPARED
        }
    return found
