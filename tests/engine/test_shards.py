import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from track_persistence.core.errors import DataError, StorageError, TrackPersistenceError
from track_persistence.engine import shards
from track_persistence.engine.shards import THREAD_VARIABLES, ShardJob, one_thread_processes, run_shards, worker_count

# spawned workers import this by name from the path they inherit
MAKERS = """
import errno, os, time
from pathlib import Path
from track_persistence.core.errors import DataError

def note(payload, path):
    with open(payload["log"], "a") as log:
        log.write(payload["text"] + "\\n")
    path.write_text(payload["text"] * 3)

def fail_on_b(payload, path):
    if payload["text"] == "b":
        raise DataError("scene 7: track 3: broken")
    note(payload, path)

def disk_full_on_b(payload, path):
    if payload["text"] == "b":
        with open("/dev/full", "w") as full:
            full.write("x")
    note(payload, path)

def die(payload, path):
    os._exit(9)

def wait_after_a(payload, path):
    Path(payload["gate"]).with_name("worker.pid").write_text(str(os.getpid()))
    if payload["text"] != "a" and not Path(payload["gate"]).exists():
        time.sleep(60)
    note(payload, path)

def threads(payload, path):
    path.write_text(" ".join(os.environ.get(name, "-") for name in payload["names"]))
"""


@pytest.fixture
def makers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "shard_makers.py").write_text(MAKERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shard_makers")
    del sys.modules["shard_makers"]


def jobs(folder: Path, texts: str = "abc") -> list[ShardJob]:
    """One job a letter; the key depends on the letter alone."""
    payload = {"log": str(folder / "log.txt"), "gate": str(folder / "gate")}
    return [ShardJob(f"shard-{text}.txt", f"key-{text}", {**payload, "text": text}) for text in texts]


def made(folder: Path) -> list[str]:
    """What the workers computed, in alphabetical order."""
    log = folder / "log.txt"
    return sorted(log.read_text().split()) if log.exists() else []


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


ALL = {"shard-a.txt": "aaa", "shard-b.txt": "bbb", "shard-c.txt": "ccc"}


@pytest.mark.parametrize("workers", [1, 3])
def test_the_output_does_not_depend_on_the_number_of_workers(tmp_path: Path, makers: ModuleType, workers: int) -> None:
    run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", workers, "making")
    assert contents(tmp_path / "out") == ALL


def test_a_second_run_computes_nothing(
    tmp_path: Path, makers: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    for path in (tmp_path / "out").iterdir():
        path.unlink()  # as DVC does before a run
    monkeypatch.setattr(shards, "one_thread_processes", None)  # starting a worker would fail
    run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == ALL
    assert made(tmp_path) == ["a", "b", "c"]
    assert f"making: 3 of 3 shards are in {tmp_path / 'store'}" in capsys.readouterr().err


def test_only_new_shards_are_computed_and_stale_ones_leave_the_output(tmp_path: Path, makers: ModuleType) -> None:
    run_shards(makers.note, jobs(tmp_path, "ab"), tmp_path / "out", tmp_path / "store", 1, "making")
    run_shards(makers.note, jobs(tmp_path, "bc"), tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == {"shard-b.txt": "bbb", "shard-c.txt": "ccc"}
    assert made(tmp_path) == ["a", "b", "c"]


def test_another_key_is_another_shard(tmp_path: Path, makers: ModuleType) -> None:
    first = jobs(tmp_path, "a")[0]
    run_shards(makers.note, [first], tmp_path / "out", tmp_path / "store", 1, "making")
    changed = ShardJob(first.name, "other-key", {**first.payload, "text": "z"})
    run_shards(makers.note, [changed], tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == {"shard-a.txt": "zzz"}
    run_shards(makers.note, [first], tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == {"shard-a.txt": "aaa"}
    assert made(tmp_path) == ["a", "z"]


def test_an_error_in_one_shard_names_itself_and_keeps_the_finished_ones(tmp_path: Path, makers: ModuleType) -> None:
    with pytest.raises(DataError, match="scene 7: track 3: broken"):
        run_shards(makers.fail_on_b, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    kept = made(tmp_path)
    assert "a" in kept
    run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == ALL
    assert made(tmp_path) == ["a", "b", "c"]  # none was made twice


def test_a_full_disk_is_one_clear_line_and_keeps_the_finished_ones(tmp_path: Path, makers: ModuleType) -> None:
    with pytest.raises(StorageError, match=r"cannot be written: .*No space left .*run the same command") as caught:
        run_shards(makers.disk_full_on_b, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "store").glob(".partial-*"))
    assert "a" in made(tmp_path)


def test_a_full_disk_while_the_output_is_filled_is_one_clear_line(
    tmp_path: Path, makers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards.os, "link", refuse)  # another file system: no hard links
    run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    assert contents(tmp_path / "out") == ALL
    monkeypatch.setattr(shards.shutil, "copyfile", refuse)
    with pytest.raises(StorageError, match=r"shard-a.txt: cannot be written: .*free some space"):
        run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")


def test_a_store_that_cannot_be_made_is_one_clear_line(tmp_path: Path, makers: ModuleType) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/store: cannot be made: Not a directory"):
        run_shards(makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "file" / "store", 1, "making")


def test_shards_of_other_library_versions_are_not_reused(
    tmp_path: Path, makers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (makers.note, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")
    run_shards(*arguments)
    monkeypatch.setattr(shards, "_library_digest", lambda: "other")
    run_shards(*arguments)
    assert made(tmp_path) == ["a", "a", "b", "b", "c", "c"]


def test_a_killed_worker_is_one_clear_line(tmp_path: Path, makers: ModuleType) -> None:
    with pytest.raises(TrackPersistenceError, match=r"a worker process was killed.*lower run.workers"):
        run_shards(makers.die, jobs(tmp_path), tmp_path / "out", tmp_path / "store", 1, "making")


RUN = """
import sys
from pathlib import Path
sys.path[:0] = [{here!r}, {folder!r}]
import shard_makers
from test_shards import jobs
from track_persistence.engine.shards import run_shards
if __name__ == "__main__":
    folder = Path({folder!r})
    run_shards(shard_makers.wait_after_a, jobs(folder), folder / "out", folder / "store", 1, "making")
"""


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, makers: ModuleType) -> None:
    script = tmp_path / "script.py"
    script.write_text(RUN.format(here=str(Path(__file__).parent), folder=str(tmp_path)))
    process = subprocess.Popen([sys.executable, script], start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("store/key-a-*.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    worker = int((tmp_path / "worker.pid").read_text())
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)  # no worker outlives its run
    assert made(tmp_path) == ["a"]
    assert not (tmp_path / "out" / "shard-a.txt").exists()
    (tmp_path / "gate").touch()
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    assert contents(tmp_path / "out") == ALL
    assert made(tmp_path) == ["a", "b", "c"]  # the finished shard was not made again


def test_workers_use_one_thread_each_and_the_environment_comes_back(
    tmp_path: Path, makers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    job = ShardJob("a.txt", "threads", {"names": THREAD_VARIABLES})
    run_shards(makers.threads, [job], tmp_path / "out", tmp_path / "store", 1, "making")
    assert (tmp_path / "out" / "a.txt").read_text().split() == ["1"] * len(THREAD_VARIABLES)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_auto_is_one_worker_a_core() -> None:
    assert worker_count("auto") == len(os.sched_getaffinity(0))
    assert worker_count(3) == 3


def test_a_pool_can_be_used_by_itself() -> None:
    with one_thread_processes(1) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
