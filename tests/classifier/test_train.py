import csv
import json
from pathlib import Path

import numpy as np
import pytest

from track_persistence.classifier import train
from track_persistence.classifier.checkpoint import load_classifier
from track_persistence.classifier.config import TrainConfig
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.storage import read_features, shard_paths

SEED = 7  # that of the `trained` fixture
AGES = ["1", "2", "3", "5", "10", "whole"]
METHODS = {"transformer", "min_hits", "mean_confidence", "no_pixels"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def output(trained) -> Path:
    return trained.output


@pytest.fixture
def elsewhere(trained, tmp_path: Path) -> RunConfig:
    return trained.run_config.model_copy(update={"store": tmp_path / "store"})


def test_the_stage_writes_what_was_agreed(output: Path, config: TrainConfig) -> None:
    plots = {f"plots/{name}.csv" for name in ("loss", "roc", "pr", "calibration", "confusion", "by_frames")}
    assert set(contents(output)) == {"persistence.safetensors", "metrics.json", "predictions.csv"} | plots
    metrics = json.loads((output / "metrics.json").read_text())
    assert set(metrics) == {"validation", "test", "calibration", "training"}
    for split in ("validation", "test"):
        assert set(metrics[split]) == {"scenes", "tracks", "persistent", "by_frames"}
        assert metrics[split]["tracks"] == 2 * metrics[split]["persistent"] == 6 * metrics[split]["scenes"]
        assert sorted(metrics[split]["by_frames"]) == sorted(AGES)
        for measured in metrics[split]["by_frames"].values():
            assert set(measured) == METHODS | {"tracks"}
            assert set(measured["transformer"]) == {"auc", "accuracy", "precision", "recall"}
            assert set(measured["transformer"]["auc"]) == {"value", "low", "high"}
    assert metrics["training"]["epochs"] == len(rows_of(output / "plots" / "loss.csv")) == config.num_epochs


def test_the_classifier_beats_chance_and_duration_alone_is_perfect_on_whole_tracks(output: Path) -> None:
    by_frames = json.loads((output / "metrics.json").read_text())["validation"]["by_frames"]
    assert by_frames["1"]["transformer"]["auc"]["value"] > 0.9
    assert by_frames["whole"]["min_hits"]["accuracy"]["value"] == 1  # 8-12 frames against at most 5: min_hits is 6
    assert by_frames["1"]["min_hits"]["auc"]["value"] == 1 / 2
    assert by_frames["1"]["min_hits"]["precision"]["value"] is None  # nothing is kept after one frame


def test_predictions_name_every_held_back_track_with_the_loaded_models_probability(trained, output: Path) -> None:
    tracks = {
        (t.scene_id, t.camera, t.track_id): t for path in shard_paths(trained.features) for t in read_features(path)
    }
    loaded = load_classifier(output / "persistence.safetensors", "cpu")
    metrics = json.loads((output / "metrics.json").read_text())
    predictions = rows_of(output / "predictions.csv")
    assert len(predictions) == metrics["validation"]["tracks"] + metrics["test"]["tracks"]
    for row in predictions:
        track = tracks[int(row["scene_id"]), int(row["camera"]), int(row["track_id"])]
        assert float(row["probability"]) == pytest.approx(loaded.model.predict(track.features), abs=1e-5)
        assert (int(row["frames"]), row["ghost"]) == (len(track), track.ghost.value)
        assert (row["kind"], row["is_persistent"]) == (track.kind.name.lower(), str(int(track.is_persistent)))


def test_the_checkpoint_names_the_encoder_of_the_features(output: Path, config: TrainConfig) -> None:
    metadata = load_classifier(output / "persistence.safetensors", "cpu").metadata
    assert (metadata["encoder_digest"], metadata["precision"]) == ("0123abcd", "float32")
    assert metadata["threshold"] == config.threshold


def test_plots_hold_one_row_per_test_track_and_every_method_at_every_age(output: Path) -> None:
    metrics = json.loads((output / "metrics.json").read_text())
    assert len(rows_of(output / "plots" / "confusion.csv")) == metrics["test"]["tracks"]
    by_frames = rows_of(output / "plots" / "by_frames.csv")
    assert {(row["frames_seen"], row["method"]) for row in by_frames} == {(a, m) for a in AGES for m in METHODS}
    counts = [int(row["count"]) for row in rows_of(output / "plots" / "calibration.csv")]
    assert sum(counts) == metrics["test"]["tracks"] * len(AGES)


def test_the_same_inputs_give_the_same_bytes(
    trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, tmp_path: Path
) -> None:
    train.run(config, elsewhere, split, SEED, trained.features, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(trained.output)


def test_a_finished_run_is_taken_from_the_store(
    trained, config: TrainConfig, split: SplitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "training_loader", None)  # would fail if an epoch were trained
    train.run(config, trained.run_config, split, SEED, trained.features, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(trained.output)


def test_a_killed_stage_goes_on_and_ends_with_the_same_bytes(
    trained,
    config: TrainConfig,
    elsewhere: RunConfig,
    split: SplitConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loader_of, started = train.training_loader, []

    def killed(source, rows, config, seed, epoch):
        started.append(epoch)
        if len(started) == 2:
            raise KeyboardInterrupt
        return loader_of(source, rows, config, seed, epoch)

    monkeypatch.setattr(train, "training_loader", killed)
    with pytest.raises(KeyboardInterrupt):
        train.run(config, elsewhere, split, SEED, trained.features, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    train.run(config, elsewhere, split, SEED, trained.features, tmp_path / "killed")
    assert started == [0, 1, 1, 2]
    assert contents(tmp_path / "killed") == contents(trained.output)


def test_params_split_seed_and_features_each_have_their_own_training_state(
    config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, features: Path
) -> None:
    def key(config: TrainConfig = config, split: SplitConfig = split, seed: int = SEED) -> str:
        return train._state_key(config, elsewhere, split, seed, features)

    keys = [
        key(),
        key(config=config.model_copy(update={"dropout": 0.2})),
        key(split=SplitConfig(validation=0.2, test=0.2)),
        key(seed=8),
    ]
    (features / "shard-1.h5").write_bytes((features / "shard-1.h5").read_bytes() + b"\0")
    assert len({*keys, key()}) == 5


def test_undoing_the_class_weight_restores_the_true_odds(config: TrainConfig) -> None:
    # three persistent tracks for each transient one: the weight 1/3 balances them, the logits then lack log 3
    trainer = train.PersistenceTrainer(train.create_model(16, 32, 1, 4), config, 1 / 3, SEED)
    features = np.ones((3, 16), np.float32)
    before = trainer.model.predict(features)
    train._undo_class_weight(trainer)
    after = trainer.model.predict(features)
    assert after / (1 - after) == pytest.approx(3 * before / (1 - before), rel=1e-4)
