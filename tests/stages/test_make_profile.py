import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PARAMS = "seed: 7\n\ntrain: # how to learn\n  rate: 1e-4\n  epochs: 8\n  inner: {a: 1, b: 2}\n"


def make_profile(folder: Path, overrides: str) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "overrides.yaml").write_text(overrides)
    command = [sys.executable, str(ROOT / "stages" / "make_profile.py"), "--params", "params.yaml"]
    command += ["--overrides", "overrides.yaml", "--output", "profile.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_profile_replaces_the_keys_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    done = make_profile(tmp_path, "train:\n  epochs: 1\n  inner: {b: 5}\n")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "profile.yaml").read_text()
    assert "# how to learn" in text
    assert YAML(typ="safe").load(text) == {
        "seed": 7,
        "train": {"rate": 1e-4, "epochs": 1, "inner": {"a": 1, "b": 5}},
    }


@pytest.mark.parametrize(("overrides", "key"), [("train: {epohcs: 1}", "train.epohcs"), ("tran: {}", "tran")])
def test_a_key_that_does_not_exist_is_an_error_of_one_line(tmp_path: Path, overrides: str, key: str) -> None:
    done = make_profile(tmp_path, overrides)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: overrides.yaml: {key}: not a known key")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "profile.yaml").exists()


@pytest.mark.parametrize("overrides", ["profiles/smoke.yaml", "tests/stages/tiny.yaml"])
def test_the_repository_s_own_profiles_fit_its_params(tmp_path: Path, overrides: str) -> None:
    command = [sys.executable, str(ROOT / "stages" / "make_profile.py"), "--params", str(ROOT / "params.yaml")]
    command += ["--overrides", str(ROOT / overrides), "--output", str(tmp_path / "params.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
