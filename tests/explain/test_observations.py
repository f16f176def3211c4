import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.explain.observations import failure_facts, pattern_facts, student_interval

HALF = [1 / 2, 1 / 2]


def test_patterns_are_measured_per_group():
    facts = pattern_facts(
        [np.array([1 / 4, 3 / 4]), HALF, np.ones(1)],
        [
            {"is_persistent": True, "duration": 2, "confidence": 0.75},
            {"is_persistent": True, "duration": 2, "confidence": 0.25},
            {"is_persistent": False, "duration": 1},
        ],
    )
    assert (facts["counts.persistent"], facts["counts.transient"]) == (2, 1)
    assert facts["attention.persistent.max_lift"] == pytest.approx((3 / 2 + 1) / 2)
    assert facts["attention.persistent.max_lift_random_control"] == pytest.approx(3 / 2)
    assert facts["attention.persistent.peak_position"] == pytest.approx((1 + 1 / 2) / 2)
    assert facts["attention.transient.single_frame_tracks"] == 1
    assert facts["tracks.transient.duration_frames"] == 1
    assert facts["decisions.persistent.probability"] == pytest.approx(1 / 2)
    assert "decisions.transient.probability" not in facts


def test_failures_are_described_and_counted_by_ghost():
    facts = failure_facts(
        [{"ghost": "reflection", "duration": 4, "confidence": 1}, {"ghost": "reflection"}, {"attention": HALF}],
        [],
    )
    assert facts["failures.false_positive.count"] == 3
    assert facts["failures.false_positive.ghost.reflection"] == 2
    assert facts["failures.false_positive.probability"] == 1
    assert facts["failures.false_positive.duration_frames"] == pytest.approx((4 + 2) / 2)
    assert facts["failures.false_negative.count"] == 0


def test_the_interval_of_a_mean_is_students():
    # n = 4, mean 5, standard deviation 2, t(0.975, 3) = 3.18245
    low, high = student_interval(np.array([5 - np.sqrt(6), 5.0, 5.0, 5 + np.sqrt(6)]), np.arange(4))
    assert (low, high) == pytest.approx((5 - 3.18245, 5 + 3.18245), abs=1e-4)


def test_one_track_has_no_interval():
    assert student_interval(np.array([5.0]), np.arange(1)) is None


@pytest.mark.parametrize(
    ("attention", "metadata", "match"),
    [
        ([0.5, 0.4], {"is_persistent": True}, r"track_metadata\[0\]: attention: .* sum to 1 \(sum 0\.9\)"),
        ([1.5, -0.5], {"is_persistent": True}, "at least 0"),
        ([np.nan, 1.0], {"is_persistent": True}, "must be finite"),
        ([], {"is_persistent": True}, r"expected shape \(T,\)"),
        ([HALF, HALF], {"is_persistent": True}, r"expected shape \(T,\) with T >= 1, got \(2, 2\)"),
        (["a", "b"], {"is_persistent": True}, "expected numbers"),
        (HALF, {"is_persistent": True, "duration": 3}, "duration is 3, but attention has 2 frames"),
        (HALF, {"is_persistent": True, "duration": 2.5}, "duration is 2.5; expected a whole number"),
        (HALF, {"is_persistent": True, "duration": True}, "duration is True"),
        (HALF, {"is_persistent": True, "confidence": 1.5}, r"confidence is 1\.5; expected a probability"),
        (HALF, {"is_persistent": True, "confidence": "high"}, "confidence is 'high'"),
        (HALF, {"is_persistent": "yes"}, "is_persistent is 'yes'; expected True or False"),
        (
            HALF,
            {"is_persistent": False, "ghost": "poltergeist"},
            "ghost is 'poltergeist'; expected one of none, reflec",
        ),
        (HALF, {}, r"track_metadata\[0\]: is_persistent is missing"),
        (HALF, "metadata", "expected a mapping"),
    ],
)
def test_bad_metadata_is_named_with_its_place(attention, metadata, match):
    with pytest.raises(DataError, match=match):
        pattern_facts([attention], [metadata])


@pytest.mark.parametrize(("attention", "metadata"), [([HALF], []), ([], []), ("text", ["a"] * 4), (None, [])])
def test_the_two_lists_must_describe_the_same_tracks(attention, metadata):
    with pytest.raises(DataError, match="attention_data"):
        pattern_facts(attention, metadata)


def test_fields_that_are_not_read_are_named_once(capsys):
    failure_facts([{"note": "x"}, {"note": "y"}], [])
    assert capsys.readouterr().err.count("'note'") == 1
