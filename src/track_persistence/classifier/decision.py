"""Keep, wait or drop: a sequential decision with a stated error budget.

N tracks, K frames after which waiting ends. Scores grow with the evidence for a real object; column n - 1 of an (N, K)
array belongs to n observed frames, and columns past a track's end repeat its last score.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Decision = Literal["keep", "wait", "drop"]

SHUT = 1e9
"""A threshold that no score reaches; finite, because JSON has no infinity."""
EARLY_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
SPENDING_POWERS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class DecisionRule:
    """Thresholds on a score, for the classifier the calibrated log-odds.

    error_budget: share of false tracks kept, and of real ones dropped, that the rule was fitted to. keep_from, drop_to:
    (K,), at 1..K observed frames. forced: the threshold when waiting ends.
    """

    error_budget: float
    keep_from: tuple[float, ...]
    drop_to: tuple[float, ...]
    forced: float

    def __post_init__(self) -> None:
        """Check that every age has both thresholds and none is NaN."""
        if len(self.keep_from) != len(self.drop_to) or not self.keep_from:
            raise DataError(
                f"decision rule: {len(self.keep_from)} and {len(self.drop_to)} thresholds; one of each an age"
            )
        if not np.isfinite([*self.keep_from, *self.drop_to, self.forced, self.error_budget]).all():
            raise DataError("decision rule: holds NaN or infinity; fit it again")

    @property
    def longest_wait_frames(self) -> int:
        """The number of observed frames K at which a decision is forced."""
        return len(self.keep_from)

    def decide(self, score: float, frames_seen: int, is_last: bool = False) -> Decision:
        """Decide on a track after `frames_seen` observed frames; `is_last` when its tracker has ended it.

        The first answer other than `wait` is final, which the caller has to remember.
        """
        if is_last or frames_seen >= self.longest_wait_frames:
            return "keep" if score >= self.forced else "drop"
        if score >= self.keep_from[frames_seen - 1]:
            return "keep"
        return "drop" if score <= self.drop_to[frames_seen - 1] else "wait"


@dataclass(frozen=True)
class Decided:
    """What a rule did with N tracks: whether each was kept, after how many observed frames, and whether it was forced.

    kept, forced: (N,) bool; frames: (N,).
    """

    kept: Bools
    frames: NDArray[np.int64]
    forced: Bools


def apply_rule(rule: DecisionRule, scores: Floats, lengths: NDArray[np.int64]) -> Decided:
    """Decide on N tracks from their scores (N, K) and lengths (N,) in observed frames, as `decide` does one by one.

    That a frame is a track's last is known only after it: its thresholds are tried first, then a decision is forced.
    """
    most = rule.longest_wait_frames
    last = np.minimum(lengths, most)
    early = _waits(lengths, most)
    keeps, drops = (scores >= rule.keep_from) & early, (scores <= rule.drop_to) & early
    decided = keeps | drops
    forced = np.logical_not(decided.any(axis=1), dtype=np.bool_)
    frames = np.where(forced, last, decided.argmax(axis=1) + 1)
    at = np.arange(len(scores)), frames - 1
    return Decided(np.where(forced, scores[at] >= rule.forced, keeps[at]), frames, forced)


def _waits(lengths: NDArray[np.int64], most: int) -> Bools:
    """Return at which of 1..K frames a track may still wait, (N, K)."""
    ages = np.arange(1, most + 1)
    waits: Bools = (ages <= lengths[:, None]) & (ages < most)
    return waits


def error_shares(decided: Decided, labels: Bools) -> tuple[float, float]:
    """Return the share of false tracks kept and of real tracks dropped; NaN for a class that is not there."""
    kept = [
        float(decided.kept[labels == label].mean()) if (labels == label).any() else np.nan for label in (False, True)
    ]
    return kept[0], 1 - kept[1]


def fit_rule(
    scores: Floats, lengths: NDArray[np.int64], labels: Bools, error_budget: float, age_dependent: bool = True
) -> DecisionRule:
    """Return the rule that decides soonest on average while both error shares stay within `error_budget`.

    Tried are Wald's two constant thresholds and, when `age_dependent`, thresholds per age that spend the errors like
    (n / K)^p (Lan & DeMets 1983), each with several shares of the budget for decisions before the wait ends. When no
    rule keeps the budget, the one with the least larger error. Raises `DataError` for one class.
    """
    if labels.all() or not labels.any():
        raise DataError("decision rule: the validation tracks are of one class; both are needed")
    best: tuple[tuple[float, float], DecisionRule] | None = None
    for rule in _candidates(scores, lengths, labels, error_budget, age_dependent):
        decided = apply_rule(rule, scores, lengths)
        excess = max(0.0, max(error_shares(decided, labels)) - error_budget)
        rank = (excess, float(decided.frames.mean()))
        if best is None or rank < best[0]:
            best = rank, rule
    assert best is not None
    return best[1]


def _candidates(
    scores: Floats, lengths: NDArray[np.int64], labels: Bools, budget: float, age_dependent: bool
) -> Iterator[DecisionRule]:
    for share in EARLY_SHARES:
        early = share * budget
        bounds = [_constant(scores, lengths, labels, early)]
        if age_dependent:
            bounds += [_spent(scores, lengths, labels, early, power) for power in SPENDING_POWERS]
        for keep_from, drop_to in bounds:
            yield _forced(DecisionRule(budget, keep_from, drop_to, 0.0), scores, lengths, labels)


Bounds = tuple[tuple[float, ...], tuple[float, ...]]


def _constant(scores: Floats, lengths: NDArray[np.int64], labels: Bools, early: float) -> Bounds:
    """Return one upper and one lower threshold for all ages, each the nearest that errs on `early` of its class."""
    most = scores.shape[1]
    waiting = _waits(lengths, most)
    upper, lower = SHUT, -SHUT
    for _ in range(4):  # each depends on the other: what was dropped before cannot be kept
        open_for_keep = waiting & (np.minimum.accumulate(np.where(waiting, scores, SHUT), axis=1) > lower)
        upper = _allowing(np.where(open_for_keep, scores, -SHUT).max(axis=1)[~labels], early)
        open_for_drop = waiting & (np.maximum.accumulate(np.where(waiting, scores, -SHUT), axis=1) < upper)
        lower = -_allowing(np.where(open_for_drop, -scores, -SHUT).max(axis=1)[labels], early)
    return (upper,) * most, (min(lower, float(np.nextafter(upper, -SHUT))),) * most


def _spent(scores: Floats, lengths: NDArray[np.int64], labels: Bools, early: float, power: float) -> Bounds:
    """Return thresholds per age whose errors so far stay within `early` times (n / (K - 1)) ** power."""
    most = scores.shape[1]
    keep_from, drop_to = np.full(most, SHUT), np.full(most, -SHUT)
    waiting = np.ones(len(scores), np.bool_)
    wrong = {False: 0, True: 0}
    counts = {label: int((labels == label).sum()) for label in (False, True)}
    for age in range(1, most):
        waiting &= lengths >= age
        share = early * (age / (most - 1)) ** power
        left = {label: int(share * counts[label]) - wrong[label] for label in (False, True)}
        now = scores[:, age - 1]
        upper = _allowing_count(now[waiting & ~labels], left[False])
        lower = min(-_allowing_count(-now[waiting & labels], left[True]), float(np.nextafter(upper, -SHUT)))
        keep_from[age - 1], drop_to[age - 1] = upper, lower
        kept, dropped = waiting & (now >= upper), waiting & (now <= lower)
        wrong[False] += int((kept & ~labels).sum())
        wrong[True] += int((dropped & labels).sum())
        waiting &= ~(kept | dropped)
    return tuple(keep_from.tolist()), tuple(drop_to.tolist())


def _allowing(scores: Floats, share: float) -> float:
    return _allowing_count(scores, int(share * len(scores)))


def _allowing_count(scores: Floats, count: int) -> float:
    """Return the lowest threshold that at most `count` of the scores reach; shut when there is no score."""
    real = np.sort(scores[scores > -SHUT])[::-1]
    if len(real) == 0:
        return SHUT
    return float(np.nextafter(real[count], SHUT)) if count < len(real) else float(real[-1])


def _forced(rule: DecisionRule, scores: Floats, lengths: NDArray[np.int64], labels: Bools) -> DecisionRule:
    """Return the rule with the final threshold under which the larger of the two error shares is least."""
    last = np.minimum(lengths, rule.longest_wait_frames)
    decided = apply_rule(rule, scores, lengths)
    forced = decided.forced
    final = scores[np.arange(len(scores)), last - 1]
    order = np.argsort(final[forced])
    ordered, truth = final[forced][order], labels[forced][order]
    early = [int((decided.kept & ~forced & ~labels).sum()), int((~decided.kept & ~forced & labels).sum())]
    kept_false = (early[0] + np.append(np.cumsum(~truth[::-1])[::-1], 0)) / (~labels).sum()
    dropped_real = (early[1] + np.append(0, np.cumsum(truth))) / labels.sum()
    distinct = np.append(True, np.append(ordered[1:] != ordered[:-1], True))[: len(ordered) + 1]
    worst = np.where(distinct, np.maximum(kept_false, dropped_real), np.inf)
    at = int(np.argmin(worst))
    threshold = SHUT if at == len(ordered) else float(ordered[at])
    return DecisionRule(rule.error_budget, rule.keep_from, rule.drop_to, threshold)
