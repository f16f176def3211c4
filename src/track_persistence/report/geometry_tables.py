"""The tables of the judge by geometry: how well it tells tracks apart by age, and which ghosts it rejects."""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.tables import Row, Table, ages_of, best_of
from track_persistence.report.values import lookup, value_of

METHOD_NAMES = {
    "geometry": "geometry alone",
    "min_hits": "duration (min_hits)",
    "mean_confidence": "mean confidence",
}


def quality_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the area under the ROC curve of geometry and two rules by frames seen; the best of a line is marked."""
    rows = []
    for age in ages_of(part, origin):
        found = lookup(part, origin, "by_frames", age)
        values = [value_of(lookup(found, origin, method, "auc")) for method in METHOD_NAMES]
        cells = (age, str(lookup(found, origin, "tracks")), *(value.number() for value in values))
        rows.append(Row(cells, frozenset(2 + position for position in best_of(values))))
    return Table(caption, ("frames seen", "tracks", *METHOD_NAMES.values()), tuple(rows))


def rejected_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the share of tracks that geometry alone rejects, by what they are and by frames seen."""
    ages = ages_of(part, origin)
    by_age = {age: lookup(part, origin, "rejected_by_ghost", age) for age in ages}
    ghosts = sorted({ghost for found in by_age.values() for ghost in found}, key=lambda name: (name != "real", name))
    rows = []
    for ghost in ghosts:
        shares = [value_of(by_age[age].get(ghost)).percent() for age in ages]
        rows.append(Row((ghost, *shares)))
    return Table(caption, ("track", *(f"after {age}" if age.isdecimal() else age for age in ages)), tuple(rows))
