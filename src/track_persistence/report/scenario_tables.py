"""The tables of the scenarios: what each method does to the tracks and to the 3D result, the best of a line marked."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from track_persistence.report.tables import SCENARIO_NAMES, Row, Table, best_of, state_name, states_of
from track_persistence.report.values import Value, lookup, value_of
from track_persistence.tracking.config import FUSIONS, WITNESSES, name_of

NO_BREAK = "\N{NO-BREAK SPACE}"
FUSION_COLUMNS = {
    "gospa_m": "GOSPA (m)",
    "gospa_change_m": "change against no filter (m)",
    "gospa_localisation_m": "localisation (m)",
    "gospa_missed_m": "missed (m)",
    "gospa_false_m": "false (m)",
}
OFF, APPEARANCE, FUSED = "off", "appearance", name_of(WITNESSES)


def _percent(value: Value) -> str:
    return value.percent()


def _number(digits: int) -> Callable[[Value], str]:
    return lambda value: value.number(digits)


def _much(value: float) -> float:
    return value


def _little(value: float) -> float:
    return -value


def _near(target: float) -> Callable[[float], float]:
    return lambda value: -abs(value - target)


@dataclass(frozen=True)
class Measure:
    """A line of a table: where the metric stands, how it is written, and how good a value is.

    score: None where no value is better than another because the methods measure it on different tracks.
    """

    title: str
    keys: tuple[str, ...]
    written: Callable[[Value], str]
    score: Callable[[float], float] | None


MEASURES = (
    Measure("2D tracks: precision", ("precision",), _percent, _much),
    Measure("2D tracks: recall", ("recall",), _percent, _much),
    Measure("spurious points a scene", ("spurious_points",), _number(1), _little),
    Measure("missed points a scene", ("missed_points",), _number(1), _little),
    Measure("GOSPA (m)", ("gospa_m",), _number(2), _little),
    Measure("\N{EN DASH} localisation (m)", ("gospa_localisation_m",), _number(2), None),
    Measure("\N{EN DASH} missed (m)", ("gospa_missed_m",), _number(2), _little),
    Measure("\N{EN DASH} false (m)", ("gospa_false_m",), _number(2), _little),
    Measure("OSPA (m)", ("ospa_m",), _number(2), _little),
    Measure("HOTA", ("tracks", "hota"), _percent, _much),
    Measure("IDF1", ("tracks", "idf1"), _percent, _much),
    Measure("MOTA", ("tracks", "mota"), _percent, _much),
    Measure("ID switches a scene", ("tracks", "id_switches"), _number(2), _little),
    Measure("fragmentations a scene", ("tracks", "fragmentations"), _number(2), _little),
)
# Of the 3D tracks that show one real object.
ERRORS = (
    Measure("RMSE of real tracks (m)", ("rmse_m",), _number(2), _little),
    Measure("\N{EN DASH} over the bound of one frame", ("bound_ratio",), _number(2), _little),
    Measure("NEES (honest: 3)", ("nees",), _number(2), _near(3)),
    Measure("inside 50 % ellipsoids", ("coverage_50",), _percent, _near(0.5)),
    Measure("inside 95 % ellipsoids", ("coverage_95",), _percent, _near(0.95)),
    Measure("jerk over true jerk", ("jerk_ratio",), _number(1), _near(1)),
)


CASE_MEASURES = (
    Measure("tracks dropped", ("track_reduction",), _percent, None),
    Measure("2D precision", ("precision",), _percent, _much),
    Measure("2D recall", ("recall",), _percent, None),
    Measure("GOSPA (m)", ("gospa_m",), _number(2), _little),
)


def specified(scenarios: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return the scenarios of which the specification says how many tracks are to go, in order."""
    return {
        name: scenarios[name]
        for name in sorted(scenarios)
        if lookup(scenarios, origin, name, "expected_filtered") is not None
    }


def cases(scenarios: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return the other scenarios, in order."""
    return {name: scenarios[name] for name in sorted(scenarios.keys() - specified(scenarios, origin).keys())}


def reduction_table(scenarios: Mapping[str, Any], origin: str) -> Table:
    """Return the share of tracks and 3D points dropped beside what was expected, where something was."""
    rows = []
    for number in specified(scenarios, origin):
        wanted = f"{100 * float(lookup(scenarios, origin, number, 'expected_filtered')):.0f} %"
        dropped = [value_of(lookup(scenarios, origin, number, name)) for name in ("track_reduction", "point_reduction")]
        seeds = str(lookup(scenarios, origin, number, "seeds"))
        name = SCENARIO_NAMES.get(number, number)
        rows.append(Row((name, seeds, wanted, *(value.percent() for value in dropped))))
    header = ("scenario", "seeds", "tracks expected to go", "tracks dropped", "3D points dropped")
    return Table("What the filter takes away, pooled over seeds, with 95 % interval", header, tuple(rows))


def fusion_table(scenarios: Mapping[str, Any], origin: str) -> Table:
    """Return GOSPA and its parts of every specified scenario under every method; the least GOSPA is marked."""
    rows = []
    for number in specified(scenarios, origin):
        states = states_of(scenarios[number])
        values = [[value_of(lookup(scenarios, origin, number, s, name)) for name in FUSION_COLUMNS] for s in states]
        best = _standing_out([own[0] for own in values], _little)
        for at, (state, own) in enumerate(zip(states, values, strict=True)):
            cells = (SCENARIO_NAMES.get(number, number), state_name(state), *(value.number(2) for value in own))
            rows.append(Row(cells, frozenset({2} if at in best else ())))
    header = ("scenario", "method", *FUSION_COLUMNS.values())
    return Table("GOSPA by method; its parts add up in squares", header, tuple(rows))


def case_table(scenarios: Mapping[str, Any], origin: str) -> Table:
    """Return the chief measures of every case: filter off, by appearance, by all witnesses, and the best simple rule.

    The fusion in use is there as well; the rule is that of least GOSPA. The best precision and GOSPA are marked.
    """
    rows = []
    for name, case in cases(scenarios, origin).items():
        states = _chief_states(case, f"{origin}: {name}")
        columns = [
            [value_of(lookup(case, f"{origin}: {name}", state, *measure.keys)) for state in states]
            for measure in CASE_MEASURES
        ]
        best = [_standing_out(values, measure.score) for values, measure in zip(columns, CASE_MEASURES, strict=True)]
        for at, state in enumerate(states):
            cells = [measure.written(values[at]) for values, measure in zip(columns, CASE_MEASURES, strict=True)]
            marked = frozenset(3 + column for column, positions in enumerate(best) if at in positions)
            seeds = str(lookup(case, f"{origin}: {name}", "seeds"))
            rows.append(Row((_name(name), seeds, state_name(state), *map(_two_lines, cells)), marked))
    header = ("case", "scenes", "method", *(measure.title for measure in CASE_MEASURES))
    return Table("Hard cases, pooled over scenes, with 95 % interval", header, tuple(rows))


def rejected_table(scenarios: Mapping[str, Any], origin: str) -> Table:
    """Return the share of the 2D tracks of each kind of ghost that is rejected in every case, by method."""
    rows = []
    methods = (APPEARANCE, "statistics", "geometry", FUSED)
    for name, case in cases(scenarios, origin).items():
        for kind, tracks in lookup(case, f"{origin}: {name}", "ghost_tracks").items():
            values = [value_of(lookup(case, f"{origin}: {name}", each, "rejected", kind)) for each in methods]
            best = frozenset(3 + at for at in _standing_out(values, _much))
            cells = [_two_lines(value.percent()) for value in values]
            rows.append(Row((_name(name), kind.replace("_", " "), str(tracks), *cells), best))
    header = ("case", "ghost", "2D tracks", *map(state_name, methods))
    return Table("Share of the ghosts that is rejected in the hard cases, with 95 % interval", header, tuple(rows))


def _name(scenario: str) -> str:
    return SCENARIO_NAMES.get(scenario, scenario.replace("_", " "))


def _chief_states(case: Mapping[str, Any], origin: str) -> list[str]:
    chosen = dict.fromkeys((OFF, APPEARANCE, str(lookup(case, origin, "fusion")), FUSED))
    rules = [state for state in states_of(case) if state not in (OFF, *FUSIONS)]
    values = [value_of(lookup(case, origin, rule, "gospa_m")) for rule in rules]
    known = [(value.value, rule) for value, rule in zip(values, rules, strict=True) if value.known]
    return [*chosen, *(rule for _, rule in sorted(known)[:1])]


def scenario_table(scenario: Mapping[str, Any], origin: str, name: str) -> Table:
    """Return everything measured in one scenario, one column a method."""
    errors = [replace(measure, keys=("paths", *measure.keys), score=None) for measure in ERRORS]
    return _by_method(scenario, origin, [*MEASURES, *errors], f"Scenario {name}, pooled over seeds, with 95 % interval")


def error_table(scenario: Mapping[str, Any], origin: str, name: str) -> Table:
    """Return the errors of the kept real tracks, triangulated frame by frame and as the tracker hands them on."""
    columns = {
        "frame by frame": lookup(scenario, origin, "frame_by_frame"),
        "3D result": lookup(scenario, origin, lookup(scenario, origin, "fusion"), "paths"),
    }
    return _table(columns, origin, ERRORS, f"Scenario {name}: 3D error and how honest the stated covariance is")


def distance_table(scenario: Mapping[str, Any], origin: str, name: str) -> Table:
    """Return precision and recall of 3D points in one scenario at each distance, one column a method."""
    states = states_of(scenario)
    keys = lookup(scenario, origin, states[0], "distances") if states else {}
    measures = [
        Measure(_distance_title(key), ("distances", key), _percent, _much)
        for key in sorted(keys, key=lambda key: (key.split("_")[0], _centimetres(key)))
    ]
    return _by_method(scenario, origin, measures, f"Scenario {name}: 3D points within a distance of the truth")


def _by_method(scenario: Mapping[str, Any], origin: str, measures: Sequence[Measure], caption: str) -> Table:
    return _table({state_name(state): scenario[state] for state in states_of(scenario)}, origin, measures, caption)


def _table(columns: Mapping[str, Any], origin: str, measures: Sequence[Measure], caption: str) -> Table:
    rows = []
    for measure in measures:
        values = [value_of(lookup(content, f"{origin}: {name}", *measure.keys)) for name, content in columns.items()]
        best = frozenset(1 + at for at in _standing_out(values, measure.score))
        rows.append(Row((measure.title, *(_two_lines(measure.written(value)) for value in values)), best))
    return Table(caption, ("", *columns), tuple(rows))


def _standing_out(values: Sequence[Value], score: Callable[[float], float] | None) -> list[int]:
    """Return the positions of the best values, ties included; none where more than half of them are level."""
    if score is None:
        return []
    best = best_of([Value(score(value.value), math.nan, math.nan) for value in values])
    return best if 2 * len(best) <= len(values) else []


def _two_lines(text: str) -> str:
    """Return a value that can be broken between number and interval alone."""
    head, bracket, interval = text.partition(" [")
    kept = [part.replace(" ", NO_BREAK) for part in (head, interval)]
    return bracket.join(kept) if bracket else kept[0]


def _centimetres(key: str) -> int:
    return int(key.rsplit("_", 1)[1].removesuffix("cm"))


def _distance_title(key: str) -> str:
    return f"{key.split('_')[0]} within {_centimetres(key) / 100:g} m"
