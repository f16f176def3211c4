import itertools

import numpy as np
import pytest

from track_persistence.classifier.decision import Decided, error_shares
from track_persistence.core.errors import DataError
from track_persistence.evaluation import adapt_methods
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.adapt_methods import (
    Scored,
    adapted_to,
    fitted_on,
    for_other_detector,
    scores_in_time_blocks,
    scores_on_other,
    self_taught,
)
from track_persistence.evaluation.adapt_metrics import adaptation_metrics
from track_persistence.evaluation.adapt_samples import SiteSamples
from track_persistence.evaluation.recordings import Recording

WITNESS = {"components": 2, "inverse_regularisation": 1.0}
NAMES = ("statistics", "confidence", "texture")
CONFIG = AdaptConfig.model_validate(
    {
        "ages_frames": [1, 3],
        "longest_frames": 3,
        "adapter": {
            "training_ages_frames": [1, 3],
            "log_odds_limit": 6.0,
            "inner_folds": 2,
            "witnesses": {name: WITNESS for name in NAMES},
            "co_training_rounds": 3,
            "sets": {
                "same_detector": NAMES,
                "pixels": ["texture"],
                "other_detector": ["statistics", "texture"],
                "unlabelled": NAMES,
            },
        },
    }
)
TRACKS, BLOCKS, BUDGET = 60, 3, 0.1
LEARNED = ("adapted", "adapted_pixels_only", "labels_alone", "witness_texture", "no_pixels", "sprt", "cheap_pixels")


def samples(labels, sign=1.0, known=None):
    """Make 60 tracks of which everything tells a little; confidence by `sign`. The values do not depend on labels."""
    known = np.ones(TRACKS, bool) if known is None else known
    rng = np.random.default_rng(0)
    truth = np.where(np.random.default_rng(1).random(TRACKS) < 0.5, 1.0, -1.0)

    def noisy(width, scale=1.0):
        return scale * truth[:, None] + 1.5 * rng.normal(size=(TRACKS, width))

    ages = (1, 3)
    evidence = {age: {"statistics": noisy(3), "confidence": noisy(1, sign), "texture": noisy(4)} for age in ages}
    kinds = tuple("flicker" if i % 2 else "static_clutter" for i in range(TRACKS))
    recording = Recording("yard", (range(3),) * TRACKS, (range(3),) * TRACKS, labels & known, known, kinds, 99)
    return SiteSamples(
        recording,
        evidence,
        {name: np.stack([evidence[1][name], evidence[3][name]], axis=1) for name in NAMES},
        {age: noisy(1)[:, 0] for age in ages},
        {age: {"mean_confidence": noisy(1, sign)[:, 0]} for age in ages},
        {age: noisy(12) for age in ages},
        {age: noisy(50).astype(np.float32) for age in ages},
        [np.tile(row, (3, 1)).astype(np.float32) for row in noisy(6)],
        {age: np.full(TRACKS, age) for age in ages},
    )


@pytest.fixture
def labels():
    return np.random.default_rng(1).random(TRACKS) < 0.5


@pytest.mark.parametrize("block", [0, 1, 2])
def test_no_method_scores_a_track_with_the_labels_of_its_own_block(labels, block):
    held = slice(20 * block, 20 * block + 20)
    turned = labels.copy()
    turned[20 * block : 20 * block + 4] ^= True
    straight, other = (scores_in_time_blocks(CONFIG, samples(marks), BLOCKS, BUDGET) for marks in (labels, turned))
    rest = np.setdiff1d(np.arange(TRACKS), np.arange(TRACKS)[held])
    for method in LEARNED:
        for age in (1, 3):
            one, two = straight.scores[method][age], other.scores[method][age]
            assert np.array_equal(one[held], two[held]), method
            assert not np.allclose(one[rest], two[rest]), method
    for name in ("kept", "frames", "forced"):
        assert np.array_equal(getattr(straight.decided, name)[held], getattr(other.decided, name)[held]), name


def test_every_method_scores_every_track_at_every_age(labels):
    scored = scores_in_time_blocks(CONFIG, samples(labels), BLOCKS, BUDGET)
    found = scored.scores
    assert scored.decided.kept.shape == scored.decided.frames.shape == (TRACKS,)
    assert error_shares(scored.decided, labels)[0] < 0.3
    assert {"before", "mean_confidence", *LEARNED} <= found.keys()
    assert all(
        np.isfinite(values).all() and values.shape == (TRACKS,) for by in found.values() for values in by.values()
    )


def test_labels_of_the_test_recording_are_never_read(labels):
    site = samples(labels)
    adapter = adapted_to(CONFIG, site, site.everyone, BUDGET)
    tests = [samples(marks, -1.0) for marks in (labels, ~labels)]
    one, two = (
        scores_on_other(CONFIG, for_other_detector(CONFIG, adapter, test, BUDGET), site, test) for test in tests
    )
    for method in one.scores:
        for age in (1, 3):
            assert np.array_equal(one.scores[method][age], two.scores[method][age]), method
    assert np.array_equal(one.decided.kept, two.decided.kept)


def test_confidence_is_left_as_it_was_learned_for_the_same_detector(labels):
    site, test = samples(labels), samples(labels, -1.0)
    adapter = adapted_to(CONFIG, site, site.everyone, BUDGET)
    anew = for_other_detector(CONFIG, adapter, test, BUDGET)
    scored = [scores_on_other(CONFIG, judge, site, test) for judge in (adapter, anew)]
    same, other = (found.scores["witness_confidence"][3] for found in scored)
    assert np.corrcoef(same, other)[0, 1] < -0.9


def test_what_teaches_itself_never_reads_a_label(labels):
    one, two = (scores_in_time_blocks(CONFIG, samples(marks), BLOCKS, BUDGET) for marks in (labels, ~labels))
    for age in (1, 3):
        assert np.array_equal(one.scores["self_taught"][age], two.scores["self_taught"][age])
    adapters = [self_taught(CONFIG, samples(marks), np.arange(TRACKS), BUDGET) for marks in (labels, ~labels)]
    assert np.array_equal(*(adapter.witnesses["texture"].weights for adapter in adapters))


def test_where_tracks_cannot_teach_themselves_all_others_are_scored_still(labels, monkeypatch, capsys):
    real, calls = adapt_methods.self_taught, itertools.count()

    def sometimes(*arguments):
        if next(calls) == 1:
            raise DataError("adaptation: 3 rows of one class")
        return real(*arguments)

    monkeypatch.setattr(adapt_methods, "self_taught", sometimes)
    found = scores_in_time_blocks(CONFIG, samples(labels), BLOCKS, BUDGET).scores
    assert "self_taught" not in found
    assert {"before", "mean_confidence", *LEARNED} <= found.keys()
    assert "self_taught is left out, these tracks cannot teach themselves: adaptation: 3" in capsys.readouterr().err


def test_tracks_without_a_label_teach_but_are_not_scored(labels):
    known = np.arange(TRACKS) % 3 > 0
    partly = samples(labels, known=known)
    scored = scores_in_time_blocks(CONFIG, partly, BLOCKS, BUDGET)
    assert all(len(values) == known.sum() for by in scored.scores.values() for values in by.values())
    assert len(scored.decided.kept) == known.sum()
    both, alone = (find(CONFIG, partly, partly.labelled, BUDGET) for find in (adapted_to, fitted_on))
    assert not np.allclose(both.witnesses["texture"].weights, alone.witnesses["texture"].weights)
    everything = samples(labels)
    same = (find(CONFIG, everything, everything.labelled, BUDGET) for find in (adapted_to, fitted_on))
    assert np.array_equal(*(adapter.witnesses["texture"].weights for adapter in same))


def test_a_site_without_labels_has_no_baselines_that_need_them(labels):
    site, test = samples(labels, known=np.zeros(TRACKS, bool)), samples(labels)
    found = scores_on_other(CONFIG, self_taught(CONFIG, site, site.everyone, BUDGET), site, test).scores
    assert {"adapted", "before", "mean_confidence"} <= found.keys()
    assert not {"no_pixels", "sprt", "cheap_pixels"} & found.keys()


def test_metrics_tell_the_kinds_of_false_tracks_apart(labels):
    recording = samples(labels).recording
    perfect = np.where(labels, 1.0, -1.0)
    blind = np.where(labels | (np.array(recording.kinds) == "static_clutter"), 1.0, -1.0)  # sees flicker alone
    decided = Decided(labels, np.where(labels, 1, 2), np.zeros_like(labels))
    scored = Scored({"adapted": {3: perfect}, "before": {3: blind}}, decided)
    metrics = adaptation_metrics(recording, scored, 0.5, 7, 20)
    decision = {name: found["value"] for name, found in metrics["decision"].items()}
    assert (decision["frames_real"], decision["frames_false"]) == (1, 2)
    assert decision["wrongly_kept"] == decision["wrongly_dropped"] == decision["forced"] == 0
    at = metrics["by_age"]["3"]
    assert (at["before"]["auc_flicker"]["value"], at["before"]["auc_static_clutter"]["value"]) == (1, 1 / 2)
    assert at["gain"]["over"] == "before"
    assert at["gain"]["auc"]["value"] == pytest.approx(1 - at["before"]["auc"]["value"])
    assert at["adapted"]["precision"]["value"] == at["adapted"]["recall"]["value"] == 1
    assert at["adapted"]["calibration_error"]["value"] == pytest.approx(1 - 1 / (1 + np.exp(-1)))
