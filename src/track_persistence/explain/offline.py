"""The rule-based analyst: fixed sentences whose claims are computed from the facts they cite. No language model.

Each rule looks at a few facts and says at most one thing. A difference is claimed only where 95 % intervals exclude the
control or each other, and a group below `fewest_tracks` supports no claim.
"""

from collections.abc import Callable
from typing import Literal

from track_persistence.explain.answers import RULES, Answer, Completion, Statement, Task, Topic
from track_persistence.explain.prompts import AnalysisRequest
from track_persistence.explain.questions import QUESTIONS
from track_persistence.explain.reading import FEW_FRAMES, GROUPS, Reading, commonest_ghost

Rule = Callable[[Reading], list[Statement]]


class OfflineAnalyst:
    """Answers by the rules of this module; the same facts give the same answer."""

    source: Literal["offline"] = "offline"

    def __init__(self, fewest_tracks: int) -> None:
        """Make statements on groups of at least `fewest_tracks` tracks."""
        self.fewest_tracks = fewest_tracks

    def complete(self, request: AnalysisRequest) -> Completion:
        """Return what the rules of the request's task find, or that there is too little to find anything in."""
        reading = Reading(request.facts, self.fewest_tracks)
        statements = [statement for rule in RULES_OF[request.task] for statement in rule(reading)]
        statements = statements or [_too_little(reading)]
        return Completion(answer=Answer(statements=tuple(statements)), model=RULES)


def _concentration(reading: Reading) -> list[Statement]:
    endings = {
        1: "more concentrated than weights without meaning on tracks of the same lengths ({1}).",
        0: "not distinguishable from weights without meaning on tracks of the same lengths ({1}).",
        -1: "more even than weights without meaning on tracks of the same lengths ({1}).",
    }
    found = []
    for group in GROUPS:
        keys = [f"attention.{group}.{name}" for name in ("max_lift", "max_lift_random_control", "excess_lift")]
        side = reading.side(keys[2], 0.0)
        if side is not None and reading.enough(f"attention.{group}.tracks"):
            opening = f"On {group} tracks the most attended frame has a mean lift of {{0}}: attention is "
            found.append(reading.say(Topic.CONCENTRATION, opening + endings[side], *keys))
    return found


def _position(reading: Reading) -> list[Statement]:
    places = {1: "later than", 0: "not measurably away from", -1: "earlier than"}
    found = []
    for group in GROUPS:
        key = f"attention.{group}.peak_position"
        side = reading.side(key, 0.5)
        if side is not None and reading.enough(f"attention.{group}.tracks"):
            template = (
                f"On {group} tracks attention peaks at {{0}} of the track's length on average, {places[side]} the "
                "middle, where the peak of weights without meaning lies on average."
            )
            found.append(reading.say(Topic.POSITION, template, key))
    return found


def _faithfulness(reading: Reading) -> list[Statement]:
    names = ("drop_attended", "drop_random", "difference")
    keys = [f"faithfulness.all.{name}" for name in names]
    side = reading.side(keys[2], 0.0)
    if side is None or not reading.enough("faithfulness.all.tracks"):
        return []
    verdicts = {
        1: "attention points at frames that matter more than chance, which is evidence for it, not proof of a cause.",
        0: "attention is not shown to point at the frames that matter and should not be read as an explanation.",
        -1: "the attended frames matter less than random ones; attention must not be read as an explanation.",
    }
    template = (
        "Removing the most attended frames costs the decision {0} log-odds, removing as many random frames {1} "
        f"(difference {{2}}): {verdicts[side]}"
    )
    return [reading.say(Topic.FAITHFULNESS, template, *keys)]


def _duration(reading: Reading) -> list[Statement]:
    keys = [f"tracks.{group}.duration_frames" for group in GROUPS]
    order = reading.order(*keys)
    if order is None or not all(reading.enough(f"tracks.{group}.count") for group in GROUPS):
        return []
    if order == 0:
        template = "The mean lengths of persistent and transient tracks do not differ measurably: {0} and {1} frames."
        return [reading.say(Topic.DURATION, template, *keys)]
    longer = "longer" if order > 0 else "shorter"
    template = (
        f"Persistent tracks are {longer} than transient ones ({{0}} against {{1}} frames on average), so any measure "
        "that follows length separates them too; compare with the duration rule before crediting appearance."
    )
    return [reading.say(Topic.DURATION, template, *keys)]


def _early(reading: Reading) -> list[Statement]:
    seen = [n for n in FEW_FRAMES if all(f"prefix.{group}.{n}.kept_share" in reading.facts for group in GROUPS)]
    if not seen or not all(reading.enough(f"counts.{group}") for group in GROUPS):
        return []
    found = []
    for frames in dict.fromkeys((seen[0], seen[-1])):
        keys = [f"prefix.{group}.{frames}.kept_share" for group in GROUPS]
        order = reading.order(*keys)
        verdict = {
            1: "persistent tracks are kept measurably more often",
            -1: "persistent tracks are kept measurably less often, the wrong way round",
        }.get(order or 0, "the two do not differ measurably")
        noun = "frame" if frames == "1" else "frames"
        template = (
            f"After {frames} {noun} a share of {{0}} of the persistent and {{1}} of the transient tracks would be "
            f"kept: {verdict}."
        )
        found.append(reading.say(Topic.EARLY_DECISION, template, *keys))
    return found


def _errors(reading: Reading) -> list[Statement]:
    found = []
    sides = (
        (Topic.FALSE_POSITIVES, "false_positive", "transient", "kept as persistent"),
        (Topic.FALSE_NEGATIVES, "false_negative", "persistent", "filtered out"),
    )
    for topic, outcome, group, fate in sides:
        count, total = f"failures.{outcome}.count", f"counts.{group}"
        if total in reading.facts and count in reading.facts:
            found.append(reading.say(topic, f"{{0}} of {{1}} {group} tracks are wrongly {fate}.", count, total))
        elif count in reading.facts:
            found.append(reading.say(topic, f"{{0}} {group} tracks given here were wrongly {fate}.", count))
    return found


def _ghosts(reading: Reading) -> list[Statement]:
    count = commonest_ghost(reading)
    total = "failures.false_positive.count"
    if count is None or not reading.enough(total):
        return []
    ghost = count.rsplit(".", 1)[1]
    keys = [count, total]
    words = ghost.replace("_", " ")
    template = f"The commonest cause among false positives is {words}: {{0}} of {{1}}."
    share = f"decisions.{ghost}.kept_share"
    if share in reading.facts:
        keys.append(share)
        template += f" Of all {words} tracks a share of {{2}} is kept."
    return [reading.say(Topic.GHOST_TYPE, template, *keys)]


def _contrasts(reading: Reading) -> list[Statement]:
    """Failures beside the rightly decided tracks of the same truth."""
    found = []
    pairs = (
        (Topic.FALSE_POSITIVES, "false_positive", "true_negative", "transient tracks"),
        (Topic.FALSE_NEGATIVES, "false_negative", "true_positive", "persistent tracks"),
    )
    measures = (("duration_frames", "length in frames"), ("detector_confidence", "detector confidence"))
    for topic, wrong, right, noun in pairs:
        for measure, words in measures:
            keys = [f"failures.{wrong}.{measure}", f"failures.{right}.{measure}"]
            order = reading.order(*keys)
            if order is None or not all(reading.enough(f"failures.{outcome}.count") for outcome in (wrong, right)):
                continue
            verdict = {1: "higher", 0: "not measurably different", -1: "lower"}[order]
            template = f"Wrongly decided {noun} have a mean {words} of {{0}}, rightly decided ones {{1}}: {verdict}."
            found.append(reading.say(topic, template, *keys))
    return found


def _certain_errors(reading: Reading) -> list[Statement]:
    found = []
    for topic, outcome in ((Topic.FALSE_POSITIVES, "false_positive"), (Topic.FALSE_NEGATIVES, "false_negative")):
        key = f"failures.{outcome}.probability"
        if key in reading.facts and reading.enough(f"failures.{outcome}.count"):
            words = outcome.replace("_", " ")
            template = f"The mean probability of being persistent that {words}s were given is {{0}}."
            found.append(reading.say(topic, template, key))
    return found


def _too_little(reading: Reading) -> Statement:
    counts = sorted(key for key in reading.facts if key.endswith(("count", ".tracks")) or key.startswith("counts."))
    cites = (counts or sorted(reading.facts))[:1]
    text = "The facts hold too few tracks, or too few measures, for a statement; the first count given is {0}."
    return reading.say(Topic.DATA_LIMITS, text, *cites)


RULES_OF: dict[Task, tuple[Rule, ...]] = {
    Task.PATTERNS: (_concentration, _position, _faithfulness, _duration, _early),
    Task.FAILURES: (_errors, _ghosts, _contrasts, _certain_errors),
    Task.QUESTIONS: QUESTIONS,
}
