import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.evaluation.ablation_shards import (
    ARCHITECTURE,
    EXTRACT,
    LONGEST_FRAMES,
    MATCHED_SHARDS,
    World,
    all_tracks,
    extract,
    make_scene,
    make_world,
)
from tests.evaluation.test_ablation_config import SECTION

from track_persistence.classifier.baselines import STATISTICS
from track_persistence.classifier.channels import CHANNELS
from track_persistence.classifier.config import TrainConfig
from track_persistence.core.errors import DataError
from track_persistence.core.files import read_json
from track_persistence.core.params import RunConfig, SplitConfig, load_section
from track_persistence.core.seeding import TRAIN, VALIDATION, split_of
from track_persistence.core.storage import read_features, write_scenes
from track_persistence.core.types import LabelledFeatures
from track_persistence.evaluation import ablation as ablation_module
from track_persistence.evaluation.ablation import Inputs, Settings, run
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import CUES, CueJob, _description, make_scores, reduced, scored_rows
from track_persistence.evaluation.ablation_samples import SampleShard, make_samples
from track_persistence.evaluation.ablation_table import read_table
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.video.descriptors import FRAME_SIZE, THUMBNAIL_SIZE, frame_descriptors

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
SEED, SPLIT = 7, SplitConfig(validation=0.25, test=0.25)
SMALL = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 16, "batch_tracks": 8}
CONFIG = AblateConfig(
    **(
        SECTION
        | {"shards": 2, "frames_seen": [1, LONGEST_FRAMES], "ghost_frames": 1, "num_epochs": 2, "components": 8}
        | {"bootstrap_replicates": 20}
    )
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def samples(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("samples")
    for name in MATCHED_SHARDS:
        make_samples(sample_shard(world, name), folder / name)
    return tuple(folder / name for name in MATCHED_SHARDS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the shards in this process: starting others takes seconds and is tested with the engine."""

    def run_here(make: Any, jobs: Any, output: Path, *_: Any) -> None:
        output.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            make(job.payload, output / job.name)

    monkeypatch.setattr(ablation_module, "run_shards", run_here)


def sample_shard(world: World, name: str) -> SampleShard:
    return SampleShard(
        world.scenes / name, world.features / name, ARCHITECTURE, EXTRACT.precision, SEED, LONGEST_FRAMES
    )


def training() -> TrainConfig:
    return load_section(PARAMS, "train", TrainConfig).model_copy(update=SMALL)


def settings(folder: Path, **changes: Any) -> Settings:
    run_config = RunConfig(engine="local", device="cpu", workers=1, store=folder / "store")
    return Settings(CONFIG.model_copy(update=changes), ARCHITECTURE, EXTRACT, training(), SPLIT, run_config, SEED)


def inputs(world: World) -> Inputs:
    return Inputs(world.scenes, world.features)


def scores_of(cue: str, samples: tuple[Path, ...], folder: Path) -> np.ndarray:
    make_scores(CueJob(cue, samples, CONFIG, training(), SPLIT, SEED), folder / f"{cue}.npy")
    return np.load(folder / f"{cue}.npy")


def test_a_sample_holds_magvit_then_random_weights_then_plain_pixels_of_its_first_frames(
    world: World, samples: tuple[Path, ...]
) -> None:
    name, width = MATCHED_SHARDS[0], ARCHITECTURE.latent_dim
    trained = list(read_features(world.features / name))
    shown = list(read_features(samples[0]))
    items = all_tracks(world.scenes / name)
    assert len(shown) == len(trained) == len(items)
    assert {len(own) for own in shown} == {1, 2, 3, 4}  # tracks of up to six frames, cut to four
    for own, other, item in zip(shown, trained, items, strict=True):
        assert own.features.shape[1] == 2 * width + FRAME_SIZE
        assert np.array_equal(own.features[:, :width], other.features[: len(own)])
        assert not np.allclose(own.features[:, width : 2 * width], own.features[:, :width])
        plain = frame_descriptors(item.track.crops[: len(own)])
        assert np.array_equal(own.features[:, 2 * width :], plain.astype(np.float16))
        assert np.array_equal(own.frames, item.track.frames[: len(own)])
        assert own.ghost is item.ghost


def test_features_of_other_tracks_are_an_error(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "scenes", tmp_path / "features", world.checkpoint)
    write_scenes(other.scenes / "a.h5", [make_scene(3)], {"profile": "matched"})
    extract(other, "a.h5")
    write_scenes(other.scenes / "a.h5", [make_scene(4)], {"profile": "matched"})
    with pytest.raises(DataError, match="does not hold the tracks of scene 4"):
        make_samples(sample_shard(other, "a.h5"), tmp_path / "out.h5")


def test_every_cue_sees_its_own_part_of_a_sample(samples: tuple[Path, ...]) -> None:
    width = ARCHITECTURE.latent_dim
    plain = 2 * width
    track = next(own for own in read_features(samples[0]) if len(own) == LONGEST_FRAMES)
    shown = {cue: _description(CueJob(cue, samples, CONFIG, training(), SPLIT, SEED))(track) for cue in CUES}
    columns = {
        "magvit": slice(0, width),
        "random_magvit": slice(width, plain),
        "colour_hog": slice(plain, -THUMBNAIL_SIZE),
        "pixels_8x8": slice(-THUMBNAIL_SIZE, None),
        "cheap_pixels": slice(plain, None),
    }
    for cue, part in columns.items():
        assert np.array_equal(shown[cue], track.features[:, part])
    assert np.array_equal(shown["both"][:, :width], track.features[:, :width])
    assert np.array_equal(shown["both"][:, width:], shown["no_pixels"])
    assert shown["no_pixels"].shape == (LONGEST_FRAMES, len(CHANNELS))
    hits = shown["statistics"][:, STATISTICS.index("hits_frames")]
    assert hits.tolist() == [1, 2, 3, 4]  # row t holds the statistics of the first t frames


@pytest.mark.parametrize("cue", ["cheap_pixels", "colour_hog"])
def test_the_direction_of_stripes_is_found_by_gradients(cue: str, samples: tuple[Path, ...], tmp_path: Path) -> None:
    table = read_table(samples, lambda track: track.frames, SEED, SPLIT)
    labels = table.labels[scored_rows(table)]
    linear = scores_of(cue, samples, tmp_path)[-1]
    for scores in linear.T:  # after one frame and after four
        assert scores[labels].min() > scores[~labels].max()


def test_nothing_but_pixels_tells_these_tracks_apart(samples: tuple[Path, ...], tmp_path: Path) -> None:
    table = read_table(samples, lambda track: track.frames, SEED, SPLIT)
    labels = table.labels[scored_rows(table)]
    scores = scores_of("statistics", samples, tmp_path)[0]
    assert (scores[labels].min(axis=0) < scores[~labels].max(axis=0)).all()


@pytest.mark.parametrize("cue", ["both", "no_pixels"])
def test_a_transformer_scores_every_track_at_every_age_and_the_same_again(
    cue: str, samples: tuple[Path, ...], tmp_path: Path
) -> None:
    scores = scores_of(cue, samples, tmp_path)
    table = read_table(samples, lambda track: track.frames, SEED, SPLIT)
    assert scores.shape == (len(CUES[cue]), len(scored_rows(table)), 2)
    assert np.isfinite(scores).all()
    assert np.array_equal(scores, scores_of(cue, samples, tmp_path))
    alone = table.lengths[scored_rows(table)] == 1  # the second age has nothing more to show of these
    assert np.allclose(scores[0, alone, 0], scores[0, alone, 1], atol=1e-5)
    assert not np.allclose(scores[0, ~alone, 0], scores[0, ~alone, 1], atol=1e-5)


def test_principal_components_know_the_training_tracks_alone(samples: tuple[Path, ...]) -> None:
    table = read_table(samples, lambda track: track.features, SEED, SPLIT)
    projected = reduced(table, 5)
    assert projected.frames.shape == (len(table.frames), 5)

    def dimmed(track: LabelledFeatures) -> np.ndarray:
        return track.features if split_of(track.scene_id, SEED, SPLIT) == TRAIN else track.features / 2

    other, rows = reduced(read_table(samples, dimmed, SEED, SPLIT), 5), table.rows_of(TRAIN)
    assert np.array_equal(projected.frames_of(rows), other.frames_of(rows))
    assert not np.array_equal(projected.frames, other.frames)


def test_the_stage_writes_every_cue_beside_magvit_and_the_same_bytes_again(world: World, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(settings(tmp_path / name), inputs(world), tmp_path / name)
    one, two = (tmp_path / name / "metrics.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    metrics = read_json(one)
    assert (metrics["profile"], metrics["shards"]) == ("matched", 2)
    tracks = sum(len(all_tracks(world.scenes / name)) for name in MATCHED_SHARDS)
    assert metrics["training_tracks"] + sum(metrics[split]["tracks"] for split in ("validation", "test")) == tracks
    part = metrics[VALIDATION]
    assert part["by_frames"].keys() == {"1", "4"}
    assert part["by_ghost"].keys() == {"glare", "clutter"}
    expected = {(head, cue) for cue, heads in CUES.items() for head in heads}
    for heads in part["by_frames"].values():
        assert {(head, cue) for head, cues in heads.items() for cue in cues} == expected
    assert part["by_frames"]["1"]["linear"]["cheap_pixels"]["auc"]["value"] == 1


def test_the_number_of_shards_and_the_profile_are_those_of_the_params(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(make: Any, jobs: Any, *_: Any) -> None:
        read.extend(job.name for job in jobs)
        raise DataError("enough")

    monkeypatch.setattr(ablation_module, "run_shards", noted)
    for changes in ({"shards": 1}, {"shards": 9}, {"profile": "nominal"}):
        with pytest.raises(DataError, match="enough"):
            run(settings(tmp_path, **changes), inputs(world), tmp_path)
    assert read == [MATCHED_SHARDS[0], *MATCHED_SHARDS, "nominal-000012.h5"]


def test_a_profile_that_is_not_there_is_an_error(world: World, tmp_path: Path) -> None:
    only = World(tmp_path / "scenes", world.features, world.checkpoint)
    write_scenes(only.scenes / "a.h5", [make_scene(3)], {"profile": "nominal"})
    with pytest.raises(DataError, match="holds no shard of profile 'matched'"):
        run(settings(tmp_path), inputs(only), tmp_path)


def test_features_of_two_encoders_or_in_another_precision_are_an_error(world: World, tmp_path: Path) -> None:
    other = World(world.scenes, tmp_path / "features", tmp_path / "other.safetensors")
    save_tokenizer(other.checkpoint, fresh_tokenizer(ARCHITECTURE, 99))
    shutil.copytree(world.features, other.features)
    extract(other, MATCHED_SHARDS[1])
    with pytest.raises(DataError, match=rf"{MATCHED_SHARDS[1]}: encoder and precision .*run extract again"):
        run(settings(tmp_path), inputs(other), tmp_path)
    coarse = replace(settings(tmp_path), extract=EXTRACT.model_copy(update={"precision": "bfloat16"}))
    with pytest.raises(DataError, match=r"extract\.precision is bfloat16"):
        run(coarse, inputs(world), tmp_path)


def test_the_random_encoder_is_as_wide_as_the_features(world: World, tmp_path: Path) -> None:
    wider = ARCHITECTURE.model_copy(update={"latent_dim": 24})
    shard = replace(sample_shard(world, MATCHED_SHARDS[0]), architecture=wider)
    make_samples(shard, tmp_path / "out.h5")
    first = next(iter(read_features(tmp_path / "out.h5")))
    assert first.features.shape[1] == 2 * ARCHITECTURE.latent_dim + FRAME_SIZE
