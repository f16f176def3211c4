"""Which ghosts are told from real objects, by what: by method, and by witness of the fusion."""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.tables import METHOD_NAMES, Row, Table, best_of
from track_persistence.report.values import Value, lookup, value_of
from track_persistence.tracking.config import WITNESSES, name_of

REAL = "real"
COMPARED = ("transformer", "no_pixels", "sprt", "mean_confidence")
TOGETHER = name_of(WITNESSES)
WITNESS_NAMES: dict[str, str] = {str(name): str(name) for name in WITNESSES} | {TOGETHER: "all together"}


def ghost_name(ghost: str) -> str:
    """Return what a table calls a kind of track."""
    return "real objects" if ghost == REAL else ghost.replace("_", " ")


def rejected_table(profile: Mapping[str, Any], origin: str, age: str, caption: str) -> Table:
    """Return the share of tracks of each kind that a method rejects at its threshold, real objects first.

    profile: the metrics of stage `train` on one profile. age: of `by_frames`.
    """
    kept = [
        value_of(lookup(profile, origin, "test", "by_frames", age, name, "recall")) for name in COMPARED
    ]  # of real objects
    real = [Value(1 - value.value, 1 - value.high, 1 - value.low) for value in kept]
    count = str(lookup(profile, origin, "test", "persistent"))
    rows = [Row((ghost_name(REAL), count, *(value.percent() for value in real)))]
    for ghost, found in lookup(profile, origin, "by_ghost").items():
        shares = [value_of(lookup(found, origin, "by_frames", age, name, "rejected")) for name in COMPARED]
        rows.append(Row((ghost_name(ghost), str(lookup(found, origin, "tracks")), *(v.percent() for v in shares))))
    return Table(caption, ("track", "tracks", *(METHOD_NAMES[name] for name in COMPARED)), tuple(rows))


def area_table(profile: Mapping[str, Any], origin: str, age: str, caption: str) -> Table:
    """Return the area under the ROC curve of real objects against each kind of ghost alone; the best is marked."""
    rows = []
    for ghost, found in lookup(profile, origin, "by_ghost").items():
        areas = [value_of(lookup(found, origin, "by_frames", age, name, "auc")) for name in COMPARED]
        cells = (ghost_name(ghost), str(lookup(found, origin, "tracks")), *(value.number() for value in areas))
        rows.append(Row(cells, frozenset(2 + at for at in best_of(areas))))
    return Table(caption, ("ghost", "tracks", *(METHOD_NAMES[name] for name in COMPARED)), tuple(rows))


def witness_table(part: Mapping[str, Any], origin: str, age: str, caption: str) -> Table:
    """Return the share of tracks of each kind that each witness rejects alone, and all together.

    part: the metrics of stage `fuse` on the test tracks of one profile.
    """
    found = lookup(part, origin, "rejected_by_ghost", age)
    rows = []
    for ghost in sorted(found, key=lambda name: (name != REAL, name)):
        shares = [value_of(lookup(found, origin, ghost, name)) for name in WITNESS_NAMES]
        rows.append(
            Row((ghost_name(ghost), str(lookup(found, origin, ghost, "tracks")), *(v.percent() for v in shares)))
        )
    return Table(caption, ("track", "tracks", *WITNESS_NAMES.values()), tuple(rows))
