from pathlib import Path
from typing import Any

import numpy as np
import pytest

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import load_section
from track_persistence.core.types import Ghost
from track_persistence.evaluation.config import CaseConfig, ScenariosConfig
from track_persistence.evaluation.scenario_scenes import changed, scenarios_of
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.generate import PROFILES
from track_persistence.simulation.matched_scene import Plan
from track_persistence.stereo.config import BiasConfig, LastingConfig
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
GENERATE = load_section(PARAMS, "generate", GenerateConfig)


def case(**changes: Any) -> CaseConfig:
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    return CaseConfig(scenes=2, objects=2, ghosts={"glare": 2, "noise": 1}, changes=dotted, clock_sigma_frames=None)


@pytest.fixture
def config(scoring: ScenariosConfig) -> ScenariosConfig:
    cases = {"lamps": case(lives__length_frames=[30, 30]), "plain": case()}
    return scoring.model_copy(update={"cases": cases})


def test_the_repository_s_cases_are_valid_and_beyond_the_three_specified() -> None:
    config = load_section(PARAMS, "scenarios", ScenariosConfig)
    made = scenarios_of(config, GENERATE, config.names)
    assert [scenario.name for scenario in made[3:]] == [
        "mirror",
        "glare_30_frames",
        "crossing",
        "low_light",
        "desync",
    ]
    assert made[4].generate.matched.lives.length_frames == (30, 30)
    assert made[6].generate.matched.nuisances.light.dark_share == 1
    assert made[7].generate.matched.nuisances.clock.desync_share == 1


def test_a_case_has_its_plan_and_its_changes_and_expects_nothing(config: ScenariosConfig) -> None:
    one, lamps = scenarios_of(config, GENERATE, ["1", "lamps"])
    assert lamps.content == Plan(2, (Ghost.GLARE, Ghost.GLARE, Ghost.NOISE))
    assert lamps.generate.matched.lives.length_frames == (30, 30)
    assert (lamps.scenes, lamps.expected_filtered) == (2, None)
    assert one.generate is GENERATE
    assert (one.profile, lamps.profile) == PROFILES
    assert (one.scenes, one.expected_filtered) == (2, 0.5)


def test_cases_are_tracked_with_the_lasting_errors_of_their_profile_and_their_own_clocks(
    config: ScenariosConfig,
) -> None:
    bias = BiasConfig(pixel_sigma_px=1.0, size_sigma=0.05, cut_size_sigma=0.2)
    errors = LastingConfig(shared=bias, own=bias, border_px=2.0, clock_sigma_frames=0.5)
    cases = config.cases | {"plain": config.cases["plain"].model_copy(update={"clock_sigma_frames": 2.0})}
    changed_config = config.model_copy(update={"lasting": errors, "cases": cases})
    tracking = load_section(PARAMS, "tracking", TrackingConfig).model_copy(update={"lasting": None})
    one, lamps, plain = scenarios_of(changed_config, GENERATE, ["1", "lamps", "plain"])
    assert one.tracked_with(tracking) == tracking
    assert lamps.tracked_with(tracking) == tracking.model_copy(update={"lasting": errors})
    assert plain.tracked_with(tracking).lasting == errors.model_copy(update={"clock_sigma_frames": 2.0})
    (silent,) = scenarios_of(config, GENERATE, ["lamps"])
    assert silent.tracked_with(tracking.model_copy(update={"lasting": errors})).lasting is None


def test_changes_leave_everything_else_as_it_was() -> None:
    found = changed(GENERATE, "lamps", case(lives__length_frames=[30, 30], nuisances__light__dark_share=1))
    before, after = GENERATE.model_dump(), found.model_dump()
    after["matched"]["lives"]["length_frames"] = before["matched"]["lives"]["length_frames"]
    after["matched"]["nuisances"]["light"]["dark_share"] = before["matched"]["nuisances"]["light"]["dark_share"]
    assert after == before
    assert changed(GENERATE, "plain", case()) == GENERATE


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("lives.length", [1, 2], r"lives\.length: not a key below generate\.matched \(got \[1, 2\]\)"),
        ("life.length_frames", [1, 2], r"life\.length_frames: not a key below"),
        ("lives.miss_share.0", 0.1, r"lives\.miss_share\.0: not a key below"),
        ("lives.length_frames", [30, 8], r"lives\.length_frames: .*must not exceed.*\(got \[30, 8\]\)"),
        ("lives.length_frames", [0, 8], r"lives\.length_frames\.0: .*greater than 0"),
        ("nuisances.light.dark_share", 2, r"nuisances\.light\.dark_share: .*less than or equal to 1 \(got 2\)"),
        ("nuisances.light.dark_stops", [1, 99], r"nuisances\.light\.dark_stops: .*may exceed 6"),
    ],
)
def test_a_wrong_change_is_named(path: str, value: Any, message: str) -> None:
    wrong = CaseConfig(scenes=2, objects=1, ghosts={}, changes={path: value}, clock_sigma_frames=None)
    with pytest.raises(ParamsError, match=r"params\.yaml: scenarios\.cases\.lamps\.changes\." + message):
        changed(GENERATE, "lamps", wrong)


def test_a_change_that_breaks_a_rule_of_the_whole_section_is_an_error() -> None:
    too_long = case(lives__length_frames=[8, GENERATE.frames_per_sequence + 1])
    with pytest.raises(ParamsError, match=r"scenarios\.cases\.lamps\.changes: .*shorter than the longest track"):
        changed(GENERATE, "lamps", too_long)


def test_an_unknown_scenario_is_named(config: ScenariosConfig) -> None:
    with pytest.raises(ParamsError, match=r"--scenarios fog: no such scenario; .* 1, 2, 3, lamps, plain"):
        scenarios_of(config, GENERATE, ["1", "fog"])


def test_a_recipe_holds_what_changes_a_scene_and_nothing_else(config: ScenariosConfig) -> None:
    def recipes(generate: GenerateConfig) -> list[dict[str, Any]]:
        return [scenario.recipe for scenario in scenarios_of(config, generate, ["1", "lamps", "plain"])]

    before = recipes(GENERATE)
    assert before[1] != before[2]
    fewer = GENERATE.matched.model_copy(update={"scenes": 1})
    assert recipes(GENERATE.model_copy(update={"scenes": 1, "sheet_rows": 1, "matched": fewer})) == before
    crowd = GENERATE.matched.crowd.model_copy(update={"company_share": 0.0})
    after = recipes(GENERATE.model_copy(update={"matched": GENERATE.matched.model_copy(update={"crowd": crowd})}))
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]


def test_a_simulated_scene_holds_what_its_case_says(config: ScenariosConfig) -> None:
    (lamps,) = scenarios_of(config, GENERATE, ["lamps"])
    scene = lamps.simulate(7, 1)
    assert scene.scene_id == lamps.first_scene_id + 1
    tracks = [item for camera in scene.tracks for item in camera]
    assert {item.ghost for item in tracks if not item.is_persistent} == {Ghost.GLARE, Ghost.NOISE}
    assert max(int(np.ptp(item.track.frames)) + 1 for item in tracks) <= 30
    again = lamps.simulate(7, 1)
    for one, other in zip(tracks, [item for camera in again.tracks for item in camera], strict=True):
        assert np.array_equal(one.track.crops, other.track.crops)
