"""The geometry stage: labelled scenes to the judge by geometry, and its metrics beside rules of one number."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from track_persistence.core.files import code_digest, digest_of, file_digest, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator, split_of
from track_persistence.core.storage import read_scenes, shard_paths
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import MotionPrior
from track_persistence.tracking import geometry_samples
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_fit import fit_geometry
from track_persistence.tracking.geometry_metrics import Scoring, measured
from track_persistence.tracking.geometry_samples import TrackSample, samples_of
from track_persistence.tracking.held_back import WHOLE, HeldVerdict, write_verdicts
from track_persistence.tracking.profiles import by_profile

HELD_BACK = (VALIDATION, TEST)
Parts = dict[str, dict[str, list[TrackSample]]]
"""Samples by profile and split."""


@dataclass(frozen=True)
class Settings:
    """All the stage takes from params."""

    geometry: GeometryConfig
    tracking: TrackingConfig
    split: SplitConfig
    run: RunConfig
    seed: int


@dataclass(frozen=True)
class _Shard:
    scenes: Path
    geometry: GeometryConfig
    stereo: StereoConfig


def run(settings: Settings, data_dir: Path, output: Path) -> None:
    """Fit on the training scenes of the first `geometry.shards` shards of each profile, all profiles together.

    Writes `model.json`; `metrics.json`, by profile and held-back split; and `verdicts.csv`, what the model says of
    every held-back track at every age. Cues are measured shard by shard in worker processes and kept in the store, so
    a killed run goes on.
    """
    chosen = {
        profile: paths[: settings.geometry.shards] for profile, paths in by_profile(shard_paths(data_dir)).items()
    }
    jobs = {profile: _jobs(settings, paths) for profile, paths in chosen.items()}
    parts: Parts = {profile: {TRAIN: [], VALIDATION: [], TEST: []} for profile in jobs}
    store = settings.run.store / "geometry"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix=".geometry-") as folder:
        everything = [job for own in jobs.values() for job in own]
        run_shards(make_shard, everything, Path(folder), store, settings.run.workers, "geometry")
        for profile, own in jobs.items():
            for sample in (sample for job in own for sample in read_samples(Path(folder) / job.name)):
                parts[profile][split_of(sample.scene_id, settings.seed, settings.split)].append(sample)
    for profile, by_split in parts.items():
        log(f"geometry, {profile}: " + ", ".join(f"{len(own)} {name} samples" for name, own in by_split.items()))
    model = fit_geometry(
        [sample for own in parts.values() for sample in own[TRAIN] if not _is_repeated(sample, settings)],
        settings.geometry,
    )
    model.save(output / "model.json")
    write_verdicts(output / "verdicts.csv", _verdicts(model, parts, settings))
    write_json(output / "metrics.json", _metrics(model, parts, settings))


def _is_repeated(sample: TrackSample, settings: Settings) -> bool:
    """Whether the track had ended before this age, so that the same frames count already.

    Short tracks would else count many times, and the fit would take few frames for a sign of a ghost.
    """
    ages = settings.geometry.frames_seen
    return sample.age < len(ages) and sample.hits < ages[sample.age]


def _ages(settings: Settings) -> tuple[str, ...]:
    return (*map(str, settings.geometry.frames_seen), WHOLE)


def _metrics(model: GeometryModel, parts: Parts, settings: Settings) -> dict[str, Any]:
    return {
        profile: {
            split: measured(
                model,
                by_split[split],
                Scoring(
                    _ages(settings),
                    settings.tracking.geometry_threshold,
                    generator(settings.seed, "geometry-intervals", profile, split),
                    settings.geometry.bootstrap_replicates,
                ),
            )
            for split in HELD_BACK
        }
        for profile, by_split in parts.items()
    }


def _verdicts(model: GeometryModel, parts: Parts, settings: Settings) -> list[HeldVerdict]:
    ages = _ages(settings)
    return [
        HeldVerdict(
            profile,
            split,
            sample.scene_id,
            sample.camera,
            sample.track_id,
            ages[sample.age],
            sample.hits,
            sample.partner_id,
            sample.partner_hits,
            sample.ghost.value,
            model.judge(sample.cues).likelihood_ratio,
        )
        for profile, by_split in parts.items()
        for split in HELD_BACK
        for sample in by_split[split]
    ]


def _jobs(settings: Settings, paths: Sequence[Path]) -> list[ShardJob]:
    shared = (
        "geometry-samples-2",
        code_digest("core", "stereo"),
        file_digest(Path(geometry_samples.__file__)),
        settings.geometry.model_dump(mode="json", include={"frames_seen", "process_psd", "speed_sigma_mps"}),
        settings.tracking.stereo.model_dump(mode="json"),
    )
    return [
        ShardJob(
            f"{path.stem}.json",
            digest_of(*shared, file_digest(path)),
            _Shard(path, settings.geometry, settings.tracking.stereo),
        )
        for path in paths
    ]


def make_shard(shard: _Shard, path: Path) -> None:
    """Write the samples of one scene shard as JSON."""
    config = shard.geometry
    motion = MotionPrior(config.process_psd, config.speed_sigma_mps)
    found = [
        sample.to_json()
        for scene in read_scenes(shard.scenes)
        for sample in samples_of(scene, config.frames_seen, shard.stereo, motion)
    ]
    path.write_text(json.dumps({"samples": found}, allow_nan=False), encoding="utf-8")


def read_samples(path: Path) -> list[TrackSample]:
    """Read what `make_shard` wrote."""
    return [TrackSample.from_json(item) for item in json.loads(path.read_text(encoding="utf-8"))["samples"]]
