"""Features of the same tracks, made twice, are compared frame by frame."""

from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.storage import write_features
from track_persistence.core.types import Ghost, Kind, LabelledFeatures
from track_persistence.magvit.drift import frame_cosines, main


def write(path: Path, rows: list[list[float]], track_id: int = 0) -> Path:
    """Write one track whose frames have these features (T, 2)."""
    frames = np.arange(len(rows), dtype=np.int32)
    boxes, confidences = np.ones((len(rows), 4), np.float32), np.ones(len(rows), np.float32)
    features = np.float32(rows)
    track = LabelledFeatures(1, 0, track_id, frames, boxes, confidences, features, Kind.PERSISTENT, Ghost.NONE, 3)
    write_features(path, [track], 2, "float32", {"profile": "nominal"})
    return path


def test_each_frame_has_the_cosine_of_its_two_features(tmp_path):
    one = write(tmp_path / "one.h5", [[3, 4], [1, 0], [0, 0], [0, 0]])
    other = write(tmp_path / "other.h5", [[6, 8], [3, 4], [0, 0], [1, 0]])
    # parallel; (1, 0) . (3, 4) / 5; nothing to tell apart; nothing against something
    np.testing.assert_allclose(frame_cosines(one, other), [1, 3 / 5, 1, 0], rtol=0, atol=1e-12)


def test_folders_are_compared_shard_by_shard(tmp_path, capsys):
    for folder, second in (("one", [[0.0, 2.0]]), ("other", [[1.0, 0.0]])):
        write(tmp_path / folder / "a.h5", [[1.0, 0.0]])
        write(tmp_path / folder / "b.h5", second)
    main([str(tmp_path / "one"), str(tmp_path / "other")])
    assert capsys.readouterr().err.splitlines() == [
        "a.h5: 1 frames, cosine 1.000000 on average, 1.000000 at the lowest",
        "b.h5: 1 frames, cosine 0.000000 on average, 0.000000 at the lowest",
        "all: 2 frames, cosine 0.500000 on average, 0.000000 at the lowest",
    ]


def test_what_cannot_be_compared_is_refused_by_name(tmp_path):
    one = write(tmp_path / "one" / "a.h5", [[1.0, 0.0]])
    for other in (write(tmp_path / "b.h5", [[1.0, 0.0]], track_id=1), write(tmp_path / "c.h5", [[1.0, 0.0]] * 2)):
        with pytest.raises(DataError, match=rf"{other.name}: holds other tracks or frames than .*a\.h5"):
            frame_cosines(one, other)
    with pytest.raises(DataError, match=r"other/a\.h5: no such file, but .*one/a\.h5 is there"):
        main([str(one.parent), str(tmp_path / "other")])
    with pytest.raises(StorageError, match=r"missing\.h5: no such file"):
        main([str(one), str(tmp_path / "missing.h5")])
