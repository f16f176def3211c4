"""What every encoder tells about simulated tracks: frames described shard by shard, heads fitted, tracks scored.

T frames of a track, D width of an encoder's features, H heads, M tracks that are scored, A ages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.config import TrainConfig
from track_persistence.core.errors import DataError
from track_persistence.core.files import code_digest, digest_of, file_digest
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.seeding import VALIDATION
from track_persistence.core.storage import profile_of, read_scenes, shard_paths, write_features
from track_persistence.core.types import CropArray, LabelledFeatures
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import (
    COLOUR_HOG,
    LINEAR,
    TRANSFORMER,
    CueJob,
    linear_scores,
    reduced,
    transformer_scores,
)
from track_persistence.evaluation.ablation_table import AblationTable, read_table
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.extract import labelled_features
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.video.descriptors import COLOURS_SIZE, GRADIENTS_SIZE, colour_histograms, gradient_histograms

HEADS = (TRANSFORMER, LINEAR)
DEVICE = "cpu"

Describe = Callable[[Sequence[CropArray]], Sequence[NDArray[Any]]]


@dataclass(frozen=True)
class Fitting:
    """What the heads are fitted by: sections of the params file and the seed."""

    ablate: AblateConfig
    extract: ExtractConfig
    training: TrainConfig
    split: SplitConfig
    seed: int


@dataclass(frozen=True)
class DescriptionJob:
    """What a worker needs to describe the tracks of one shard, cut to their first `longest_frames`.

    checkpoint: of the encoder; None describes them by colour and gradient histograms.
    """

    scenes: Path
    checkpoint: Path | None
    extract: ExtractConfig
    longest_frames: int


def describer(checkpoint: Path | None, extract: ExtractConfig) -> tuple[Describe, int]:
    """Return a function from tracks' crops to their frames' values (T, D), and D; None: colour and gradients."""
    if checkpoint is None:
        return _colours_and_gradients, GRADIENTS_SIZE + COLOURS_SIZE
    encoder = MagvitEncoder.from_checkpoint(checkpoint, extract.precision, DEVICE)
    return encoder.encode, encoder.dimension


def _colours_and_gradients(crops: Sequence[CropArray]) -> list[NDArray[Any]]:
    return [np.hstack([gradient_histograms(own), colour_histograms(own)]) for own in crops]


def score_tracks(
    encoders: Mapping[str, Path | None], fitting: Fitting, scenes: Path, run: RunConfig, folder: Path
) -> tuple[AblationTable, dict[str, NDArray[np.float64]]]:
    """Return the tracks and, for every encoder, the scores (H, M, A) of the validation scenes' tracks.

    Heads and ages are those of stage `ablate`, on the same shards; no test scene is scored. encoders: see `describer`.
    folder: for the workers' files. Raises `DataError` when no shard is of the profile `ablate.profile`.
    """
    longest = max(fitting.ablate.frames_seen)
    paths = [path for path in shard_paths(scenes) if profile_of(path) == fitting.ablate.profile]
    if not paths:
        raise DataError(f"{scenes}: holds no shard of profile {fitting.ablate.profile!r}; change ablate.profile")
    digests = {path: file_digest(path) for path in paths[: fitting.ablate.shards]}
    code = code_digest("core", "magvit", "video", "evaluation")
    described: dict[str, list[ShardJob]] = {}
    for name, checkpoint in encoders.items():
        encoder = "histograms" if checkpoint is None else file_digest(checkpoint)
        settings = fitting.extract.model_dump(mode="json")
        described[name] = [
            ShardJob(
                f"{name}-{path.name}",
                digest_of("objective-description-1", code, encoder, settings, digest, longest),
                DescriptionJob(path, checkpoint, fitting.extract, longest),
            )
            for path, digest in digests.items()
        ]
    store = run.store / "objectives"
    jobs = [job for own in described.values() for job in own]
    run_shards(make_descriptions, jobs, folder / "frames", store, run.workers, "objectives: encoding")
    fits = [_fit_job(name, own, fitting, folder / "frames") for name, own in described.items()]
    run_shards(make_scores, fits, folder / "scores", store, run.workers, "objectives: fitting")
    any_shards = [folder / "frames" / job.name for job in next(iter(described.values()))]
    table = read_table(any_shards, lambda track: track.frames, fitting.seed, fitting.split)
    return table, {job.payload.cue: np.load(folder / "scores" / job.name, allow_pickle=False) for job in fits}


def _fit_job(name: str, described: Sequence[ShardJob], fitting: Fitting, folder: Path) -> ShardJob:
    sections = (fitting.ablate, fitting.training, fitting.split)
    key = digest_of(
        "objective-scores-1",
        code_digest("classifier", "core", "evaluation"),
        [section.model_dump(mode="json") for section in sections],
        fitting.seed,
        [job.key for job in described],
    )
    shards = tuple(folder / job.name for job in described)
    return ShardJob(f"{name}.npy", key, CueJob(name, shards, *sections, fitting.seed))


def make_descriptions(job: DescriptionJob, path: Path) -> None:
    """Write what one encoder says about the first frames of one shard's tracks as a shard of features."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    describe, width = describer(job.checkpoint, job.extract)
    provenance = {"profile": profile_of(job.scenes)}
    write_features(path, _described(job, describe), width, job.extract.dtype, provenance)


def _described(job: DescriptionJob, describe: Describe) -> Iterator[LabelledFeatures]:
    for scene in read_scenes(job.scenes):
        seen = [
            replace(item, track=item.track.first(job.longest_frames)) for item in (*scene.tracks[0], *scene.tracks[1])
        ]
        for item, values in zip(seen, describe([item.track.crops for item in seen]), strict=True):
            yield labelled_features(scene.scene_id, item, values, job.extract.dtype)


def make_scores(job: CueJob, path: Path) -> None:
    """Write the scores (H, M, A) float64 of `HEADS` as .npy; the M tracks are those of the validation scenes."""
    torch.set_num_threads(1)
    table = read_table(job.shards, lambda track: track.features, job.seed, job.split)
    if job.cue == COLOUR_HOG:
        table = reduced(table, job.config.components)
    rows = table.rows_of(VALIDATION)
    np.save(path, np.stack([transformer_scores(job, table, rows), linear_scores(job, table, rows)]))
