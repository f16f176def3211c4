import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from tests.made_classifier import classifier_metadata, profile_entry

from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import file_digest
from track_persistence.core.params import RunConfig, load_section
from track_persistence.core.types import Ghost, StereoScene
from track_persistence.engine.shards import ShardJob
from track_persistence.evaluation import scenario_scenes, scenarios
from track_persistence.evaluation.config import NUMBERS, CaseConfig, MixConfig, ScenariosConfig
from track_persistence.evaluation.outcomes import METHODS, Judges
from track_persistence.evaluation.scenarios import Checkpoints, Settings, run
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.generate import FIRST_MATCHED_ID
from track_persistence.simulation.matched_scene import Plan
from track_persistence.simulation.scene import TrackCounts
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
MIXES = {
    "1": MixConfig(persistent=2, brief=0, noise=0, expected_filtered=0.0),
    "2": MixConfig(persistent=5, brief=10, noise=0, expected_filtered=0.667),
    "3": MixConfig(persistent=3, brief=0, noise=20, expected_filtered=0.87),
}
HALL = CaseConfig(
    scenes=3,
    objects=2,
    ghosts={"reflection": 2, "noise": 1},
    changes={"lives.length_frames": [8, 60]},
    clock_sigma_frames=None,
)
ALL = (*NUMBERS, "hall")


@dataclass
class Workshop:
    """The stage without worker processes, weights and rendering; remembers what it was asked for."""

    folder: Path
    checkpoints: Checkpoints
    asked: list[tuple[int, TrackCounts | Plan, float]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)

    def settings(self, seeds: int = 2, **changes: Any) -> Settings:
        values = {
            "seeds": seeds,
            "mixes": MIXES,
            "cases": {"hall": HALL},
            "lasting": None,
            "gate_m": 1.0,
            "gospa_cutoff_m": 2.0,
            "hota_zero_distance_m": 2.0,
        }
        values |= {"distances_cm": (10, 100), "depth_edges_m": (3.0, 15.0, 30.0), "min_hits": 3}
        config = ScenariosConfig(**(values | {"min_mean_confidence": 0.5, "replicates": 20} | changes))
        tracking = load_section(PARAMS, "tracking", TrackingConfig)
        return Settings(
            config,
            load_section(PARAMS, "generate", GenerateConfig),
            tracking.model_copy(update={"fusion": ("appearance", "geometry")}),
            RunConfig(engine="local", device="cpu", workers=1, store=self.folder / "store"),
            seed=7,
        )

    def run(self, settings: Settings, names: Sequence[str] = ALL, name: str = "out") -> Path:
        output = self.folder / name
        run(settings, self.checkpoints, "cpu", names, output)
        return output


@pytest.fixture
def workshop(tmp_path: Path, scene: StereoScene, judges: Judges, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    checkpoints = Checkpoints(*(tmp_path / name for name in ("magvit", "model", "geometry", "fusion")))
    for path in (checkpoints.magvit, checkpoints.model, checkpoints.geometry, checkpoints.fusion):
        path.write_bytes(b"weights")
    made = Workshop(tmp_path, checkpoints)

    def simulate(config: Any, scene_id: int, content: TrackCounts | Plan, rng: np.random.Generator) -> StereoScene:
        made.asked.append((scene_id, content, float(rng.random())))
        return scene

    def serial(make: Callable[[Any, Path], None], jobs: Sequence[ShardJob], output: Path, *_: Any) -> None:
        for job in jobs:
            made.keys.append(job.key)
            make(job.payload, output / job.name)

    monkeypatch.setattr(scenario_scenes, "simulate_scene", simulate)
    monkeypatch.setattr(scenario_scenes, "simulate_matched_scene", simulate)
    found: dict[str, Any] = {}  # every scene is the same one, so each setting is tracked and counted once

    def once(function: Callable[..., Any], key_of: Callable[..., str]) -> Callable[..., Any]:
        def remembered(*arguments: Any) -> Any:
            key = key_of(*arguments)
            if key not in found:
                found[key] = function(*arguments)
            return found[key]

        return remembered

    tracked = once(scenarios.outcomes, lambda _scene, _judges, tracking, config: f"{tracking} {config}")
    counted = once(scenarios.count_outcome, lambda _scene, outcome, config, stereo: f"{id(outcome)} {config} {stereo}")
    monkeypatch.setattr(scenarios, "outcomes", tracked)
    monkeypatch.setattr(scenarios, "count_outcome", counted)
    monkeypatch.setattr(scenarios, "run_shards", serial)
    monkeypatch.setattr(
        scenarios, "_judges", lambda _checkpoints, _device, profile: made.profiles.append(profile) or judges
    )
    return made


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "per_scene.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_scenario_simulates_its_own_tracks(workshop: Workshop) -> None:
    workshop.run(workshop.settings())
    counts = [item[1] for item in workshop.asked]
    assert counts[::2][:3] == [
        TrackCounts(persistent=2, brief=0, noise=0),
        TrackCounts(persistent=5, brief=10, noise=0),
        TrackCounts(persistent=3, brief=0, noise=20),
    ]
    assert counts[6:] == [Plan(2, (Ghost.REFLECTION, Ghost.REFLECTION, Ghost.NOISE))] * HALL.scenes


def test_no_two_scenes_share_a_number_or_a_random_stream(workshop: Workshop) -> None:
    settings = workshop.settings(seeds=4)
    workshop.run(settings)
    numbers, _, draws = zip(*workshop.asked, strict=True)
    assert len(set(numbers)) == len(set(draws)) == 3 * 4 + HALL.scenes
    assert min(numbers) > FIRST_MATCHED_ID + settings.generate.matched.scenes  # beyond every training scene's number


def test_the_metrics_hold_every_method_and_what_was_expected(workshop: Workshop) -> None:
    output = workshop.run(workshop.settings())
    metrics = json.loads((output / "metrics.json").read_text())
    assert sorted(metrics) == ["1", "2", "3", "hall"]
    assert (metrics["hall"]["seeds"], metrics["hall"]["expected_filtered"]) == (HALL.scenes, None)
    assert metrics["2"]["expected_filtered"] == 0.667
    assert metrics["2"]["seeds"] == 2
    # the hand-made scene has 5 tracks, of which the judge keeps 2; 13 and 10 3D points
    assert metrics["2"]["track_reduction"] == {"value": 0.6, "low": 0.6, "high": 0.6}
    assert metrics["2"]["point_reduction"]["value"] == pytest.approx(3 / 13, abs=1e-6)
    assert metrics["2"]["fusion"] == "appearance_geometry"
    assert metrics["2"]["ghost_tracks"] == {"noise": 2, "reflection": 4}  # of two scenes
    assert metrics["2"]["min_hits"]["rejected"]["noise"] == {"value": 1, "low": 1, "high": 1}
    assert metrics["2"]["min_hits"]["rejected"]["reflection"]["value"] == 0
    for method in METHODS:
        got = metrics["2"][method]
        assert {"precision", "recall", "rmse_m", "gospa_m", "gospa_change_m", "ospa_m", "counts"} < set(got)
        assert {"hota", "idf1", "mota", "id_switches"} < set(got["tracks"])
        assert {"nees", "coverage_95", "bound_ratio", "bound_ratio_1", "jerk_ratio"} < set(got["paths"])
        assert set(got["distances"]) == {f"{n}_at_{d}cm" for n in ("precision", "recall") for d in (10, 100)}


def test_smoothing_stands_beside_plain_triangulation(workshop: Workshop) -> None:
    output = workshop.run(workshop.settings(), ["2"])
    metrics = json.loads((output / "metrics.json").read_text())["2"]
    # pixels without noise triangulate to the truth; the smoother's prior of the speed costs millimetres
    smoothed_m = metrics["appearance_geometry"]["paths"]["rmse_m"]["value"]
    assert metrics["frame_by_frame"]["rmse_m"]["value"] < 1e-4 < smoothed_m < 0.02
    depth = json.loads((output / "examples.json").read_text())["2"]["depth"]
    assert depth["edges_m"] == [3, 15, 30]
    # the object at 10 m has one drawn point in each of the two scenes
    assert depth["frame_by_frame"]["depths_m"] == depth["result"]["depths_m"] == pytest.approx([10, 10])


def test_the_counts_of_every_scene_are_kept(workshop: Workshop) -> None:
    rows = rows_of(workshop.run(workshop.settings()))
    assert len(rows) == (3 * 2 + HALL.scenes) * len(METHODS)
    assert list(rows[0])[:7] == ["scenario", "seed_index", "method", "tracks", "kept", "persistent", "persistent_kept"]
    assert [(row["scenario"], row["seed_index"], row["method"]) for row in rows[: len(METHODS) + 1]] == [
        *(("1", "0", method) for method in METHODS),
        ("1", "1", "off"),
    ]
    assert (rows[0]["tracks.spurious"], rows[1]["tracks.spurious"]) == ("3.0", "0.0")
    assert (rows[1]["kept"], rows[1]["points"], rows[1]["spurious"]) == ("2", "10", "0")


def test_one_scenario_alone_writes_only_itself_and_the_same_numbers(workshop: Workshop) -> None:
    whole = workshop.run(workshop.settings(), name="whole")
    alone = workshop.run(workshop.settings(), ["2"], name="alone")
    metrics = json.loads((alone / "metrics.json").read_text())
    assert metrics == {"2": json.loads((whole / "metrics.json").read_text())["2"]}
    assert sorted(json.loads((alone / "examples.json").read_text())) == ["2"]
    assert rows_of(alone) == [row for row in rows_of(whole) if row["scenario"] == "2"]


def test_the_same_inputs_are_the_same_bytes(workshop: Workshop) -> None:
    one, two = (workshop.run(workshop.settings(), name=name) for name in ("one", "two"))
    for name in ("metrics.json", "per_scene.csv", "examples.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert list((workshop.folder / "store").iterdir()) == []  # the working folder is gone


def test_more_seeds_leave_the_first_scenes_as_they_were(workshop: Workshop) -> None:
    workshop.run(workshop.settings(seeds=2), ["2"])
    few, workshop.keys = workshop.keys, []
    workshop.run(workshop.settings(seeds=3, replicates=30), ["2"])
    assert workshop.keys[:2] == few
    draws = [item[2] for item in workshop.asked]
    assert draws[:2] == draws[2:4]


def test_other_weights_or_settings_make_every_scene_anew(workshop: Workshop) -> None:
    workshop.run(workshop.settings())
    before, workshop.keys = set(workshop.keys), []
    assert len(before) == 3 * 2 + HALL.scenes
    workshop.run(workshop.settings(gate_m=1.5))
    changed, workshop.keys = set(workshop.keys), []
    for weights in (workshop.checkpoints.model, workshop.checkpoints.geometry, workshop.checkpoints.fusion):
        weights.write_bytes(b"other weights")
        workshop.run(workshop.settings())
        assert before & changed == before & set(workshop.keys) == set()
        before, workshop.keys = before | set(workshop.keys), []


def test_a_change_of_one_case_leaves_the_other_scenes_as_they_are(workshop: Workshop) -> None:
    workshop.run(workshop.settings())
    before, workshop.keys = workshop.keys, []
    other = HALL.model_copy(update={"changes": {"lives.length_frames": [9, 60]}})
    workshop.run(workshop.settings(cases={"hall": other}))
    assert workshop.keys[:6] == before[:6]
    assert not set(workshop.keys[6:]) & set(before)


def test_each_scene_is_judged_by_its_profile(workshop: Workshop) -> None:
    workshop.run(workshop.settings(), ["1", "hall"])
    assert workshop.profiles == ["nominal"] * 2 + ["matched"] * HALL.scenes


def test_the_filter_takes_calibration_and_scale_of_the_profile(tmp_path: Path, judges: Judges) -> None:
    profiles = {"nominal": profile_entry(0.01), "matched": profile_entry(0.02)}
    checkpoints = untrained(tmp_path, judges, 16, {"profiles": profiles})
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    nominal, matched = (
        scenarios._judges(checkpoints, "cpu", name).appearance.predict_many([pixels])[0].log_odds for name in profiles
    )
    assert nominal == pytest.approx(2 * matched) != 0
    with pytest.raises(CheckpointError, match="holds no profile 'dreamt'; choose one of matched, nominal"):
        scenarios._judges(checkpoints, "cpu", "dreamt")


@pytest.mark.slow
def test_the_output_of_real_workers_does_not_depend_on_their_number(
    tmp_path: Path, judges: Judges, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = untrained(tmp_path, judges)
    stage = Workshop(tmp_path, checkpoints)
    settings = stage.settings(
        mixes=dict.fromkeys(MIXES, MixConfig(persistent=1, brief=1, noise=1, expected_filtered=0))
    )
    for workers in (2, 1):
        run_config = settings.run.model_copy(update={"workers": workers, "store": tmp_path / f"store{workers}"})
        run(replace(settings, run=run_config), checkpoints, "cpu", ["2"], tmp_path / f"out{workers}")
    for name in ("metrics.json", "per_scene.csv", "examples.json"):
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()
    capsys.readouterr()
    run(replace(settings, run=run_config), checkpoints, "cpu", ["2"], tmp_path / "again")
    assert "scenarios: 2 of 2 shards are in" in capsys.readouterr().err
    assert (tmp_path / "again" / "metrics.json").read_bytes() == (tmp_path / "out1" / "metrics.json").read_bytes()


def untrained(
    folder: Path, judges: Judges, width: int = 16, more: Mapping[str, Any] = MappingProxyType({})
) -> Checkpoints:
    """Write small networks with fixed random weights, and the given models of the geometry and the fusion."""
    checkpoints = Checkpoints(
        folder / "magvit.safetensors", folder / "persistence.safetensors", folder / "model.json", folder / "fusion.json"
    )
    architecture = load_section(PARAMS, "tokenizer", TokenizerConfig).architecture
    widths = {"encoder_widths": (8, 8, 8), "decoder_widths": (8, 8, 8), "latent_dim": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_tokenizer(checkpoints.magvit, TrackTokenizer(architecture.model_copy(update=widths)))
        model = create_model(input_dim=width, hidden_dim=16, num_layers=1, num_heads=2, feedforward_dim=16)
    save_classifier(checkpoints.model, model, classifier_metadata(file_digest(checkpoints.magvit), **more))
    judges.geometry.save(checkpoints.geometry)
    judges.fusion.save(checkpoints.fusion)
    return checkpoints
