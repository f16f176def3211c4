from typing import Any

from track_persistence.classifier.evaluate import METHODS as MEASURED
from track_persistence.report.tables import (
    METHODS,
    ages_of,
    confusion_table,
    quality_table,
    state_name,
    states_of,
    threshold_table,
)


def test_ages_grow_as_numbers_and_whole_tracks_come_last() -> None:
    assert ages_of({"by_frames": {"whole": {}, "10": {}, "2": {}}}, "metrics") == ["2", "10", "whole"]


def test_the_best_method_at_an_age_is_marked_even_when_it_is_a_baseline(train_metrics: dict[str, Any]) -> None:
    table = quality_table(train_metrics["matched"]["test"], "metrics", "accuracy", "caption")
    assert table.header == ("", "1 frame", "3 frames", "10 frames", "whole track")
    marked = {table.header[at]: row.cells[0] for row in table.rows for at in row.best}
    assert marked == {
        "1 frame": "learned filter",
        "3 frames": "learned filter",
        "10 frames": "learned filter",
        "whole track": "duration (min_hits)",
    }


def test_every_baseline_of_the_classifier_has_a_line(train_metrics: dict[str, Any]) -> None:
    assert set(METHODS) == set(MEASURED)
    table = quality_table(train_metrics["matched"]["test"], "metrics", "auc", "caption")
    assert len(table.rows) == len(MEASURED)


def test_the_filters_calibration_error_stands_beside_its_decisions(train_metrics: dict[str, Any]) -> None:
    table = threshold_table(train_metrics["matched"]["test"], "metrics", "caption")
    assert table.rows[2].cells == (
        "10",
        "90",
        "90.0 % [88.0, 92.0]",
        "80.0 % [78.0, 82.0]",
        "4.0 % [3.5, 4.5]",
    )


def test_confusion_counts_lines_of_the_plot_file() -> None:
    table = confusion_table({"actual": ["a", "a", "b"], "predicted": ["a", "b", "b"]}, "caption")
    assert [row.cells for row in table.rows] == [("a", "1", "1"), ("b", "0", "1")]


def test_controls_of_a_scenario_come_after_off_and_the_fusions(scenario_metrics: dict[str, Any]) -> None:
    scenario_metrics["1"] = {"min_hits": scenario_metrics["1"]["off"]} | scenario_metrics["1"]
    states = states_of(scenario_metrics["1"])
    assert states == ["off", "appearance", "min_hits"]
    assert [state_name(state) for state in states] == [
        "filter off",
        "filter by appearance",
        "control: duration (min_hits)",
    ]
