"""Files of recordings are named with their key when they are not where params say."""

from pathlib import Path

import pytest

from track_persistence.core.errors import ParamsError
from track_persistence.evaluation.footage_files import files_of, located
from track_persistence.evaluation.recordings_config import RecordingConfig

PLACE = "recordings.sources"


@pytest.fixture
def footage(tmp_path):
    (tmp_path / "footage").mkdir()
    for name in ("yard.avi", "yard.txt", "yard.csv"):
        (tmp_path / "footage" / name).write_bytes(b"not read")
    return tmp_path / "footage"


def yard(**changes: str) -> RecordingConfig:
    fields = {"video": "yard.avi", "tracks": "yard.txt", "labels": "yard.csv"} | changes
    return RecordingConfig(name="yard", confidence="raw", ground_truth=None, **fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video": "../yard.avi"}, r"recordings\.sources\.0\.video: '\.\./yard\.avi' leads out of .*footage; put"),
        ({"labels": "/etc/yard.csv"}, r"recordings\.sources\.0\.labels: '/etc/yard\.csv' leads out of .*footage; put"),
        ({"tracks": "lawn.txt"}, r"recordings\.sources\.0\.tracks: 'lawn\.txt' is no file below .*footage; put it"),
        ({"video": "."}, r"recordings\.sources\.0\.video: '\.' is no file below"),
    ],
)
def test_a_path_that_is_not_in_the_folder_is_named_with_its_key(footage, changes, message):
    with pytest.raises(ParamsError, match=message):
        located([yard(**changes)], footage, PLACE)


def test_a_link_to_footage_elsewhere_is_fine(footage, tmp_path):
    (footage / "yard.avi").rename(tmp_path / "elsewhere.avi")
    (footage / "yard.avi").symlink_to(tmp_path / "elsewhere.avi")
    assert located([yard()], footage, PLACE)[0].video == footage / "yard.avi"


def test_only_the_files_of_a_source_are_listed():
    assert files_of(yard()) == {"video": Path("yard.avi"), "tracks": Path("yard.txt"), "labels": Path("yard.csv")}
