"""What each set of witnesses is worth: area under the ROC curve and calibration by frames seen."""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.tables import Row, Table, age_titles, ages_of, column_best
from track_persistence.report.values import lookup, value_of
from track_persistence.tracking.config import FUSIONS

PLAIN_SUM = "plain_sum"
SET_NAMES = {name: ", ".join(witnesses) for name, witnesses in FUSIONS.items()} | {
    PLAIN_SUM: "control: all three, added without weights"
}


def sets_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the area of every set of witnesses; the highest at each age is marked.

    part: the metrics of stage `fuse` on the test tracks of one profile.
    """
    ages = ages_of(part, origin)
    columns = [[value_of(lookup(part, origin, "by_frames", age, name, "auc")) for name in SET_NAMES] for age in ages]
    best = column_best(columns, 1)
    rows = [
        Row((title, *(column[line].number() for column in columns)), best[line])
        for line, title in enumerate(SET_NAMES.values())
    ]
    return Table(caption, ("witnesses", *age_titles(ages)), tuple(rows))


def calibration_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the expected calibration error of every set of witnesses by frames seen."""
    ages = ages_of(part, origin)
    rows = []
    for name, title in SET_NAMES.items():
        errors = [value_of(lookup(part, origin, "by_frames", age, name, "expected_calibration_error")) for age in ages]
        rows.append(Row((title, *(error.percent() for error in errors))))
    return Table(caption, ("witnesses", *age_titles(ages)), tuple(rows))
