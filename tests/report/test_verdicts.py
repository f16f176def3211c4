from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core.params import load_section
from track_persistence.report.config import ReportConfig
from track_persistence.report.verdicts import Verdict, verdicts_of

Metrics = dict[str, Any]
Measured = Callable[..., dict[str, float]]
CONFIG = load_section(Path(__file__).parents[2] / "params.yaml", "report", ReportConfig)


def judge(train: dict[str, Any], scenarios: dict[str, Any], claim: str) -> Verdict:
    found = [item for item in verdicts_of(CONFIG, train, scenarios, ("train", "scenarios")) if claim in item.claim]
    assert len(found) == 1
    return found[0]


def test_an_accuracy_above_the_requirement_meets_it_and_the_duration_rule_stands_beside_it(
    train_metrics: Metrics, scenario_metrics: Metrics
) -> None:
    verdict = judge(train_metrics, scenario_metrics, "Validation accuracy")
    assert verdict.status == "met"
    assert "98.0 % [96.0, 100.0]" in verdict.finding
    assert "duration rule" in verdict.finding and "100.0 % [98.0, 102.0]" in verdict.finding


def test_an_accuracy_equal_to_the_requirement_does_not_exceed_it(
    train_metrics: Metrics, scenario_metrics: Metrics, measured: Measured
) -> None:
    train_metrics["validation"]["by_frames"]["whole"]["transformer"]["accuracy"] = measured(0.95)
    assert judge(train_metrics, scenario_metrics, "Validation accuracy").status == "missed"


def test_a_baseline_that_wins_is_said_to_win(train_metrics: Metrics, scenario_metrics: Metrics) -> None:
    verdict = judge(train_metrics, scenario_metrics, "on whole tracks (test accuracy)")
    assert verdict.status == "missed"
    assert verdict.finding.startswith("The baseline wins")
    assert "duration (min_hits) 100.0 %" in verdict.finding


def test_a_lead_beyond_the_intervals_is_a_lead(train_metrics: Metrics, scenario_metrics: Metrics) -> None:
    assert judge(train_metrics, scenario_metrics, "after 3 frames").status == "met"


def test_a_lead_within_the_intervals_is_undecided(
    train_metrics: Metrics, scenario_metrics: Metrics, measured: Measured
) -> None:
    train_metrics["test"]["by_frames"]["3"]["no_pixels"]["auc"] = measured(
        0.92
    )  # [0.90, 0.94] reaches into [0.91, 0.95]
    verdict = judge(train_metrics, scenario_metrics, "after 3 frames")
    assert verdict.status == "open"
    assert "overlap" in verdict.finding


def test_equal_scores_are_level(train_metrics: Metrics, scenario_metrics: Metrics, measured: Measured) -> None:
    train_metrics["test"]["by_frames"]["3"]["no_pixels"]["auc"] = measured(0.93)
    assert "level" in judge(train_metrics, scenario_metrics, "after 3 frames").finding


def test_a_split_of_one_class_decides_nothing(train_metrics: Metrics, scenario_metrics: Metrics) -> None:
    for method in train_metrics["test"]["by_frames"]["3"].values():
        if isinstance(method, dict):
            method["auc"] = {"value": None, "low": None, "high": None}
    assert judge(train_metrics, scenario_metrics, "after 3 frames").status == "open"


@pytest.mark.parametrize(
    ("dropped", "width", "status"),
    [
        (0.63, 0.01, "met"),  # 0.667 - 0.63 = 0.037, within the tolerance of 0.05
        (0.60, 0.01, "missed"),  # 0.067 away, interval ends at 0.61
        (0.60, 0.07, "met"),  # the interval [0.53, 0.67] holds 0.667
    ],
)
def test_a_reduction_is_met_near_the_expected_share_or_with_it_in_the_interval(
    dropped: float, width: float, status: str, train_metrics: Metrics, scenario_metrics: Metrics, measured: Measured
) -> None:
    scenario_metrics["2"]["track_reduction"] = measured(dropped, width)
    assert judge(train_metrics, scenario_metrics, "67 % of the tracks").status == status


def test_a_filter_that_worsens_the_3d_result_is_said_to(
    train_metrics: Metrics, scenario_metrics: Metrics, measured: Measured
) -> None:
    scenario_metrics["1"]["appearance"]["gospa_change_m"] = measured(0.5)
    assert judge(train_metrics, scenario_metrics, "Scenario 1 clean: the 3D result").status == "missed"
    scenario_metrics["1"]["appearance"]["gospa_change_m"] = measured(0.01)  # [-0.01, 0.03] holds 0
    assert judge(train_metrics, scenario_metrics, "Scenario 1 clean: the 3D result").status == "open"


@pytest.mark.parametrize(
    ("gospa_m", "width", "status"),
    [
        (0.5, 0.01, "met"),  # level with appearance alone
        (0.53, 0.02, "open"),  # [0.51, 0.55] reaches into [0.48, 0.52]
        (0.6, 0.01, "missed"),
    ],
)
def test_the_fusion_stands_beside_its_parts(
    train_metrics: Metrics,
    scenario_metrics: Metrics,
    measured: Measured,
    gospa_m: float,
    width: float,
    status: str,
) -> None:
    scenario = scenario_metrics["2"]
    scenario["geometry"] = scenario["off"]
    scenario["both"] = scenario["off"] | {"gospa_m": measured(gospa_m, width)}
    verdict = judge(train_metrics, scenario_metrics, "Scenario 2 cluttered: appearance and geometry together")
    assert verdict.status == status
    assert "by appearance 0.50 [0.48, 0.52] m, by geometry 2.00 [1.98, 2.02] m" in verdict.finding


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
    train_metrics: Metrics, scenario_metrics: Metrics, nees: float | None, status: str, words: str
) -> None:
    scenario_metrics["3"]["appearance"]["paths"]["nees_one_frame_a_path"]["value"] = nees
    verdict = judge(train_metrics, scenario_metrics, "Scenario 3 noisy: the 3D tracks are as uncertain")
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
    train_metrics: Metrics,
    scenario_metrics: Metrics,
    measured: Measured,
    gospa_m: float,
    width: float,
    status: str,
    words: str,
) -> None:
    scenario_metrics["2"]["min_hits"] = scenario_metrics["2"]["off"] | {"gospa_m": measured(gospa_m, width)}
    verdict = judge(train_metrics, scenario_metrics, "than that of the simple rules")
    assert verdict.status == status
    assert words in verdict.finding
