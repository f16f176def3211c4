from pathlib import Path

import h5py
import numpy as np
import pytest

from track_persistence.classifier.rules import RULES, rule_score
from track_persistence.classifier.table import FeatureFolders, open_table
from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import split_of
from track_persistence.core.storage import read_features, shard_paths, write_features
from track_persistence.core.types import Kind

AGES = (1, 5)


def test_the_table_holds_every_track_in_shard_order(features: Path, split: SplitConfig, tmp_path: Path) -> None:
    with open_table(features, AGES, 7, split, tmp_path) as table:
        stored = [track for path in shard_paths(features) for track in read_features(path)]
        assert len(table.lengths) == len(stored) == 288
        assert table.encoder.digest == "0123abcd"
        assert table.encoder.dimension == 16
        for row, track in enumerate(stored):
            assert np.array_equal(table.read(row, len(track)), track.features)
            assert np.array_equal(table.read(row, 1), track.features[:1])
            assert table.labels[row] == track.is_persistent
            assert table.profiles[row] == ("matched" if track.scene_id < 24 else "nominal")
            assert np.array_equal(table.boxes(row, len(track)).boxes_xywh_px, track.boxes_xywh_px)
            for name in RULES:
                expected = [rule_score(name, track, age) for age in (1, 5, None)]
                assert table.scores[name][row] == pytest.approx(expected, abs=1e-12)


def test_a_scene_is_never_split(features: Path, split: SplitConfig, tmp_path: Path) -> None:
    with open_table(features, AGES, 7, split, tmp_path) as table:
        parts = {scene: set(table.splits[table.scene_ids == scene]) for scene in range(48)}
        assert all(len(part) == 1 for part in parts.values())
        assert set.union(*parts.values()) == {"train", "validation", "test"}


def test_the_scratch_file_leaves_nothing_behind(features: Path, split: SplitConfig, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with open_table(features, AGES, 7, split, scratch):
        assert list(scratch.iterdir()) == []  # nameless: gone even after kill -9
    assert list(scratch.iterdir()) == []


def test_an_empty_folder_is_refused(split: SplitConfig, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"holds no \.h5 shard"), open_table(tmp_path, AGES, 7, split, tmp_path):
        pass


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        (
            {"encoder_digest": "other", "precision": "float32", "published": "{}", "profile": "nominal"},
            r"zlate\.h5: .*'other'.*differ",
        ),
        (
            {"encoder_digest": "0123abcd", "precision": "bfloat16", "published": "{}", "profile": "nominal"},
            r"zlate\.h5: .*'bfloat16'.*differ",
        ),
        ({"encoder_digest": "0123abcd", "profile": "nominal"}, r"zlate\.h5: provenance names no precision"),
        (
            {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}"},
            r"zlate\.h5: provenance names no profile; run the stage",
        ),
    ],
)
def test_shards_of_different_encoders_are_refused(
    features: Path, split: SplitConfig, tmp_path: Path, make_track, provenance: dict[str, str], message: str
) -> None:
    track = make_track(99, 0, Kind.BRIEF, 2, np.random.default_rng(0))
    write_features(features / "zlate.h5", [track], 16, "float16", provenance)
    with pytest.raises((DataError, StorageError), match=message), open_table(features, AGES, 7, split, tmp_path):
        pass


@pytest.fixture
def recordings(tmp_path: Path, make_track) -> Path:
    """A shard of 12 blocks, each with a real and a false track."""
    rng = np.random.default_rng(9)
    tracks = [
        make_track(2_000_000 + block, at, kind, 4, rng)
        for block in range(12)
        for at, kind in enumerate((Kind.PERSISTENT, Kind.BRIEF))
    ]
    write_features(tmp_path / "recordings" / "recording-yard.h5", tracks, 16, "float16", RECORDED)
    return tmp_path / "recordings"


RECORDED = {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}", "profile": "recordings"}


def test_recordings_follow_the_simulated_scenes(
    features: Path, recordings: Path, split: SplitConfig, tmp_path: Path
) -> None:
    with open_table(FeatureFolders(features, recordings), AGES, 7, split, tmp_path) as table:
        assert table.profile_names() == ["matched", "nominal", "recordings"]
        assert len(table.lengths) == 288 + 24
        assert set(table.profiles[288:].tolist()) == {"recordings"}
        stored = list(read_features(recordings / "recording-yard.h5"))
        assert np.array_equal(table.read(300, 4), stored[300 - 288].features)
        assert table.splits[300] == split_of(2_000_006, 7, split)
    with open_table(features, AGES, 7, split, tmp_path) as alone:
        assert len(alone.lengths) == 288


def test_a_source_chooses_training_and_validation_tracks(
    features: Path, recordings: Path, split: SplitConfig, tmp_path: Path
) -> None:
    with open_table(FeatureFolders(features, recordings), AGES, 7, split, tmp_path) as table:
        for part in ("train", "validation"):
            found = {source: table.rows_from(part, source) for source in ("simulation", "recordings", "both")}
            assert len(found["recordings"]) and (table.profiles[found["recordings"]] == "recordings").all()
            assert len(found["simulation"]) and (table.profiles[found["simulation"]] != "recordings").all()
            assert np.array_equal(np.union1d(found["simulation"], found["recordings"]), found["both"])
            assert np.array_equal(found["both"], table.rows_of(part))


@pytest.mark.parametrize("source", ["recordings", "both"])
def test_asking_for_recordings_that_are_not_there_says_what_to_do(
    features: Path, split: SplitConfig, tmp_path: Path, source
) -> None:
    (tmp_path / "none").mkdir()
    with open_table(FeatureFolders(features, tmp_path / "none"), AGES, 7, split, tmp_path) as table:
        assert len(table.rows_from("train", "simulation")) == len(table.rows_of("train"))
        with pytest.raises(DataError, match=rf"train\.source is {source}, but .* name some in recordings\.sources"):
            table.rows_from("train", source)


def test_a_folder_of_recordings_that_is_missing_is_no_empty_one(features: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere: no such folder; run the recordings stage"):
        FeatureFolders(features, tmp_path / "nowhere").shards()


def test_recordings_of_one_class_do_not_train(features: Path, split: SplitConfig, tmp_path: Path, make_track) -> None:
    rng = np.random.default_rng(9)
    tracks = [make_track(2_000_000 + block, 0, Kind.BRIEF, 4, rng) for block in range(12)]
    write_features(tmp_path / "recordings" / "recording-yard.h5", tracks, 16, "float16", RECORDED)
    with open_table(FeatureFolders(features, tmp_path / "recordings"), AGES, 7, split, tmp_path) as table:
        with pytest.raises(DataError, match=r"features from recordings: all \d+ training tracks are transient"):
            table.rows_from("train", "recordings")


def test_recordings_of_another_encoder_are_refused_with_both_files(
    features: Path, split: SplitConfig, tmp_path: Path, make_track
) -> None:
    track = make_track(2_000_000, 0, Kind.BRIEF, 2, np.random.default_rng(0))
    folder = tmp_path / "recordings"
    write_features(folder / "recording-yard.h5", [track], 16, "float16", RECORDED | {"encoder_digest": "other"})
    message = rf"{folder}/recording-yard\.h5: .*'other'.* of {features}/matched-0\.h5; run extract and recordings"
    with pytest.raises(DataError, match=message):
        with open_table(FeatureFolders(features, folder), AGES, 7, split, tmp_path):
            pass


def test_shards_of_different_dtype_are_refused(features: Path, split: SplitConfig, tmp_path: Path, make_track) -> None:
    track = make_track(99, 0, Kind.BRIEF, 2, np.random.default_rng(0), dtype="float32")
    provenance = {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}", "profile": "nominal"}
    write_features(features / "zlate.h5", [track], 16, "float32", provenance)
    with pytest.raises(DataError, match=r"zlate\.h5: features .*float32.* differ"):
        with open_table(features, AGES, 7, split, tmp_path):
            pass


def test_nan_features_are_refused_with_file_and_track(features: Path, split: SplitConfig, tmp_path: Path) -> None:
    with h5py.File(features / "nominal-1.h5", "r+") as file:
        file["frames"]["features"][0, 0] = np.nan
    with pytest.raises(DataError, match=r"nominal-1\.h5: scene 24: track 0 of camera 0: features hold NaN"):
        with open_table(features, AGES, 7, split, tmp_path):
            pass


def test_training_tracks_of_one_class_are_refused(split: SplitConfig, tmp_path: Path, make_track) -> None:
    rng = np.random.default_rng(0)
    tracks = [make_track(scene, 0, Kind.PERSISTENT, 3, rng) for scene in range(10)]
    provenance = {"encoder_digest": "a", "precision": "float32", "published": "{}", "profile": "nominal"}
    write_features(tmp_path / "one" / "s.h5", tracks, 16, "float16", provenance)
    with open_table(tmp_path / "one", AGES, 7, split, tmp_path) as table:
        with pytest.raises(DataError, match="training tracks are persistent; both classes"):
            table.rows_of("train")


def test_an_empty_split_is_refused(tmp_path: Path, make_track) -> None:
    tracks = [make_track(0, 0, Kind.PERSISTENT, 3, np.random.default_rng(0))]
    provenance = {"encoder_digest": "a", "precision": "float32", "published": "{}", "profile": "nominal"}
    write_features(tmp_path / "one" / "s.h5", tracks, 16, "float16", provenance)
    nearly_none = SplitConfig(validation=1e-9, test=1e-9)
    with open_table(tmp_path / "one", AGES, 7, nearly_none, tmp_path) as table:
        with pytest.raises(DataError, match="the test split holds no track"):
            table.rows_of("test")
