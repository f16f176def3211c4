from dataclasses import replace

import numpy as np
import pytest

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.decision import fit_rule
from track_persistence.classifier.early import early_metrics, log_odds_up_to
from track_persistence.classifier.evaluate import METHODS, Judged
from track_persistence.classifier.intervals import Resamples

FRAMES = 8


def make_judged(seed: int, sharpness: float) -> Judged:
    """400 tracks of 8 frames; the classifier gains `sharpness` times as much evidence a frame as the baselines."""
    rng = np.random.default_rng(seed)
    labels = rng.random(400) < 0.5
    signs = np.where(labels, 1.0, -1.0)[:, None]
    steps = {method: np.cumsum(rng.normal(size=(400, FRAMES)) + 0.7 * signs, axis=1) for method in METHODS}
    clear = np.cumsum(rng.normal(size=(400, FRAMES)) + 0.7 * sharpness * signs, axis=1)
    scores = steps | {
        "transformer": 1 / (1 + np.exp(-clear)),
        "min_hits": np.tile(np.arange(1.0, FRAMES + 1), (400, 1)),
        "n_init": np.tile(np.arange(1.0, FRAMES + 1), (400, 1)),
    }
    return Judged(
        rows=np.arange(400),
        labels=labels,
        scenes=np.arange(400) // 4,
        ghosts=np.where(labels, "none", "glare"),
        lengths=np.full(400, FRAMES),
        names=(*map(str, range(1, FRAMES)), "whole"),
        scores=scores,
        thresholds={method: np.full(FRAMES, 0.5) for method in METHODS},
    )


def measured(config: TrainConfig, sharpness: float) -> dict:
    validation, test = make_judged(0, sharpness), make_judged(1, sharpness)
    most = config.decision.longest_wait_frames
    rule = fit_rule(log_odds_up_to(validation, most), validation.lengths, validation.labels, 0.05)
    resamples = Resamples.of(test.scenes, np.random.default_rng(0), 50)
    return early_metrics(rule, validation, test, config.decision, resamples)


def test_a_sharper_classifier_decides_in_less_time_at_the_same_error(config: TrainConfig) -> None:
    found = measured(config, 3.0)
    against = found["at_equal_error"]["sprt"]
    assert against["transformer_error"] <= against["error"]
    assert against["transformer_frames"] < against["frames"]
    assert against["ratio"]["high"] < 1
    assert against["ratio"]["value"] == pytest.approx(against["transformer_frames"] / against["frames"])


def test_a_classifier_that_cannot_reach_the_baselines_error_has_lost(config: TrainConfig) -> None:
    against = measured(config, 0.0)["at_equal_error"]["sprt"]  # it knows nothing
    assert np.isnan([against["transformer_frames"], against["ratio"]["value"]]).all()


def test_counting_hits_keeps_everything_at_the_count(config: TrainConfig) -> None:
    curve = measured(config, 3.0)["curves"]["min_hits"]
    # all tracks have 8 hits and the wait ends at 6, so each is kept, at its h-th hit
    assert [(point["setting"], point["frames"]) for point in curve] == [(h, h) for h in range(1, 7)]
    assert {(point["wrongly_kept"], point["wrongly_dropped"], point["error"]) for point in curve} == {(1, 0, 0.5)}


def test_the_shipped_rule_about_keeps_its_budget(config: TrainConfig) -> None:
    found = measured(config, 3.0)
    shipped = found["shipped"]
    for share in ("wrongly_kept", "wrongly_dropped"):
        assert shipped[share]["value"] <= 0.05 + 3 * np.sqrt(0.05 / 200)
    assert 1 <= shipped["frames"]["low"] <= shipped["frames"]["value"] <= shipped["frames"]["high"] < 3
    assert (found["error_budget"], found["longest_wait_frames"]) == (0.05, 6)


def test_certain_probabilities_have_finite_log_odds(config: TrainConfig) -> None:
    judged = make_judged(0, 1.0)
    certain = replace(judged, scores=dict(judged.scores) | {"transformer": np.tile([0.0, 1.0], (400, 4))})
    assert np.isfinite(log_odds_up_to(certain, 6)).all()
