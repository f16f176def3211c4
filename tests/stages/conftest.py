"""One run of the whole pipeline on a tiny profile, in a folder of its own, shared by every test here."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
BIN = Path(sys.executable).parent
PARTS = (
    "src",
    "stages",
    "responses",
    "data/footage/README.md",
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info")


@dataclass(frozen=True)
class Project:
    """A git and DVC repository and the environment its commands run in, cut off from the user's settings."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def run(self, *command: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run a command in the folder and return what it printed; fails the test on another exit code."""
        done = subprocess.run(command, cwd=self.folder, env=dict(self.environment), capture_output=True, text=True)
        assert done.returncode in allowed, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def dvc(self, *arguments: str) -> str:
        return self.run(str(BIN / "dvc"), *arguments)

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def elsewhere(self, folder: Path, **environment: str) -> "Project":
        """Return another folder in the same environment with the given variables on top."""
        return Project(folder, {**self.environment, **environment})

    def contents(self, *parts: str) -> dict[str, bytes]:
        """Return every file below the named files and folders by its path."""
        files = [path for part in parts for path in [self.folder / part, *(self.folder / part).rglob("*")]]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files if path.is_file()}


def environment_of(home: Path) -> dict[str, str]:
    """The caller's variables less those for DVC, git and S3, and the one that makes every stage compile its modules."""
    dropped = ("DVC_", "GIT_", "AWS_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {
        "HOME": str(home),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "system"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        "PYTHONPATH": "src",
        "MPLCONFIGDIR": str(home / "matplotlib"),
    }


def set_up(project: Project) -> None:
    """Copy the repository's own pipeline into the project's folder and give it the tiny profile."""
    for part in PARTS:
        source, target = ROOT / part, project.folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT)
        else:
            shutil.copy(source, target)
    project.run("python", str(ROOT / "stages" / "make_profile.py"), "--params", "params.yaml",
                "--overrides", str(TINY), "--output", "params.yaml")  # fmt: skip
    project.git("init", "--quiet", "--initial-branch", "main")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The repository's own pipeline on the tiny profile, before any stage has run."""
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    project = Project(tmp_path / "project", environment_of(tmp_path / "home"))
    set_up(project)
    return project


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The repository's own pipeline after `dvc repro` on the tiny profile, everything committed. Leave it unchanged.

    The worker processes of a test run share it: the first to need it makes it, the others wait.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "pipeline"
    home, folder, finished = shared / "home", shared / "project", shared / "finished"
    project = Project(folder, environment_of(home))
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            for path in (home, folder):
                shutil.rmtree(path, ignore_errors=True)  # of a worker that failed
                path.mkdir()
            set_up(project)
            project.dvc("repro")
            project.commit("A run of the tiny profile")
            finished.touch()
    return project
