"""How soon the filter decides: the rule that is shipped, and delays beside each baseline's at equal error."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from track_persistence.report.tables import FILTER, METHOD_NAMES, METHODS, Row, Table, column_best
from track_persistence.report.values import Value, lookup, negative, value_of

NEVER = "never: the baseline wins"
CHANCE = 0.5


@dataclass(frozen=True)
class Delay:
    """Mean frames until decided of a baseline and of the filter at equal error; NaN where the filter errs more.

    error: of the baseline's rule of the stated budget, or of a counting rule at its best. theirs: frames of the
    baseline's soonest rule that errs no more than that, which may have another budget. ours, our_error: of the filter's
    soonest such rule. ratio: of the frames, with an interval where the stated rule is the soonest.
    """

    error: Value
    theirs: Value
    ours: Value
    our_error: Value
    ratio: Value


def delay_of(profile: Mapping[str, Any], origin: str, baseline: str) -> Delay:
    """Return the delays of a baseline and the filter on the test tracks of one profile."""
    entry = lookup(profile, origin, "early", "at_equal_error", baseline)
    names = ("error", "frames", "transformer_frames", "transformer_error", "ratio")
    error, stated, ours, our_error, ratio = (value_of(lookup(entry, origin, name)) for name in names)
    soonest = least_frames(lookup(profile, origin, "early", "curves", baseline), error.value)
    if not soonest < stated.value:
        return Delay(error, stated, ours, our_error, ratio)
    fair = value_of(ours.value / soonest)
    return Delay(error, value_of(soonest), ours, our_error, fair)


def delay_table(profile: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the mean frames until decided of each baseline at its error, and of the filter at no greater error."""
    found = lookup(profile, origin, "early", "at_equal_error")
    rows = []
    for name in (method for method in METHODS if method in found):
        delay = delay_of(profile, origin, name)
        numbers = (delay.ours.number(2), delay.our_error.percent(), delay.ratio.number(2))
        cells = numbers if delay.ours.known else (NEVER, "", "")
        rows.append(Row((METHOD_NAMES[name], delay.error.percent(), delay.theirs.number(2), *cells)))
    header = ("baseline", "its error", "its frames", "frames of the filter", "error of the filter", "filter / baseline")
    return Table(caption, header, tuple(rows))


def error_table(profile: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return the least error of each method within so many mean frames until decided; a column's least is marked."""
    early = lookup(profile, origin, "early")
    curves, most = (lookup(early, origin, key) for key in ("curves", "longest_wait_frames"))
    methods = [method for method in METHODS if method in curves]
    columns = [[value_of(least_error(curves[method], frames)) for method in methods] for frames in range(1, most + 1)]
    best = column_best([[negative(value) for value in column] for column in columns], 1)
    rows = [
        Row((METHOD_NAMES[method], *(column[line].percent() for column in columns)), best[line])
        for line, method in enumerate(methods)
    ]
    return Table(caption, ("frames", *map(str, range(1, most + 1))), tuple(rows))


def shipped_table(profile: Mapping[str, Any], origin: str, caption: str) -> Table:
    """Return what the rule in the checkpoint did with the test tracks."""
    early = lookup(profile, origin, "early")
    shipped = lookup(early, origin, "shipped")
    shares = {
        "ghosts that are kept": "wrongly_kept",
        "real objects that are dropped": "wrongly_dropped",
        "decided only because the wait or the track ended": "forced",
    }
    frames = {
        "frames until decided, all tracks": "frames",
        "\N{EN DASH} real objects": "frames_real",
        "\N{EN DASH} ghosts": "frames_false",
    }
    budget = f"{100 * float(lookup(early, origin, 'error_budget')):g} %"
    rows = [Row(("stated budget of either error", budget))]
    rows += [Row((title, value_of(lookup(shipped, origin, key)).percent())) for title, key in shares.items()]
    rows += [Row((title, value_of(lookup(shipped, origin, key)).number(2))) for title, key in frames.items()]
    rows.append(Row(("longest wait in frames", str(lookup(early, origin, "longest_wait_frames")))))
    return Table(caption, ("", METHOD_NAMES[FILTER]), tuple(rows))


def least_frames(curve: Sequence[Mapping[str, Any]], error: float) -> float:
    """Return the fewest mean frames until decided among the points of a curve whose error is at most `error`.

    curve: points with `error` and `frames`. NaN where none of them is that good.
    """
    return min((float(point["frames"]) for point in curve if float(point["error"]) <= error), default=math.nan)


def least_error(curve: Sequence[Mapping[str, Any]], frames: float) -> float:
    """Return the least error among the points of a curve that need at most so many mean frames until decided.

    0.5 where none is that fast: to keep or to drop everything at once errs no more.
    """
    return min((float(point["error"]) for point in curve if float(point["frames"]) <= frames), default=CHANCE)
