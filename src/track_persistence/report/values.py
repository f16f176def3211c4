"""Measured values with their intervals, as the stages write them, and how they read on the page."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from track_persistence.core.errors import StorageError

ABSENT = "n/a"


@dataclass(frozen=True)
class Value:
    """A measured number and the ends of its 95 % interval; NaN where nothing could be measured."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether a number was measured."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def percent(self) -> str:
        """Return a share such as `97.3 % [96.1, 98.0]`."""
        return _written(Value(100 * self.value, 100 * self.low, 100 * self.high), 1, " %")

    def number(self, digits: int = 3) -> str:
        """Return the number such as `0.973 [0.961, 0.980]`."""
        return _written(self, digits, "")


def _written(value: Value, digits: int, unit: str) -> str:
    if not value.known:
        return ABSENT
    text = f"{value.value:.{digits}f}{unit}"
    return f"{text} [{value.low:.{digits}f}, {value.high:.{digits}f}]" if value.has_interval else text


def value_of(content: Any) -> Value:
    """Return `{"value", "low", "high"}`, a plain number or None as a `Value`."""
    if isinstance(content, Mapping):
        numbers = [math.nan if content.get(key) is None else float(content[key]) for key in ("value", "low", "high")]
        return Value(*numbers)
    return Value(math.nan if content is None else float(content), math.nan, math.nan)


def negative(value: Value) -> Value:
    """Return the value with its sign turned, for measures of which less is better."""
    return Value(-value.value, -value.high, -value.low)


def lookup(content: Mapping[str, Any], origin: str, *keys: str) -> Any:
    """Return the entry of nested mappings; raises `StorageError` naming the file and the missing key."""
    found: Any = content
    for depth, key in enumerate(keys):
        if not isinstance(found, Mapping) or key not in found:
            raise StorageError(
                f"{origin}: {'.'.join(keys[: depth + 1])}: key is missing; run the stage that writes the file again"
            )
        found = found[key]
    return found


def is_value(content: Any) -> bool:
    """Whether `content` is a measured number, with or without its interval."""
    return isinstance(content, Mapping) and "value" in content and set(content) <= {"value", "low", "high"}


def leaves(content: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield (`dotted.key`, text) for every value below `content`, in order."""
    if is_value(content):
        yield ".".join(prefix), value_of(content).number()
    elif isinstance(content, Mapping):
        for key in content:
            yield from leaves(content[key], (*prefix, str(key)))
    elif isinstance(content, float):
        yield ".".join(prefix), f"{content:.4g}"
    else:
        yield ".".join(prefix), ABSENT if content is None else str(content)
