"""The order of the tests, and how often the repository's params are parsed: once a process."""

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core import params

ROOT = Path(__file__).parents[1]
LONGEST = ("test_pipeline.py", "test_repetition.py")  # each runs every stage


def pytest_configure() -> None:
    """Parse `params.yaml` once: it takes a fifth of a second, and half of the test files load sections of it."""
    parse = params.read_params
    parsed_once = cache(parse)

    def read_params(path: Path) -> dict[str, Any]:
        ours = isinstance(path, Path) and path.absolute() == ROOT / "params.yaml"
        return copy.deepcopy(parsed_once(path)) if ours else parse(path)

    params.read_params = read_params


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come last; worker processes, which get whole files, begin with the two longest of them."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.path.name not in LONGEST)
