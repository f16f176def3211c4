from typing import Any

from track_persistence.report.tables import (
    ages_of,
    confusion_table,
    detection_table,
    error_table,
    quality_table,
    reduction_table,
)


def test_ages_grow_as_numbers_and_whole_tracks_come_last() -> None:
    assert ages_of({"by_frames": {"whole": {}, "10": {}, "2": {}}}, "metrics") == ["2", "10", "whole"]


def test_the_best_method_of_a_line_is_marked_even_when_it_is_a_baseline(train_metrics: dict[str, Any]) -> None:
    table = quality_table(train_metrics["test"], "metrics", "accuracy", "caption")
    marked = {row.cells[0]: {table.header[at] for at in row.best} for row in table.rows}
    assert marked["1"] == {"learned filter"}
    assert marked["whole"] == {"duration (min_hits)"}


def test_confusion_counts_lines_of_the_plot_file() -> None:
    table = confusion_table({"actual": ["a", "a", "b"], "predicted": ["a", "b", "b"]})
    assert [row.cells for row in table.rows] == [("a", "1", "1"), ("b", "0", "1")]


def test_the_expected_share_stands_beside_the_measured_one(scenario_metrics: dict[str, Any]) -> None:
    table = reduction_table(scenario_metrics, "metrics")
    assert table.rows[2].cells == ("3 noisy", "5", "87 %", "88.0 % [85.0, 91.0]", "44.0 % [41.0, 47.0]")


def test_controls_of_a_scenario_are_listed_after_off_and_on(scenario_metrics: dict[str, Any]) -> None:
    scenario_metrics["1"]["min_hits"] = scenario_metrics["1"]["off"]
    names = [row.cells[1] for row in detection_table(scenario_metrics, "metrics").rows if row.cells[0] == "1 clean"]
    assert names == ["filter off", "filter on", "control: duration (min_hits)"]
    assert error_table(scenario_metrics, "metrics").rows[0].cells[3] == "2.00 [1.98, 2.02]"
