"""Does the filter help in 3D? Verdicts on the scenarios and the hard cases."""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.config import ReportConfig
from track_persistence.report.tables import METHOD_NAMES, SCENARIO_NAMES, rules_of
from track_persistence.report.values import lookup, negative, value_of
from track_persistence.report.verdict import Verdict, compared
from track_persistence.tracking.config import WITNESSES, name_of

TOGETHER = name_of(WITNESSES)


def scenario_verdicts(config: ReportConfig, scenarios: Mapping[str, Any], origin: str) -> list[Verdict]:
    """Judge every scenario; how many tracks are to go is asked where the specification says it."""
    verdicts = []
    for number in sorted(scenarios):
        scenario = scenarios[number]
        if lookup(scenario, origin, "expected_filtered") is not None:
            verdicts.append(_reduction(config, number, scenario, origin))
        verdicts.append(_spatial(number, scenario, origin))
        if rules_of(scenario):
            verdicts.append(_against_rules(number, scenario, origin))
        if all(fusion in scenario for fusion in (*WITNESSES, TOGETHER)):
            verdicts.append(_fused(number, scenario, origin))
        verdicts.append(_honest(number, scenario, origin))
    return verdicts


def _name(number: str) -> str:
    return f"Scenario {SCENARIO_NAMES.get(number, number.replace('_', ' '))}"


def _reduction(config: ReportConfig, number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    expected = float(lookup(scenario, origin, "expected_filtered"))
    dropped = value_of(lookup(scenario, origin, "track_reduction"))
    recall = value_of(lookup(scenario, origin, lookup(scenario, origin, "fusion"), "recall"))
    near = abs(dropped.value - expected) <= config.reduction_tolerance
    inside = dropped.has_interval and dropped.low <= expected <= dropped.high
    share = f"about {100 * expected:.0f} % of the tracks are filtered out" if expected else "about all tracks are kept"
    return Verdict(
        "met" if near or inside else "missed",
        f"{_name(number)}: {share}",
        f"{dropped.percent()} were filtered out; recall of the real objects with the filter is {recall.percent()}.",
    )


def _spatial(number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    fusion = lookup(scenario, origin, "fusion")
    off, on = (value_of(lookup(scenario, origin, state, "gospa_m")) for state in ("off", fusion))
    claim = f"{_name(number)}: the 3D result is no worse with the filter (GOSPA)"
    change = value_of(lookup(scenario, origin, fusion, "gospa_change_m"))
    numbers = (
        f"GOSPA {off.number(2)} m without the filter, {on.number(2)} m with it; smaller is better. "
        f"Difference on the same scenes {change.number(2)} m."
    )
    if not change.known:
        return Verdict("open", claim, numbers)
    if change.value <= 0:
        return Verdict("met", claim, numbers)
    return Verdict("open" if change.has_interval and change.low <= 0 else "missed", claim, numbers)


def _fused(number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    values = {name: value_of(lookup(scenario, origin, name, "gospa_m")) for name in (*WITNESSES, TOGETHER)}
    claim = (
        f"{_name(number)}: {', '.join(WITNESSES[:-1])} and {WITNESSES[-1]} together are no worse in 3D than each alone"
    )
    alone = ", by ".join(f"{name} {values[name].number(2)} m" for name in WITNESSES)
    numbers = f"GOSPA by {alone}, together {values[TOGETHER].number(2)} m."
    if not all(value.known for value in values.values()):
        return Verdict("open", claim, numbers)
    ours, best = values[TOGETHER], min((values[name] for name in WITNESSES), key=lambda value: value.value)
    if ours.value <= best.value:
        return Verdict("met", claim, numbers)
    overlap = ours.has_interval and best.has_interval and ours.low <= best.high
    return Verdict("open" if overlap else "missed", claim, numbers)


def _honest(number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    """Judge the stated covariances by one frame of each path, the only ones that are independent of each other."""
    paths = lookup(scenario, origin, lookup(scenario, origin, "fusion"), "paths")
    single = lookup(paths, origin, "nees_one_frame_a_path")
    value, low, high = (value_of(lookup(single, origin, key)) for key in ("value", "expected_low", "expected_high"))
    within = value_of(lookup(paths, origin, "coverage_95"))
    claim = f"{_name(number)}: the 3D tracks are as uncertain as they say"
    numbers = (
        f"NEES of the middle frame of each real track {value.number(2)} on average, expected 3 and by chance "
        f"{low.number(2)} to {high.number(2)}; the 95 % ellipsoids hold {within.percent()} of the true points."
    )
    if not value.known:
        return Verdict("open", claim, "Not measurable: no 3D track shows a real object.")
    if low.value <= value.value <= high.value:
        return Verdict("met", claim, numbers)
    side = "too small: the tracks claim too much" if value.value > high.value else "larger than need be"
    return Verdict("missed", claim, f"The stated uncertainty is {side}. {numbers}")


def _against_rules(number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    on = value_of(lookup(scenario, origin, lookup(scenario, origin, "fusion"), "gospa_m"))
    rules = {name: value_of(lookup(scenario, origin, name, "gospa_m")) for name in rules_of(scenario)}
    known = {name: value for name, value in rules.items() if value.known}
    claim = f"{_name(number)}: the 3D result is better than that of the simple rules"
    if not known or not on.known:
        return Verdict("open", claim, "Not measurable: no GOSPA for the filter or for any rule.")
    best = min(known, key=lambda name: known[name].value)
    numbers = f"GOSPA: filter {on.number(2)} m, best rule {METHOD_NAMES.get(best, best)} {known[best].number(2)} m."
    status, sentence = compared(negative(on), negative(known[best]), "The filter is", "The simple rule wins.")
    return Verdict(status, claim, f"{sentence} {numbers}")
