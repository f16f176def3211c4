"""Stage `scenarios`: clean, cluttered and noisy scenes with the filter off, in each fusion, and two rules instead.

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

import numpy as np

from track_persistence.core.files import code_digest, digest_of, file_digest, read_json, rounded, write_json, write_text
from track_persistence.core.params import RunConfig
from track_persistence.core.seeding import generator
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.config import Number, ScenariosConfig
from track_persistence.evaluation.consistency import ConsistencyCounts, pool_consistency
from track_persistence.evaluation.outcomes import METHODS, Judges, outcomes
from track_persistence.evaluation.pooling import pool
from track_persistence.evaluation.scene_counts import SceneCounts, count_outcome, count_paths, errors_of
from track_persistence.evaluation.scene_drawing import depth_points, example_of, frame_by_frame
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, simulate_scene
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.geometry import GeometryModel

FIRST_SCENE_ID = 1_000_000  # scenario n starts at n million, beyond every training scene's number
SHARD_SCHEMA = "scenarios-3"
RESULT, FRAME_BY_FRAME = "result", "frame_by_frame"  # the 3D paths with tracking.fusion, and as plain triangulation
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
    """The weights of the filter under test: encoder, classifier, and the model of the geometry."""

    magvit: Path
    model: Path
    geometry: Path


@dataclass(frozen=True)
class _Payload:
    settings: Settings
    checkpoints: Checkpoints
    device: str
    number: Number
    index: int


@dataclass(frozen=True, eq=False)
class _Scene:
    """A finished shard; see `_make_scene`. example: of the first scene only."""

    counts: dict[str, SceneCounts]
    frame_by_frame: ConsistencyCounts
    depth: dict[str, dict[str, list[float]]]
    example: dict[str, Any] | None


def run(settings: Settings, checkpoints: Checkpoints, device: str, numbers: Sequence[Number], output: Path) -> None:
    """Try the filter on every scene of the scenarios `numbers` and write the result.

    output: folder of metrics.json (pooled, with intervals), per_scene.csv (counts) and examples.json (the first scene
    for drawing, and 3D errors by depth of all). device: `cpu` or `cuda`. Every scene has a seed stream of its own that
    no training scene shares.
    """
    jobs = _jobs(settings, checkpoints, device, numbers)
    config = settings.scenarios
    settings.run.store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.run.store, prefix=".scenarios-") as folder:
        run_shards(_make_scene, jobs, Path(folder), settings.run.store, settings.run.workers, "scenarios")
        scenes = {number: _read(Path(folder), number, config.seeds) for number in numbers}
    write_json(output / "metrics.json", {number: _pooled(settings, number, found) for number, found in scenes.items()})
    write_json(output / "examples.json", {number: _drawn(config, found) for number, found in scenes.items()})
    write_text(output / "per_scene.csv", _table(scenes))


def _jobs(settings: Settings, checkpoints: Checkpoints, device: str, numbers: Sequence[Number]) -> list[ShardJob]:
    config = settings.scenarios
    shared = (
        SHARD_SCHEMA,
        code_digest(*CODE),
        file_digest(checkpoints.magvit),
        file_digest(checkpoints.model),
        file_digest(checkpoints.geometry),
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
def _judges(checkpoints: Checkpoints, device: str) -> Judges:
    """Load the filter once per worker process."""
    return Judges(
        PersistenceFilter(checkpoints.model, checkpoints.magvit, device), GeometryModel.load(checkpoints.geometry)
    )


def _make_scene(payload: _Payload, path: Path) -> None:
    """Simulate one scene, run every method on it and write its counts as JSON."""
    settings, number, index = payload.settings, payload.number, payload.index
    config, tracking = settings.scenarios, settings.tracking
    mix = config.mixes[number]
    scene = simulate_scene(
        settings.generate,
        FIRST_SCENE_ID * int(number) + index,
        TrackCounts(persistent=mix.persistent, brief=mix.brief, noise=mix.noise),
        generator(settings.seed, "scenarios", int(number), index),
    )
    judges = _judges(payload.checkpoints, payload.device)
    found = outcomes(scene, judges, tracking, config)
    used = found[tracking.fusion]
    paths = {
        RESULT: errors_of(scene, used.reconstructed, tracking.stereo),
        FRAME_BY_FRAME: errors_of(scene, frame_by_frame(scene, used, tracking), tracking.stereo),
    }
    content = {
        "counts": {
            name: count_outcome(scene, outcome, config, tracking.stereo).to_json() for name, outcome in found.items()
        },
        FRAME_BY_FRAME: count_paths(scene, paths[FRAME_BY_FRAME], config).row.tolist(),
        "depth": {name: depth_points(errors) for name, errors in paths.items()},
        "example": example_of(scene, found, tracking.fusion, config) if index == 0 else None,
    }
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _read(folder: Path, number: Number, seeds: int) -> list[_Scene]:
    return [_scene_of(read_json(folder / _name(number, index))) for index in range(seeds)]


def _scene_of(content: Mapping[str, Any]) -> _Scene:
    return _Scene(
        {method: SceneCounts.from_json(content["counts"][method]) for method in METHODS},
        ConsistencyCounts.from_row(np.asarray(content[FRAME_BY_FRAME], np.float64)),
        content["depth"],
        content["example"],
    )


def _pooled(settings: Settings, number: Number, scenes: Sequence[_Scene]) -> dict[str, Any]:
    config, rng = settings.scenarios, generator(settings.seed, "scenarios-intervals", int(number))
    by_method = {method: [scene.counts[method] for scene in scenes] for method in METHODS}
    pooled = pool(by_method, settings.tracking.fusion, config.mixes[number].expected_filtered, config, rng)
    plain = pool_consistency([scene.frame_by_frame for scene in scenes], rng, config.replicates)
    return {**pooled, FRAME_BY_FRAME: plain}


def _drawn(config: ScenariosConfig, scenes: Sequence[_Scene]) -> dict[str, Any]:
    depth = {
        name: {key: [value for scene in scenes for value in scene.depth[name][key]] for key in ("depths_m", "errors_m")}
        for name in (FRAME_BY_FRAME, RESULT)
    }
    assert scenes[0].example is not None
    return {**scenes[0].example, "depth": {"edges_m": list(config.depth_edges_m), **depth}}


def _table(scenes: Mapping[Number, Sequence[_Scene]]) -> str:
    """Return the counts as CSV: one line per scenario, seed and method."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names: list[str] | None = None
    for number, found in scenes.items():
        for index, scene in enumerate(found):
            for method in METHODS:
                counts = scene.counts[method].columns
                if names is None:
                    names = list(counts)
                    writer.writerow(["scenario", "seed_index", "method", *names])
                writer.writerow([number, index, method, *(rounded(counts[name]) for name in names)])
    return text.getvalue()
