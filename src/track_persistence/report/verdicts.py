"""Does the filter do what was expected, and is it better than something simple? Said plainly, with the numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from track_persistence.report.config import ReportConfig
from track_persistence.report.tables import BASELINES, METHOD_NAMES, METHODS, SCENARIO_NAMES, rules_of
from track_persistence.report.values import Value, lookup, value_of

Status = Literal["met", "missed", "open"]
FILTER = METHODS[0]
PARTS, TOGETHER = ("appearance", "geometry"), "both"


@dataclass(frozen=True)
class Verdict:
    """A claim, whether the numbers bear it out (`open`: they cannot tell), and the numbers."""

    status: Status
    claim: str
    finding: str


def verdicts_of(
    config: ReportConfig, train: Mapping[str, Any], scenarios: Mapping[str, Any], origins: tuple[str, str]
) -> list[Verdict]:
    """Judge the classifier against the requirement and the baselines, then every scenario.

    origins: names of the two metrics files, for error messages.
    """
    train_origin, scenarios_origin = origins
    verdicts = [
        _required_accuracy(config, train, train_origin),
        _against_baselines(train, train_origin, "whole", "accuracy"),
        _against_baselines(train, train_origin, str(config.early_frames), "auc"),
        _calibration(train, train_origin),
    ]
    for number in sorted(scenarios):
        scenario = scenarios[number]
        verdicts.append(_reduction(config, number, scenario, scenarios_origin))
        verdicts.append(_spatial(number, scenario, scenarios_origin))
        if rules_of(scenario):
            verdicts.append(_against_rules(number, scenario, scenarios_origin))
        if all(fusion in scenario for fusion in (*PARTS, TOGETHER)):
            verdicts.append(_fused(number, scenario, scenarios_origin))
        verdicts.append(_honest(number, scenario, scenarios_origin))
    return verdicts


def _required_accuracy(config: ReportConfig, train: Mapping[str, Any], origin: str) -> Verdict:
    found = lookup(train, origin, "validation", "by_frames", "whole")
    accuracy = value_of(lookup(found, origin, FILTER, "accuracy"))
    duration = value_of(lookup(found, origin, "min_hits", "accuracy"))
    return Verdict(
        "met" if accuracy.value > config.required_accuracy else "missed",
        f"Validation accuracy on whole tracks is above {100 * config.required_accuracy:.0f} %",
        f"The learned filter reaches {accuracy.percent()}. The duration rule, which looks at nothing but the number "
        f"of frames, reaches {duration.percent()} on the same tracks.",
    )


def _against_baselines(train: Mapping[str, Any], origin: str, age: str, measure: str) -> Verdict:
    found = lookup(train, origin, "test", "by_frames", age)
    ours = value_of(lookup(found, origin, FILTER, measure))
    rivals = {name: value_of(lookup(found, origin, name, measure)) for name in BASELINES}
    known = {name: value for name, value in rivals.items() if value.known}
    seen = "on whole tracks" if age == "whole" else f"after {age} frame{'s' if age != '1' else ''}"
    word = "AUC" if measure == "auc" else measure
    claim = f"The filter beats every simple baseline {seen} (test {word})"
    if not known or not ours.known:
        return Verdict("open", claim, "Not measurable on this test split: it holds one class only.")
    best = max(known, key=lambda name: known[name].value)
    numbers = f"Filter {_text(ours, measure)}, best baseline {METHOD_NAMES[best]} {_text(known[best], measure)}."
    if ours.value > known[best].value:
        apart = not (ours.has_interval and known[best].has_interval) or ours.low > known[best].high
        if apart:
            return Verdict("met", claim, f"The filter is ahead. {numbers}")
        return Verdict("open", claim, f"The filter is ahead, but the 95 % intervals overlap. {numbers}")
    if ours.value == known[best].value:
        return Verdict("open", claim, f"They are level. {numbers}")
    plain = "The baseline wins" if age == "whole" else f"The baseline wins {seen}"
    return Verdict("missed", claim, f"{plain}: the simple rule does this job without a network. {numbers}")


def _text(value: Value, measure: str) -> str:
    return value.percent() if measure == "accuracy" else value.number()


def _calibration(train: Mapping[str, Any], origin: str) -> Verdict:
    names = ("test_ece_before", "test_ece_after", "temperature")
    before, after, temperature = (value_of(lookup(train, origin, "calibration", name)) for name in names)
    status: Status = "met" if after.value <= before.value else "missed"
    return Verdict(
        status,
        "Temperature scaling does not worsen the calibration",
        f"Expected calibration error on the test scenes {before.percent()} before and {after.percent()} after, "
        f"temperature {temperature.number(2)}.",
    )


def _reduction(config: ReportConfig, number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    expected = float(lookup(scenario, origin, "expected_filtered"))
    dropped = value_of(lookup(scenario, origin, "track_reduction"))
    recall = value_of(lookup(scenario, origin, lookup(scenario, origin, "fusion"), "recall"))
    near = abs(dropped.value - expected) <= config.reduction_tolerance
    inside = dropped.has_interval and dropped.low <= expected <= dropped.high
    share = f"about {100 * expected:.0f} % of the tracks are filtered out" if expected else "about all tracks are kept"
    return Verdict(
        "met" if near or inside else "missed",
        f"Scenario {SCENARIO_NAMES.get(number, number)}: {share}",
        f"{dropped.percent()} were filtered out; recall of the real objects with the filter is {recall.percent()}.",
    )


def _spatial(number: str, scenario: Mapping[str, Any], origin: str) -> Verdict:
    fusion = lookup(scenario, origin, "fusion")
    off, on = (value_of(lookup(scenario, origin, state, "gospa_m")) for state in ("off", fusion))
    claim = f"Scenario {SCENARIO_NAMES.get(number, number)}: the 3D result is no worse with the filter (GOSPA)"
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
    values = {name: value_of(lookup(scenario, origin, name, "gospa_m")) for name in (*PARTS, TOGETHER)}
    claim = (
        f"Scenario {SCENARIO_NAMES.get(number, number)}: appearance and geometry together are no worse in 3D than "
        "either alone"
    )
    numbers = "GOSPA by " + ", by ".join(f"{name} {value.number(2)} m" for name, value in values.items()) + "."
    if not all(value.known for value in values.values()):
        return Verdict("open", claim, numbers)
    ours, best = values[TOGETHER], min((values[name] for name in PARTS), key=lambda value: value.value)
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
    claim = f"Scenario {SCENARIO_NAMES.get(number, number)}: the 3D tracks are as uncertain as they say"
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
    claim = f"Scenario {SCENARIO_NAMES.get(number, number)}: the 3D result is better than that of the simple rules"
    if not known or not on.known:
        return Verdict("open", claim, "Not measurable: no GOSPA for the filter or for any rule.")
    best = min(known, key=lambda name: known[name].value)
    numbers = f"GOSPA: filter {on.number(2)} m, best rule {METHOD_NAMES.get(best, best)} {known[best].number(2)} m."
    if on.value == known[best].value:
        return Verdict("open", claim, f"They are level. {numbers}")
    if on.value > known[best].value:
        return Verdict("missed", claim, f"The simple rule wins. {numbers}")
    apart = not (on.has_interval and known[best].has_interval) or on.high < known[best].low
    if apart:
        return Verdict("met", claim, f"The filter is ahead. {numbers}")
    return Verdict("open", claim, f"The filter is ahead, but the 95 % intervals overlap. {numbers}")
