from collections.abc import Callable
from typing import Any

import pytest
from tests.report.conftest import CONFIG

from track_persistence.report.verdict import Verdict
from track_persistence.report.verdicts import verdicts_of

Metrics = dict[str, dict[str, Any]]
Measured = Callable[..., dict[str, float]]
ORIGINS = {name: f"{name}.json" for name in ("train", "fuse", "ablate", "scenarios")}


def judge(metrics: Metrics, claim: str) -> Verdict:
    groups = verdicts_of(CONFIG, metrics, ORIGINS)
    found = [verdict for group in groups.values() for verdict in group if claim in verdict.claim]
    assert len(found) == 1, [verdict.claim for verdict in found]
    return found[0]


def test_verdicts_stand_by_profile_and_cases_apart_from_the_specified_scenarios(metrics: Metrics) -> None:
    assert list(verdicts_of(CONFIG, metrics, ORIGINS)) == [
        "Matched profile",
        "Nominal profile",
        "Cues and encoders",
        "Scenarios in 3D",
    ]
    metrics["scenarios"]["mirror"] = metrics["scenarios"]["1"] | {"expected_filtered": None}
    assert list(verdicts_of(CONFIG, metrics, ORIGINS))[-1] == "Hard cases in 3D"


def test_an_accuracy_above_the_requirement_meets_it_and_the_duration_rule_stands_beside_it(metrics: Metrics) -> None:
    verdict = judge(metrics, "validation accuracy")
    assert verdict.status == "met" and verdict.claim.startswith("Nominal profile")
    assert "98.0 % [96.0, 100.0]" in verdict.finding
    assert "duration rule" in verdict.finding and "100.0 % [98.0, 102.0]" in verdict.finding


def test_an_accuracy_equal_to_the_requirement_does_not_exceed_it(metrics: Metrics, measured: Measured) -> None:
    metrics["train"]["nominal"]["validation"]["by_frames"]["whole"]["transformer"]["accuracy"] = measured(0.95)
    assert judge(metrics, "validation accuracy").status == "missed"


BEATS = "Matched profile: the filter beats every simple baseline"


def test_a_baseline_that_wins_is_said_to_win(metrics: Metrics) -> None:
    verdict = judge(metrics, f"{BEATS} on whole tracks (test accuracy)")
    assert verdict.status == "missed"
    assert verdict.finding.startswith("The baseline wins")
    assert "duration (min_hits) 100.0 %" in verdict.finding


def test_a_lead_beyond_the_intervals_is_a_lead(metrics: Metrics) -> None:
    assert judge(metrics, f"{BEATS} after 3 frames").status == "met"


@pytest.mark.parametrize("rival", ["no_pixels", "bytetrack", "sum_confidence"])
def test_a_lead_within_the_intervals_is_undecided(metrics: Metrics, measured: Measured, rival: str) -> None:
    by_frames = metrics["train"]["matched"]["test"]["by_frames"]
    by_frames["3"][rival]["auc"] = measured(0.92)  # [0.90, 0.94] reaches into [0.91, 0.95]
    verdict = judge(metrics, f"{BEATS} after 3 frames")
    assert verdict.status == "open"
    assert "overlap" in verdict.finding


def test_equal_scores_are_level(metrics: Metrics, measured: Measured) -> None:
    metrics["train"]["matched"]["test"]["by_frames"]["3"]["sprt"]["auc"] = measured(0.93)
    assert "level" in judge(metrics, f"{BEATS} after 3 frames").finding


def test_a_split_of_one_class_decides_nothing(metrics: Metrics) -> None:
    for method in metrics["train"]["matched"]["test"]["by_frames"]["3"].values():
        if isinstance(method, dict):
            method["auc"] = {"value": None, "low": None, "high": None}
    assert judge(metrics, f"{BEATS} after 3 frames").status == "open"
    assert judge(metrics, "Matched profile: AUC after 3 frames").status == "open"


def test_targets_are_judged_on_their_own_profile_and_age(metrics: Metrics) -> None:
    assert judge(metrics, "Matched profile: AUC after 1 frame is at least 0.92").status == "missed"  # 0.81
    assert judge(metrics, "Matched profile: AUC after 3 frames is at least 0.92").status == "met"  # 0.93
    assert judge(metrics, "Nominal profile: accuracy on whole tracks is at least 99 %").status == "missed"  # 98 %


def test_the_worst_age_decides_on_the_calibration(metrics: Metrics, measured: Measured) -> None:
    verdict = judge(metrics, "expected calibration error is at most 3 %")
    assert verdict.status == "missed" and "5.0 % [4.5, 5.5], on whole tracks" in verdict.finding
    for age in ("1", "3", "10", "whole"):
        metrics["train"]["matched"]["test"]["by_frames"][age]["transformer"]["calibration_error"] = measured(0.03)
    assert judge(metrics, "expected calibration error is at most 3 %").status == "met"


SOONER = "Matched profile: at equal error the filter"


def test_delays_are_held_against_the_target_and_against_equality(metrics: Metrics) -> None:
    target = judge(metrics, f"{SOONER} needs at most 0.5 times the frames of the rule: sequential test")
    assert target.status == "met"
    assert "takes 4.00 frames on average, the filter 2.00: 0.50 [0.40, 0.60]" in target.finding
    assert judge(metrics, f"{SOONER} decides sooner than the rule: sequential test").status == "met"


def test_a_baseline_whose_error_the_filter_never_reaches_is_the_winner(metrics: Metrics) -> None:
    verdict = judge(metrics, f"{SOONER} decides sooner than the rule: duration (min_hits)")
    assert verdict.status == "missed"
    assert verdict.finding.startswith("The baseline wins: no rule of the filter errs as little, 10.0 %")


def test_a_baseline_is_given_its_soonest_rule_of_that_error(metrics: Metrics) -> None:
    early = metrics["train"]["matched"]["early"]
    early["curves"]["sprt"].append(early["curves"]["sprt"][0] | {"error": 0.19, "frames": 2.5})
    verdict = judge(metrics, f"{SOONER} needs at most 0.5 times the frames of the rule: sequential test")
    assert verdict.status == "missed"  # 2 frames of the filter over 2.5
    assert "takes 2.50 frames on average, the filter 2.00: 0.80 times" in verdict.finding
    early["curves"]["sprt"][-1]["frames"] = 1.6
    verdict = judge(metrics, f"{SOONER} decides sooner than the rule: sequential test")
    assert verdict.status == "missed" and verdict.finding.startswith("The baseline wins.")


def test_the_length_battery_names_the_check_that_failed(metrics: Metrics) -> None:
    claim = "Nominal profile: the model leans neither on the length"
    assert judge(metrics, claim).status == "met"
    part = metrics["train"]["nominal"]["length"]["test"]
    part["checks"]["ghosts_gained_by_tiling"] = {"value": 0.2, "limit": 0.05, "passes": False}
    part["passes"] = False
    verdict = judge(metrics, claim)
    assert verdict.status == "missed"
    assert verdict.finding.startswith(
        "It leans on the length of a track: ghosts kept more often when their frames are repeated (test)."
    )


def test_an_order_that_decides_is_not_called_length(metrics: Metrics) -> None:
    part = metrics["train"]["nominal"]["length"]["validation"]
    part["checks"]["accuracy_lost_by_shuffling"] = {"value": 0.04, "limit": 0.03, "passes": False}
    claim = "Nominal profile: the model leans neither on the length"
    finding = judge(metrics, claim).finding
    assert finding.startswith(
        "It leans on the order of its frames: accuracy lost when frames are shuffled (validation)"
    )
    part["checks"]["ghosts_gained_by_tiling"] = {"value": 0.2, "limit": 0.05, "passes": False}
    finding = judge(metrics, claim).finding
    assert finding.startswith("It leans on the length of a track and the order of its frames: ")


@pytest.mark.parametrize(
    ("value", "width", "status"),
    [
        (0.515, 0.01, "met"),  # 0.015 away
        (0.55, 0.04, "open"),  # [0.51, 0.59] reaches into [0.48, 0.52]
        (0.45, 0.04, "open"),
        (0.6, 0.04, "missed"),
    ],
)
def test_length_alone_is_to_say_nothing_on_the_matched_profile(
    metrics: Metrics, measured: Measured, value: float, width: float, status: str
) -> None:
    metrics["train"]["matched"]["length"]["test"]["length_alone_auc"] = measured(value, width)
    assert judge(metrics, "the length of a track alone tells nothing").status == status


def test_calibration_that_worsens_the_probabilities_is_said_to(metrics: Metrics) -> None:
    claim = "Matched profile: calibration does not worsen"
    assert judge(metrics, claim).status == "met"
    metrics["train"]["matched"]["calibration"]["test_ece_after"] = 0.07
    assert judge(metrics, claim).status == "missed"


def test_the_fusion_is_held_against_its_best_part_and_its_plain_sum(metrics: Metrics, measured: Measured) -> None:
    parts = "Nominal profile: all witnesses together tell more than the best of them alone"
    weights = "Nominal profile: weighing the witnesses is better than adding"
    assert judge(metrics, parts).status == judge(metrics, weights).status == "met"
    found = metrics["fuse"]["nominal"]["test"]["by_frames"]["3"]
    found["geometry"]["auc"] = measured(0.95)
    found["plain_sum"]["auc"] = measured(0.895, 0.01)
    verdict = judge(metrics, parts)
    assert verdict.status == "missed" and verdict.finding.startswith("Geometry alone wins.")
    assert judge(metrics, weights).status == "open"


def test_the_encoder_is_held_against_the_best_cue_that_needs_none(metrics: Metrics, measured: Measured) -> None:
    claim = "Matched profile: the trained encoder tells more than any cheaper cue after 3 frames"
    assert judge(metrics, claim).status == "met"  # colour and gradients: 0.05 less, within 0.01
    rival = metrics["ablate"]["test"]["by_frames"]["3"]["linear"]["cheap_pixels"]
    rival |= {"auc": measured(0.89), "minus_transformer_magvit": measured(-0.01, 0.02)}
    verdict = judge(metrics, claim)
    assert verdict.status == "open" and "histograms and thumbnail, logistic regression" in verdict.finding
    rival |= {"auc": measured(0.93), "minus_transformer_magvit": measured(0.03, 0.02)}
    verdict = judge(metrics, claim)
    assert verdict.status == "missed" and verdict.finding.startswith("The cheaper cue wins.")


def test_boxes_and_confidences_are_credited_only_beyond_the_interval(metrics: Metrics, measured: Measured) -> None:
    claim = "boxes and confidences add to the pixels after 3 frames"
    assert judge(metrics, claim).status == "met"
    both = metrics["ablate"]["test"]["by_frames"]["3"]["transformer"]["both"]
    both["minus_transformer_magvit"] = measured(0.01, 0.02)
    assert judge(metrics, claim).status == "open"
    both["minus_transformer_magvit"] = measured(-0.01, 0.02)
    assert judge(metrics, claim).finding.startswith("Pixels alone win.")
