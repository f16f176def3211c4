"""Facts: numbers under dotted keys, and the gate that lets nothing else into a prompt.

Whatever an analyst is given passes `flatten`: keys of a fixed alphabet, finite numbers, and the few words of
`VOCABULARY`. Free text from data (a file name, a note, a class label) is refused here.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from track_persistence.core.errors import DataError
from track_persistence.core.files import read_json
from track_persistence.core.types import Ghost, Kind
from track_persistence.tracking.config import FUSIONS

EVIDENCE_SCHEMA = 1
OUTCOMES = ("true_positive", "false_positive", "true_negative", "false_negative")
PROFILES, SPLITS = ("nominal", "matched"), ("validation", "test")
KINDS = tuple(kind.name.lower() for kind in Kind)
VOCABULARY = frozenset({*KINDS, *(ghost.value for ghost in Ghost), *OUTCOMES, *FUSIONS, *PROFILES, *SPLITS})
KEY_PART = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
SIGNIFICANT_DIGITS = 3

Fact = float | int | str
Facts = dict[str, Fact]


def measured(value: float, interval: tuple[float, float] | None) -> dict[str, float]:
    """Return `value` with the bounds of its 95 % interval, where it has one."""
    if interval is None:
        return {"value": float(value)}
    return {"value": float(value), "low": float(interval[0]), "high": float(interval[1])}


def flatten(content: Mapping[str, Any], place: str) -> Facts:
    """Return nested `content` as facts under dotted keys; `place` names it in errors.

    A measured value `{"value": x, "low": l, "high": h}` at key `k` becomes `k`, `k.low` and `k.high`; None is left out;
    lists are numbered. Raises `DataError` on a key or a string outside the closed vocabulary, and on NaN.
    """
    facts: Facts = {}
    _collect(content, (), place, facts)
    return facts


def _collect(content: Any, path: tuple[str, ...], place: str, facts: Facts) -> None:
    if isinstance(content, Mapping):
        for key, item in content.items():
            if not isinstance(key, str) or not KEY_PART.fullmatch(key):
                raise DataError(
                    f"{place}: key {str(key)[:60]!r} under {'.'.join(path) or 'the top'!r}; keys are lower-case words "
                    "of at most 40 letters, digits, _ and -; only the analyze stage writes evidence"
                )
            _collect(item, path if key == "value" and path else (*path, key), place, facts)
    elif isinstance(content, list | tuple):
        for number, item in enumerate(content):
            _collect(item, (*path, str(number)), place, facts)
    elif content is not None:
        facts[".".join(path)] = _checked(content, ".".join(path), place)


def _checked(value: Any, key: str, place: str) -> Fact:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise DataError(f"{place}: {key} is {value}; numbers must be finite")
        return float(value)
    if isinstance(value, str) and value in VOCABULARY:
        return value
    raise DataError(
        f"{place}: {key} is {str(value)[:60]!r}; only numbers and the words {', '.join(sorted(VOCABULARY))} are facts"
    )


def checked_facts(facts: Mapping[str, Any], place: str) -> Facts:
    """Return `facts`, already under dotted keys, after the same checks as `flatten`."""
    checked: Facts = {}
    for key, value in facts.items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        checked |= flatten(nested, place)
    return checked


def under(facts: Mapping[str, Fact], sections: Sequence[str]) -> Facts:
    """Return the facts whose key starts with one of `sections`."""
    return {key: value for key, value in facts.items() if key.split(".", 1)[0] in sections}


def show(value: Fact) -> str:
    """Return a fact as it stands in prompts and texts: three significant digits, whole numbers in full."""
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def read_evidence(path: Path) -> Facts:
    """Read `evidence.json` through the gate. Raises `StorageError` or `DataError` naming the file and the key."""
    content = read_json(path)
    if content.get("schema") != EVIDENCE_SCHEMA:
        raise DataError(
            f"{path}: schema {str(content.get('schema'))[:20]!r}, expected {EVIDENCE_SCHEMA}; "
            "run the analyze stage again"
        )
    return flatten(content, str(path))
