"""What are the cues worth? Verdicts on the fusion of witnesses, and on the encoder beside what is cheaper."""

from collections.abc import Iterator, Mapping
from typing import Any

from track_persistence.report.ablation_tables import DIFFERENCE, ENCODERS, INPUTS, REFERENCE, Method, method_name
from track_persistence.report.fusion_tables import PLAIN_SUM
from track_persistence.report.ghost_tables import TOGETHER
from track_persistence.report.profiles import NAMES, profiles_of
from track_persistence.report.tables import seen
from track_persistence.report.values import Value, lookup, value_of
from track_persistence.report.verdict import Verdict, compared
from track_persistence.tracking.config import WITNESSES

TRAINED = "magvit"
RIVALS: tuple[Method, ...] = tuple(
    method for method in dict.fromkeys((*ENCODERS, *INPUTS)) if method[1] not in (TRAINED, "both")
)
BOTH: Method = ("transformer", "both")


def fusion_verdicts(fuse: Mapping[str, Any], origin: str, age: str) -> Iterator[Verdict]:
    """Judge for each profile whether all witnesses together tell more than each alone, and than their plain sum."""
    for profile in profiles_of(fuse, origin):
        found = lookup(fuse, origin, profile, "test", "by_frames", age)
        areas = {name: value_of(lookup(found, origin, name, "auc")) for name in (*WITNESSES, TOGETHER, PLAIN_SUM)}
        best = max(WITNESSES, key=lambda name: (areas[name].known, areas[name].value))
        claim = (
            f"{NAMES[profile]}: all witnesses together tell more than the best of them alone, {seen(age)} (test AUC)"
        )
        lost = f"{best.capitalize()} alone wins."
        yield _beside(areas[TOGETHER], areas[best], claim, lost, f"alone ({best})")
        claim = f"{NAMES[profile]}: weighing the witnesses is better than adding their log-odds, {seen(age)} (test AUC)"
        yield _beside(areas[TOGETHER], areas[PLAIN_SUM], claim, "The plain sum wins.", "plain sum")


def _beside(ours: Value, other: Value, claim: str, lost: str, name: str) -> Verdict:
    if not (ours.known and other.known):
        return Verdict("open", claim, "Not measurable on this test split.")
    status, sentence = compared(ours, other, "Together they are", lost)
    return Verdict(status, claim, f"{sentence} Together {ours.number()}, {name} {other.number()}.")


def ablation_verdicts(ablate: Mapping[str, Any], origin: str, age: str) -> Iterator[Verdict]:
    """Judge the trained encoder against the best of what needs no training of an encoder, and both inputs against one.

    Differences are on the same tracks and resampled scenes, so their intervals decide.
    """
    found = lookup(ablate, origin, "test", "by_frames", age)
    where = f"{NAMES.get(str(lookup(ablate, origin, 'profile')), 'ablation')}: "
    areas = {method: value_of(lookup(found, origin, *method, "auc")) for method in RIVALS}
    best = max(areas, key=lambda method: (areas[method].known, areas[method].value))
    difference = value_of(lookup(found, origin, *best, DIFFERENCE))
    ours = value_of(lookup(found, origin, *REFERENCE, "auc"))
    numbers = (
        f"Trained encoder {ours.number()}, best of the others ({method_name(best)}) {areas[best].number()}; the "
        f"difference of the others {difference.number()}."
    )
    claim = f"{where}the trained encoder tells more than any cheaper cue {seen(age)} (test AUC)"
    yield _paired(difference, claim, numbers, "The cheaper cue wins.", better_is_positive=False)
    gain = value_of(lookup(found, origin, *BOTH, DIFFERENCE))
    claim = f"{where}boxes and confidences add to the pixels {seen(age)} (test AUC)"
    both = value_of(lookup(found, origin, *BOTH, "auc"))
    numbers = f"Pixels {ours.number()}, with boxes and confidences {both.number()}, difference {gain.number()}."
    yield _paired(gain, claim, numbers, "Pixels alone win.", better_is_positive=True)


def _paired(difference: Value, claim: str, numbers: str, lost: str, *, better_is_positive: bool) -> Verdict:
    if not difference.known:
        return Verdict("open", claim, "Not measurable on this test split.")
    sign = 1 if better_is_positive else -1
    if sign * difference.value < 0:
        return Verdict("missed", claim, f"{lost} {numbers}")
    if difference.has_interval and difference.low <= 0 <= difference.high:
        return Verdict("open", claim, f"The interval of the difference holds 0. {numbers}")
    return Verdict("met", claim, numbers)
