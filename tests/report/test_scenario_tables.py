from collections.abc import Callable
from typing import Any

import pytest

from track_persistence.core.errors import StorageError
from track_persistence.report.scenario_tables import (
    FUSED,
    NO_BREAK,
    case_table,
    cases,
    distance_table,
    error_table,
    fusion_table,
    reduction_table,
    rejected_table,
    scenario_table,
    specified,
)
from track_persistence.report.tables import Table

Measured = Callable[..., dict[str, float]]


def line(table: Table, title: str) -> tuple[tuple[str, ...], set[str]]:
    """The cells of the line with a title, and the headings of those that are marked."""
    (row,) = [row for row in table.rows if row.cells[0] == title]
    return row.cells[1:], {table.header[at] for at in row.best}


def test_the_expected_share_stands_beside_the_measured_one(scenario_metrics: dict[str, Any]) -> None:
    table = reduction_table(scenario_metrics, "metrics")
    assert table.rows[2].cells == ("3 noisy", "5", "87 %", "88.0 % [85.0, 91.0]", "44.0 % [41.0, 47.0]")


def test_the_least_gospa_of_each_scenario_is_marked(scenario_metrics: dict[str, Any], measured: Measured) -> None:
    scenario_metrics["2"]["geometry"] = scenario_metrics["2"]["off"] | {"gospa_m": measured(0.4)}
    table = fusion_table(scenario_metrics, "metrics")
    marked = [row.cells[:2] for row in table.rows if row.best]
    assert marked == [
        ("1 clean", "filter by appearance"),
        ("2 cluttered", "filter by geometry"),
        ("3 noisy", "filter by appearance"),
    ]
    assert table.rows[1].cells[2:4] == ("0.50 [0.48, 0.52]", "-1.50 [-1.52, -1.48]")


def test_each_method_is_a_column_and_the_best_of_a_line_is_marked(scenario_metrics: dict[str, Any]) -> None:
    table = scenario_table(scenario_metrics["1"], "metrics", "1 clean")
    assert table.header == ("", "filter off", "filter by appearance")
    cells, marked = line(table, "GOSPA (m)")
    assert cells == (f"2.00 [1.98,{NO_BREAK}2.02]", f"0.50 [0.48,{NO_BREAK}0.52]")
    assert marked == {"filter by appearance"}
    assert line(table, "2D tracks: precision")[1] == {"filter by appearance"}  # more is better


def test_a_line_in_which_most_are_level_marks_nothing(scenario_metrics: dict[str, Any], measured: Measured) -> None:
    assert line(scenario_table(scenario_metrics["1"], "metrics", "1 clean"), "HOTA")[1] == set()
    scenario_metrics["1"]["min_hits"] = scenario_metrics["1"]["off"] | {"ospa_m": measured(9.0)}
    scenario_metrics["1"]["off"]["ospa_m"] = scenario_metrics["1"]["appearance"]["ospa_m"]
    assert line(scenario_table(scenario_metrics["1"], "metrics", "1 clean"), "OSPA (m)")[1] == set()


@pytest.mark.parametrize(
    ("title", "key", "values", "best"),
    [
        ("RMSE of real tracks (m)", "rmse_m", (1.5, 0.3), "3D result"),
        ("NEES (honest: 3)", "nees", (2.5, 3.2), "3D result"),
        ("NEES (honest: 3)", "nees", (2.9, 30.0), "frame by frame"),
        ("inside 95 % ellipsoids", "coverage_95", (0.94, 1.0), "frame by frame"),
        ("jerk over true jerk", "jerk_ratio", (20.0, 4.0), "3D result"),
    ],
)
def test_what_is_best_depends_on_the_measure(
    scenario_metrics: dict[str, Any],
    measured: Measured,
    title: str,
    key: str,
    values: tuple[float, float],
    best: str,
) -> None:
    scenario = scenario_metrics["1"]
    scenario["frame_by_frame"][key], scenario["appearance"]["paths"][key] = map(measured, values)
    assert line(error_table(scenario, "metrics", "1 clean"), title)[1] == {best}


def test_errors_that_methods_measure_on_different_tracks_are_not_compared(scenario_metrics: dict[str, Any]) -> None:
    scenario_metrics["1"]["off"]["paths"]["rmse_m"] = {"value": 9.0, "low": 8.0, "high": 10.0}
    cells, marked = line(scenario_table(scenario_metrics["1"], "metrics", "1 clean"), "RMSE of real tracks (m)")
    assert cells == (f"9.00 [8.00,{NO_BREAK}10.00]", f"0.40 [0.38,{NO_BREAK}0.42]")
    assert marked == set()


def test_distances_grow_within_precision_and_recall(scenario_metrics: dict[str, Any], measured: Measured) -> None:
    for state in ("off", "appearance"):
        scenario_metrics["1"][state]["distances"] |= {
            f"{name}_at_200cm": measured(0.9) for name in ("precision", "recall")
        }
    titles = [row.cells[0] for row in distance_table(scenario_metrics["1"], "metrics", "1 clean").rows]
    within = [f"within {distance} m" for distance in ("0.5", "1", "2")]
    assert titles == [f"{name} {end}" for name in ("precision", "recall") for end in within]


def test_a_missing_metric_is_named(scenario_metrics: dict[str, Any]) -> None:
    del scenario_metrics["1"]["off"]["tracks"]["hota"]
    with pytest.raises(StorageError, match=r"metrics\.json: filter off: tracks\.hota: key is missing"):
        scenario_table(scenario_metrics["1"], "metrics.json", "1 clean")


@pytest.fixture
def with_cases(scenario_metrics: dict[str, Any], measured: Measured) -> dict[str, Any]:
    """The three specified scenarios and two cases, in which the rule `min_hits` beats the other one."""
    off, appearance = (scenario_metrics["2"][name] for name in ("off", "appearance"))

    def state(like: dict[str, Any], gospa_m: float, rejected: float) -> dict[str, Any]:
        shares = {"glare": measured(rejected), "static_glare": measured(1 - rejected)}
        dropped = {"track_reduction": measured(rejected), "gospa_m": measured(gospa_m)}
        return like | dropped | {"rejected": shares}

    case = {
        "seeds": 12,
        "fusion": "appearance",
        "expected_filtered": None,
        "ghost_tracks": {"glare": 40, "static_glare": 7},
        "off": state(off, 2.0, 0.0),
        "appearance": state(appearance, 0.75, 0.5),
        "statistics": state(off, 1.75, 0.25),
        "geometry": state(off, 1.5, 0.125),
        FUSED: state(appearance, 0.5, 0.75),
        "min_hits": state(off, 1.0, 0.25),
        "mean_confidence": state(off, 1.25, 0.25),
    }
    return scenario_metrics | {"low_light": case, "<b>fog</b>": case | {"fusion": "geometry"}}


def test_cases_are_apart_from_what_the_specification_asks_for(with_cases: dict[str, Any]) -> None:
    assert list(specified(with_cases, "metrics")) == ["1", "2", "3"]
    assert list(cases(with_cases, "metrics")) == ["<b>fog</b>", "low_light"]
    assert len(reduction_table(with_cases, "metrics").rows) == 3
    assert {row.cells[0] for row in fusion_table(with_cases, "metrics").rows} == {"1 clean", "2 cluttered", "3 noisy"}


def test_a_case_shows_the_chief_methods_and_the_best_simple_rule(with_cases: dict[str, Any]) -> None:
    del with_cases["<b>fog</b>"]
    table = case_table(with_cases, "metrics")
    assert table.header == ("case", "scenes", "method", "tracks dropped", "2D precision", "2D recall", "GOSPA (m)")
    assert [row.cells[6].split(" [")[0] for row in table.rows] == ["2.00", "0.75", "0.50", "1.00"]
    assert {row.cells[1] for row in table.rows} == {"12"}
    assert "duration (min_hits)" in table.rows[3].cells[2]  # GOSPA of 1 m is better than the other rule's 1.25 m
    assert [sorted(row.best) for row in table.rows] == [[], [4], [4, 6], []]  # precision is level, GOSPA is not


def test_the_fusion_in_use_is_shown_as_well(with_cases: dict[str, Any]) -> None:
    rows = [row for row in case_table(with_cases, "metrics").rows if row.cells[0] == "<b>fog</b>"]
    assert [row.cells[6].split(" [")[0] for row in rows] == ["2.00", "0.75", "1.50", "0.50", "1.00"]


def test_each_kind_of_ghost_of_a_case_has_a_line_and_the_best_witness_is_marked(with_cases: dict[str, Any]) -> None:
    table = rejected_table(with_cases, "metrics")
    rows = [row for row in table.rows if row.cells[0] == "low light"]
    assert [row.cells[1:3] for row in rows] == [("glare", "40"), ("static glare", "7")]
    assert [cell.split("[")[0].strip() for cell in rows[0].cells[3:]] == [
        f"{percent}{NO_BREAK}%" for percent in ("50.0", "25.0", "12.5", "75.0")
    ]
    assert [row.best for row in rows] == [{6}, {5}]


def test_a_case_without_ghosts_has_no_line_of_rejected_ones(with_cases: dict[str, Any]) -> None:
    for name in ("low_light", "<b>fog</b>"):
        with_cases[name]["ghost_tracks"] = {}
    assert rejected_table(with_cases, "metrics").rows == ()
    assert case_table({}, "metrics").rows == ()
