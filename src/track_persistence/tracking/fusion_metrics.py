"""Which witness catches which ghost: every set of witnesses on held-back tracks, by age.

N samples of one profile and age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from track_persistence.classifier.intervals import Resamples
from track_persistence.core.types import Ghost
from track_persistence.tracking.config import FUSIONS, WITNESSES
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.fusion_samples import Samples

Floats = NDArray[np.float64]
REAL = "real"
PLAIN_SUM = "plain_sum"
"""The control: what all witnesses say, added without weights."""
METHODS = (*FUSIONS, PLAIN_SUM)


@dataclass(frozen=True)
class Thresholds:
    """Probability from which on a track is kept, where appearance is among the witnesses and where not."""

    appearance: float
    others: float

    def of(self, method: str) -> float:
        """Return the one of a method."""
        with_appearance = method == PLAIN_SUM or "appearance" in FUSIONS[method]
        return self.appearance if with_appearance else self.others


def probabilities_of(model: FusionModel, samples: Samples) -> dict[str, Floats]:
    """Return the probability of being real, (N,), by set of witnesses and by their plain sum."""
    said = {str(witness): values for witness, values in samples.said.items()}
    log_odds = {}
    for name, chosen in FUSIONS.items():
        numbers = {str(witness): said[witness] for witness in chosen}
        by_views = [model.stackers[name].of(views).log_odds(numbers, samples.frames_seen) for views in (1, 2)]
        log_odds[name] = np.where(samples.views > 1, by_views[1], by_views[0])
    log_odds[PLAIN_SUM] = np.sum([said[witness] for witness in WITNESSES], axis=0)
    return {name: np.asarray(expit(values)) for name, values in log_odds.items()}


def measured(
    model: FusionModel,
    samples: Samples,
    ages: Sequence[str],
    thresholds: Thresholds,
    intervals: tuple[np.random.Generator, int],
) -> dict[str, Any]:
    """Measure every method on the samples of one profile; intervals: random numbers and replicates.

    by_frames: by age the number of tracks, and by method AUC, expected calibration error, and the share of right
    decisions. rejected_by_ghost: by age and ghost, `real` for objects, the number of tracks and by method the share
    rejected.
    """
    by_frames, rejected = {}, {}
    for age in ages:
        own = samples.where(samples.ages == age)
        resamples = Resamples.of(own.scenes, *intervals)
        found = probabilities_of(model, own)
        kept = {method: values >= thresholds.of(method) for method, values in found.items()}
        by_frames[age] = {"tracks": len(own.labels)} | {
            method: {
                "auc": resamples.auc(values, own.labels),
                "expected_calibration_error": resamples.calibration_error(values, own.labels),
                "accuracy": resamples.share(kept[method] == own.labels, np.ones(len(values), np.bool_)),
            }
            for method, values in found.items()
        }
        rejected[age] = _rejected(kept, own.ghosts, resamples)
    return {"by_frames": by_frames, "rejected_by_ghost": rejected}


def _rejected(
    kept: Mapping[str, NDArray[np.bool_]], ghosts: NDArray[np.str_], resamples: Resamples
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for ghost in np.unique(ghosts).tolist():
        among = ghosts == ghost
        shares = {method: resamples.share(~own, among) for method, own in kept.items()}
        found[REAL if ghost == Ghost.NONE.value else ghost] = {"tracks": int(among.sum()), **shares}
    return found
