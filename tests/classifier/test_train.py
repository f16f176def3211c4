import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from track_persistence.classifier import seeds, train
from track_persistence.classifier.checkpoint import load_classifier
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.evaluate import METHODS
from track_persistence.classifier.seeds import SeedJob, make_seed, read_result
from track_persistence.classifier.table import FeatureFolders
from track_persistence.core.errors import DataError
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.seeding import split_of
from track_persistence.core.storage import read_features, shard_paths, write_features
from track_persistence.core.types import Ghost, Kind

SEED = 7  # that of the `trained` fixture
AGES = ["1", "2", "3", "5", "10", "whole"]
PROFILES = ["matched", "nominal"]
GHOSTS = {Kind.PERSISTENT: Ghost.NONE, Kind.BRIEF: Ghost.CLUTTER}


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
    plots = {f"plots/{name}.csv" for name in ("loss", "roc", "pr", "calibration", "confusion", "by_frames", "delays")}
    assert set(contents(output)) == {"persistence.safetensors", "metrics.json", "predictions.csv"} | plots
    metrics = json.loads((output / "metrics.json").read_text())
    assert set(metrics) == {*PROFILES, "training"}
    for profile in PROFILES:
        parts = metrics[profile]
        assert set(parts) == {"validation", "test", "by_ghost", "early", "length", "seeds", "calibration"}
        assert set(parts["by_ghost"]) == {"glare", "noise"}
        assert set(parts["length"]) == {"validation", "test"}
        for split in ("validation", "test"):
            assert set(parts[split]) == {"scenes", "tracks", "persistent", "by_frames"}
            assert parts[split]["tracks"] == 2 * parts[split]["persistent"] == 6 * parts[split]["scenes"]
            assert sorted(parts[split]["by_frames"]) == sorted(AGES)
            for measured in parts[split]["by_frames"].values():
                assert set(measured) == {*METHODS, "tracks"}
                assert set(measured["sprt"]) == {"auc", "accuracy", "precision", "recall"}
                assert set(measured["transformer"]) == {*measured["sprt"], "calibration_error"}
                assert set(measured["transformer"]["auc"]) == {"value", "low", "high"}
    assert metrics["training"]["epochs"] == len(rows_of(output / "plots" / "loss.csv")) == config.num_epochs
    assert metrics["training"]["seeds"] == config.seeds == 2


def test_the_classifier_beats_chance_and_duration_alone_is_perfect_on_nominal_tracks(output: Path) -> None:
    metrics = json.loads((output / "metrics.json").read_text())
    by_frames = metrics["nominal"]["validation"]["by_frames"]
    assert by_frames["1"]["transformer"]["auc"]["value"] > 0.9
    assert by_frames["whole"]["min_hits"]["accuracy"]["value"] == 1  # 8-12 frames against at most 5: min_hits is 6
    assert by_frames["1"]["min_hits"]["auc"]["value"] == 1 / 2
    assert by_frames["1"]["min_hits"]["precision"]["value"] is None  # nothing is kept after one frame
    assert metrics["nominal"]["length"]["validation"]["length_alone_auc"]["value"] == 1
    assert metrics["matched"]["length"]["validation"]["length_alone_auc"]["value"] < 0.8  # one distribution for both


def test_the_spread_over_seeds_holds_the_shipped_classifier(output: Path) -> None:
    metrics = json.loads((output / "metrics.json").read_text())
    for profile in PROFILES:
        for age in AGES:
            shipped = metrics[profile]["test"]["by_frames"][age]["transformer"]
            for measure in ("auc", "accuracy"):
                spread = metrics[profile]["seeds"][age][measure]
                assert spread["min"] - 1e-5 <= shipped[measure]["value"] <= spread["max"] + 1e-5
                assert spread["mean"] == pytest.approx((spread["min"] + spread["max"]) / 2, abs=1e-5)  # of two seeds


def test_predictions_name_every_held_back_track_with_the_loaded_models_probability(
    trained, output: Path, config: TrainConfig
) -> None:
    tracks = {
        (t.scene_id, t.camera, t.track_id): t for path in shard_paths(trained.features) for t in read_features(path)
    }
    loaded = load_classifier(output / "persistence.safetensors", "cpu")
    metrics = json.loads((output / "metrics.json").read_text())
    predictions = rows_of(output / "predictions.csv")
    assert len(predictions) == sum(metrics[p][split]["tracks"] for p in PROFILES for split in ("validation", "test"))
    for row in predictions:
        track = tracks[int(row["scene_id"]), int(row["camera"]), int(row["track_id"])]
        loaded.model.calibration = loaded.profile(row["profile"]).calibration
        assert float(row["probability"]) == pytest.approx(loaded.model.predict(track.features), abs=1e-5)
        assert (int(row["frames"]), row["ghost"]) == (len(track), track.ghost.value)
        assert (row["kind"], row["is_persistent"]) == (track.kind.name.lower(), str(int(track.is_persistent)))
        assert row["profile"] == ("matched" if track.scene_id < 24 else "nominal")


def test_the_checkpoint_says_all_that_its_use_needs(output: Path, config: TrainConfig) -> None:
    loaded = load_classifier(output / "persistence.safetensors", "cpu")
    assert (loaded.metadata["encoder_digest"], loaded.metadata["precision"]) == ("0123abcd", "float32")
    assert loaded.metadata["threshold"] == config.threshold
    assert loaded.metadata["max_frames"] == config.max_frames
    assert loaded.inputs == "pixels"
    assert loaded.profiles == PROFILES
    assert loaded.profile(None) == loaded.profile(config.shipped_profile)
    for fitted in map(loaded.profile, PROFILES):
        assert fitted.calibration.ages == config.calibration_ages
        assert fitted.decision.error_budget == config.decision.error_budget
        assert fitted.decision.longest_wait_frames == config.decision.longest_wait_frames
    one, other = map(loaded.profile, PROFILES)
    assert one.calibration != other.calibration and one.confidence_scale != other.confidence_scale


def test_plots_hold_one_row_per_test_track_and_every_method_at_every_age(output: Path) -> None:
    metrics = json.loads((output / "metrics.json").read_text())
    tested = sum(metrics[profile]["test"]["tracks"] for profile in PROFILES)
    assert len(rows_of(output / "plots" / "confusion.csv")) == tested
    by_frames = rows_of(output / "plots" / "by_frames.csv")
    assert {(row["profile"], row["frames_seen"], row["method"]) for row in by_frames} == {
        (profile, age, method) for profile in PROFILES for age in AGES for method in METHODS
    }
    counts = [int(row["count"]) for row in rows_of(output / "plots" / "calibration.csv")]
    assert sum(counts) == tested * len(AGES)
    assert {row["method"] for row in rows_of(output / "plots" / "delays.csv")} >= {"transformer", "sprt", "min_hits"}


@pytest.mark.parametrize("inputs", ["no_pixels", "both"])
def test_other_inputs_train_and_load(
    trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, tmp_path: Path, inputs: str
) -> None:
    quick = config.model_copy(update={"inputs": inputs, "seeds": 1, "num_epochs": 1})
    results = [read_result(made(SeedJob(quick, split, SEED, 0, trained.folders, "cpu", elsewhere.store), tmp_path))]
    widths = {name: tuple(value.shape) for name, value in results[0].weights.items() if "input" in name}
    assert widths["channel_input.weight"] == (32, 6)
    assert ("input.weight" in widths) == (inputs == "both")


def made(job: SeedJob, folder: Path) -> Path:
    path = folder / f"seed-{job.number}.safetensors"
    make_seed(job, path)
    return path


@pytest.fixture
def job(trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig) -> SeedJob:
    return SeedJob(config, split, SEED, 0, trained.folders, "cpu", elsewhere.store)


def test_a_run_in_this_process_gives_the_bytes_of_the_worker(trained, job: SeedJob, tmp_path: Path) -> None:
    (stored,) = (trained.run_config.store / "train").glob(f"{job.key}-*.safetensors")
    assert made(job, tmp_path).read_bytes() == stored.read_bytes()


def test_a_finished_run_is_taken_from_the_store(
    trained, config: TrainConfig, split: SplitConfig, tmp_path: Path
) -> None:
    one = trained.run_config.model_copy(update={"workers": 1})
    before = sorted((trained.run_config.store / "train").iterdir())
    stamps = [path.stat().st_mtime_ns for path in before]
    train.run(config, one, split, SEED, trained.folders, tmp_path / "again")
    assert [path.stat().st_mtime_ns for path in sorted((trained.run_config.store / "train").iterdir())] == stamps
    assert contents(tmp_path / "again") == contents(trained.output)


def test_a_killed_seed_goes_on_and_ends_with_the_same_bytes(
    job: SeedJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader_of, started = seeds.training_loader, []

    def killed(source, rows, config, seed, epoch):
        started.append(epoch)
        if len(started) == 2:
            raise KeyboardInterrupt
        return loader_of(source, rows, config, seed, epoch)

    (tmp_path / "whole").mkdir()
    whole = made(replace(job, store=tmp_path / "elsewhere"), tmp_path / "whole").read_bytes()
    monkeypatch.setattr(seeds, "training_loader", killed)
    with pytest.raises(KeyboardInterrupt):
        made(job, tmp_path)
    assert made(job, tmp_path).read_bytes() == whole
    assert started == [0, 1, 1, 2]


def test_params_split_seed_and_features_each_have_their_own_training_state(job: SeedJob, features: Path) -> None:
    job = replace(job, features=FeatureFolders(features, None))
    keys = [
        job.key,
        replace(job, config=job.config.model_copy(update={"dropout": 0.2})).key,
        replace(job, split=SplitConfig(validation=0.2, test=0.2)).key,
        replace(job, seed=8).key,
        replace(job, number=1).key,
    ]
    assert replace(job, config=job.config.model_copy(update={"seeds": 5})).key == job.key
    (features / "nominal-1.h5").write_bytes((features / "nominal-1.h5").read_bytes() + b"\0")
    assert len({*keys, job.key}) == 6


def test_seeds_differ_in_weights_and_batches(job: SeedJob) -> None:
    assert job.training_seed == SEED
    assert len({replace(job, number=number).training_seed for number in range(5)}) == 5


def test_log_odds_and_probabilities_agree(output: Path) -> None:
    loaded = load_classifier(output / "persistence.safetensors", "cpu")
    calibration = loaded.profile(None).calibration
    odds = float(calibration.log_odds(0.3, 4))
    assert float(calibration.probabilities(0.3, 4)) == pytest.approx(1 / (1 + math.exp(-odds)))


def test_a_profile_to_calibrate_on_that_is_not_there_stops_the_stage_before_training(
    trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, tmp_path: Path
) -> None:
    dreamt = config.model_copy(update={"shipped_profile": "dreamt"})
    with pytest.raises(DataError, match="profile dreamt has no validation track"):
        train.run(dreamt, elsewhere, split, SEED, trained.folders, tmp_path / "out")
    assert not (elsewhere.store / "train").exists()


def test_recordings_train_and_have_a_profile_of_their_own(
    trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, tmp_path: Path, make_track
) -> None:
    """On recordings alone, the other way round than in simulation: a real object there looks like a false one here."""
    rng = np.random.default_rng(3)
    wrong = {Kind.PERSISTENT: Kind.BRIEF, Kind.BRIEF: Kind.PERSISTENT}
    tracks = [
        replace(make_track(2_000_000 + block, at, looks, 6, rng), kind=kind, ghost=GHOSTS[kind])
        for block in range(40)
        for at, (kind, looks) in enumerate(wrong.items())
    ]
    provenance = {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}", "profile": "recordings"}
    write_features(tmp_path / "recordings" / "recording-yard.h5", tracks, 16, "float16", provenance)
    quick = config.model_copy(
        update={"source": "recordings", "shipped_profile": "recordings", "balance_lengths": "off"}
        | {"seeds": 1, "num_epochs": 6, "batch_tracks": 4}
    )
    folders = FeatureFolders(trained.features, tmp_path / "recordings")
    train.run(quick, elsewhere, split, SEED, folders, tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert set(metrics) == {*PROFILES, "recordings", "training"}
    assert metrics["training"]["source"] == "recordings"
    areas = {  # of the first frame, where calibration cannot let the length in
        name: metrics[name]["test"]["by_frames"]["1"]["transformer"]["auc"]["value"]
        for name in (*PROFILES, "recordings")
    }
    assert areas["recordings"] > 0.9
    assert max(areas[name] for name in PROFILES) < 0.3  # nothing was learned from the simulated tracks
    parts = [split_of(2_000_000 + block, SEED, split) for block in range(40)]
    assert metrics["recordings"]["test"]["scenes"] == parts.count("test")


def test_without_recordings_nothing_can_be_learned_from_them(
    trained, config: TrainConfig, elsewhere: RunConfig, split: SplitConfig, tmp_path: Path
) -> None:
    wanted = config.model_copy(update={"source": "recordings"})
    with pytest.raises(DataError, match=r"train\.source is recordings, but there is no recording with train tracks"):
        train.run(wanted, elsewhere, split, SEED, trained.folders, tmp_path / "out")
    assert not (elsewhere.store / "train").exists()


def test_recordings_and_source_have_their_own_training_state(job: SeedJob, features: Path) -> None:
    both = replace(job, features=FeatureFolders(features, features))
    assert replace(job, features=FeatureFolders(features, None)).key != both.key
    assert replace(job, config=job.config.model_copy(update={"source": "both"})).key != job.key
