"""Shards computed once, in one-thread worker processes, and kept in a content-addressed store.

The store lies outside DVC's outputs (DVC deletes those before a run): a run that was killed, or another branch with
the same inputs, finds finished shards there. A shard's bytes depend on its job alone, never on the worker count.
"""

import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

from track_persistence.core.errors import StorageError, TrackPersistenceError
from track_persistence.core.files import atomic_path, digest_of
from track_persistence.core.progress import log, track_progress

LIBRARIES = ("h5py", "numpy", "opencv-python", "scipy", "torch")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


@dataclass(frozen=True)
class ShardJob:
    """One shard to make: the file's name, the digest of all it depends on, and what the worker needs."""

    name: str
    key: str
    payload: Any


def worker_count(workers: int | Literal["auto"]) -> int:
    """Return how many processes to start; `auto` is one per available core."""
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


def run_shards(
    make: Callable[[Any, Path], None],
    jobs: Sequence[ShardJob],
    output: Path,
    store: Path,
    workers: int | Literal["auto"],
    description: str,
) -> None:
    """Fill `output` with one file per job, taking from `store` what was made before.

    `make(payload, path)` is a module-level function that writes the shard to `path`; it runs in another process.
    An error in one shard stops the run; finished shards stay in the store.
    """
    for folder in (output, store):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from error
    wanted = {job.name for job in jobs}
    for stale in set(output.iterdir()) - {output / name for name in wanted}:
        stale.unlink()
    missing = [job for job in jobs if not _stored(store, job).is_file()]
    if len(missing) < len(jobs):
        log(f"{description}: {len(jobs) - len(missing)} of {len(jobs)} shards are in {store}")
    done = _computed(make, missing, store, worker_count(workers))
    for _ in track_progress(done, len(missing), description, "shards"):
        pass
    for job in jobs:
        _link(_stored(store, job), output / job.name)


def _stored(store: Path, job: ShardJob) -> Path:
    return store / f"{job.key}-{_library_digest()}{Path(job.name).suffix}"


@cache
def _library_digest() -> str:
    """Digest of the versions of the libraries that a shard's bytes can depend on."""
    return digest_of(sys.version_info[:2], [version(library) for library in LIBRARIES])[:8]


def _computed(
    make: Callable[[Any, Path], None], jobs: Sequence[ShardJob], store: Path, workers: int
) -> Iterator[ShardJob]:
    if not jobs:
        return
    with one_thread_processes(min(workers, len(jobs))) as pool:
        futures = {pool.submit(_make_one, make, job.payload, _stored(store, job)): job for job in jobs}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool as error:
            raise TrackPersistenceError(
                "a worker process was killed, by the memory limit perhaps; lower run.workers in params.yaml "
                "and run the same command again: finished shards are kept"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # shards being made are finished and kept


def _make_one(make: Callable[[Any, Path], None], payload: Any, path: Path) -> None:
    with atomic_path(path) as temporary:
        make(payload, temporary)


def _link(source: Path, target: Path) -> None:
    """Put `source` at `target` without copying where the file system allows."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise StorageError(f"{target}: cannot be written: {error}; free some space") from error


@contextmanager
def one_thread_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes whose numerical libraries use one thread each.

    Two one-thread processes run the encoder two to three times faster than one process with two threads.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """Make this worker end when the process that started it was killed, instead of waiting for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
