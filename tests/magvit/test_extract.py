"""The extract stage: one feature shard per scene shard, the same bytes however it came about."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from track_persistence.core.errors import CheckpointError, DataError, DeviceError, StorageError
from track_persistence.core.storage import read_features, read_provenance, read_scenes
from track_persistence.magvit import extract as extract_module
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ExtractConfig, PublishedConfig
from track_persistence.magvit.extract import read_ahead, run
from track_persistence.magvit.features import MagvitEncoder

PUBLISHED = PublishedConfig(tap="latent", projection="none", dimension=16, projection_seed=7, clip_frames=5)
CONFIG = ExtractConfig(precision="float32", dtype="float16", published=PUBLISHED)


@pytest.fixture
def checkpoint(tmp_path: Path, tiny) -> Path:
    path = tmp_path / "magvit.safetensors"
    save_tokenizer(path, tiny)
    return path


@pytest.fixture
def in_process(monkeypatch):
    """Make the shards in this process: starting others takes seconds and is tested once below."""

    def run_here(make, jobs, output, store, workers, description):
        output.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            make(job.payload, output / job.name)

    monkeypatch.setattr(extract_module, "run_shards", run_here)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_track_keeps_its_frames_boxes_and_label(in_process, run_config, scenes, checkpoint, tmp_path):
    run(CONFIG, run_config, scenes, checkpoint, tmp_path / "features")
    assert [path.name for path in sorted((tmp_path / "features").iterdir())] == [
        f"scenes-{shard:03d}.h5" for shard in range(3)
    ]
    encoder = MagvitEncoder.from_checkpoint(checkpoint, "float32", "cpu")
    labelled = [
        (scene.scene_id, item)
        for scene in read_scenes(scenes / "scenes-001.h5")
        for item in (*scene.tracks[0], *scene.tracks[1])
    ]
    stored = list(read_features(tmp_path / "features" / "scenes-001.h5"))
    assert len(stored) == len(labelled) == 4 * 6
    for (scene_id, item), features in zip(labelled, stored, strict=True):
        track = item.track
        assert (features.scene_id, features.camera, features.track_id) == (scene_id, track.camera, track.track_id)
        assert (features.kind, features.ghost, features.object_id) == (item.kind, item.ghost, item.object_id)
        assert np.array_equal(features.frames, track.frames)
        assert np.array_equal(features.boxes_xywh_px, track.boxes_xywh_px)
        assert features.features.dtype == np.float16
        np.testing.assert_allclose(features.features, encoder.encode([track.crops])[0], atol=2e-3)


def test_the_shard_says_which_weights_and_precision_made_it(in_process, run_config, scenes, checkpoint, tmp_path):
    run(CONFIG, run_config, scenes, checkpoint, tmp_path / "features")
    encoder = MagvitEncoder.from_checkpoint(checkpoint, "float32", "cpu")
    provenance = read_provenance(tmp_path / "features" / "scenes-000.h5")
    assert json.loads(provenance.pop("encoder")) == {
        "dtype": "float32",
        "ema": False,
        "family": "native",
        "pixel_range": "[-1, 1]",
        "sha256": encoder.digest,
        "tap": "latent_mean",
        "time_stride": 1,
    }
    assert json.loads(provenance.pop("published")) == PUBLISHED.model_dump()
    assert provenance == {
        "architecture_digest": encoder.architecture_digest,
        "encoder_digest": encoder.digest,
        "precision": "float32",
        "profile": "nominal",
    }


def test_scenes_of_an_unknown_profile_are_refused(in_process, run_config, scenes, checkpoint, tmp_path):
    elsewhere = tmp_path / "scenes"
    shutil.copytree(scenes, elsewhere)
    with h5py.File(elsewhere / "scenes-000.h5", "r+") as file:
        del file.attrs["provenance_profile"]
    with pytest.raises(StorageError, match=r"scenes-000\.h5: provenance names no profile; run the stage"):
        run(CONFIG, run_config, elsewhere, checkpoint, tmp_path / "features")


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(run_config, scenes, checkpoint, tmp_path, monkeypatch):
    run(CONFIG, run_config, scenes, checkpoint, tmp_path / "undisturbed")
    # a kill leaves finished shards in the store, part of the output, and perhaps half a temporary file
    finished = sorted((run_config.store / "extract").iterdir())
    finished[0].unlink()
    (run_config.store / "extract" / ".partial-killed.h5").write_bytes(b"half")
    kept = {path: path.stat().st_mtime_ns for path in finished[1:]}
    output = tmp_path / "killed"
    output.mkdir()
    (output / "scenes-000.h5").write_bytes(b"half")
    run(CONFIG, run_config.model_copy(update={"workers": 2}), scenes, checkpoint, output)
    assert contents(output) == contents(tmp_path / "undisturbed")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_shard_that_changed_in_the_store_is_an_error(run_config, scenes, checkpoint, tmp_path, monkeypatch):
    def damaged(make, jobs, output, *rest):
        for job in jobs:
            make(job.payload, output / job.name)
        with h5py.File(output / "scenes-001.h5", "r+") as file:
            file["frames/features"][0, 0] += 1

    monkeypatch.setattr(extract_module, "run_shards", damaged)
    with pytest.raises(StorageError, match=r"scenes-001\.h5: arrays_sha256 is .* delete it, here and in run\.store"):
        run(CONFIG, run_config, scenes, checkpoint, tmp_path / "features")


def test_the_next_item_is_fetched_while_one_is_worked_on():
    fetched = {number: threading.Event() for number in range(4)}

    def numbers() -> Iterator[int]:
        for number, event in fetched.items():
            event.set()
            yield number

    for number in read_ahead(numbers()):
        assert number == 3 or fetched[number + 1].wait(timeout=10)
        assert number + 2 not in fetched or not fetched[number + 2].is_set()
    assert list(read_ahead(iter([2, 0, 1]))) == [2, 0, 1]


def test_an_error_of_the_reader_comes_after_what_was_read_before_it():
    def scenes() -> Iterator[int]:
        yield 1
        raise StorageError("a.h5: truncated")

    ahead = read_ahead(scenes())
    assert next(ahead) == 1
    with pytest.raises(StorageError, match="truncated"):
        next(ahead)


def test_each_input_has_a_part_in_the_key(run_config, scenes, checkpoint, tmp_path, monkeypatch):
    keys: list[set[str]] = []
    monkeypatch.setattr(extract_module, "run_shards", lambda make, jobs, *rest: keys.append({job.key for job in jobs}))
    monkeypatch.setattr(extract_module, "verify_features", lambda path: None)

    def collect(config=CONFIG, data=scenes):
        run(config, run_config, data, checkpoint, tmp_path / "features")

    collect()
    collect()
    collect(config=CONFIG.model_copy(update={"precision": "bfloat16"}))
    collect(config=CONFIG.model_copy(update={"dtype": "float32"}))
    other = MagvitEncoder.from_checkpoint(checkpoint, "float32", "cpu")
    assert keys[0] == keys[1]
    assert len(keys[0]) == 3
    assert not keys[0] & keys[2]
    assert not keys[0] & keys[3]
    monkeypatch.setattr(extract_module, "code_digest", lambda *packages: "edited")
    collect()
    assert not keys[0] & keys[4]
    assert other.digest not in keys[0]


def test_nothing_is_begun_when_the_checkpoint_is_foreign(run_config, scenes, tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "magvit.pth")
    with pytest.raises(CheckpointError, match=r"magvit\.pth: .*known: "):
        run(CONFIG, run_config, scenes, tmp_path / "magvit.pth", tmp_path / "features")
    assert not (tmp_path / "features").exists()


def test_nothing_is_begun_without_the_gpu_that_was_asked_for(run_config, scenes, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device cpu"):
        run(CONFIG, run_config.model_copy(update={"device": "cuda"}), scenes, checkpoint, tmp_path / "features")
    assert not (tmp_path / "features").exists()


def test_an_empty_folder_of_scenes_is_named(run_config, checkpoint, tmp_path):
    with pytest.raises(StorageError, match=r"holds no \.h5 shard"):
        run(CONFIG, run_config, tmp_path / "nothing", checkpoint, tmp_path / "features")


def test_features_too_large_for_the_stored_format_are_an_error(in_process, run_config, scenes, tiny, tmp_path):
    with torch.no_grad():
        tiny.encoder.latents.bias.fill_(1e6)  # float16 ends at 65504
    save_tokenizer(tmp_path / "large.safetensors", tiny)
    with pytest.raises(DataError, match="infinity"):
        run(CONFIG, run_config, scenes, tmp_path / "large.safetensors", tmp_path / "features")
