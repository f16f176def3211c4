"""The tables of the report: numbers with intervals, the best of a row or of a column marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from track_persistence.report.values import Value, leaves, lookup, value_of
from track_persistence.tracking.config import FUSIONS

WHOLE = "whole"
FILTER = "transformer"
METHOD_NAMES = {
    FILTER: "learned filter",
    "sprt": "sequential test (SPRT)",
    "no_pixels": "logistic, no pixels",
    "min_hits": "duration (min_hits)",
    "n_init": "unbroken run (n_init)",
    "bytetrack": "birth score (ByteTrack)",
    "norfair": "hit counter (Norfair)",
    "mean_confidence": "mean confidence",
    "max_confidence": "highest confidence",
    "sum_confidence": "sum of confidences",
}
METHODS = tuple(METHOD_NAMES)
BASELINES = METHODS[1:]
SCENARIO_NAMES = {
    "1": "1 clean",
    "2": "2 cluttered",
    "3": "3 noisy",
    "mirror": "mirrors and windows",
    "glare_30_frames": "glare for 30 frames",
    "crossing": "crossing and occlusion",
    "low_light": "low light",
    "desync": "cameras out of step",
}
STATE_NAMES = {"off": "filter off"} | {
    name: f"filter by {' and '.join(', '.join(witnesses).rsplit(', ', 1))}" for name, witnesses in FUSIONS.items()
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


def seen(age: str) -> str:
    """Return what a sentence calls an age: `on whole tracks` or `after 3 frames`."""
    return "on whole tracks" if age == WHOLE else f"after {age} frame{'s' if age != '1' else ''}"


def age_titles(ages: Sequence[str]) -> list[str]:
    """Return the headings of columns of ages."""
    return [f"{age} frame{'s' if age != '1' else ''}" if age != WHOLE else "whole track" for age in ages]


def percent(value: Value) -> str:
    """Return a share as text."""
    return value.percent()


def number(value: Value) -> str:
    """Return a number as text, three digits after the point."""
    return value.number()


def column_best(columns: Sequence[Sequence[Value]], first: int) -> list[frozenset[int]]:
    """Return for each line the columns in which it holds the highest value; the leftmost column has number `first`.

    columns: the values of all lines, column by column.
    """
    best = [best_of(column) for column in columns]
    lines = len(columns[0]) if columns else 0
    return [frozenset(first + at for at, lines_ in enumerate(best) if line in lines_) for line in range(lines)]


def quality_table(part: Mapping[str, Any], origin: str, measure: str, caption: str) -> Table:
    """Return `measure` of the filter and all baselines by frames seen; the highest at each age is marked."""
    ages = ages_of(part, origin)
    columns = [[value_of(lookup(part, origin, "by_frames", age, name, measure)) for name in METHODS] for age in ages]
    written = number if measure == "auc" else percent
    best = column_best(columns, 1)
    rows = [
        Row((METHOD_NAMES[name], *(written(column[line]) for column in columns)), best[line])
        for line, name in enumerate(METHODS)
    ]
    return Table(caption, ("", *age_titles(ages)), tuple(rows))


def best_of(values: Sequence[Value]) -> list[int]:
    """Return the positions of the highest value, ties included; none when nothing is known."""
    known = [value.value for value in values if value.known]
    return [at for at, value in enumerate(values) if known and value.value == max(known)]


def threshold_table(part: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the filter's precision, recall and expected calibration error by frames seen."""
    measures = {"precision": "precision", "recall": "recall", "calibration_error": "expected calibration error"}
    rows = []
    for age in ages_of(part, origin):
        found = lookup(part, origin, "by_frames", age, FILTER)
        cells = [value_of(lookup(found, origin, name)).percent() for name in measures]
        rows.append(Row((age, str(lookup(part, origin, "by_frames", age, "tracks")), *cells)))
    return Table(caption, ("frames seen", "tracks", *measures.values()), tuple(rows))


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


def confusion_table(confusion: Mapping[str, Sequence[str]], caption: str) -> Table:
    """Return how often each actual class was predicted as which; `confusion` has one line per track."""
    pairs = list(zip(confusion["actual"], confusion["predicted"], strict=True))
    names = sorted({name for pair in pairs for name in pair})
    rows = [Row((actual, *(str(pairs.count((actual, guess))) for guess in names))) for actual in names]
    return Table(caption, ("truth", *names), tuple(rows))
