"""Stage `scenarios`: the specified scenes and hard cases with the filter off, each set of witnesses, and two rules.

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
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import ConsistencyCounts, pool_consistency
from track_persistence.evaluation.outcomes import METHODS, Judges, outcomes
from track_persistence.evaluation.pooling import pool
from track_persistence.evaluation.scenario_scenes import Scenario, scenarios_of
from track_persistence.evaluation.scene_counts import SceneCounts, count_outcome, count_paths, errors_of
from track_persistence.evaluation.scene_drawing import depth_points, example_of, frame_by_frame
from track_persistence.simulation.config import GenerateConfig
from track_persistence.tracking.config import TrackingConfig, name_of
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.geometry import GeometryModel

SHARD_SCHEMA = "scenarios-4"
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
    """The weights of the filter under test: encoder, classifier, and the models of the geometry and the fusion."""

    magvit: Path
    model: Path
    geometry: Path
    fusion: Path


@dataclass(frozen=True)
class _Payload:
    settings: Settings
    checkpoints: Checkpoints
    device: str
    scenario: Scenario
    index: int


@dataclass(frozen=True, eq=False)
class _Scene:
    """A finished shard; see `_make_scene`. example: of the first scene only."""

    counts: dict[str, SceneCounts]
    frame_by_frame: ConsistencyCounts
    depth: dict[str, dict[str, list[float]]]
    example: dict[str, Any] | None


def run(settings: Settings, checkpoints: Checkpoints, device: str, names: Sequence[str], output: Path) -> None:
    """Try the filter on every scene of the scenarios `names` and write the result.

    output: folder of metrics.json (pooled, with intervals), per_scene.csv (counts) and examples.json (the first scene
    for drawing, and 3D errors by depth of all). device: `cpu` or `cuda`. Every scene has a seed stream of its own that
    no training scene shares. Raises `ParamsError` on an unknown scenario and on a wrong change of a case.
    """
    scenarios = scenarios_of(settings.scenarios, settings.generate, names)
    jobs = _jobs(settings, checkpoints, device, scenarios)
    settings.run.store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.run.store, prefix=".scenarios-") as folder:
        run_shards(_make_scene, jobs, Path(folder), settings.run.store, settings.run.workers, "scenarios")
        found = [(scenario, _read(Path(folder), scenario)) for scenario in scenarios]
    write_json(output / "metrics.json", {item.name: _pooled(settings, item, scenes) for item, scenes in found})
    write_json(output / "examples.json", {item.name: _drawn(settings.scenarios, scenes) for item, scenes in found})
    write_text(output / "per_scene.csv", _table({item.name: scenes for item, scenes in found}))


def _jobs(settings: Settings, checkpoints: Checkpoints, device: str, scenarios: Sequence[Scenario]) -> list[ShardJob]:
    shared = (
        SHARD_SCHEMA,
        code_digest(*CODE),
        file_digest(checkpoints.magvit),
        file_digest(checkpoints.model),
        file_digest(checkpoints.geometry),
        file_digest(checkpoints.fusion),
        settings.scenarios.model_dump(mode="json", exclude={"seeds", "mixes", "cases", "replicates"}),
        device,
        settings.seed,
    )
    return [
        ShardJob(
            _name(scenario, index),
            digest_of(*shared, _tracking(settings, scenario), scenario.recipe, scenario.name, index),
            _Payload(settings, checkpoints, device, scenario, index),
        )
        for scenario in scenarios
        for index in range(scenario.scenes)
    ]


def _tracking(settings: Settings, scenario: Scenario) -> dict[str, Any]:
    return scenario.tracked_with(settings.tracking).model_dump(mode="json")


def _name(scenario: Scenario, index: int) -> str:
    return f"scenario-{scenario.name}-{index:04d}.json"


@cache
def _judges(checkpoints: Checkpoints, device: str, profile: str) -> Judges:
    """Load the filter once per worker process and profile; calibration and scale of confidences are the profile's."""
    return Judges(
        PersistenceFilter(checkpoints.model, checkpoints.magvit, device, profile=profile),
        GeometryModel.load(checkpoints.geometry),
        FusionModel.load(checkpoints.fusion),
    )


def _make_scene(payload: _Payload, path: Path) -> None:
    """Simulate one scene, run every method on it and write its counts as JSON."""
    settings, index = payload.settings, payload.index
    config, tracking = settings.scenarios, payload.scenario.tracked_with(settings.tracking)
    scene = payload.scenario.simulate(settings.seed, index)
    judges = _judges(payload.checkpoints, payload.device, payload.scenario.profile)
    found = outcomes(scene, judges, tracking, config)
    used = found[name_of(tracking.fusion)]
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
        "example": example_of(scene, found, name_of(tracking.fusion), config) if index == 0 else None,
    }
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _read(folder: Path, scenario: Scenario) -> list[_Scene]:
    return [_scene_of(read_json(folder / _name(scenario, index))) for index in range(scenario.scenes)]


def _scene_of(content: Mapping[str, Any]) -> _Scene:
    return _Scene(
        {method: SceneCounts.from_json(content["counts"][method]) for method in METHODS},
        ConsistencyCounts.from_row(np.asarray(content[FRAME_BY_FRAME], np.float64)),
        content["depth"],
        content["example"],
    )


def _pooled(settings: Settings, scenario: Scenario, scenes: Sequence[_Scene]) -> dict[str, Any]:
    config, rng = settings.scenarios, generator(settings.seed, "scenarios-intervals", scenario.stream)
    by_method = {method: [scene.counts[method] for scene in scenes] for method in METHODS}
    pooled = pool(by_method, name_of(settings.tracking.fusion), scenario.expected_filtered, config, rng)
    plain = pool_consistency([scene.frame_by_frame for scene in scenes], rng, config.replicates)
    return {**pooled, FRAME_BY_FRAME: plain}


def _drawn(config: ScenariosConfig, scenes: Sequence[_Scene]) -> dict[str, Any]:
    depth = {
        name: {key: [value for scene in scenes for value in scene.depth[name][key]] for key in ("depths_m", "errors_m")}
        for name in (FRAME_BY_FRAME, RESULT)
    }
    assert scenes[0].example is not None
    return {**scenes[0].example, "depth": {"edges_m": list(config.depth_edges_m), **depth}}


def _table(scenes: Mapping[str, Sequence[_Scene]]) -> str:
    """Return the counts as CSV: one line per scenario, seed and method."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns: list[str] | None = None
    for name, found in scenes.items():
        for index, scene in enumerate(found):
            for method in METHODS:
                counts = scene.counts[method].columns
                if columns is None:
                    columns = list(counts)
                    writer.writerow(["scenario", "seed_index", "method", *columns])
                writer.writerow([name, index, method, *(rounded(counts[column]) for column in columns)])
    return text.getvalue()
