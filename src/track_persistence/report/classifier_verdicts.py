"""Does the learned filter reach what was asked on a profile, and is it better than something simple?"""

from collections.abc import Iterator, Mapping
from typing import Any

from track_persistence.report.config import ReportConfig, TargetsConfig
from track_persistence.report.early_tables import delay_of
from track_persistence.report.profiles import NAMES, NOMINAL
from track_persistence.report.robustness_tables import CHECKS, SPLITS, leans_on
from track_persistence.report.tables import BASELINES, FILTER, METHOD_NAMES, WHOLE, ages_of, seen
from track_persistence.report.values import Value, lookup, value_of
from track_persistence.report.verdict import Status, Verdict, compared

WORDS = {"auc": "AUC", "accuracy": "accuracy"}
REFERENCE = "sprt"


def profile_verdicts(config: ReportConfig, profile: str, found: Mapping[str, Any], origin: str) -> list[Verdict]:
    """Judge the filter on one profile; `found` are the metrics of stage `train` on it."""
    test = lookup(found, origin, "test")
    verdicts = [_length(profile, found, origin)]
    if profile == NOMINAL:
        verdicts.append(_required_accuracy(config, found, origin))
    for age, measure in ((str(config.early_frames), "auc"), (WHOLE, "accuracy")):
        verdicts.append(_against_baselines(profile, test, origin, age, measure))
    for name, targets in config.targets.items():
        verdicts += _targets(profile, targets, found, origin) if name == profile else ()
    verdicts.append(_calibration(profile, found, origin))
    verdicts += [_delay(profile, found, origin, name, None) for name in (REFERENCE, "min_hits")]
    return verdicts


def _calibration(profile: str, found: Mapping[str, Any], origin: str) -> Verdict:
    names = ("test_ece_before", "test_ece_after")
    before, after = (value_of(lookup(found, origin, "calibration", name)) for name in names)
    status: Status = "met" if after.value <= before.value else "missed"
    return Verdict(
        status,
        f"{NAMES[profile]}: calibration does not worsen the probabilities",
        f"Expected calibration error on the test tracks {before.percent()} before and {after.percent()} after.",
    )


def _length(profile: str, found: Mapping[str, Any], origin: str) -> Verdict:
    claim = f"{NAMES[profile]}: the model leans neither on the length of a track nor on the order of its frames"
    numbers, failed = [], []
    for split in SPLITS:
        for name, check in lookup(found, origin, "length", split, "checks").items():
            value, limit = (value_of(lookup(check, origin, key)).percent() for key in ("value", "limit"))
            numbers.append(f"{CHECKS.get(name, name)} {value} of at most {limit} ({split})")
            failed += [] if lookup(check, origin, "passes") else [f"{CHECKS.get(name, name)} ({split})"]
    text = f"{'; '.join(numbers)}."
    leaning = leans_on(found, origin)
    if leaning:
        return Verdict("missed", claim, f"It leans on {leaning}: {', '.join(failed)}. All checks: {text}")
    return Verdict("met", claim, text[0].upper() + text[1:])


def _required_accuracy(config: ReportConfig, found: Mapping[str, Any], origin: str) -> Verdict:
    whole = lookup(found, origin, "validation", "by_frames", WHOLE)
    accuracy = value_of(lookup(whole, origin, FILTER, "accuracy"))
    duration = value_of(lookup(whole, origin, "min_hits", "accuracy"))
    return Verdict(
        "met" if accuracy.value > config.required_accuracy else "missed",
        f"{NAMES[NOMINAL]}: validation accuracy on whole tracks is above {100 * config.required_accuracy:.0f} %",
        f"The learned filter reaches {accuracy.percent()}. The duration rule, which looks at nothing but the number "
        f"of frames, reaches {duration.percent()} on the same tracks.",
    )


def _against_baselines(profile: str, test: Mapping[str, Any], origin: str, age: str, measure: str) -> Verdict:
    found = lookup(test, origin, "by_frames", age)
    ours = value_of(lookup(found, origin, FILTER, measure))
    rivals = {name: value_of(lookup(found, origin, name, measure)) for name in BASELINES}
    known = {name: value for name, value in rivals.items() if value.known}
    claim = f"{NAMES[profile]}: the filter beats every simple baseline {seen(age)} (test {WORDS[measure]})"
    if not known or not ours.known:
        return Verdict("open", claim, "Not measurable on this test split: it holds one class only.")
    best = max(known, key=lambda name: known[name].value)
    numbers = f"Filter {_text(ours, measure)}, best baseline {METHOD_NAMES[best]} {_text(known[best], measure)}."
    lost = f"The baseline wins {seen(age)}: the simple rule does this job without a network."
    status, sentence = compared(ours, known[best], "The filter is", lost)
    return Verdict(status, claim, f"{sentence} {numbers}")


def _text(value: Value, measure: str) -> str:
    return value.percent() if measure == "accuracy" else value.number()


def _targets(profile: str, targets: TargetsConfig, found: Mapping[str, Any], origin: str) -> Iterator[Verdict]:
    for measure, wanted in (("auc", targets.auc), ("accuracy", targets.accuracy)):
        for age, least in wanted.items():
            value = value_of(lookup(found, origin, "test", "by_frames", age, FILTER, measure))
            claim = f"{NAMES[profile]}: {WORDS[measure]} {seen(age)} is at least {_limit(least, measure)}"
            yield _at_least(claim, value, least, f"Test {WORDS[measure]} {_text(value, measure)}.")
    if targets.calibration_error is not None:
        yield _calibrated(profile, targets.calibration_error, found, origin)
    if targets.delay_ratio is not None:
        yield _delay(profile, found, origin, REFERENCE, targets.delay_ratio)
    if targets.length_auc_distance is not None:
        yield _length_alone(profile, targets.length_auc_distance, found, origin)


def _limit(value: float, measure: str) -> str:
    return f"{100 * value:g} %" if measure == "accuracy" else f"{value:g}"


def _at_least(claim: str, value: Value, least: float, numbers: str) -> Verdict:
    if not value.known:
        return Verdict("open", claim, "Not measurable on this test split.")
    return Verdict("met" if value.value >= least else "missed", claim, numbers)


def _calibrated(profile: str, limit: float, found: Mapping[str, Any], origin: str) -> Verdict:
    test = lookup(found, origin, "test")
    errors = {
        age: value_of(lookup(test, origin, "by_frames", age, FILTER, "calibration_error"))
        for age in ages_of(test, origin)
    }
    claim = (
        f"{NAMES[profile]}: the expected calibration error is at most {100 * limit:g} % at any number of frames seen"
    )
    known = {age: error for age, error in errors.items() if error.known}
    if not known:
        return Verdict("open", claim, "Not measurable on this test split.")
    worst = max(known, key=lambda age: known[age].value)
    status: Status = "met" if known[worst].value <= limit else "missed"
    return Verdict(status, claim, f"The largest is {known[worst].percent()}, {seen(worst)}.")


def _delay(profile: str, found: Mapping[str, Any], origin: str, baseline: str, limit: float | None) -> Verdict:
    """Judge the mean frames until decided against a baseline's at its error; limit None: whether they are fewer."""
    delay = delay_of(found, origin, baseline)
    name = METHOD_NAMES[baseline]
    what = "decides sooner than" if limit is None else f"needs at most {limit:g} times the frames of"
    claim = f"{NAMES[profile]}: at equal error the filter {what} the rule: {name}"
    reached = f"{delay.error.percent()} (chance: 50 %)"
    if not delay.ours.known:
        return Verdict("missed", claim, f"The baseline wins: no rule of the filter errs as little, {reached}.")
    numbers = (
        f"At the rule's error of {reached} it takes {delay.theirs.number(2)} frames on average, the filter "
        f"{delay.ours.number(2)}: {delay.ratio.number(2)} times as many."
    )
    ratio = delay.ratio
    if limit is not None:
        return Verdict("met" if ratio.value <= limit else "missed", claim, numbers)
    if ratio.value > 1:
        return Verdict("missed", claim, f"The baseline wins. {numbers}")
    level = ratio.value == 1 or (ratio.has_interval and ratio.high >= 1)
    return Verdict("open" if level else "met", claim, numbers)


def _length_alone(profile: str, distance: float, found: Mapping[str, Any], origin: str) -> Verdict:
    value = value_of(lookup(found, origin, "length", "test", "length_alone_auc"))
    claim = f"{NAMES[profile]}: the length of a track alone tells nothing (AUC 0.5 within {distance:g})"
    numbers = f"Test AUC of the number of frames {value.number()}."
    if not value.known:
        return Verdict("open", claim, "Not measurable on this test split.")
    if abs(value.value - 0.5) <= distance:
        return Verdict("met", claim, numbers)
    reaches = value.has_interval and value.low <= 0.5 + distance and value.high >= 0.5 - distance
    return Verdict("open" if reaches else "missed", claim, numbers)
