"""dvc.yaml says all a stage depends on: DVC skips a stage whose declared dependencies are unchanged, silently."""

import ast
import copy
import itertools
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGE = "track_persistence"
STAGES = (
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
)
NO_RESULT_DEPENDS_ON = {"run"}

Stage = dict[str, Any]


def read_yaml(name: str) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(ROOT / name)
    return content


PIPELINE: dict[str, Stage] = read_yaml("dvc.yaml")["stages"]


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)


def imported_modules(script: Path) -> set[str]:
    """Modules of the package that the script names in its import statements."""
    known = import_graph().modules
    found: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & known


def files_of(module: str) -> set[str]:
    """The module's file; a package with its templates beside its modules brings those along."""
    path = SOURCE / Path(*module.split("."))
    if path.is_dir():
        return set()
    others = [file for file in path.parent.iterdir() if file.is_file() and file.suffix not in (".py", ".typed")]
    return {str(file.relative_to(ROOT)) for file in (path.with_suffix(".py"), *others)}


def script_of(stage: Stage) -> str:
    return shlex.split(stage["cmd"])[1]


def needed_code(stage: Stage) -> set[str]:
    """The script and every source file that importing it runs."""
    script = script_of(stage)
    direct = imported_modules(ROOT / script)
    modules = direct.union(*(import_graph().find_upstream_modules(module) for module in direct))
    return {script}.union(*map(files_of, modules))


def declared_code(stage: Stage) -> set[str]:
    return {path for path in stage["deps"] if path.startswith(("src/", "stages/"))}


def needed_params(script: Path) -> set[str]:
    """Sections that the script loads, less those that change no result."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text())):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if name == "load_seed":
            found.add("seed")
        elif name == "load_section":
            assert isinstance(node, ast.Call)
            section = node.args[1]
            assert isinstance(section, ast.Constant), f"{script}: the section's name must stand in the call"
            found.add(str(section.value))
    return found - NO_RESULT_DEPENDS_ON


def faults(stage: Stage) -> list[str]:
    """One line for every missing and every superfluous dependency of a stage."""
    needed, declared = needed_code(stage), declared_code(stage)
    sections, params = needed_params(ROOT / script_of(stage)), set(stage.get("params", []))
    return [
        *(f"deps lacks {path}" for path in sorted(needed - declared)),
        *(f"deps names {path}, which the stage does not import" for path in sorted(declared - needed)),
        *(f"params lacks {name}" for name in sorted(sections - params)),
        *(f"params names {name}, which the stage does not load" for name in sorted(params - sections)),
    ]


def outputs(stage: Stage) -> dict[str, dict[str, Any]]:
    """Path to settings of every output."""
    found: dict[str, dict[str, Any]] = {}
    for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
        found |= entry if isinstance(entry, dict) else {entry: {}}
    return found


def within(path: str, other: str) -> bool:
    """Whether the two are one path, or one holds the other."""
    return path == other or Path(path) in Path(other).parents or Path(other) in Path(path).parents


def test_the_pipeline_has_its_stages_in_order_each_with_a_description() -> None:
    assert tuple(PIPELINE) == STAGES
    assert all(stage["desc"] for stage in PIPELINE.values())


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_the_code_and_the_params_it_uses_and_no_other(name: str) -> None:
    found = faults(PIPELINE[name])
    assert not found, "\n".join([f"dvc.yaml: {name}:", *found])


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        (("deps", "src/track_persistence/core/storage.py"), "deps lacks src/track_persistence/core/storage.py"),
        (("deps", "src/track_persistence/report/page.css"), "deps lacks src/track_persistence/report/page.css"),
        (("deps", "stages/report.py"), "deps lacks stages/report.py"),
        (("params", "report"), "params lacks report"),
    ],
)
def test_an_undeclared_dependency_is_found(planted: tuple[str, str], expected: str) -> None:
    stage = copy.deepcopy(PIPELINE["report"])
    key, value = planted
    stage[key].remove(value)
    assert faults(stage) == [expected]


def test_a_superfluous_dependency_is_found() -> None:
    stage = copy.deepcopy(PIPELINE["report"])
    stage["deps"].append("src/track_persistence/engine/shards.py")
    stage["params"].append("run")
    assert faults(stage) == [
        "deps names src/track_persistence/engine/shards.py, which the stage does not import",
        "params names run, which the stage does not load",
    ]


def test_packages_hold_no_code_of_their_own_and_nobody_imports_the_lazy_top() -> None:
    """Why `__init__.py` is in no stage's deps: it changes no result."""
    for path in (SOURCE / PACKAGE).glob("*/__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), f"{path}: more than a docstring"
    graph = import_graph()
    assert graph.find_modules_that_directly_import(PACKAGE) == set()
    for stage in PIPELINE.values():
        for node in ast.walk(ast.parse((ROOT / script_of(stage)).read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == PACKAGE)


@pytest.mark.parametrize("name", STAGES)
def test_every_path_of_a_command_is_a_dependency_or_an_output(name: str) -> None:
    stage = PIPELINE[name]
    words = shlex.split(stage["cmd"])
    paths = [word for flag, word in itertools.pairwise(words) if flag.startswith("--")]
    declared = [*stage["deps"], *outputs(stage)]
    undeclared = [path for path in paths if not any(within(path, other) for other in declared)]
    assert undeclared == (["all"] if name == "scenarios" else [])


def test_every_data_dependency_is_the_output_of_another_stage_or_kept_in_git() -> None:
    made = [path for stage in PIPELINE.values() for path in outputs(stage)]
    for name, stage in PIPELINE.items():
        data = set(stage["deps"]) - declared_code(stage)
        strangers = sorted(data - set(made) - {"responses", "data/footage"})
        assert strangers == [], f"dvc.yaml: {name}: no stage makes {strangers}"


def test_only_the_report_has_outputs_outside_the_cache() -> None:
    """A stage with one such output cannot be restored from the remote: it would run again at every teammate's."""
    settings = {
        name: [entry.get("cache", True) for entry in outputs(stage).values()] for name, stage in PIPELINE.items()
    }
    assert not all(settings.pop("report"))
    assert all(all(cached) for cached in settings.values())


def test_no_output_breaks_the_run_cache() -> None:
    for name, stage in PIPELINE.items():
        assert not {"always_changed", "frozen"} & set(stage), name
        assert not any("persist" in entry for entry in outputs(stage).values()), name


def test_declared_params_exist() -> None:
    sections = set(read_yaml("params.yaml"))
    assert {name for stage in PIPELINE.values() for name in stage.get("params", [])} <= sections


def test_metrics_and_plots_are_made_by_the_report() -> None:
    content, made = read_yaml("dvc.yaml"), set(outputs(PIPELINE["report"]))
    drawn = {path for plot in content["plots"] for entry in plot.values() for path in entry["y"]}
    assert set(content["metrics"]) <= made
    assert drawn <= made
