"""The geometry stage: labelled scenes to the judge by geometry, and its metrics beside rules of one number.

N tracks of a split at one age, A ages.
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.curves import area_under_roc, decision_quality
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.core.files import code_digest, digest_of, file_digest, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator, split_of
from track_persistence.core.storage import read_scenes, shard_paths
from track_persistence.core.types import Ghost
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import MotionPrior
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_fit import fit_geometry
from track_persistence.tracking.geometry_samples import Sample, samples_of
from track_persistence.tracking.results import probability

Floats = NDArray[np.float64]
GEOMETRY = "geometry"
METHODS = (GEOMETRY, "min_hits", "mean_confidence")
QUALITY = ("accuracy", "precision", "recall")
WHOLE = "whole"


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
    """Fit on the training scenes of the first `geometry.shards` shards; write model.json and metrics.json.

    Cues are measured shard by shard in worker processes and kept in the store, so a killed run goes on.
    """
    jobs = _jobs(settings, shard_paths(data_dir)[: settings.geometry.shards])
    store = settings.run.store / "geometry"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix=".geometry-") as folder:
        run_shards(make_shard, jobs, Path(folder), store, settings.run.workers, "geometry")
        samples = [sample for job in jobs for sample in read_samples(Path(folder) / job.name)]
    parts: dict[str, list[Sample]] = {TRAIN: [], VALIDATION: [], TEST: []}
    for sample in samples:
        parts[split_of(sample.scene_id, settings.seed, settings.split)].append(sample)
    log("geometry: " + ", ".join(f"{len(own)} {name} samples" for name, own in parts.items()))
    model = fit_geometry(parts[TRAIN], settings.geometry)
    model.save(output / "model.json")
    write_json(
        output / "metrics.json", {name: _measured(model, parts[name], name, settings) for name in (VALIDATION, TEST)}
    )


def _jobs(settings: Settings, paths: Iterable[Path]) -> list[ShardJob]:
    shared = (
        "geometry-samples-1",
        code_digest("core", "stereo", "tracking"),
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


def read_samples(path: Path) -> list[Sample]:
    """Read what `make_shard` wrote."""
    return [Sample.from_json(item) for item in json.loads(path.read_text(encoding="utf-8"))["samples"]]


@dataclass(frozen=True, eq=False)
class _Age:
    """The tracks of a split at one age: whether each is real, its scene, its ghost, and each method's score, (N,)."""

    labels: NDArray[np.bool_]
    scenes: NDArray[np.int64]
    ghosts: NDArray[np.str_]
    scores: dict[str, Floats]


def _measured(model: GeometryModel, samples: Sequence[Sample], name: str, settings: Settings) -> dict[str, Any]:
    """Return AUC of every method and the judge's decisions by age, and by ghost the share that it rejects."""
    ages = [*map(str, settings.geometry.frames_seen), WHOLE]
    rng = generator(settings.seed, "geometry-intervals", name)
    by_frames, rejected = {}, {}
    for number, age in enumerate(ages):
        own = _age(model, [sample for sample in samples if sample.age == number])
        by_frames[age] = {"tracks": len(own.labels), **_quality(own, settings, rng)}
        rejected[age] = _rejected(own, settings, rng)
    return {"by_frames": by_frames, "rejected_by_ghost": rejected}


def _age(model: GeometryModel, samples: Sequence[Sample]) -> _Age:
    return _Age(
        np.array([sample.ghost is Ghost.NONE for sample in samples], np.bool_),
        np.array([sample.scene_id for sample in samples], np.int64),
        np.array([sample.ghost.value for sample in samples], np.str_),
        {
            GEOMETRY: np.array([model.judge(sample.cues).log_odds for sample in samples], np.float64),
            "min_hits": np.array([sample.hits for sample in samples], np.float64),
            "mean_confidence": np.array([sample.mean_confidence for sample in samples], np.float64),
        },
    )


def _kept(log_odds: Floats, settings: Settings) -> NDArray[np.bool_]:
    threshold = settings.tracking.geometry_threshold
    return np.array([probability(value) >= threshold for value in log_odds.tolist()], np.bool_)


def _quality(own: _Age, settings: Settings, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    kept = _kept(own.scores[GEOMETRY], settings)
    arrays = [own.labels, kept, *(own.scores[method] for method in METHODS)]

    def statistics(labels: Any, kept: Any, *scores: Any) -> list[float]:
        return [*(area_under_roc(each, labels) for each in scores), *decision_quality(kept, labels)]

    values = statistics(*arrays)
    ends = bootstrap_intervals(statistics, arrays, own.scenes, rng, settings.geometry.bootstrap_replicates).tolist()
    found = [_value(value, *pair) for value, pair in zip(values, ends, strict=True)]
    quality = {method: {"auc": found[number]} for number, method in enumerate(METHODS)}
    quality[GEOMETRY] |= dict(zip(QUALITY, found[len(METHODS) :], strict=True))
    return quality


def _rejected(own: _Age, settings: Settings, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    gone = ~_kept(own.scores[GEOMETRY], settings)
    found = {}
    for ghost in np.unique(own.ghosts).tolist():
        rows = own.ghosts == ghost
        ends = bootstrap_intervals(
            lambda drawn: [float(drawn.mean())],
            [gone[rows]],
            own.scenes[rows],
            rng,
            settings.geometry.bootstrap_replicates,
        )
        name = "real" if ghost == Ghost.NONE.value else ghost
        found[name] = _value(float(gone[rows].mean()), *ends[0].tolist()) | {"tracks": int(rows.sum())}
    return found


def _value(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}
