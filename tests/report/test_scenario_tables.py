from collections.abc import Callable
from typing import Any

import pytest

from track_persistence.core.errors import StorageError
from track_persistence.report.scenario_tables import (
    NO_BREAK,
    distance_table,
    error_table,
    fusion_table,
    reduction_table,
    scenario_table,
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
