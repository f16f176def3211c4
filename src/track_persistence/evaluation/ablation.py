"""The ablate stage: what each input and each encoder is worth, on the same tracks, scenes and resamplings.

metrics.json holds `profile`, `shards`, `training_tracks`, and for `validation` and `test`:
- `scenes`, `tracks`, `persistent`: counts
- `by_frames`: age, head, cue to `auc`, `minus_transformer_magvit` and `minus_linear_magvit`
- `by_ghost`: ghost to `tracks` and, head and cue, to the same three at the age `ablate.ghost_frames`
where a measured number is `value`, `low`, `high`. `ablation_cues.CUES` lists heads and cues.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.config import TrainConfig
from track_persistence.core.errors import DataError
from track_persistence.core.files import code_digest, digest_of, file_digest, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION
from track_persistence.core.storage import read_provenance, shard_paths
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import CUES, CueJob, make_scores, scored_rows
from track_persistence.evaluation.ablation_metrics import Method, Scored, ablation_metrics
from track_persistence.evaluation.ablation_samples import SampleShard, make_samples
from track_persistence.evaluation.ablation_table import AblationTable, read_table
from track_persistence.magvit.config import ArchitectureConfig, ExtractConfig


@dataclass(frozen=True)
class Settings:
    """All the stage takes from params; architecture: of the encoder with random weights."""

    ablate: AblateConfig
    architecture: ArchitectureConfig
    extract: ExtractConfig
    training: TrainConfig
    split: SplitConfig
    run: RunConfig
    seed: int


@dataclass(frozen=True)
class Inputs:
    """What the stage reads: folders of scene and feature shards."""

    scenes: Path
    features: Path


def run(settings: Settings, inputs: Inputs, output: Path) -> None:
    """Describe the tracks of the first `ablate.shards` shards by every cue, fit and score each, and write metrics.json.

    Samples and scores are made in one-thread worker processes and kept in the store, so a killed run goes on. Raises
    `DataError` when scenes and features do not belong together or no one encoder made all of these.
    """
    samples = _sample_jobs(settings, inputs)
    store = settings.run.store / "ablate"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix=".ablate-") as name:
        folder, scores = Path(name) / "samples", Path(name) / "scores"
        run_shards(make_samples, samples, folder, store, settings.run.workers, "ablate: encoding")
        shards = tuple(folder / job.name for job in samples)
        jobs = _cue_jobs(settings, samples, shards)
        run_shards(make_scores, jobs, scores, store, settings.run.workers, "ablate: fitting")
        found = {method: values for cue in CUES for method, values in _read_scores(cue, scores).items()}
        table = read_table(shards, lambda track: track.frames, settings.seed, settings.split)
    metrics: dict[str, Any] = {
        "profile": settings.ablate.profile,
        "shards": len(samples),
        "training_tracks": len(table.rows_of(TRAIN)),
    }
    for split in (VALIDATION, TEST):
        metrics[split] = ablation_metrics(_scored(table, found, split), split, settings.ablate, settings.seed)
    write_json(output / "metrics.json", metrics)
    _log_result(metrics[VALIDATION])


def _sample_jobs(settings: Settings, inputs: Inputs) -> list[ShardJob]:
    profile = settings.ablate.profile
    paths = [path for path in shard_paths(inputs.scenes) if read_provenance(path).get("profile") == profile]
    if not paths:
        raise DataError(f"{inputs.scenes}: holds no shard of profile {profile!r}; change ablate.profile or generate it")
    longest = max(settings.ablate.frames_seen)
    code, architecture = code_digest("core", "evaluation", "magvit"), settings.architecture
    jobs, first = [], None
    for path in paths[: settings.ablate.shards]:
        features = inputs.features / path.name
        provenance = read_provenance(features)
        encoder = provenance.get("encoder_digest"), provenance.get("precision")
        first = encoder if first is None else first
        if encoder != first or encoder[1] != settings.extract.precision:
            raise DataError(
                f"{features}: encoder and precision {encoder}; the first shard has {first}, extract.precision is "
                f"{settings.extract.precision}; run extract again"
            )
        shard = SampleShard(path, features, architecture, settings.extract.precision, settings.seed, longest)
        sources = file_digest(path), file_digest(features), architecture.model_dump(mode="json")
        key = digest_of("ablate-samples-2", code, *sources, settings.seed, longest)
        jobs.append(ShardJob(path.name, key, shard))
    return jobs


def _cue_jobs(settings: Settings, samples: Sequence[ShardJob], shards: tuple[Path, ...]) -> list[ShardJob]:
    sections = (settings.ablate, settings.training, settings.split)
    shared = (
        "ablate-scores-1",
        code_digest("classifier", "core", "evaluation"),
        [section.model_dump(mode="json") for section in sections],
        settings.seed,
        [job.key for job in samples],
    )
    return [
        ShardJob(
            f"{cue}.npy",
            digest_of(*shared, cue),
            CueJob(cue, shards, settings.ablate, settings.training, settings.split, settings.seed),
        )
        for cue in CUES
    ]


def _read_scores(cue: str, folder: Path) -> dict[Method, NDArray[np.float64]]:
    values = np.load(folder / f"{cue}.npy", allow_pickle=False)
    return {(head, cue): own for head, own in zip(CUES[cue], values, strict=True)}


def _scored(table: AblationTable, scores: dict[Method, NDArray[np.float64]], split: str) -> Scored:
    rows = scored_rows(table)
    own = table.splits[rows] == split
    return Scored(
        table.labels[rows][own],
        table.scene_ids[rows][own],
        table.ghosts[rows][own],
        {method: values[own] for method, values in scores.items()},
    )


def _log_result(metrics: dict[str, Any]) -> None:
    for age, heads in metrics["by_frames"].items():
        areas = {f"{head} {cue}": own["auc"]["value"] for head, cues in heads.items() for cue, own in cues.items()}
        log(f"ablate: validation AUC after {age}: " + ", ".join(f"{name} {area:.3f}" for name, area in areas.items()))
