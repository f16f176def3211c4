"""The tables of the report: numbers with intervals, the best of a row marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from track_persistence.report.values import Value, leaves, lookup, value_of

WHOLE = "whole"
METHODS = ("transformer", "min_hits", "mean_confidence", "no_pixels")
BASELINES = METHODS[1:]
METHOD_NAMES = {
    "transformer": "learned filter",
    "min_hits": "duration (min_hits)",
    "mean_confidence": "mean confidence",
    "no_pixels": "logistic, no pixels",
}
SCENARIO_NAMES = {"1": "1 clean", "2": "2 cluttered", "3": "3 noisy"}
STATE_NAMES = {
    "off": "filter off",
    "appearance": "filter by appearance",
    "geometry": "filter by geometry",
    "both": "filter by both",
}


@dataclass(frozen=True)
class Row:
    """Cells of a table line; `best` are the positions of the marked ones."""

    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Table:
    """A caption, a heading for every column, and the lines."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]


def ages_of(part: Mapping[str, Any], origin: str) -> list[str]:
    """Return the numbers of frames seen at which the methods were compared, growing, whole tracks last."""
    ages = lookup(part, origin, "by_frames")
    return sorted((age for age in ages if age != WHOLE), key=int) + [age for age in ages if age == WHOLE]


def quality_table(part: Mapping[str, Any], origin: str, measure: str, caption: str) -> Table:
    """Return `measure` of filter and baselines by frames seen; the highest of each line is marked."""
    rows = []
    for age in ages_of(part, origin):
        values = [value_of(lookup(part, origin, "by_frames", age, method, measure)) for method in METHODS]
        tracks = str(lookup(part, origin, "by_frames", age, "tracks"))
        cells = (age, tracks, *(v.percent() if measure == "accuracy" else v.number() for v in values))
        rows.append(Row(cells, frozenset(2 + position for position in best_of(values))))
    return Table(caption, ("frames seen", "tracks", *METHOD_NAMES.values()), tuple(rows))


def best_of(values: Sequence[Value]) -> list[int]:
    """Return the positions of the highest value, ties included; none when nothing is known."""
    known = [value.value for value in values if value.known]
    return [at for at, value in enumerate(values) if known and value.value == max(known)]


def threshold_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the filter's precision and recall by frames seen."""
    rows = []
    for age in ages_of(part, origin):
        found = lookup(part, origin, "by_frames", age, METHODS[0])
        cells = [value_of(lookup(found, origin, name)).percent() for name in ("precision", "recall")]
        rows.append(Row((age, *cells)))
    return Table(caption, ("frames seen", "precision", "recall"), tuple(rows))


def states_of(scenario: Mapping[str, Any]) -> list[str]:
    """Return the filters compared in a scenario: off, each fusion, then the controls by name."""
    names = [name for name, entry in scenario.items() if isinstance(entry, Mapping) and "precision" in entry]
    return [name for name in STATE_NAMES if name in names] + sorted(set(names) - set(STATE_NAMES))


def state_name(state: str) -> str:
    """Return what a table or figure calls a filter or control."""
    return STATE_NAMES.get(state, f"control: {METHOD_NAMES.get(state, state.replace('_', ' '))}")


def rules_of(scenario: Mapping[str, Any]) -> list[str]:
    """Return the names of the simple rules that stood in the filter's place."""
    return [name for name in states_of(scenario) if name not in STATE_NAMES]


def plain_table(content: Any, caption: str) -> Table:
    """Return every value below `content` as one line of key and value."""
    return Table(caption, ("key", "value"), tuple(Row(pair) for pair in leaves(content)))


def confusion_table(confusion: Mapping[str, Sequence[str]]) -> Table:
    """Return how often each actual class was predicted as which; `confusion` has one line per track."""
    pairs = list(zip(confusion["actual"], confusion["predicted"], strict=True))
    names = sorted({name for pair in pairs for name in pair})
    rows = [Row((actual, *(str(pairs.count((actual, guess))) for guess in names))) for actual in names]
    return Table("Tracks by truth (line) and decision (column)", ("truth", *names), tuple(rows))
