"""The whole pipeline on a tiny profile: complete, and indifferent to being killed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from track_persistence.core.files import read_json

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
UP_TO_DATE = "Data and pipelines are up to date."


def test_every_stage_has_run_and_its_results_are_in_the_report(pipeline: Any) -> None:
    lock = YAML(typ="safe").load(pipeline.folder / "dvc.lock")
    assert set(lock["stages"]) == set(YAML(typ="safe").load(pipeline.folder / "dvc.yaml")["stages"])
    page = (pipeline.folder / "reports" / "report.html").read_text()
    accuracy = read_json(pipeline.folder / "metrics" / "train.json")["nominal"]["validation"]["by_frames"]["whole"]
    assert f"{100 * accuracy['transformer']['accuracy']['value']:.1f} %" in page
    assert page.count('class="strip"') >= 1


def test_results_for_git_are_in_git_and_the_large_ones_are_not(pipeline: Any) -> None:
    tracked = set(pipeline.git("ls-files").split())
    assert {"dvc.lock", "metrics/train.json", "plots/roc.csv"} <= tracked
    large = {path for path in tracked if path.startswith(("data/", "models/", "reports/"))}
    assert large == {"data/footage/README.md"}


def test_a_second_run_has_nothing_to_do(pipeline: Any) -> None:
    assert UP_TO_DATE in pipeline.dvc("repro")
    assert "Running stage" not in pipeline.dvc("repro", "--dry", "--allow-missing")


def started_then_killed(project: Any, command: list[str], is_midway: Callable[[], bool]) -> None:
    """Start a stage, send SIGKILL to it and its workers once it is midway."""
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env=dict(project.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not is_midway():
            assert process.poll() is None, "the stage ended before it was killed"
            assert time.monotonic() < deadline, "the stage never came midway"
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def killed_and_run_again(
    pipeline: Any, tmp_path: Path, stage: str, flags: dict[str, Any], stored: str
) -> tuple[str, dict[str, bytes]]:
    """Kill a stage when the first file named `stored` lies in a fresh store, and run it again to the end.

    Returns what the second run printed and the files it wrote.
    """
    overrides, params, output = tmp_path / "store.yaml", tmp_path / "params.yaml", tmp_path / "output"
    store = tmp_path / "store"
    overrides.write_text(f"run: {{store: {json.dumps(str(store))}}}\n")
    make_profile = [str(pipeline.folder / "stages" / "make_profile.py"), "--params", "params.yaml"]
    pipeline.run("python", *make_profile, "--overrides", str(overrides), "--output", str(params))
    command = ["python", f"stages/{stage}.py", "--params", str(params), "--output-dir", str(output)]
    command += [word for flag, value in flags.items() for word in (f"--{flag}", str(value))]

    def is_midway() -> bool:
        return any(not path.name.startswith(".") for path in store.rglob(stored))

    started_then_killed(pipeline, command, is_midway)
    assert not any(output.rglob("*")), "the stage was done before it was killed"
    printed = pipeline.run(*command)
    return printed, pipeline.elsewhere(output).contents(".")


def test_extract_killed_midway_goes_on_to_the_same_bytes(pipeline: Any, tmp_path: Path) -> None:
    flags = {"data-dir": "data/scenes", "magvit-checkpoint": "models/tokenizer/magvit.safetensors"}
    printed, files = killed_and_run_again(pipeline, tmp_path, "extract", flags, "*.h5")
    assert "of 12 shards are in" in printed
    assert files == pipeline.elsewhere(pipeline.folder / "data" / "features").contents(".")


def test_train_killed_midway_goes_on_to_the_same_bytes(pipeline: Any, tmp_path: Path) -> None:
    flags = {"data-dir": "data/features", "recordings-dir": "data/recordings"}
    printed, files = killed_and_run_again(pipeline, tmp_path, "train", flags, "*.train.pt")
    assert "going on after epoch" in printed
    assert files == pipeline.elsewhere(pipeline.folder / "models" / "persistence").contents(".")


def test_metrics_params_and_plots_are_compared_between_branches(pipeline: Any, tmp_path: Path) -> None:
    pipeline.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = pipeline.elsewhere(tmp_path / "clone")
    clone.git("checkout", "--quiet", "-b", "idea")
    metrics = clone.folder / "metrics" / "train.json"
    content = read_json(metrics)
    content["training"]["best_epoch"] = 99
    metrics.write_text(json.dumps(content))
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("early_frames: 3", "early_frames: 5"))
    clone.commit("An idea")
    changed = json.loads(clone.dvc("metrics", "diff", "main", "idea", "--json"))
    assert list(changed) == ["metrics/train.json"]
    assert changed["metrics/train.json"]["training.best_epoch"]["new"] == 99
    assert json.loads(clone.dvc("params", "diff", "main", "idea", "--json")) == {
        "params.yaml": {"report.early_frames": {"old": 3, "new": 5, "diff": 2}}
    }
    page = clone.dvc("plots", "diff", "main", "idea").strip().removeprefix("file://")
    drawn = Path(page).read_text()
    plots = YAML(typ="safe").load(clone.folder / "dvc.yaml")["plots"]
    assert all(title in drawn for plot in plots for title in plot)
