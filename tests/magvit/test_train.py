"""The tokenizer stage: same bytes each time, killed or not, and metrics that say what came out."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from track_persistence.core.errors import StorageError, TrackPersistenceError
from track_persistence.core.files import read_json
from track_persistence.magvit import train as train_module
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.clips import UNKNOWN_CAUSE, Clip, PairSampler, TrainingData
from track_persistence.magvit.train import run

NAMES = ("magvit.safetensors", "metrics.json", "reconstructions.png")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def simulated(scenes: Path) -> TrainingData:
    return TrainingData(scenes, [], [])


@pytest.fixture
def undisturbed(tokenizer_config, split, run_config, scenes, tmp_path) -> Path:
    run(tokenizer_config(), split, run_config, 7, simulated(scenes), tmp_path / "undisturbed")
    return tmp_path / "undisturbed"


def other_store(run_config, tmp_path):
    return run_config.model_copy(update={"store": tmp_path / "other store"})


def test_the_stage_writes_a_checkpoint_its_metrics_and_a_picture(undisturbed, tokenizer_config):
    assert sorted(contents(undisturbed)) == sorted(NAMES)
    assert load_tokenizer(undisturbed / "magvit.safetensors").config == tokenizer_config().architecture
    metrics = read_json(undisturbed / "metrics.json")
    assert metrics["training"]["steps"] == 6
    psnr = metrics["validation"]["psnr_db"]
    assert psnr["low"] <= psnr["value"] <= psnr["high"]
    assert set(metrics["validation"]) == {
        "clips", "scenes", "psnr_db", "psnr_mean_colour_db", "codebook", "track_recognition",
    }  # fmt: skip
    picture = cv2.imread(str(undisturbed / "reconstructions.png"))
    assert picture.shape[1] == 4 * 64 * 2  # four frames at twice their size


def test_a_second_run_without_the_store_gives_the_same_bytes(
    undisturbed, tokenizer_config, split, run_config, scenes, tmp_path
):
    run(tokenizer_config(), split, other_store(run_config, tmp_path), 7, simulated(scenes), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(undisturbed)


def test_another_seed_gives_other_weights(undisturbed, tokenizer_config, split, run_config, scenes, tmp_path):
    config = tokenizer_config(validation_tracks=1000)
    run(config, split, run_config, 8, simulated(scenes), tmp_path / "again")
    assert contents(tmp_path / "again")[NAMES[0]] != contents(undisturbed)[NAMES[0]]


def test_recorded_tracks_of_unknown_cause_train_as_well(
    undisturbed, tokenizer_config, split, run_config, scenes, crops_of, tmp_path
):
    video = tmp_path / "yard.mp4"
    video.write_bytes(b"a")
    data = TrainingData(scenes, [Clip(0, 0, index, crops_of(6), UNKNOWN_CAUSE) for index in range(30)], [video])
    run(tokenizer_config(), split, run_config, 7, data, tmp_path / "mixed")
    assert read_json(tmp_path / "mixed" / "metrics.json")["training"]["pool_recorded_tracks"] == 30
    assert contents(tmp_path / "mixed")[NAMES[0]] != contents(undisturbed)[NAMES[0]]
    video.write_bytes(b"b")  # other footage under the same name must not resume the first run's state
    run(tokenizer_config(), split, run_config, 7, data, tmp_path / "other")
    assert len(list((run_config.store / "tokenizer").iterdir())) == 3


@pytest.mark.parametrize("killed_at", [1, 4])
def test_a_run_killed_at_a_step_ends_with_the_bytes_of_an_undisturbed_one(
    undisturbed, tokenizer_config, split, run_config, scenes, tmp_path, monkeypatch, killed_at
):
    monkeypatch.setattr(train_module, "STEPS_PER_SAVE", 2)
    take_step, taken = train_module.take_step, []

    def killed(*args):
        if args[-1] == killed_at:
            raise KeyboardInterrupt
        return take_step(*args)

    def counted(*args):
        taken.append(args[-1])
        return take_step(*args)

    fresh = other_store(run_config, tmp_path)
    monkeypatch.setattr(train_module, "take_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tokenizer_config(), split, fresh, 7, simulated(scenes), tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    monkeypatch.setattr(train_module, "take_step", counted)
    run(tokenizer_config(), split, fresh, 7, simulated(scenes), tmp_path / "killed")
    assert taken == list(range(killed_at - killed_at % 2, 6))
    assert contents(tmp_path / "killed") == contents(undisturbed)


def test_a_broken_training_state_is_named(undisturbed, tokenizer_config, split, run_config, scenes, tmp_path):
    (state,) = (run_config.store / "tokenizer").iterdir()
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(StorageError, match="not a training state of this run"):
        run(tokenizer_config(), split, run_config, 7, simulated(scenes), tmp_path / "again")


def test_training_lowers_the_loss(tokenizer_config, crops_of, tmp_path, monkeypatch):
    config = tokenizer_config(steps=30, clip_lengths=(1,), recolouring=0)
    sampler = PairSampler([Clip(0, 0, index, crops_of(6 + index), index % 3) for index in range(8)], config, 7)
    take_step, totals = train_module.take_step, []

    def recorded(*args):
        terms = take_step(*args)
        totals.append(terms["total"])
        return terms

    monkeypatch.setattr(train_module, "take_step", recorded)
    train_module.train(config, sampler, 7, torch.device("cpu"), tmp_path / "state.pt")
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])


def test_a_loss_that_explodes_stops_the_run_with_a_remedy(tokenizer_config, split, run_config, scenes, tmp_path):
    config = tokenizer_config(
        optimizer=tokenizer_config().optimizer.model_copy(update={"learning_rate": 0.9, "kernel_learning_rate": 0.9}),
        warmup_steps=0,
        loss=tokenizer_config().loss.model_copy(update={"commitment": 1e30, "reconstruction": 1e30}),
    )
    with pytest.raises(TrackPersistenceError, match=r"not finite .* lower tokenizer\.optimizer"):
        run(config, split, run_config, 7, simulated(scenes), tmp_path / "out")
