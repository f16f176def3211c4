"""How rules read facts: numbers, comparisons that respect intervals, and sentences filled with what they cite."""

from dataclasses import dataclass

from track_persistence.core.types import Ghost
from track_persistence.explain.answers import Statement, Topic
from track_persistence.explain.facts import Facts, show

GROUPS = ("persistent", "transient")
FEW_FRAMES = ("1", "2", "3", "5", "10")


@dataclass(frozen=True)
class Reading:
    """The facts, with the questions that rules ask of them."""

    facts: Facts
    fewest_tracks: int

    def number(self, key: str) -> float | None:
        """Return the fact as a number, or None where it is absent."""
        value = self.facts.get(key)
        return None if value is None or isinstance(value, str) else float(value)

    def enough(self, key: str) -> bool:
        """Whether the count at `key` supports a statement."""
        return (self.number(key) or 0) >= self.fewest_tracks

    def side(self, key: str, control: float) -> int | None:
        """Return 1 when the interval of `key` lies above `control`, -1 below, 0 around it, None without interval."""
        low, high = self.number(f"{key}.low"), self.number(f"{key}.high")
        if low is None or high is None:
            return None
        return int(low > control) - int(high < control)

    def order(self, first: str, second: str) -> int | None:
        """Return 1 when the interval of `first` lies above that of `second`, -1 below, 0 when they overlap."""
        bounds = [self.number(f"{key}.{end}") for key in (first, second) for end in ("low", "high")]
        if any(bound is None for bound in bounds):
            return None
        low1, high1, low2, high2 = [bound for bound in bounds if bound is not None]
        return int(low1 > high2) - int(high1 < low2)

    def say(self, topic: Topic, template: str, *cites: str) -> Statement:
        """Return a statement with the cited facts filled into `template`, in order."""
        return Statement(topic=topic, text=template.format(*[show(self.facts[key]) for key in cites]), cites=cites)


def commonest_ghost(reading: Reading) -> str | None:
    """Return the key of the count of the ghost that most false positives come from, or None."""
    keys = [f"failures.false_positive.ghost.{ghost}" for ghost in Ghost]
    present = [key for key in keys if reading.number(key)]
    return max(present, key=lambda key: reading.number(key) or 0, default=None)
