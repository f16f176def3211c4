import pytest

from track_persistence.explain.answers import Task, Topic, ground
from track_persistence.explain.facts import flatten, measured
from track_persistence.explain.offline import OfflineAnalyst
from track_persistence.explain.prompts import AnalysisRequest

GROUPS = ("persistent", "transient")


def attention(excess, peak):
    return {
        "tracks": 20,
        "max_lift": measured(2.0, (1.5, 2.5)),
        "max_lift_random_control": {"value": 2.5},
        "excess_lift": measured(excess, (excess - 0.25, excess + 0.25)),
        "peak_position": measured(peak, (peak - 0.125, peak + 0.125)),
    }


def failures(count, frames):
    return {"count": count, "duration_frames": measured(frames, (frames - 1, frames + 1))}


@pytest.fixture
def full():
    """Facts of every section that rules read."""
    return flatten(
        {
            "counts": dict.fromkeys(GROUPS, 20),
            "tracks": {"persistent": failures(20, 30.0), "transient": failures(20, 3.0)},
            "attention": {"persistent": attention(-0.5, 0.5), "transient": attention(0.0, 0.75)},
            "faithfulness": {
                "all": {
                    "tracks": 20,
                    "drop_attended": measured(0.75, (0.5, 1.0)),
                    "drop_random": measured(0.25, (0.125, 0.375)),
                    "difference": measured(0.5, (0.25, 0.75)),
                }
            },
            "prefix": {
                group: {
                    "1": {"kept_share": measured(0.5, (0.25, 0.75))},
                    "10": {"kept_share": measured(end, (end - 0.125, end + 0.125))},
                }
                for group, end in (("persistent", 0.875), ("transient", 0.125))
            },
            "decisions": {"reflection": {"kept_share": measured(0.75, (0.5, 1.0))}},
            "failures": {
                "false_positive": failures(6, 5.0)
                | {"ghost": {"glare": 2, "reflection": 4}, "probability": measured(0.875, (0.75, 1.0))},
                "true_negative": failures(14, 2.0),
                "false_negative": failures(2, 4.0),
                "true_positive": failures(18, 30.0),
            },
            "scenarios": {
                "2": {
                    "off": {"missed_points": measured(1.0, (0.5, 1.5))},
                    "fusion": "geometry",
                    "geometry": {"missed_points": measured(3.0, (2.5, 3.5))},
                }
            },
        },
        "test",
    )


def texts(task, facts, topic):
    completion = OfflineAnalyst(fewest_tracks=5).complete(AnalysisRequest(task, facts))
    return [item.text for item in completion.answer.statements if item.topic is topic]


@pytest.mark.parametrize("task", list(Task))
def test_every_number_the_rules_say_is_a_fact_they_cite(full, task):
    answer = OfflineAnalyst(5).complete(AnalysisRequest(task, full)).answer
    kept, refused = ground(answer, full)
    assert len(kept) >= 4
    assert refused == ()
    assert [item.unsupported_numbers for item in kept] == [()] * len(kept)


def test_the_same_facts_give_the_same_answer(full):
    request = AnalysisRequest(Task.PATTERNS, full)
    assert OfflineAnalyst(5).complete(request) == OfflineAnalyst(5).complete(request)


def test_concentration_is_claimed_only_where_the_interval_excludes_chance(full):
    persistent, transient = texts(Task.PATTERNS, full, Topic.CONCENTRATION)
    assert "more even than" in persistent  # -0.75 .. -0.25
    assert "not distinguishable" in transient  # -0.25 .. 0.25


def test_position_is_compared_with_the_middle(full):
    persistent, transient = texts(Task.PATTERNS, full, Topic.POSITION)
    assert "not measurably away from" in persistent
    assert "later than" in transient


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.25, 0.75, "matter more than chance"),
        (-0.25, 0.75, "should not be read as an explanation"),
        (-0.75, -0.25, "matter less than random"),
    ],
)
def test_attention_is_called_faithful_only_beyond_its_control(full, low, high, verdict):
    changed = full | {"faithfulness.all.difference.low": low, "faithfulness.all.difference.high": high}
    assert verdict in texts(Task.PATTERNS, changed, Topic.FAITHFULNESS)[0]


def test_equal_lengths_are_not_called_different(full):
    (different,) = texts(Task.PATTERNS, full, Topic.DURATION)
    assert "longer than transient ones (30 against 3 frames" in different
    near = full | {"tracks.transient.duration_frames.high": 29.5}  # the other interval begins at 29
    (level,) = texts(Task.PATTERNS, near, Topic.DURATION)
    assert level == "The mean lengths of persistent and transient tracks do not differ measurably: 30 and 3 frames."


def test_early_decisions_are_compared_at_the_fewest_and_the_most_frames(full):
    first, last = texts(Task.PATTERNS, full, Topic.EARLY_DECISION)
    assert first.startswith("After 1 frame ") and first.endswith("the two do not differ measurably.")
    assert last.startswith("After 10 frames ") and last.endswith("persistent tracks are kept measurably more often.")


def test_the_commonest_ghost_is_named_with_its_share_of_all_such_tracks(full):
    (text,) = texts(Task.FAILURES, full, Topic.GHOST_TYPE)
    assert text == (
        "The commonest cause among false positives is reflection: 4 of 6. "
        "Of all reflection tracks a share of 0.75 is kept."
    )


def test_too_few_failures_are_counted_but_not_compared(full):
    negatives = texts(Task.FAILURES, full, Topic.FALSE_NEGATIVES)
    assert negatives == ["2 of 20 persistent tracks are wrongly filtered out."]  # 2 failures, 5 needed


def test_wrong_and_right_decisions_are_compared(full):
    compared = [text for text in texts(Task.FAILURES, full, Topic.FALSE_POSITIVES) if "length in frames" in text]
    assert compared == [
        "Wrongly decided transient tracks have a mean length in frames of 5, rightly decided ones 2: higher."
    ]


def test_a_filter_that_loses_points_raises_a_question(full):
    (text,) = texts(Task.QUESTIONS, full, Topic.SCENARIOS)
    assert "from 1 to 3" in text
    unharmed = full | {"scenarios.2.geometry.missed_points.low": 1.0}
    assert texts(Task.QUESTIONS, unharmed, Topic.SCENARIOS) == []


@pytest.mark.parametrize("task", list(Task))
def test_too_little_data_gives_no_claim(task):
    facts = {"counts.tracks": 1, "counts.persistent": 1, "counts.transient": 0}
    (statement,) = OfflineAnalyst(5).complete(AnalysisRequest(task, facts)).answer.statements
    assert statement.topic is (Topic.DATA_LIMITS)
