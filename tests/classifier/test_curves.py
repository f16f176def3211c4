import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from track_persistence.classifier.curves import area_under_roc, decision_quality, precision_recall, reliability, roc


def test_the_area_counts_ordered_pairs_and_half_of_the_ties() -> None:
    # pairs (positive, negative): 3>1, 3>2, 2>1, 2=2
    assert area_under_roc(np.array([1.0, 2, 2, 3]), np.array([False, False, True, True])) == 3.5 / 4


def test_the_area_is_sklearns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.3
    scores = np.round(rng.normal(size=300) + labels, 1)
    assert area_under_roc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("label", [True, False])
def test_one_class_has_no_area_and_no_curves(label: bool) -> None:
    scores, labels = np.arange(3.0), np.full(3, label)
    assert np.isnan(area_under_roc(scores, labels))
    assert [len(part) for part in (*roc(scores, labels), *precision_recall(scores, labels))] == [0, 0, 0, 0]


def test_decisions_are_counted() -> None:
    kept, labels = np.array([True, True, True, False, False]), np.array([True, True, False, True, False])
    assert decision_quality(kept, labels) == (3 / 5, 2 / 3, 2 / 3)


def test_precision_of_keeping_nothing_is_undefined() -> None:
    accuracy, precision, recall = decision_quality(np.zeros(4, bool), np.array([True, False, False, False]))
    assert (accuracy, recall) == (3 / 4, 0)
    assert np.isnan(precision)


def test_the_roc_runs_from_none_to_all() -> None:
    false_positive_rate, true_positive_rate = roc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    assert false_positive_rate.tolist() == [0, 0, 1 / 2, 1 / 2, 1]
    assert true_positive_rate.tolist() == [0, 1 / 2, 1 / 2, 1, 1]


def test_calibration_error_is_the_weighted_distance_of_the_bins() -> None:
    # bin 0: mean .05, none of two positive; bin 9: mean (.92 + 1) / 2 = .96, one of two positive
    found = reliability(np.array([0.04, 0.06, 0.92, 1.0]), np.array([False, False, True, False]))
    assert found.bins.tolist() == [0, 9]
    assert found.count.tolist() == [2, 2]
    assert found.expected_calibration_error == pytest.approx((0.05 + 0.46) / 2)
