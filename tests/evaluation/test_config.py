from pathlib import Path

import pytest

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import load_section
from track_persistence.evaluation.config import ScenariosConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
GOOD = """scenarios:
  seeds: 2
  mixes:
    "1": {persistent: 2, brief: 0, noise: 0, expected_filtered: 0.0}
    "2": {persistent: 5, brief: 10, noise: 0, expected_filtered: 0.667}
    "3": {persistent: 3, brief: 0, noise: 20, expected_filtered: 0.87}
  lasting: null
  cases:
    mirror:
      {scenes: 4, clock_sigma_frames: null, objects: 3, ghosts: {reflection: 4}, changes: {lives.fragments: [1.0]}}
  gate_m: 2.0
  gospa_cutoff_m: 2.0
  hota_zero_distance_m: 4.0
  distances_cm: [50, 100]
  depth_edges_m: [3, 15, 30]
  min_hits: 3
  min_mean_confidence: 0.5
  replicates: 10
"""


def test_the_repository_s_scenarios_are_those_of_the_specification() -> None:
    config = load_section(PARAMS, "scenarios", ScenariosConfig)
    tracks = {number: (mix.persistent, mix.brief, mix.noise) for number, mix in config.mixes.items()}
    assert tracks == {"1": (2, 0, 0), "2": (5, 10, 0), "3": (3, 0, 20)}
    for mix in config.mixes.values():
        # what is to go is everything that is not persistent
        share = (mix.brief + mix.noise) / (mix.persistent + mix.brief + mix.noise)
        assert mix.expected_filtered == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2", "seeds: 1", r"scenarios.seeds: .*greater than or equal to 2 \(got 1\)"),
        ('"3"', '"4"', r"scenarios.mixes.4"),
        ("gate_m: 2.0", "gate_m: 0", r"scenarios.gate_m: .*\(got 0\)"),
        ("persistent: 3", "persistent: 0", r"scenarios.mixes.3.persistent: .*\(got 0\)"),
        ("mirror:", "Mirror:", r"scenarios.cases.Mirror.*\(got 'Mirror'\)"),
        ("mirror:", '"4":', r"scenarios.cases.4.*\(got '4'\)"),
        ("scenes: 4", "scenes: 1", r"scenarios.cases.mirror.scenes: .*\(got 1\)"),
        ("{reflection: 4}", "{echo: 4}", r"scenarios.cases.mirror.ghosts.echo"),
        ("{reflection: 4}", "{window: 0}", r"scenarios.cases.mirror.ghosts.window: .*\(got 0\)"),
        ("min_hits: 3", "min_hit: 3", r"scenarios.min_hit: not a known key"),
        ("distance_m: 4.0", "distance_m: 2", r"hota_zero_distance_m 2 must be above gate_m 2"),
        ("[50, 100]", "[100, 50]", r"distances_cm must grow; got \[100, 50\]"),
        ("[50, 100]", "[0.5]", r"scenarios.distances_cm.0: .*\(got 0.5\)"),
        ("[3, 15, 30]", "[3, 3]", r"depth_edges_m must grow; got \[3.0, 3.0\]"),
        ("[3, 15, 30]", "[3]", r"scenarios.depth_edges_m: .*at least 2"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(GOOD)
    assert load_section(path, "scenarios", ScenariosConfig).seeds == 2
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ParamsError, match=message):
        load_section(path, "scenarios", ScenariosConfig)


def test_a_missing_scenario_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("".join(line for line in GOOD.splitlines(keepends=True) if '"3"' not in line))
    with pytest.raises(ParamsError, match=r"mixes must have the keys '1', '2' and '3'.*got \['1', '2'\]"):
        load_section(path, "scenarios", ScenariosConfig)


def test_the_cases_come_after_the_numbered_scenarios_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    another = "    aquarium: {scenes: 2, clock_sigma_frames: null, objects: 1, ghosts: {}, changes: {}}\n"
    path.write_text(GOOD.replace("  gate_m", another + "  gate_m"))
    assert load_section(path, "scenarios", ScenariosConfig).names == ("1", "2", "3", "mirror", "aquarium")
