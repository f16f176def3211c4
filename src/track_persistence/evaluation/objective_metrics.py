"""Which candidate's features tell most, on validation scenes, and what each is worth beside the others.

M tracks of the validation scenes, H heads, A ages.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc
from track_persistence.core.seeding import TRAIN, VALIDATION, generator
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import TRANSFORMER
from track_persistence.evaluation.ablation_metrics import measured_areas
from track_persistence.evaluation.ablation_table import AblationTable
from track_persistence.evaluation.objective_scores import HEADS

Floats = NDArray[np.float64]
Scores = Mapping[str, Floats]


def simulated_metrics(
    table: AblationTable, scores: Scores, reference: str, config: AblateConfig, seed: int
) -> dict[str, Any]:
    """Return counts and, by age and as the mean over ages, every encoder's area under the ROC curve with each head.

    scores: (H, M, A) of each encoder. Intervals resample scenes, the same for all; differences are to `reference` under
    the same head.
    """
    labels, scenes = _validation(table)
    found: dict[str, Any] = {
        "training_tracks": len(table.rows_of(TRAIN)),
        "scenes": len(np.unique(scenes)),
        "tracks": len(labels),
        "persistent": int(labels.sum()),
        "by_frames": {},
    }

    def measured(ages: list[int], name: str | int) -> dict[str, Any]:
        return {
            head: measured_areas(
                {encoder: values[number][:, ages] for encoder, values in scores.items()},
                labels,
                scenes,
                {f"minus_{reference}": reference},
                generator(seed, "objectives", name),
                config.bootstrap_replicates,
            )
            for number, head in enumerate(HEADS)
        }

    for number, age in enumerate(config.frames_seen):
        found["by_frames"][str(age)] = measured([number], age)
    found["mean_over_ages"] = measured(list(range(len(config.frames_seen))), "mean")
    return found


def choose(
    table: AblationTable, scores: Scores, candidates: Collection[str], config: AblateConfig, seed: int
) -> dict[str, Any]:
    """Return the candidate of the largest mean area over all ages under the transformer, and what the others lack.

    A candidate whose interval of `minus_chosen` holds 0 is as good as these scenes can tell.
    """
    labels, scenes = _validation(table)
    columns = {name: scores[name][HEADS.index(TRANSFORMER)] for name in candidates}
    best = max(columns, key=lambda name: np.mean([area_under_roc(age, labels) for age in columns[name].T]))
    rng = generator(seed, "objectives", "choice")
    areas = measured_areas(columns, labels, scenes, {"minus_chosen": best}, rng, config.bootstrap_replicates)
    return {"candidate": best, "head": TRANSFORMER, "candidates": areas}


def _validation(table: AblationTable) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    rows = table.rows_of(VALIDATION)
    return table.labels[rows], table.scene_ids[rows]
