"""Stage `scenarios`: clean, cluttered and noisy scenes with the filter off, on, and two rules in its place.

Each scene is one shard: a worker process simulates it, tracks it and counts; killed runs go on where they were.
"""

import csv
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from track_persistence.core.files import code_digest, digest_of, file_digest, read_json, rounded, write_json, write_text
from track_persistence.core.params import RunConfig
from track_persistence.core.seeding import generator
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.config import Number, ScenariosConfig
from track_persistence.evaluation.outcomes import METHODS, Counts, count_outcome, example_of, outcomes
from track_persistence.evaluation.pooling import pool
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, simulate_scene
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.filter import PersistenceFilter

FIRST_SCENE_ID = 1_000_000  # scenario n starts at n million, beyond every training scene's number
SHARD_SCHEMA = "scenarios-1"
CODE = ("core", "simulation", "magvit", "classifier", "stereo", "tracking", "evaluation")


@dataclass(frozen=True)
class Settings:
    """All the stage takes from params: sections, and the seed of every random generator."""

    scenarios: ScenariosConfig
    generate: GenerateConfig
    tracking: TrackingConfig
    run: RunConfig
    seed: int


@dataclass(frozen=True)
class Checkpoints:
    """The two weights files of the filter under test."""

    magvit: Path
    model: Path


@dataclass(frozen=True)
class _Payload:
    settings: Settings
    checkpoints: Checkpoints
    device: str
    number: Number
    index: int


def run(settings: Settings, checkpoints: Checkpoints, device: str, numbers: Sequence[Number], output: Path) -> None:
    """Try the filter on every scene of the scenarios `numbers` and write the result.

    output: folder of metrics.json (pooled, with intervals), per_scene.csv (counts) and examples.json (3D paths of the
    first scene). device: `cpu` or `cuda`. Every scene has a seed stream of its own that no training scene shares.
    """
    jobs = _jobs(settings, checkpoints, device, numbers)
    config = settings.scenarios
    settings.run.store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.run.store, prefix=".scenarios-") as folder:
        run_shards(_make_scene, jobs, Path(folder), settings.run.store, settings.run.workers, "scenarios")
        scenes = {number: _read(Path(folder), number, config.seeds) for number in numbers}
    metrics: dict[str, Any] = {}
    for number, found in scenes.items():
        rng = generator(settings.seed, "scenarios-intervals", int(number))
        by_method = {method: [scene["counts"][method] for scene in found] for method in METHODS}
        metrics[number] = pool(by_method, config.mixes[number].expected_filtered, rng, config.replicates)
    write_json(output / "metrics.json", metrics)
    write_json(output / "examples.json", {number: found[0]["example"] for number, found in scenes.items()})
    write_text(output / "per_scene.csv", _table(scenes))


def _jobs(settings: Settings, checkpoints: Checkpoints, device: str, numbers: Sequence[Number]) -> list[ShardJob]:
    config = settings.scenarios
    shared = (
        SHARD_SCHEMA,
        code_digest(*CODE),
        file_digest(checkpoints.magvit),
        file_digest(checkpoints.model),
        settings.generate.model_dump(mode="json"),
        settings.tracking.model_dump(mode="json"),
        config.model_dump(mode="json", exclude={"seeds", "mixes", "replicates"}),
        device,
        settings.seed,
    )
    return [
        ShardJob(
            _name(number, index),
            digest_of(*shared, config.mixes[number].model_dump(mode="json"), number, index),
            _Payload(settings, checkpoints, device, number, index),
        )
        for number in numbers
        for index in range(config.seeds)
    ]


def _name(number: Number, index: int) -> str:
    return f"scenario-{number}-{index:04d}.json"


@cache
def _filter(checkpoints: Checkpoints, device: str) -> PersistenceFilter:
    """Load the filter once per worker process."""
    return PersistenceFilter(checkpoints.model, checkpoints.magvit, device)


def _make_scene(payload: _Payload, path: Path) -> None:
    """Simulate one scene, run every method on it and write its counts as JSON."""
    settings, number, index = payload.settings, payload.number, payload.index
    mix = settings.scenarios.mixes[number]
    scene = simulate_scene(
        settings.generate,
        FIRST_SCENE_ID * int(number) + index,
        TrackCounts(persistent=mix.persistent, brief=mix.brief, noise=mix.noise),
        generator(settings.seed, "scenarios", int(number), index),
    )
    judge = _filter(payload.checkpoints, payload.device)
    found = outcomes(scene, judge, settings.tracking, settings.scenarios)
    counts = {name: count_outcome(scene, outcome, settings.scenarios) for name, outcome in found.items()}
    content = {"counts": counts, "example": example_of(scene, found) if index == 0 else None}
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _read(folder: Path, number: Number, seeds: int) -> list[dict[str, Any]]:
    return [read_json(folder / _name(number, index)) for index in range(seeds)]


def _table(scenes: Mapping[Number, Sequence[Mapping[str, Any]]]) -> str:
    """Return the counts as CSV: one line per scenario, seed and method."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names: list[str] | None = None
    for number, found in scenes.items():
        for index, scene in enumerate(found):
            for method in METHODS:
                counts: Counts = scene["counts"][method]
                if names is None:
                    names = list(counts)
                    writer.writerow(["scenario", "seed_index", "method", *names])
                writer.writerow([number, index, method, *(rounded(counts[name]) for name in names)])
    return text.getvalue()
