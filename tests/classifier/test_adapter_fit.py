import numpy as np
import pytest
from pydantic import ValidationError

from track_persistence.classifier.adapter import SAME_DETECTOR
from track_persistence.classifier.adapter_fit import (
    AdapterConfig,
    Growth,
    Lesson,
    WitnessConfig,
    fit_adapter,
    fit_witness,
    fit_witnesses,
    time_blocks,
)
from track_persistence.classifier.decision import apply_rule, error_shares
from track_persistence.core.errors import DataError

WITNESS = {"components": 5, "inverse_regularisation": 1.0}
FIELDS = {
    "training_ages_frames": [1, 2],
    "witnesses": {"looks": WITNESS, "confidence": {**WITNESS, "components": 1}},
    "sets": {"same_detector": ["looks", "confidence"], "pixels": ["looks"], "other_detector": ["looks"]},
    "co_training_rounds": 3,
    "log_odds_limit": 6.0,
    "inner_folds": 4,
}
CONFIG = AdapterConfig.model_validate(FIELDS)
TRACKS = 80


def site(rng, confidence_sign=1.0, noise=0.5):
    """Make a lesson of 80 tracks at two ages: looks of 40 values of which 10 tell the same, and one confidence."""
    labels = rng.random(TRACKS) < 0.4
    signal = np.tile(np.where(labels, 1.0, -1.0), 2)
    looks = rng.normal(size=(2 * TRACKS, 40)) * 0.3
    looks[:, :10] += (signal + noise * rng.normal(size=2 * TRACKS))[:, None]
    confidence = (confidence_sign * signal + noise * rng.normal(size=2 * TRACKS))[:, None]
    return Lesson({"looks": looks, "confidence": confidence}, np.tile(labels, 2), np.tile(np.arange(TRACKS), 2))


def growth_of(lesson):
    """Return the lesson's tracks after their first frame and after their second."""
    rows = np.stack([np.arange(TRACKS), np.arange(TRACKS, 2 * TRACKS)], axis=1)
    evidence = {name: values[rows] for name, values in lesson.evidence.items()}
    return Growth(evidence, np.full(TRACKS, 2), lesson.labels[:TRACKS])


def fitted(lesson, error_budget=0.1):
    return fit_adapter(CONFIG, lesson, growth_of(lesson), error_budget)


def auc(scores, labels):
    return float((scores[labels][:, None] > scores[~labels][None]).mean())


def test_an_adapter_tells_tracks_that_it_has_not_seen():
    adapter = fitted(site(np.random.default_rng(0)))
    new = site(np.random.default_rng(1))
    assert auc(adapter.log_odds(new.evidence, SAME_DETECTOR), new.labels) > 0.97
    assert auc(adapter.log_odds(new.evidence, "pixels"), new.labels) > 0.9


def test_its_log_odds_are_those_of_the_held_out_truth():
    adapter = fitted(site(np.random.default_rng(2), noise=1.5))
    new = [site(np.random.default_rng(seed), noise=1.5) for seed in range(3, 13)]
    probability = np.concatenate(
        [1 / (1 + np.exp(-adapter.log_odds(lesson.evidence, SAME_DETECTOR))) for lesson in new]
    )
    labels = np.concatenate([lesson.labels for lesson in new])
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        chosen = (probability >= low) & (probability <= high)
        assert chosen.sum() > 50
        assert abs(probability[chosen].mean() - labels[chosen].mean()) < 0.15


def test_labels_without_any_truth_in_them_are_not_believed():
    """Fitted on 80 coin tosses with 40 random values, the sum must not claim certainty about new tracks."""
    rng = np.random.default_rng(4)
    lesson = site(rng)
    toss = np.tile(rng.random(TRACKS) < 0.5, 2)
    try:
        adapter = fitted(Lesson(lesson.evidence, toss, lesson.tracks))
    except DataError as error:
        assert "rank false tracks above real ones" in str(error)
        return
    assert np.abs(adapter.log_odds(lesson.evidence, SAME_DETECTOR)).mean() < 1.5


def test_the_same_lesson_gives_the_same_weights():
    one, two = (fitted(site(np.random.default_rng(5))) for _ in range(2))
    assert np.array_equal(one.witnesses["looks"].weights, two.witnesses["looks"].weights)
    assert one.calibrations == two.calibrations


def test_how_often_a_track_is_shown_does_not_matter():
    """A track's rows share one weight: showing the rows of the second age twice moves nothing but the age's share."""
    lesson = site(np.random.default_rng(6))
    rows = np.concatenate([np.arange(2 * TRACKS), np.arange(2 * TRACKS)])
    doubled = Lesson({k: v[rows] for k, v in lesson.evidence.items()}, lesson.labels[rows], lesson.tracks[rows])
    one, two = fitted(lesson), fitted(doubled)
    assert one.witnesses["looks"].weights == pytest.approx(two.witnesses["looks"].weights, abs=2e-3)


def test_folded_weights_are_the_regression_on_the_values_themselves():
    """One value, weights equal: doubling the unit halves the weight, and the log-odds stay."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(200, 1))
    labels = (rng.random(200) < 1 / (1 + np.exp(-3 * rows[:, 0]))).astype(float)
    config = WitnessConfig(components=1, inverse_regularisation=1e6)
    one = fit_witness(config, 50.0, rows, labels, np.ones(200))
    two = fit_witness(config, 50.0, 2 * rows, labels, np.ones(200))
    assert two.weights[0] == pytest.approx(one.weights[0] / 2, rel=1e-3)
    assert one.weights[0] == pytest.approx(3, abs=1.2)
    assert two.log_odds(2 * rows) == pytest.approx(one.log_odds(rows), abs=1e-2)


def test_principal_axes_are_the_same_for_few_rows_as_for_many_values():
    """30 rows of 40 values take the way over inner products, 40 copies of them the one over covariances."""
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(30, 40)) * np.linspace(3, 0.1, 40)
    labels = (rows[:, 0] > 0).astype(float)
    config = WitnessConfig(components=5, inverse_regularisation=1.0)
    few = fit_witness(config, 9.0, rows, labels, np.ones(30))
    many = fit_witness(config, 9.0, np.tile(rows, (40, 1)), np.tile(labels, 40), np.full(1200, 1 / 40))
    assert few.log_odds(rows) == pytest.approx(many.log_odds(rows), abs=1e-2)


def test_calibration_and_rule_believe_the_trusted_labels_alone():
    lesson = site(np.random.default_rng(17), noise=1.5)
    growth = growth_of(lesson)
    real = np.flatnonzero(lesson.labels[:TRACKS])
    few_real, few_false = np.ones(TRACKS, bool), np.ones(TRACKS, bool)
    few_real[real[5:]] = False
    few_false[np.setdiff1d(np.arange(TRACKS), real)[5:]] = False
    everyone, doubtful, hopeful = (
        fit_adapter(CONFIG, lesson, growth, 0.1, trusted) for trusted in (None, few_real, few_false)
    )
    assert np.array_equal(doubtful.witnesses["looks"].weights, everyone.witnesses["looks"].weights)
    biases = [adapter.calibrations[SAME_DETECTOR].bias for adapter in (doubtful, everyone, hopeful)]
    assert biases[0] < biases[1] - 0.5 < biases[2] - 1
    assert doubtful.rules[SAME_DETECTOR] != hopeful.rules[SAME_DETECTOR]


def test_labels_of_one_class_are_refused():
    lesson = site(np.random.default_rng(10))
    with pytest.raises(DataError, match="rows of one class; give real and false tracks both"):
        fitted(Lesson(lesson.evidence, np.ones_like(lesson.labels), lesson.tracks))


def test_the_rule_of_every_set_holds_its_budget_on_new_tracks_about():
    """Fitted on what the witnesses say of tracks that they learned from, a rule would believe them too much."""
    adapter = fitted(site(np.random.default_rng(13), noise=1.5), error_budget=0.2)
    growth = growth_of(site(np.random.default_rng(14), noise=1.5))
    for name, rule in adapter.rules.items():
        assert (rule.error_budget, rule.longest_wait_frames) == (0.2, 2)
        decided = apply_rule(rule, growth.log_odds(adapter, name), growth.lengths)
        assert max(error_shares(decided, growth.labels)) < 0.3, name
        assert decided.frames.mean() < 2, name


def test_growing_tracks_have_the_log_odds_of_their_rows():
    lesson = site(np.random.default_rng(15))
    adapter = fitted(lesson)
    rows = adapter.log_odds(lesson.evidence, "pixels").reshape(2, TRACKS)
    assert growth_of(lesson).log_odds(adapter, "pixels") == pytest.approx(rows.T)


def test_an_uncertain_label_counts_as_a_share_of_both_classes():
    rng = np.random.default_rng(16)
    rows, labels = rng.normal(size=(60, 4)), np.repeat([0.25, 1.0, 0.0], 20)
    both = np.concatenate([rows[:20], rows])  # the uncertain ones once as real, once as false
    certain, shares = np.repeat([1.0, 0.0, 1.0, 0.0], 20), np.repeat([0.25, 0.75, 1.0, 1.0], 20)
    one = fit_witnesses(CONFIG, ("looks",), {"looks": rows}, labels, np.ones(60))["looks"]
    two = fit_witnesses(CONFIG, ("looks",), {"looks": both}, certain, shares)["looks"]
    # Standardisation counts every row once, so the two differ a little.
    assert one.log_odds(rows) == pytest.approx(two.log_odds(rows), abs=0.1)


def test_blocks_of_time_hold_every_track_once_and_in_order():
    assert [block.tolist() for block in time_blocks(5, 2)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"sets": {"both": ["looks", "smell"]}}, r"sets\.both: \['smell'\] not among witnesses"),
        ({"sets": {"both": []}}, r"sets\.both"),
        ({"training_ages_frames": [2, 1]}, "training_ages_frames must strictly increase"),
        ({"inner_folds": 1}, "inner_folds"),
    ],
)
def test_impossible_params_are_named(change, rule):
    with pytest.raises(ValidationError, match=rule):
        AdapterConfig.model_validate({**FIELDS, **change})
