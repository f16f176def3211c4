"""A team shares results through an S3 bucket: pushed once, never computed twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

pytestmark = pytest.mark.slow

BUCKET = "tracks"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server on loopback that speaks the S3 protocol, with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket=BUCKET)
    yield url
    server.stop()


@pytest.fixture(scope="module")
def shared(pipeline: Any, endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A clone of the pipeline whose results were pushed to the bucket; clone it to be a teammate."""
    folder = tmp_path_factory.mktemp("author")
    pipeline.git("clone", "--quiet", ".", str(folder))
    author = pipeline.elsewhere(folder, **KEYS)
    author.dvc("cache", "dir", "--local", str(pipeline.folder / ".dvc" / "cache"))
    author.dvc("remote", "add", "--default", "team", f"s3://{BUCKET}/track-persistence")
    author.dvc("remote", "modify", "team", "endpointurl", endpoint)
    author.commit("The team's remote")
    author.dvc("push")
    return author


@pytest.fixture
def teammate(shared: Any, tmp_path: Path) -> Any:
    """A fresh clone with an empty cache, in which `python` fails: whatever is computed is seen."""
    shared.git("clone", "--quiet", ".", str(tmp_path / "teammate"))
    forbidden = tmp_path / "bin" / "python"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\necho computed: $@ >&2\nexit 97\n")
    forbidden.chmod(0o755)
    path = f"{forbidden.parent}:{shared.environment['PATH']}"
    return shared.elsewhere(tmp_path / "teammate", PATH=path, DVC_SITE_CACHE_DIR=str(tmp_path / "site"))


def test_a_teammate_recomputes_nothing(teammate: Any) -> None:
    lock = (teammate.folder / "dvc.lock").read_bytes()
    assert not (teammate.folder / ".dvc" / "cache").exists()
    output = teammate.dvc("repro", "--pull", "--allow-missing")
    assert "Running stage" not in output
    assert (teammate.folder / "dvc.lock").read_bytes() == lock
    assert teammate.git("status", "--porcelain") == ""


def test_a_stage_the_teammate_changes_runs_on_pulled_inputs_alone(teammate: Any, pipeline: Any) -> None:
    params = teammate.folder / "params.yaml"
    params.write_text(params.read_text().replace("fewest_tracks: 5", "fewest_tracks: 6"))
    working = teammate.elsewhere(teammate.folder, PATH=pipeline.environment["PATH"])
    output = working.dvc("repro", "--pull", "--allow-missing", "explain")
    assert [line for line in output.splitlines() if line.startswith("Running stage")] == ["Running stage 'explain':"]
    assert (teammate.folder / "data" / "evidence" / "evidence.json").is_file()
    assert not (teammate.folder / "data" / "scenes").exists()


def test_the_features_come_alone(teammate: Any, pipeline: Any) -> None:
    teammate.dvc("pull", "extract")
    assert teammate.contents("data/features") == pipeline.contents("data/features")
    assert teammate.contents("data/features")
    assert not (teammate.folder / "data" / "scenes").exists()
    assert not (teammate.folder / "models").exists()


def test_everything_pulled_is_what_was_computed(teammate: Any, pipeline: Any) -> None:
    teammate.dvc("pull")
    parts = ("data", "models", "reports")
    assert teammate.contents(*parts) == pipeline.contents(*parts)
