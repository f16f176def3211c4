"""How soon each method decides, at which error: keep, wait or drop.

N tracks of a split of one profile, K frames of the longest wait. Rules are fitted on the validation tracks and measured
on the test tracks. The error of a rule is the mean of the share of false tracks kept and of real tracks dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from track_persistence.classifier.config import DecisionConfig
from track_persistence.classifier.decision import SHUT, Bools, Decided, DecisionRule, apply_rule, error_shares, fit_rule
from track_persistence.classifier.evaluate import NO_PIXELS, SPRT, TRANSFORMER, Judged
from track_persistence.classifier.intervals import Resamples

LEARNED = (TRANSFORMER, SPRT, NO_PIXELS, "mean_confidence")
COUNTED = ("min_hits", "n_init")


@dataclass(frozen=True)
class _Point:
    """A rule's budget or number of hits, and what it did on the test tracks."""

    setting: float
    decided: Decided
    error: float
    wrongly_kept: float
    wrongly_dropped: float

    @property
    def frames(self) -> float:
        return float(self.decided.frames.mean())


def early_metrics(
    rule: DecisionRule, fitted_on: Judged, test: Judged, config: DecisionConfig, resamples: Resamples
) -> dict[str, Any]:
    """Return what the checkpoint's `rule` does on the test tracks, every method's curve, and the delays at equal error.

    rule: this profile's own, on the classifier's calibrated log-odds. It and the curves' rules are fitted on the
    profile's validation tracks, `fitted_on`, for every method alike.
    """
    most = config.longest_wait_frames
    decided = apply_rule(rule, log_odds_up_to(test, most), test.lengths)
    curves = {method: _learned_curve(method, fitted_on, test, config) for method in LEARNED}
    curves |= {method: _counted_curve(method, test, most) for method in COUNTED}
    return {
        "error_budget": config.error_budget,
        "longest_wait_frames": most,
        "shipped": decision_metrics(decided, test.labels, resamples),
        "curves": {method: [_plain(point) for point in points] for method, points in curves.items()},
        "at_equal_error": {
            method: _compared(curves[TRANSFORMER], points, config, resamples)
            for method, points in curves.items()
            if method != TRANSFORMER
        },
    }


def log_odds_up_to(judged: Judged, frames: int) -> Any:
    """Return the classifier's calibrated log-odds (N, frames) after 1, 2, ... observed frames."""
    tiny = np.finfo(np.float64).tiny
    probabilities = judged.up_to(TRANSFORMER, frames)
    return np.log(np.maximum(probabilities, tiny)) - np.log1p(
        -np.minimum(probabilities, 1 - np.finfo(np.float64).epsneg)
    )


def _scores(method: str, judged: Judged, most: int) -> Any:
    return log_odds_up_to(judged, most) if method == TRANSFORMER else judged.up_to(method, most)


def decision_metrics(decided: Decided, labels: Bools, resamples: Resamples) -> dict[str, Any]:
    """Return mean frames until N tracks were decided, the share forced and both error shares; labels: (N,)."""
    everyone = np.ones_like(labels)
    frames = decided.frames.astype(np.float64)
    return {
        "frames": resamples.mean(frames, everyone),
        "frames_real": resamples.mean(frames, labels),
        "frames_false": resamples.mean(frames, ~labels),
        "forced": resamples.share(decided.forced, everyone),
        "wrongly_kept": resamples.share(decided.kept, ~labels),
        "wrongly_dropped": resamples.share(~decided.kept, labels),
    }


def _learned_curve(method: str, fitted_on: Judged, test: Judged, config: DecisionConfig) -> list[_Point]:
    most = config.longest_wait_frames
    fitting, testing = _scores(method, fitted_on, most), _scores(method, test, most)
    return [
        _point(
            budget,
            apply_rule(fit_rule(fitting, fitted_on.lengths, fitted_on.labels, budget), testing, test.lengths),
            test,
        )
        for budget in sorted({config.error_budget, *config.compared_budgets})
    ]


def _counted_curve(method: str, test: Judged, most: int) -> list[_Point]:
    """Return the points of a rule that keeps at the h-th hit, and drops when waiting ends, for h of 1..K."""
    scores = test.up_to(method, most)
    points = []
    for hits in range(1, most + 1):
        rule = DecisionRule(0.0, (float(hits),) * most, (-SHUT,) * most, float(hits))
        points.append(_point(float(hits), apply_rule(rule, scores, test.lengths), test))
    return points


def _point(setting: float, decided: Decided, test: Judged) -> _Point:
    kept, dropped = error_shares(decided, test.labels)
    return _Point(setting, decided, (kept + dropped) / 2, kept, dropped)


def _plain(point: _Point) -> dict[str, float]:
    return {
        "setting": point.setting,
        "error": point.error,
        "frames": point.frames,
        "wrongly_kept": point.wrongly_kept,
        "wrongly_dropped": point.wrongly_dropped,
    }


def _compared(
    ours: Sequence[_Point], theirs: Sequence[_Point], config: DecisionConfig, resamples: Resamples
) -> dict[str, Any]:
    """Return delays at the error that a baseline attains: at the stated budget, or a counting rule at its least error.

    Either side then takes its soonest rule whose error is not above that one; NaN when the classifier has none, which
    means that the baseline wins.
    """
    stated = [point for point in theirs if point.setting == config.error_budget]
    attained = stated[0].error if stated else min(point.error for point in theirs)
    reference = min((point for point in theirs if point.error <= attained), key=lambda point: point.frames)
    allowed = [point for point in ours if point.error <= attained]
    found: dict[str, Any] = {"setting": reference.setting, "error": attained, "frames": reference.frames}
    if not allowed:
        missing = {"value": np.nan, "low": np.nan, "high": np.nan}
        return found | {"transformer_error": np.nan, "transformer_frames": np.nan, "ratio": missing}
    best = min(allowed, key=lambda point: point.frames)
    ratio = resamples.ratio(best.decided.frames, reference.decided.frames)
    return found | {"transformer_error": best.error, "transformer_frames": best.frames, "ratio": ratio}
