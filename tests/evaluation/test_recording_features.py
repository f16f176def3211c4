"""The recordings stage: labelled footage to shards of features, split by blocks of time."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.footage_maker import BLOCK_FRAMES, write_footage

from track_persistence.core.errors import CheckpointError, DataError, StorageError, VideoError
from track_persistence.core.files import read_json
from track_persistence.core.params import RunConfig, SplitConfig, load_section
from track_persistence.core.seeding import split_of
from track_persistence.core.storage import read_features, read_provenance
from track_persistence.core.types import Ghost, Kind
from track_persistence.evaluation import recording_features
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_files import located
from track_persistence.evaluation.recording_features import RecordingsParams, run
from track_persistence.evaluation.recordings import labelled_blocks
from track_persistence.evaluation.recordings_config import RecordingsConfig
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig, ExtractConfig, TokenizerConfig
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer

PARAMS = Path(__file__).parents[2] / "params.yaml"
ARCHITECTURE = {
    "encoder_widths": (4, 8, 8),
    "decoder_widths": (4, 4, 8),
    "latent_dim": 16,
    "code_bits": 6,
    "code_groups": 2,
}
MARGIN = 0.1


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    usual = load_section(PARAMS, "tokenizer", TokenizerConfig).architecture
    path = tmp_path_factory.mktemp("encoder") / "magvit.safetensors"
    save_tokenizer(path, fresh_tokenizer(ArchitectureConfig(**usual.model_dump() | ARCHITECTURE), 7))
    return path


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    return tmp_path / "footage"


@pytest.fixture
def params(footage: Path) -> RecordingsParams:
    """Two recordings, so twelve blocks with a real and a false track each."""
    sources = tuple(write_footage(footage, name) for name in ("yard", "gate"))
    return RecordingsParams(
        RecordingsConfig(sources=sources, block_frames=BLOCK_FRAMES, longest_frames=6),
        load_section(PARAMS, "footage", FootageConfig),
        load_section(PARAMS, "extract", ExtractConfig).model_copy(update={"precision": "float32", "dtype": "float16"}),
        SplitConfig(validation=0.25, test=0.25),
        MARGIN,
        7,
    )


@pytest.fixture
def run_config(tmp_path: Path) -> RunConfig:
    return RunConfig(engine="local", device="cpu", workers=1, store=tmp_path / "store")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the shards in this process: starting others takes seconds and is tested once below."""

    def run_here(make, jobs, output, store, workers, description):
        output.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            make(job.payload, output / job.name)

    monkeypatch.setattr(recording_features, "run_shards", run_here)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def with_source(params: RecordingsParams, **changes) -> RecordingsParams:
    first = params.recordings.sources[0].model_copy(update=changes)
    return replace(params, recordings=params.recordings.model_copy(update={"sources": (first,)}))


@pytest.mark.usefixtures("in_process")
def test_every_clear_track_is_stored_in_its_block(params, run_config, footage, checkpoint, tmp_path) -> None:
    run(params, run_config, footage, checkpoint, tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {"blocks.json", "recording-gate.h5", "recording-yard.h5"}
    encoder = MagvitEncoder.from_checkpoint(checkpoint, "float32", "cpu")
    (yard, _) = located(params.recordings.sources, footage, "recordings.sources")
    expected = [
        item for _, labelled in labelled_blocks(yard, params.recordings, params.footage, MARGIN) for item in labelled
    ]
    stored = list(read_features(tmp_path / "out" / "recording-yard.h5"))
    assert [track.track_id for track in stored] == [0, 50, 1, 51, 2, 52, 3, 53, 4, 54, 5, 55]
    for features, item in zip(stored, expected, strict=True):
        assert np.array_equal(features.frames, item.track.frames)
        assert np.array_equal(features.boxes_xywh_px, item.track.boxes_xywh_px)
        np.testing.assert_allclose(features.features, encoder.encode([item.track.crops])[0], atol=2e-3)
        real = features.track_id < 50
        assert (features.kind, features.ghost) == ((Kind.PERSISTENT, Ghost.NONE) if real else (Kind.NOISE, Ghost.NOISE))
    assert read_provenance(tmp_path / "out" / "recording-yard.h5") == {
        "architecture_digest": encoder.architecture_digest,
        "encoder": json.dumps(encoder.provenance, sort_keys=True),
        "encoder_digest": encoder.digest,
        "precision": "float32",
        "profile": "recordings",
        "published": json.dumps(params.extract.published.model_dump(), sort_keys=True),
        "recording": "yard",
    }


@pytest.mark.usefixtures("in_process")
def test_the_index_says_what_the_shards_hold(params, run_config, footage, checkpoint, tmp_path) -> None:
    run(params, run_config, footage, checkpoint, tmp_path / "out")
    blocks = read_json(tmp_path / "out" / "blocks.json")["blocks"]
    assert Counter(block["part"] for block in blocks) == {"train": 6, "validation": 3, "test": 3}
    by_scene = {block["scene_id"]: block for block in blocks}
    assert len(by_scene) == 12  # unique over both recordings
    for name in ("yard", "gate"):
        for track in read_features(tmp_path / "out" / f"recording-{name}.h5"):
            block = by_scene[track.scene_id]
            assert block["recording"] == name and (block["real"], block["false"]) == (1, 1)
            assert block["first_frame"] <= track.frames[0] <= track.frames[-1] <= block["last_frame"]
            assert split_of(track.scene_id, params.seed, params.split) == block["part"]


def test_worker_processes_give_the_same_bytes_and_the_store_keeps_them(
    params, run_config, footage, checkpoint, tmp_path, monkeypatch
) -> None:
    run(params, run_config, footage, checkpoint, tmp_path / "first")
    monkeypatch.setattr("track_persistence.engine.shards._make_one", None)
    run(params, run_config, footage, checkpoint, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert len(list((run_config.store / "recordings").iterdir())) == 2


def test_without_recordings_there_is_an_empty_index_and_nothing_is_loaded(params, run_config, tmp_path) -> None:
    nothing = replace(params, recordings=params.recordings.model_copy(update={"sources": ()}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recording-old.h5").write_bytes(b"of an earlier run")
    run(nothing, run_config, tmp_path / "nowhere", tmp_path / "no.safetensors", tmp_path / "out")
    assert contents(tmp_path / "out") == {"blocks.json": b'{\n  "blocks": []\n}\n'}


def test_unusable_inputs_stop_the_stage_before_any_video_is_decoded(
    params, run_config, footage, checkpoint, tmp_path
) -> None:
    (footage / "yard.avi").write_bytes(b"not looked at")
    with pytest.raises(DataError, match=r"needs both: label more footage, or lower recordings\.block_frames"):
        long = params.recordings.model_copy(update={"block_frames": 1000})
        run(replace(params, recordings=long), run_config, footage, checkpoint, tmp_path / "out")
    with pytest.raises((CheckpointError, StorageError), match=r"no\.safetensors"):
        run(params, run_config, footage, tmp_path / "no.safetensors", tmp_path / "out")
    (footage / "yard.csv").write_text(
        "track_id,label\n" + "".join(f"{i},-1\n" for i in [*range(6), *range(50, 56), 90])
    )
    with pytest.raises(VideoError, match=r"yard\.txt: no track is labelled real or false"):
        run(params, run_config, footage, checkpoint, tmp_path / "out")


def test_the_key_of_a_shard_follows_everything_it_depends_on(params, run_config, footage, checkpoint) -> None:
    def key(changed: RecordingsParams = params) -> str:
        sources = located(changed.recordings.sources, footage, "recordings.sources")[:1]
        return recording_features._jobs(changed, run_config, checkpoint, sources, [])[0].key

    recordings = params.recordings
    keys = [
        key(),
        key(replace(params, crop_margin=0.2)),
        key(replace(params, recordings=recordings.model_copy(update={"longest_frames": 5}))),
        key(replace(params, extract=params.extract.model_copy(update={"dtype": "float32"}))),
        key(replace(params, footage=params.footage.model_copy(update={"flicker_boxes": 1}))),
    ]
    (footage / "yard.csv").write_text((footage / "yard.csv").read_text().replace("50,0", "50,-1"))
    assert len({*keys, key()}) == 6
    assert key(replace(params, recordings=recordings.model_copy(update={"sources": recordings.sources[:1]}))) == key()
