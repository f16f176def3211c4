"""How much the headline numbers depend on the training seed.

N tracks of a split of one profile, A ages (those of the table, then the whole track), R seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import area_under_roc
from track_persistence.classifier.evaluate import Judged, age_names

Floats = NDArray[np.float64]


def spread_metrics(log_odds: Sequence[Floats], judged: Judged, config: TrainConfig) -> dict[str, Any]:
    """Return mean, min and max over R seeds of AUC and accuracy at every age of `frames_seen` and on whole tracks.

    log_odds: (N, A) of each seed, calibrated on its own, of the tracks of `judged`.
    """
    cut = np.log(config.threshold / (1 - config.threshold))
    found: dict[str, Any] = {}
    for name in age_names(config.frames_seen):
        columns = [values[:, judged.names.index(name)] for values in log_odds]
        found[name] = {
            "auc": _spread([area_under_roc(column, judged.labels) for column in columns]),
            "accuracy": _spread([float(((column >= cut) == judged.labels).mean()) for column in columns]),
        }
    return found


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}
