from collections.abc import Callable
from typing import Any

import pytest
from tests.report.conftest import CONFIG

from track_persistence.report.scenario_verdicts import TOGETHER, scenario_verdicts
from track_persistence.report.verdict import Verdict

Metrics = dict[str, Any]
Measured = Callable[..., dict[str, float]]


def judge(scenarios: Metrics, claim: str) -> Verdict:
    found = [item for item in scenario_verdicts(CONFIG, scenarios, "scenarios") if claim in item.claim]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("dropped", "width", "status"),
    [
        (0.63, 0.01, "met"),  # 0.667 - 0.63 = 0.037, within the tolerance of 0.05
        (0.60, 0.01, "missed"),  # 0.067 away, interval ends at 0.61
        (0.60, 0.07, "met"),  # the interval [0.53, 0.67] holds 0.667
    ],
)
def test_a_reduction_is_met_near_the_expected_share_or_with_it_in_the_interval(
    dropped: float, width: float, status: str, scenario_metrics: Metrics, measured: Measured
) -> None:
    scenario_metrics["2"]["track_reduction"] = measured(dropped, width)
    assert judge(scenario_metrics, "67 % of the tracks").status == status


def test_a_filter_that_worsens_the_3d_result_is_said_to(scenario_metrics: Metrics, measured: Measured) -> None:
    scenario_metrics["1"]["appearance"]["gospa_change_m"] = measured(0.5)
    assert judge(scenario_metrics, "Scenario 1 clean: the 3D result").status == "missed"
    scenario_metrics["1"]["appearance"]["gospa_change_m"] = measured(0.01)  # [-0.01, 0.03] holds 0
    assert judge(scenario_metrics, "Scenario 1 clean: the 3D result").status == "open"


@pytest.mark.parametrize(
    ("gospa_m", "width", "status"),
    [
        (0.5, 0.01, "met"),  # level with appearance alone
        (0.53, 0.02, "open"),  # [0.51, 0.55] reaches into [0.48, 0.52]
        (0.6, 0.01, "missed"),
    ],
)
def test_the_fusion_stands_beside_its_parts(
    scenario_metrics: Metrics,
    measured: Measured,
    gospa_m: float,
    width: float,
    status: str,
) -> None:
    scenario = scenario_metrics["2"]
    scenario["statistics"] = scenario["geometry"] = scenario["off"]
    scenario[TOGETHER] = scenario["off"] | {"gospa_m": measured(gospa_m, width)}
    verdict = judge(scenario_metrics, "Scenario 2 cluttered: appearance, statistics and geometry together")
    assert verdict.status == status
    assert "by appearance 0.50 [0.48, 0.52] m, by statistics 2.00 [1.98, 2.02] m" in verdict.finding


@pytest.mark.parametrize(
    ("nees", "status", "words"),
    [
        (2.9, "met", "expected 3 and by chance 2.00 to 4.20"),
        (5.0, "missed", "too small"),
        (1.0, "missed", "larger than need be"),
        (None, "open", "no 3D track"),
    ],
)
def test_the_stated_uncertainty_is_held_against_the_errors(
    scenario_metrics: Metrics, nees: float | None, status: str, words: str
) -> None:
    scenario_metrics["3"]["appearance"]["paths"]["nees_one_frame_a_path"]["value"] = nees
    verdict = judge(scenario_metrics, "Scenario 3 noisy: the 3D tracks are as uncertain")
    assert verdict.status == status
    assert words in verdict.finding


@pytest.mark.parametrize(
    ("gospa_m", "width", "status", "words"),
    [
        (0.4, 0.01, "missed", "The simple rule wins"),
        (0.5, 0.01, "open", "level"),
        (0.53, 0.02, "open", "overlap"),  # [0.51, 0.55] against the filter's [0.48, 0.52]
        (0.9, 0.01, "met", "ahead"),
    ],
)
def test_the_simple_rules_stand_beside_the_filter_in_3d(
    scenario_metrics: Metrics,
    measured: Measured,
    gospa_m: float,
    width: float,
    status: str,
    words: str,
) -> None:
    scenario_metrics["2"]["min_hits"] = scenario_metrics["2"]["off"] | {"gospa_m": measured(gospa_m, width)}
    verdict = judge(scenario_metrics, "than that of the simple rules")
    assert verdict.status == status
    assert words in verdict.finding


def test_a_case_of_which_nothing_is_expected_has_no_verdict_on_the_dropped_share(scenario_metrics: Metrics) -> None:
    scenario_metrics["mirror"] = scenario_metrics["1"] | {"expected_filtered": None}
    claims = [item.claim for item in scenario_verdicts(CONFIG, scenario_metrics, "scenarios")]
    about = [claim for claim in claims if "Scenario mirrors and windows" in claim]
    assert len(about) == len([claim for claim in claims if "Scenario 1 clean" in claim]) - 1
    assert not any("tracks are" in claim and "kept" in claim for claim in about)
