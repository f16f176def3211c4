import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from track_persistence.core.disk import SteadyFile

LIMIT_BYTES = 10


@contextmanager
def nearly_full() -> Iterator[None]:
    """No file may grow beyond ten bytes; as on a full disk, a write takes a part first and then fails.

    Within a test's body only: the test runner's own output may go to a file.
    """
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    with SteadyFile(tmp_path / "a", "w+b") as file:
        assert file.write(b"abc") == 3
        file.truncate(5)
        file.check()
    assert (tmp_path / "a").read_bytes() == b"abc\0\0"


def test_a_write_that_fits_in_part_is_an_error_kept_for_later(tmp_path: Path) -> None:
    with nearly_full():
        file = SteadyFile(tmp_path / "a", "w+b")
        assert file.write(b"x" * 25) == 25
        with pytest.raises(OSError, match="File too large"):
            file.check()
        assert file.write(b"y") == 1
        file.close()


def test_growing_beyond_the_disk_is_an_error_kept_for_later(tmp_path: Path) -> None:
    with nearly_full(), pytest.raises(OSError, match="File too large"), SteadyFile(tmp_path / "a", "w+b") as file:
        assert file.truncate(50) == 50


def test_the_first_error_stands_before_what_followed_from_it(tmp_path: Path) -> None:
    with nearly_full(), pytest.raises(OSError, match="File too large"), SteadyFile(tmp_path / "a", "w+b") as file:
        file.write(b"x" * 25)
        raise RuntimeError("the library read back what was never written")


def test_another_error_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="elsewhere"), SteadyFile(tmp_path / "a", "w+b"):
        raise RuntimeError("elsewhere")
