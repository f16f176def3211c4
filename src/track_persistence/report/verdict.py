"""A claim that numbers decide, and how two measured values are held against each other."""

from dataclasses import dataclass
from typing import Literal

from track_persistence.report.values import Value

Status = Literal["met", "missed", "open"]


@dataclass(frozen=True)
class Verdict:
    """A claim, whether the numbers bear it out (`open`: they cannot tell), and the numbers."""

    status: Status
    claim: str
    finding: str


def compared(ours: Value, best: Value, who: str, lost: str) -> tuple[Status, str]:
    """Return the status of "ours is higher than the best of the others", and a sentence that says so.

    who: subject and verb of the sentence, such as `The filter is`. lost: the sentence for a lead of the others, which
    is said even where the intervals overlap.
    """
    if ours.value == best.value:
        return "open", "They are level."
    if ours.value < best.value:
        return "missed", lost
    apart = not (ours.has_interval and best.has_interval) or ours.low > best.high
    return ("met", f"{who} ahead.") if apart else ("open", f"{who} ahead, but the 95 % intervals overlap.")
