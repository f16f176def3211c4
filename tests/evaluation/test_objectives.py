import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.evaluation.ablation_shards import EXTRACT, World, make_world
from tests.evaluation.footage_maker import write_footage
from tests.evaluation.test_ablation import CONFIG, SEED, SPLIT, training
from tests.evaluation.test_objective_transfer import params as transfer_params
from tests.evaluation.test_objectives_config import SECTION
from tests.magvit.conftest import make_config

from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import read_json
from track_persistence.core.params import RunConfig
from track_persistence.evaluation import objective_scores, objective_training
from track_persistence.evaluation.objective_scores import Fitting
from track_persistence.evaluation.objective_training import TrainingSetup, train_candidates
from track_persistence.evaluation.objectives import ObjectiveInputs, ObjectiveParams, console, run
from track_persistence.evaluation.objectives_config import ObjectivesConfig
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.clips import TrainingData
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.magvit.train import CHECKPOINT
from track_persistence.magvit.train import run as run_tokenizer_stage

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
TOKENIZER = make_config(pool_tracks={"matched": 12}, steps=9)
CONFIG_FAST = ObjectivesConfig(**SECTION)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the shards in this process: starting others takes seconds and is tested with the engine."""

    def run_here(make: Any, jobs: Any, output: Path, store: Path, *_: Any) -> None:
        output.mkdir(parents=True, exist_ok=True)
        store.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            make(job.payload, output / job.name)

    monkeypatch.setattr(objective_training, "run_shards", run_here)
    monkeypatch.setattr(objective_scores, "run_shards", run_here)


def run_config(folder: Path) -> RunConfig:
    return RunConfig(engine="local", device="cpu", workers=1, store=folder / "store")


def params(folder: Path, **changes: Any) -> ObjectiveParams:
    config = CONFIG_FAST.model_copy(update=changes)
    return ObjectiveParams(
        config,
        TOKENIZER,
        Fitting(CONFIG.model_copy(update={"num_epochs": 1}), EXTRACT, training(), SPLIT, SEED),
        replace(transfer_params(), objectives=config),
        run_config(folder),
    )


def compare(world: World, output: Path) -> Path:
    """Run everything into `output`, with a store and a given checkpoint of its own; return `output`."""
    given, footage = output.parent / "given.safetensors", output.parent / "footage"
    save_tokenizer(given, fresh_tokenizer(TOKENIZER.architecture, 3))
    sources = tuple(write_footage(footage, name) for name in ("hog", "mog2"))
    run(params(output, recordings=sources), ObjectiveInputs(world.scenes, given, footage), output)
    return output


def test_every_encoder_is_measured_in_every_way_and_with_the_same_bytes_again(world: World, tmp_path: Path) -> None:
    one, two = (compare(world, tmp_path / name) for name in ("one", "two"))
    for name in ("objectives.json", "objectives.md"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    metrics = read_json(one / "objectives.json")
    encoders = {"reconstruction", "all", "random_weights", "given"}
    assert metrics["quality"].keys() == encoders
    scored = metrics["simulated"]["mean_over_ages"]
    assert scored["transformer"].keys() == scored["linear"].keys() == encoders | {"colour_hog"}
    assert metrics["choice"]["candidates"].keys() == {"reconstruction", "all"}
    methods = metrics["transfer"]["hog_to_mog2"]["methods"]
    assert methods.keys() == encoders | {"colour_hog", "cheap_pixels", "statistics"}
    assert metrics["losses"]["reconstruction"]["cause"] == 0
    assert metrics["losses"]["all"] == TOKENIZER.loss.model_dump()
    assert (one / "objectives.md").read_text().count("| `all` |") == 2


def test_the_reference_is_trained_as_the_tokenizer_stage_trains(world: World, tmp_path: Path) -> None:
    setup = TrainingSetup(TOKENIZER, SPLIT, SEED, world.scenes)
    paths = train_candidates(CONFIG_FAST, setup, run_config(tmp_path), tmp_path / "out")
    config = TOKENIZER.model_copy(update={"steps": CONFIG_FAST.steps})
    run_tokenizer_stage(
        config, SPLIT, run_config(tmp_path / "stage"), SEED, TrainingData(world.scenes, [], []), tmp_path / "stage"
    )
    checkpoints = {name: path.read_bytes() for name, path in paths.items()}
    assert checkpoints["all"] == (tmp_path / "stage" / CHECKPOINT).read_bytes()
    assert len(set(checkpoints.values())) == len(checkpoints) == 3


def test_a_checkpoint_of_another_architecture_is_refused_before_any_training(world: World, tmp_path: Path) -> None:
    inputs = ObjectiveInputs(world.scenes, world.checkpoint, None)
    with pytest.raises(CheckpointError, match=r"magvit.safetensors: its architecture is not tokenizer.architecture"):
        run(params(tmp_path), inputs, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_program_reads_the_repository_s_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["objectives", "--data-dir", str(tmp_path), "--output-dir", str(tmp_path / "out"), "--params", str(PARAMS)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        console()
    assert left.value.code == 2
    assert f"{tmp_path}: holds no .h5 shard" in capsys.readouterr().err
