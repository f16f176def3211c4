from typing import Any

import pytest
from tests.report.learned_results import ablation_metrics, fuse_metrics

from track_persistence.core.errors import StorageError
from track_persistence.evaluation.ablation_cues import CUES
from track_persistence.report.ablation_tables import (
    ENCODERS,
    INPUTS,
    areas_table,
    differences_table,
    ghosts_table,
)
from track_persistence.report.early_tables import (
    NEVER,
    delay_table,
    error_table,
    least_error,
    least_frames,
    shipped_table,
)
from track_persistence.report.fusion_tables import SET_NAMES, calibration_table, sets_table
from track_persistence.report.ghost_tables import area_table, rejected_table, witness_table
from track_persistence.report.robustness_tables import checks_table, spread_table, variants_table
from track_persistence.report.tables import Table
from track_persistence.tracking.fusion_metrics import METHODS as MEASURED_SETS

FUSE, ABLATE = fuse_metrics()["matched"]["test"], ablation_metrics()["test"]


@pytest.fixture(name="matched")
def matched_fixture(train_metrics: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = train_metrics["matched"]
    return part


def marked(table: Table) -> dict[str, set[str]]:
    """The headings of the marked cells by line."""
    return {row.cells[0]: {table.header[at] for at in row.best} for row in table.rows}


def test_what_is_wrongly_rejected_stands_above_the_ghosts(matched: dict[str, Any]) -> None:
    table = rejected_table(matched, "metrics", "3", "caption")
    assert [row.cells[:2] for row in table.rows] == [("real objects", "55"), ("glare", "20"), ("id switch", "15")]
    # a recall of 0.8 within 0.78 and 0.82 leaves 0.2 within 0.18 and 0.22
    assert table.rows[0].cells[2] == "20.0 % [18.0, 22.0]"
    assert table.rows[1].cells[2] == "80.0 % [78.0, 82.0]"


def test_the_best_method_against_a_ghost_is_marked_even_when_it_is_a_rule(matched: dict[str, Any]) -> None:
    assert marked(area_table(matched, "metrics", "3", "caption"))["id switch"] == {"mean confidence"}


def test_witnesses_stand_by_kind_of_track_with_real_objects_first() -> None:
    table = witness_table(FUSE, "metrics", "3", "caption")
    assert [row.cells[0] for row in table.rows] == ["real objects", "glare", "static glare"]
    assert table.header[2:] == ("appearance", "statistics", "geometry", "all together")
    with pytest.raises(StorageError, match=r"rejected_by_ghost\.4"):
        witness_table(FUSE, "metrics", "4", "caption")


def test_every_set_of_witnesses_has_a_line() -> None:
    assert set(SET_NAMES) == set(MEASURED_SETS)
    table = sets_table(FUSE, "metrics", "caption")
    assert marked(table)["appearance, statistics, geometry"] == set(table.header[1:])
    assert calibration_table(FUSE, "metrics", "caption").rows[0].cells[1] == "5.0 % [4.0, 6.0]"


def test_every_method_of_the_ablation_is_in_a_table() -> None:
    measured_methods = {(head, cue) for cue, heads in CUES.items() for head in heads}
    assert {*ENCODERS, *INPUTS} == measured_methods
    assert marked(areas_table(ABLATE, "metrics", ENCODERS, ""))["trained encoder, transformer"] == {
        "1 frame",
        "3 frames",
        "10 frames",
    }


def test_differences_leave_out_the_reference() -> None:
    table = differences_table(ABLATE, "metrics", INPUTS, "")
    assert [row.cells[:2] for row in table.rows] == [
        ("boxes and confidences, transformer", "-0.200 [-0.210, -0.190]"),
        ("trained encoder, boxes and confidences, transformer", "0.020 [0.010, 0.030]"),
        ("statistics of boxes and confidences, logistic regression", "-0.150 [-0.160, -0.140]"),
    ]


def test_the_ablation_names_the_best_cue_against_each_ghost() -> None:
    (best,) = marked(ghosts_table(ABLATE, "metrics", ""))["glare"]
    assert best == "trained encoder, boxes and confidences, transformer"


def test_a_baseline_that_errs_less_than_the_filter_can_is_called_the_winner(matched: dict[str, Any]) -> None:
    rows = {row.cells[0]: row.cells[1:] for row in delay_table(matched, "metrics", "").rows}
    assert rows["sequential test (SPRT)"] == ("20.0 %", "4.00", "2.00", "20.0 %", "0.50 [0.40, 0.60]")
    assert rows["duration (min_hits)"] == ("10.0 %", "5.00", NEVER, "", "")


def test_the_least_delay_is_that_of_any_rule_that_errs_no_more() -> None:
    curve = [{"error": 0.1, "frames": 5.0}, {"error": 0.2, "frames": 6.0}, {"error": 0.3, "frames": 1.0}]
    assert [least_frames(curve, error) for error in (0.1, 0.25, 0.3)] == [5.0, 5.0, 1.0]
    assert least_frames(curve, 0.05) != least_frames(curve, 0.05)  # NaN: none of them is that good


def test_within_too_few_frames_a_method_is_at_chance() -> None:
    curve = [{"error": 0.1, "frames": 5.0}, {"error": 0.3, "frames": 2.0}]
    assert [least_error(curve, frames) for frames in (1, 2, 5)] == [0.5, 0.3, 0.1]


def test_the_least_error_within_each_delay_is_marked(matched: dict[str, Any]) -> None:
    table = error_table(matched, "metrics", "")
    assert marked(table) == {
        "learned filter": {"1", "2", "3", "4"},
        "sequential test (SPRT)": {"4"},
        "duration (min_hits)": {"5", "6", "7", "8", "9", "10"},
    }


def test_the_shipped_rule_stands_beside_its_budget(matched: dict[str, Any]) -> None:
    rows = {row.cells[0]: row.cells[1] for row in shipped_table(matched, "metrics", "").rows}
    assert rows["stated budget of either error"] == "2 %"
    assert rows["ghosts that are kept"] == "50.0 % [48.0, 52.0]"


def test_changed_tracks_follow_the_unchanged_ones_in_the_order_of_their_frames(matched: dict[str, Any]) -> None:
    table = variants_table(matched, "metrics", "test", "")
    assert [row.cells[0] for row in table.rows] == [
        "as it is",
        "every frame the mean frame",
        "frames shuffled",
        "repeated to 10 frames",
        "first frame alone",
        "first 2 frames alone",
        "first 10 frames alone",
    ]


def test_checks_say_whether_they_passed_on_both_splits(matched: dict[str, Any]) -> None:
    matched["length"]["test"]["checks"]["accuracy_lost_by_shuffling"]["passes"] = False
    rows = [row.cells for row in checks_table(matched, "metrics", "").rows]
    assert len(rows) == 6
    assert [row[1] for row in rows if row[-1] == "FAILED"] == ["test"]


def test_the_spread_over_seeds_is_mean_least_and_greatest(matched: dict[str, Any]) -> None:
    table = spread_table(matched, "metrics", "")
    assert table.header == ("", "1 frame", "3 frames", "10 frames", "whole track")
    assert table.rows[0].cells[1] == "0.900 [0.850, 0.950]"
