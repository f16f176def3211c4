"""Progress of long work: a bar on a terminal, otherwise a log line every 10 % or 30 seconds."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_EVERY_SHARE = 0.1
LOG_EVERY_SECONDS = 30.0


def log(message: str) -> None:
    """Write one line to standard error, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def track_progress(
    items: Iterable[T],
    total: int,
    description: str,
    unit: str,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Yield `items` while showing how many of `total` are done.

    `clock` returns seconds and is replaced in tests only.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=description, unit=unit)
        return
    started = clock()
    last_time, last_share = started, 0.0
    for done, item in enumerate(items, start=1):
        yield item
        share, now = done / max(total, 1), clock()
        due = share - last_share >= LOG_EVERY_SHARE or now - last_time >= LOG_EVERY_SECONDS
        if due or done == total:
            log(f"{description}: {done}/{total} {unit} ({share:.0%}), {now - started:.0f} s")
            last_time, last_share = now, share
