from typing import Any

from track_persistence.report.tables import ages_of, confusion_table, quality_table, state_name, states_of


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


def test_controls_of_a_scenario_come_after_off_and_the_fusions(scenario_metrics: dict[str, Any]) -> None:
    scenario_metrics["1"] = {"min_hits": scenario_metrics["1"]["off"]} | scenario_metrics["1"]
    states = states_of(scenario_metrics["1"])
    assert states == ["off", "appearance", "min_hits"]
    assert [state_name(state) for state in states] == [
        "filter off",
        "filter by appearance",
        "control: duration (min_hits)",
    ]
