import numpy as np
import pytest

from track_persistence.classifier.decision import SHUT, DecisionRule, apply_rule, error_shares, fit_rule
from track_persistence.core.errors import DataError

RULE = DecisionRule(0.1, (3.0, 2.0, SHUT), (-3.0, -1.0, -SHUT), 0.5)


@pytest.mark.parametrize(
    ("score", "frames", "is_last", "expected"),
    [
        (3.0, 1, False, "keep"),
        (2.9, 1, False, "wait"),
        (-3.0, 1, False, "drop"),
        (2.0, 2, False, "keep"),
        (-1.0, 2, False, "drop"),
        (0.5, 3, False, "keep"),  # the wait ends at three frames
        (0.4, 3, False, "drop"),
        (0.5, 7, False, "keep"),
        (0.5, 1, True, "keep"),  # the track ended
        (0.4, 1, True, "drop"),
    ],
)
def test_a_rule_keeps_waits_or_drops(score: float, frames: int, is_last: bool, expected: str) -> None:
    assert RULE.decide(score, frames, is_last) == expected


def one_by_one(rule: DecisionRule, scores: np.ndarray, length: int) -> tuple[bool, int]:
    for frames in range(1, length + 1):
        answer = rule.decide(float(scores[frames - 1]), frames)
        if answer != "wait":
            return answer == "keep", frames
    return rule.decide(float(scores[length - 1]), length, is_last=True) == "keep", length


def make_scores(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random walks of 8 steps, drifting up for real tracks and down for false ones, of 1-12 frames."""
    labels = rng.random(count) < 0.5
    steps = rng.normal(size=(count, 8)) + np.where(labels, 0.7, -0.7)[:, None]
    lengths = rng.integers(1, 13, count)
    walks = np.cumsum(steps, axis=1)
    return walks[np.arange(count)[:, None], np.minimum(np.arange(8), lengths[:, None] - 1)], lengths, labels


def test_deciding_on_many_tracks_is_deciding_one_by_one() -> None:
    scores, lengths, labels = make_scores(200, np.random.default_rng(0))
    rule = fit_rule(scores, lengths, labels, 0.1)
    together = apply_rule(rule, scores, lengths)
    alone = [one_by_one(rule, row, int(length)) for row, length in zip(scores, lengths, strict=True)]
    assert list(zip(together.kept.tolist(), together.frames.tolist(), strict=True)) == alone


def test_the_budget_is_kept_on_the_tracks_it_was_fitted_to_and_about_on_others() -> None:
    rng = np.random.default_rng(1)
    scores, lengths, labels = make_scores(4000, rng)
    lengths = np.full_like(lengths, 20)
    budget = 0.08
    rule = fit_rule(scores, lengths, labels, budget)
    assert max(error_shares(apply_rule(rule, scores, lengths), labels)) <= budget
    others = make_scores(4000, rng)
    found = error_shares(apply_rule(rule, others[0], np.full(4000, 20)), others[2])
    assert max(found) <= budget + 3 * np.sqrt(budget / 2000)


def test_a_larger_budget_decides_sooner() -> None:
    scores, _, labels = make_scores(3000, np.random.default_rng(2))
    lengths = np.full(3000, 20)
    frames = [apply_rule(fit_rule(scores, lengths, labels, b), scores, lengths).frames.mean() for b in (0.05, 0.1, 0.2)]
    assert frames[0] > frames[1] > frames[2]


def test_a_budget_that_cannot_be_kept_gives_the_least_error() -> None:
    scores = np.zeros((10, 3))  # says nothing: any threshold errs on all of one class
    labels = np.arange(10) < 5
    rule = fit_rule(scores, np.full(10, 5), labels, 0.01)
    assert max(error_shares(apply_rule(rule, scores, np.full(10, 5)), labels)) == 1


def test_a_perfect_first_frame_is_decided_at_once() -> None:
    labels = np.arange(100) < 50
    scores = np.tile(np.where(labels, 2.0, -2.0)[:, None], (1, 4))
    rule = fit_rule(scores, np.full(100, 9), labels, 0.05)
    decided = apply_rule(rule, scores, np.full(100, 9))
    assert (decided.frames == 1).all()
    assert np.array_equal(decided.kept, labels)


def test_a_lone_frame_that_is_the_last_is_forced() -> None:
    decided = apply_rule(RULE, np.array([[2.9, 2.9, 2.9], [0.4, 0.4, 0.4]]), np.array([1, 1]))
    assert decided.kept.tolist() == [True, False]
    assert decided.frames.tolist() == [1, 1]


def test_one_class_and_broken_rules_are_refused() -> None:
    with pytest.raises(DataError, match="of one class"):
        fit_rule(np.zeros((3, 2)), np.full(3, 5), np.ones(3, bool), 0.1)
    with pytest.raises(DataError, match="one of each an age"):
        DecisionRule(0.1, (1.0,), (), 0.0)
    with pytest.raises(DataError, match="NaN or infinity"):
        DecisionRule(0.1, (np.inf,), (0.0,), 0.0)
