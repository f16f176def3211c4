from pathlib import Path

import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.storage import write_features
from track_persistence.tracking.held_back import COLUMNS, HeldVerdict, read_verdicts, write_verdicts
from track_persistence.tracking.profiles import by_profile

VERDICTS = [
    HeldVerdict("matched", "test", 1_000_003, 0, 4, "3", 3, 7, 2, "none", 1 / 3),
    HeldVerdict("nominal", "validation", 5, 1, 2, "whole", 9, None, 0, "glare", -1e-17),
]


def test_verdicts_survive_their_file_to_the_last_digit(tmp_path: Path) -> None:
    write_verdicts(tmp_path / "verdicts.csv", VERDICTS)
    assert read_verdicts(tmp_path / "verdicts.csv") == VERDICTS


def test_other_files_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    with pytest.raises(StorageError, match=r"cannot be read: No such file.*run stage `geometry`"):
        read_verdicts(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(StorageError, match=r"expected the columns profile, split, scene_id"):
        read_verdicts(path)
    path.write_text(",".join(COLUMNS) + "\nmatched,test,x,0,4,3,3,7,2,none,0.5\n")
    with pytest.raises(StorageError, match="line 2: invalid literal"):
        read_verdicts(path)
    path.write_text(",".join(COLUMNS) + "\nmatched,test\n")
    with pytest.raises(StorageError, match="line 2"):
        read_verdicts(path)


def test_shards_are_sorted_by_profile(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.h5" for name in ("a", "b", "c")]
    for path, profile in zip(paths, ("nominal", "matched", "nominal"), strict=True):
        write_features(path, [], 4, "float16", {"profile": profile})
    assert by_profile(paths) == {"matched": [paths[1]], "nominal": [paths[0], paths[2]]}
    write_features(paths[1], [], 4, "float16", {})
    with pytest.raises(DataError, match=r"b\.h5: provenance names no profile; run generate again"):
        by_profile(paths)
