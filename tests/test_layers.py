"""The linter that keeps the layers is itself seen to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy_of_the_source(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in `folder/src`, as `make check` does on the repository's own."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def plant(folder: Path, module: str, statement: str) -> None:
    path = folder / "src" / "track_persistence" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{statement}\n")


def test_the_layers_hold(copy_of_the_source: Path) -> None:
    result = lint_imports(copy_of_the_source)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("core/errors", "import track_persistence.report.config", "arrows point down BROKEN"),
        ("stereo/config", "import track_persistence.classifier.config", "arrows point down BROKEN"),
        ("core/errors", "import torch", "the core knows no foreign library BROKEN"),
    ],
)
def test_an_import_against_the_layers_is_found(
    copy_of_the_source: Path, module: str, statement: str, contract: str
) -> None:
    plant(copy_of_the_source, module, statement)
    result = lint_imports(copy_of_the_source)
    assert result.returncode == 1
    assert contract in result.stdout
