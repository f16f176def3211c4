"""Encoders on recordings of one scene: fitted on one detector's tracks, tested on another's.

N tracks of a recording, D width of a description. Place and people are the same in both recordings; what changes is the
detector: its boxes, and the false tracks it makes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import NoPixelsModel, no_pixel_statistics
from track_persistence.core.errors import DataError
from track_persistence.core.seeding import generator
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import CHEAP_PIXELS, STATISTICS, logistic_scores
from track_persistence.evaluation.ablation_metrics import measured_areas
from track_persistence.evaluation.adapt_samples import boxes_seen
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel, cheap_descriptors
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_files import located
from track_persistence.evaluation.objective_scores import Describe
from track_persistence.evaluation.objectives_config import ObjectivesConfig
from track_persistence.evaluation.recordings import Recording, read_recording

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TransferParams:
    """Sections of the params file. crop_margin: share of a box's size added on each side of a crop."""

    objectives: ObjectivesConfig
    footage: FootageConfig
    ablate: AblateConfig
    crop_margin: float
    seed: int


@dataclass(frozen=True, eq=False)
class Described:
    """The N tracks of one recording after their first frames: method to (N, D), and labels (N,), real or not."""

    name: str
    values: Mapping[str, NDArray[Any]]
    labels: NDArray[np.bool_]


def read_first_frames(params: TransferParams, folder: Path) -> list[Recording]:
    """Read what the tracks of the recordings, files below `folder`, showed in their first `transfer_frames` frames.

    Tracks born later than `footage.full_view_frames` before the end are left out. Raises `ParamsError` for files
    that are not there, `VideoError` for unusable ones, `DataError` when a recording's tracks are all real or all false.
    """
    frames, recordings = params.objectives.transfer_frames, []
    for source in located(params.objectives.recordings, folder, "objectives.recordings"):
        recording = read_recording(source, params.footage, params.crop_margin, frames)
        recording = recording.born_before(params.footage.full_view_frames)
        if recording.labels.all() or not recording.labels.any():
            raise DataError(
                f"{source.tracks}: {len(recording)} labelled tracks of one class, born in time; to fit on them takes "
                "real and false ones: label more, or drop the recording from objectives.recordings"
            )
        cut = tuple(track.first(boxes_seen(track, frames)) for track in recording.tracks)
        recordings.append(replace(recording, tracks=cut))
    return recordings


def describe_recording(recording: Recording, encoders: Mapping[str, Describe], frames: int) -> Described:
    """Describe every track by the mean of each encoder's values, by cheap pixels and by its boxes and confidences."""
    crops = [track.crops for track in recording.tracks]
    values = {
        name: np.stack([own.mean(axis=0, dtype=np.float64) for own in describe(crops)])
        for name, describe in encoders.items()
    }
    values[CHEAP_PIXELS] = np.concatenate([cheap_descriptors(own, [frames]) for own in crops])
    values[STATISTICS] = np.stack([no_pixel_statistics(track, None) for track in recording.tracks])
    return Described(recording.name, values, recording.labels)


def transfer_metrics(recordings: Sequence[Described], params: TransferParams) -> dict[str, Any]:
    """Return, for every pair of recordings, counts and each method's area on the second, fitted on the first.

    Encoders are judged by the logistic regression of stage `ablate`, cheap pixels and statistics by their own models.
    Intervals resample tracks; differences are to the candidate whose objective is that of section `tokenizer`.
    """
    reference = params.objectives.reference
    found: dict[str, Any] = {}
    for fitted, tested in permutations(recordings, 2):
        name = f"{fitted.name}_to_{tested.name}"
        scores = {method: _scores(method, fitted, tested, params.ablate)[:, None] for method in fitted.values}
        areas = measured_areas(
            scores,
            tested.labels,
            np.arange(len(tested.labels)),
            {f"minus_{reference}": reference},
            generator(params.seed, "objectives", "transfer", name),
            params.footage.bootstrap_replicates,
        )
        found[name] = {"fitted": _counts(fitted), "tested": _counts(tested), "methods": areas}
    return found


def _scores(method: str, fitted: Described, tested: Described, config: AblateConfig) -> Floats:
    values, others = fitted.values[method], tested.values[method]
    if method == CHEAP_PIXELS:
        return CheapPixelsModel.fit(values, fitted.labels).score(others)
    if method == STATISTICS:
        return NoPixelsModel.fit(values, fitted.labels).score(others)
    return logistic_scores(config, values, others, fitted.labels)


def _counts(recording: Described) -> dict[str, int]:
    return {"real": int(recording.labels.sum()), "false": int((~recording.labels).sum())}
