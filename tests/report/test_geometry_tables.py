import pytest
from tests.report.learned_results import geometry_metrics

from track_persistence.core.errors import StorageError
from track_persistence.report.geometry_tables import quality_table, rejected_table

PART = geometry_metrics()["nominal"]["test"]


def test_the_winner_of_an_age_is_marked_even_when_it_is_a_rule() -> None:
    table = quality_table(PART, "metrics.json", "AUC")
    assert [row.cells[0] for row in table.rows] == ["1", "3", "whole"]
    assert table.header[4] == "mean confidence"
    assert all(row.best == {4} and row.cells[4].startswith("0.875") for row in table.rows)


def test_what_is_rejected_stands_by_ghost_with_real_objects_first() -> None:
    table = rejected_table(PART, "metrics.json", "rejected")
    assert table.header == ("track", "after 1", "after 3", "whole")
    assert [row.cells[0] for row in table.rows] == ["real", "glare"]
    assert table.rows[1].cells[1] == "n/a"  # no glare was seen at that age
    assert table.rows[0].cells[1].startswith("25.0 %") and table.rows[1].cells[2].startswith("62.5 %")


def test_a_missing_method_is_named_with_its_file() -> None:
    broken = {"by_frames": {"1": {"tracks": 1, "geometry": {"auc": 0.5}}}}
    with pytest.raises(StorageError, match=r"metrics\.json.*min_hits"):
        quality_table(broken, "metrics.json", "AUC")
