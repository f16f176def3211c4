from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import split_of
from track_persistence.core.storage import write_features
from track_persistence.core.types import Ghost, Kind, LabelledFeatures
from track_persistence.evaluation.ablation_table import AblationTable, read_table

SEED, SPLIT = 7, SplitConfig(validation=0.3, test=0.3)
LENGTHS = (3, 1, 2)


def track(scene_id: int, track_id: int, count: int) -> LabelledFeatures:
    real = track_id == 0
    return LabelledFeatures(
        scene_id=scene_id,
        camera=0,
        track_id=track_id,
        frames=np.arange(count, dtype=np.int32),
        boxes_xywh_px=np.ones((count, 4), np.float32),
        confidences=np.full(count, 0.5, np.float32),
        features=np.arange(2 * count, dtype=np.float32).reshape(count, 2) + 100 * track_id,
        kind=Kind.PERSISTENT if real else Kind.BRIEF,
        ghost=Ghost.NONE if real else Ghost.GLARE,
        object_id=track_id,
    )


def shards(folder: Path, scenes: int) -> list[Path]:
    paths = [folder / f"{scene:03d}.h5" for scene in range(scenes)]
    for scene, path in enumerate(paths):
        write_features(path, [track(scene, number, count) for number, count in enumerate(LENGTHS)], 2, "float32", {})
    return paths


@pytest.fixture
def table(tmp_path: Path) -> AblationTable:
    return read_table(shards(tmp_path, 8), lambda own: own.features, SEED, SPLIT)


def test_every_track_keeps_its_frames_label_and_split(table):
    assert table.lengths.tolist() == [*LENGTHS] * 8
    assert table.labels.tolist() == [True, False, False] * 8
    assert table.splits.tolist() == [split_of(scene, SEED, SPLIT) for scene in range(8) for _ in LENGTHS]
    assert table.read(3 + 2, 2).tolist() == [[200, 201], [202, 203]]
    assert table.read(3 + 2, 10).tolist() == [[200, 201], [202, 203]]
    assert table.read(0, 1).tolist() == [[0, 1]]


def test_the_mean_of_the_first_frames_ends_with_the_track(table):
    # values of the tracks' frames: 0 1, 2 3, 4 5 and, 100 on, 100 101
    assert table.mean_of_first(np.array([0, 1]), 2).tolist() == [[1, 2], [100, 101]]
    assert table.mean_of_first(np.array([0, 1]), 9).tolist() == [[2, 3], [100, 101]]


def test_frames_of_several_tracks_lie_one_after_another(table):
    assert table.frames_of(np.array([1, 2])).tolist() == [[100, 101], [200, 201], [202, 203]]


def test_a_split_without_tracks_is_an_error_that_names_it(tmp_path):
    few = read_table(shards(tmp_path, 1), lambda own: own.features, SEED, SPLIT)
    missing = next(name for name in ("validation", "test") if name not in few.splits)
    with pytest.raises(DataError, match=f"the {missing} split holds 0 real tracks"):
        few.rows_of(missing)
