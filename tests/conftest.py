"""Which tests share a worker process, and how often the repository's params are parsed: once a process."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core import params

ROOT = Path(__file__).parents[1]
PIPELINE, FRESH = "pipeline", "fresh"


def pytest_configure() -> None:
    """Parse `params.yaml` once: it takes a fifth of a second, and half of the test files load sections of it."""
    parse = params.read_params
    parsed_once = cache(parse)

    def read_params(path: Path) -> dict[str, Any]:
        ours = isinstance(path, Path) and path.absolute() == ROOT / "params.yaml"
        return copy.deepcopy(parsed_once(path)) if ours else parse(path)

    params.read_params = read_params


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests; with several workers two begin with a run of the tiny pipeline each, the longest work."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(PIPELINE if PIPELINE in fixtures_of(item) else str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    if config.getoption("numprocesses", None):
        items.sort(key=lambda item: not fixtures_of(item) & {PIPELINE, FRESH})


def fixtures_of(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
