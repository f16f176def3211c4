"""Simple rules on real tracks that stand beside the filter: hits so far, mean confidence, no-pixels regression.

N tracks; `age` counts the frames passed since a track's first box, that one included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import NoPixelsModel, statistics_by_count
from track_persistence.core.types import FloatArray, IntArray
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.video.mot import MotTable

Floats = NDArray[np.float64]
FALSE_KINDS = ("static_clutter", "flicker", "other")


@dataclass(frozen=True, eq=False)
class BoxTrack:
    """What a track says without its pixels.

    frames: (T,). boxes_xywh_px: (T, 4). scores: (T,) on the detector's own scale. confidences: (T,) in [0, 1].
    """

    track_id: int
    frames: IntArray
    boxes_xywh_px: FloatArray
    scores: Floats
    confidences: FloatArray

    @property
    def span_frames(self) -> int:
        """Frames from the first box to the last, both included."""
        return int(self.frames[-1] - self.frames[0]) + 1

    def hits(self, age: int) -> int:
        """Return the number of boxes in the first `age` frames of the track's life."""
        return int(np.searchsorted(self.frames, self.frames[0] + age))

    def longest_run(self, age: int) -> int:
        """Return the largest number of boxes in consecutive frames within the first `age` frames."""
        breaks = np.flatnonzero(np.diff(self.frames[: self.hits(age)]) > 1)
        return int(np.diff(np.concatenate(([-1], breaks, [self.hits(age) - 1]))).max())

    def mean_score(self, age: int) -> float:
        """Return the mean score of the first `age` frames' boxes."""
        return float(self.scores[: self.hits(age)].mean())

    def mean_confidence(self, age: int) -> float:
        """Return the mean confidence of the first `age` frames' boxes."""
        return float(self.confidences[: self.hits(age)].mean(dtype=np.float64))


def box_tracks(table: MotTable, confidences: Floats) -> list[BoxTrack]:
    """Return the tracks of `table`, by id; confidences: (N,) of its boxes, in [0, 1]."""
    single = confidences.astype(np.float32)
    return [
        BoxTrack(track_id, table.frames[rows], table.boxes_xywh_px[rows], table.scores[rows], single[rows])
        for track_id, rows in table.rows_by_id().items()
    ]


def false_kind(track: BoxTrack, config: FootageConfig) -> str:
    """Return `static_clutter` (long and in one place), `flicker` (few boxes) or `other`."""
    if len(track.frames) <= config.flicker_boxes:
        return "flicker"
    centres = track.boxes_xywh_px[:, :2] + track.boxes_xywh_px[:, 2:] / 2
    drift = np.percentile(np.linalg.norm(centres - np.median(centres, axis=0), axis=1), 90)
    stays = drift <= config.static_drift * np.linalg.norm(np.median(track.boxes_xywh_px[:, 2:], axis=0))
    return "static_clutter" if len(track.frames) >= config.static_boxes and stays else "other"


def no_pixels_scores(
    tracks: Sequence[BoxTrack], real: NDArray[np.bool_], ages: Sequence[int], folds: int
) -> Floats | None:
    """Score the N tracks by the classifier's no-pixels baseline at their `ages` (N,).

    Each of `folds` blocks of tracks, in order of birth, is scored by a regression fitted on the others' labels: unlike
    the filter this one has seen labels of the very scene. Returns (N,) probabilities, or None when a block's
    complement lacks one of the classes.
    """
    if len(np.unique(real)) < 2:
        return None
    statistics = np.concatenate(
        [statistics_by_count(track, np.array([track.hits(age)])) for track, age in zip(tracks, ages, strict=True)]
    )
    order = np.argsort([track.frames[0] for track in tracks], kind="stable")
    scores = np.empty(len(tracks))
    for held in np.array_split(order, folds):
        rest = np.setdiff1d(order, held)
        if len(np.unique(real[rest])) < 2 or not len(held):
            return None
        scores[held] = NoPixelsModel.fit(statistics[rest], real[rest]).score(statistics[held])
    return scores
