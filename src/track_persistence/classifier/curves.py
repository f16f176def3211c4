"""ROC, precision-recall and calibration of scores against labels.

N tracks; scores (N,) float, labels (N,) bool. What is undefined (one class only, nothing kept) is NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CALIBRATION_BINS = 10


def area_under_roc(scores: Floats, labels: Bools) -> float:
    """Return the probability that a positive scores above a negative, ties counting half; NaN for one class.

    The rank formula (Mann-Whitney U): equal to `sklearn.metrics.roc_auc_score` and fast enough to bootstrap.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    wins = rankdata(scores)[labels].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def decision_quality(kept: Bools, labels: Bools) -> tuple[float, float, float]:
    """Return accuracy, precision and recall of the decisions; NaN where nothing is kept or nothing is positive."""
    true_positives = int((kept & labels).sum())
    positives, kept_count = int(labels.sum()), int(kept.sum())
    accuracy = float((kept == labels).mean()) if len(labels) else float("nan")
    precision = true_positives / kept_count if kept_count else float("nan")
    recall = true_positives / positives if positives else float("nan")
    return accuracy, precision, recall


def roc(scores: Floats, labels: Bools) -> tuple[Floats, Floats]:
    """Return false and true positive rates; empty for one class."""
    if labels.all() or not labels.any():
        return np.empty(0), np.empty(0)
    from sklearn.metrics import roc_curve  # a second to import, which most stages and their workers need not spend

    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores)
    return false_positive_rate, true_positive_rate


def precision_recall(scores: Floats, labels: Bools) -> tuple[Floats, Floats]:
    """Return precisions and recalls, recall falling, without repeated points; empty for one class."""
    if labels.all() or not labels.any():
        return np.empty(0), np.empty(0)
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    return precision, recall


@dataclass(frozen=True)
class Reliability:
    """Equal-width bins of predicted probability that hold a track: (bins,) each."""

    bins: NDArray[np.int64]
    mean_predicted: Floats
    fraction_positive: Floats
    count: NDArray[np.int64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between predicted and true share, weighted by count (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.mean_predicted - self.fraction_positive), weights=self.count))


def calibration_bins(probabilities: Floats) -> NDArray[np.int64]:
    """Return the bin, 0 to `CALIBRATION_BINS` - 1, of every probability in [0, 1]."""
    return np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def reliability(probabilities: Floats, labels: Bools) -> Reliability:
    """Sort tracks into `CALIBRATION_BINS` bins by probability in [0, 1]."""
    index = calibration_bins(probabilities)
    count = np.bincount(index, minlength=CALIBRATION_BINS)
    used = np.flatnonzero(count)
    predicted = np.bincount(index, weights=probabilities, minlength=CALIBRATION_BINS)[used] / count[used]
    positive = np.bincount(index, weights=labels, minlength=CALIBRATION_BINS)[used] / count[used]
    return Reliability(used, predicted, positive, count[used])
