"""What can be told without pixels: two rules by name, and a logistic regression on simple statistics.

Every function looks at the first min(a, T) observed frames of a track and takes a `Track` or `LabelledFeatures` alike.
S statistics of a track, N tracks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.rules import Timeline, rule_score
from track_persistence.core.errors import DataError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]

STATISTICS = (
    "hits_frames",
    "gaps_frames",
    "confidence_mean",
    "confidence_max",
    "confidence_min",
    "displacement_px",
    "speed_mean_px_per_frame",
    "speed_std_px_per_frame",
    "size_mean_px",
    "size_std_px",
    "aspect_mean",
    "aspect_std",
)
INVERSE_REGULARISATION = 1.0
MOST_ITERATIONS = 1000


def min_hits_score(track: Timeline, frames_seen: int | None) -> float:
    """Return the longest run of hits so far; `frames_seen` None takes the whole track."""
    return rule_score("min_hits", track, frames_seen)


def mean_confidence_score(track: Timeline, frames_seen: int | None) -> float:
    """Return the mean detector confidence so far, in [0, 1]."""
    return rule_score("mean_confidence", track, frames_seen)


def no_pixel_statistics(track: Timeline, frames_seen: int | None) -> Floats:
    """Return the statistics (S,) named in `STATISTICS` of the frames seen so far."""
    count = len(track.frames[:frames_seen])
    statistics: Floats = statistics_by_count(track, np.array([count]))[0]
    return statistics


def statistics_by_count(track: Timeline, counts: NDArray[np.int64]) -> Floats:
    """Return the statistics (A, S) of the first `counts` (A,) frames, each of 1..T, in one pass over the track."""
    frames, confidences = track.frames.astype(np.float64), track.confidences.astype(np.float64)
    boxes = track.boxes_xywh_px.astype(np.float64)
    centres_px = boxes[:, :2] + boxes[:, 2:] / 2
    last = counts - 1
    steps_px = np.hypot(*np.diff(centres_px, axis=0).T) / np.diff(frames)
    speeds_px = steps_px if len(steps_px) else np.zeros(1)
    speed_mean, speed_std = _running_mean_and_std(speeds_px, np.maximum(last - 1, 0))
    size_mean, size_std = _running_mean_and_std(np.sqrt(boxes[:, 2] * boxes[:, 3]), last)
    aspect_mean, aspect_std = _running_mean_and_std(boxes[:, 2] / boxes[:, 3], last)
    moved = counts > 1
    return np.column_stack(
        [
            counts,
            frames[last] - frames[0] + 1 - counts,
            _running_mean_and_std(confidences, last)[0],
            np.maximum.accumulate(confidences)[last],
            np.minimum.accumulate(confidences)[last],
            np.hypot(*(centres_px[last] - centres_px[0]).T),
            speed_mean * moved,
            speed_std * moved,
            size_mean,
            size_std,
            aspect_mean,
            aspect_std,
        ]
    )


def _running_mean_and_std(values: Floats, last: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (A,) of `values` up to and including each index of `last` (A,).

    Sums run over the distance from the first value, so a constant has a deviation of exactly 0.
    """
    shifted, count = values - values[0], last + 1
    mean = np.cumsum(shifted)[last] / count
    variance = np.cumsum(shifted**2)[last] / count - mean**2
    return values[0] + mean, np.sqrt(np.maximum(variance, 0))


@dataclass(frozen=True)
class NoPixelsModel:
    """A fitted logistic regression on `no_pixel_statistics`."""

    pipeline: "Pipeline"

    @classmethod
    def fit(cls, statistics: Floats, labels: NDArray[np.bool_]) -> "NoPixelsModel":
        """Fit on (N, S) statistics and (N,) labels; raises `DataError` when only one class is there."""
        if labels.all() or not labels.any():
            raise DataError(f"no-pixels baseline: {len(labels)} tracks of one class; both classes are needed to fit")
        from sklearn.linear_model import LogisticRegression  # a second to import, needed for fitting alone
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MOST_ITERATIONS)
        return cls(make_pipeline(StandardScaler(), regression).fit(statistics, labels))

    def score(self, statistics: Floats) -> Floats:
        """Return the probability (N,) of being persistent."""
        probabilities: Any = self.pipeline.predict_proba(statistics)
        scores: Floats = probabilities[:, 1]
        return scores


def best_threshold(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Return the score from which on keeping a track is right most often; the lowest such score on ties.

    Infinity when keeping none is best.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, kept_right = scores[order], np.cumsum(np.where(labels[order], 1, -1))
    last_of_score = np.append(ordered[1:] != ordered[:-1], True)
    candidates = np.append(np.inf, ordered[last_of_score])
    gains = np.append(0, kept_right[last_of_score])
    return float(candidates[len(gains) - 1 - np.argmax(gains[::-1])])
