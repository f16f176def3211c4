"""The rule-based analyst's research questions, each raised by facts it cites."""

from track_persistence.explain.answers import Statement, Topic
from track_persistence.explain.reading import FEW_FRAMES, GROUPS, Reading, commonest_ghost


def _questions(reading: Reading) -> list[Statement]:
    found = []
    ghost = commonest_ghost(reading)
    if ghost is not None and reading.number(ghost):
        name = ghost.rsplit(".", 1)[1].replace("_", " ")
        template = (
            f"Do the {{0}} {name} tracks that the classifier keeps show their cause in any frame, or does the second "
            "camera alone tell them from objects?"
        )
        found.append(reading.say(Topic.GHOST_TYPE, template, ghost))
    if (reading.number("failures.false_negative.count") or 0) > 0:
        template = (
            "Are the {0} persistent tracks that are filtered out recovered when fragments of one object are judged "
            "together?"
        )
        found.append(reading.say(Topic.FALSE_NEGATIVES, template, "failures.false_negative.count"))
    return found


def _question_of_faithfulness(reading: Reading) -> list[Statement]:
    key = "faithfulness.all.difference"
    side = reading.side(key, 0.0)
    if side is None:
        return []
    if side > 0:
        template = (
            "The attended frames matter by {0} log-odds more than random ones: are they the frames in which the truth "
            "shows, such as the onset of a fade?"
        )
    else:
        template = (
            "Attended frames matter no more than random ones (difference {0} log-odds): does a gradient or an "
            "occlusion measure find the frames that carry the decision?"
        )
    return [reading.say(Topic.FAITHFULNESS, template, key)]


def _question_of_duration(reading: Reading) -> list[Statement]:
    keys = [f"tracks.{group}.duration_frames" for group in GROUPS]
    if not reading.order(*keys):
        return []
    template = (
        "Persistent and transient tracks differ in length ({0} against {1} frames): what is left of the filter's "
        "advantage over the duration rule when both have the same lengths?"
    )
    return [reading.say(Topic.DURATION, template, *keys)]


def _question_of_early_decision(reading: Reading) -> list[Statement]:
    frames = [n for n in FEW_FRAMES if f"prefix.persistent.{n}.kept_share" in reading.facts]
    if len(frames) < 2:
        return []
    keys = [f"prefix.persistent.{n}.kept_share" for n in (frames[0], frames[-1])]
    if not reading.order(*keys):
        return []
    template = (
        f"The kept share of persistent tracks goes from {{0}} after {frames[0]} to {{1}} after {frames[-1]} frames: "
        "what brings the change, the appearance in the later frames, their boxes, or the mere number of frames?"
    )
    return [reading.say(Topic.EARLY_DECISION, template, *keys)]


def _question_of_scenarios(reading: Reading) -> list[Statement]:
    found = []
    names = dict.fromkeys(key.split(".")[1] for key in reading.facts if key.startswith("scenarios."))
    for scenario in sorted(names):
        used = reading.facts.get(f"scenarios.{scenario}.fusion")
        keys = [f"scenarios.{scenario}.{state}.missed_points" for state in (used, "off")]
        if all(key in reading.facts for key in keys) and (reading.order(*keys) or 0) > 0:
            template = (
                f"In scenario {scenario} the filter raises the missed 3D points from {{1}} to {{0}}: which threshold "
                "gives the lowest GOSPA?"
            )
            found.append(reading.say(Topic.SCENARIOS, template, *keys))
    return found


QUESTIONS = (
    _questions,
    _question_of_faithfulness,
    _question_of_duration,
    _question_of_early_decision,
    _question_of_scenarios,
)
