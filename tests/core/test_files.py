import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from track_persistence.core import files
from track_persistence.core.errors import StorageError
from track_persistence.core.files import (
    atomic_path,
    code_digest,
    digest_of,
    file_digest,
    read_json,
    rounded,
    write_json,
    write_text,
)


def test_a_written_file_is_whole_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "gr\u00fc\u00df")
    assert path.read_bytes() == "grüß".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="midway"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(StorageError, match=r"a.txt: cannot be written: .*No space left .*free some space") as caught:
        with atomic_path(path), Path("/dev/full").open("w") as full:
            full.write("x")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_numbers_for_git_have_six_digits_and_no_nan() -> None:
    assert rounded(2 / 3) == 0.666667
    assert rounded(123456789.0) == 123457000.0
    assert rounded({1: [math.nan, math.inf, True, None, 7, "a"]}) == {"1": [None, None, True, None, 7, "a"]}


def test_json_bytes_do_not_depend_on_the_order_of_the_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": (1 / 3,)})
    write_json(tmp_path / "b.json", {"a": [1 / 3], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [0.333333], "b": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not valid JSON"), (b"\xff", "not valid JSON"), (b"[1]", "expected a JSON object, got list")],
)
def test_json_that_is_no_object_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=f"a.json: {message}"):
        read_json(path)
    with pytest.raises(StorageError, match="no such file; run the stage"):
        read_json(tmp_path / "b.json")


def test_a_digest_names_its_parts_and_where_they_end() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc")
    assert digest_of(1) != digest_of("1")
    assert len(digest_of()) == 32


def test_a_file_s_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # the published SHA-256 test vector for "abc"
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223"
    with pytest.raises(StorageError, match="no such file"):
        file_digest(tmp_path / "b")


def test_the_code_digest_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "magvit"
    package.mkdir()
    (tmp_path / "core").mkdir()
    monkeypatch.setattr(files, "__file__", str(tmp_path / "core" / "files.py"))
    (package / "a.py").write_text("x = 1\n")
    before = code_digest("magvit")
    assert before == code_digest("magvit")
    (package / "a.py").write_text("x = 2\n")
    assert before != code_digest("magvit")


def test_a_digest_is_the_same_in_another_process() -> None:
    # Python's own hash() is salted per process
    code = "from track_persistence.core.files import digest_of; print(digest_of({'a': [1, 'b']}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest_of({"a": [1, "b"]})


def test_json_is_written_as_text_that_git_can_diff(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": {"b": 1}})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    assert text.count("\n") == 5
    assert json.loads(text) == {"a": {"b": 1}}
