"""The whole pipeline on a tiny profile is repeatable to the byte."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow

STAGES = [
    "generate",
    "tokenizer",
    "extract",
    "recordings",
    "train",
    "geometry",
    "fuse",
    "ablate",
    "scenarios",
    "analyze",
    "explain",
    "report",
]


def test_doing_everything_again_gives_the_same_bytes(fresh: Any, request: pytest.FixtureRequest) -> None:
    """In another folder without the store of finished shards, so that every stage really computes."""
    output = fresh.dvc("repro", "--force")
    assert [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")] == STAGES
    pipeline = request.getfixturevalue("pipeline")  # after the run: another worker process makes it meanwhile
    for parts in (["dvc.lock"], ["metrics", "plots"], ["data", "models", "reports"]):
        assert fresh.contents(*parts) == pipeline.contents(*parts) != {}
