"""A filter's adapter at work: whole tracks, or tracks while they grow.

T observed frames of a track, D values of a witness. Row t of every witness depends on the frames up to t alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.adapter import PIXELS, SAME_DETECTOR, Adapter
from track_persistence.classifier.decision import DecisionRule
from track_persistence.core.types import BoxTrack, CropArray, FloatArray
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.streaming import Seen
from track_persistence.tracking.results import Detection
from track_persistence.tracking.witnesses import RunningBoxes, RunningPixels

Floats = NDArray[np.float64]


class SiteJudge:
    """A filter's adapter together with the levels of the encoder that it reads."""

    def __init__(self, adapter: Adapter, encoder: LevelEncoder) -> None:
        """Take over both."""
        self._adapter, self._encoder = adapter, encoder

    def log_odds(self, crops: CropArray, track: BoxTrack | None) -> Floats:
        """Return the calibrated log-odds (T,) of being real after every frame.

        track: boxes and confidences of the detector that the adapter is for; None judges by pixels alone.
        """
        evidence = pixel_evidence(crops, self._encoder)
        if track is None:
            return self._adapter.log_odds(evidence, PIXELS)
        return self._adapter.log_odds({**evidence, **box_evidence(track)}, SAME_DETECTOR)

    def begin(self, has_boxes: bool) -> "GrowingTrack":
        """Return a track that has no frame yet; has_boxes: whether a detection comes with each of its crops."""
        return GrowingTrack(self._adapter, has_boxes)


class GrowingTrack:
    """One track that the adapter hears frame by frame, at the same cost and memory however long it is.

    rule: when it is kept or dropped.
    """

    def __init__(self, adapter: Adapter, has_boxes: bool) -> None:
        """Begin with no frame."""
        self._adapter, self._set = adapter, SAME_DETECTOR if has_boxes else PIXELS
        self._pixels, self._boxes = RunningPixels(), RunningBoxes()
        self.rule: DecisionRule = adapter.rules[self._set]

    def add(self, crop: NDArray[np.uint8], seen: Seen, detection: Detection | None) -> float:
        """Take in the next frame; returns the log-odds that `SiteJudge.log_odds` gives of all frames so far.

        detection: None just when the track has no boxes.
        """
        evidence = self._pixels.add(crop, seen.texture, seen.layout)
        if detection is not None:
            evidence |= self._boxes.add(detection.frame, detection.box_xywh_px, detection.confidence)
        return float(self._adapter.log_odds({name: value[None] for name, value in evidence.items()}, self._set)[0])


def pixel_evidence(crops: CropArray, encoder: LevelEncoder) -> dict[str, FloatArray]:
    """Return the witnesses that need crops (T, 64, 64, 3) uint8 RGB alone, each (T, D); see `RunningPixels`."""
    running = RunningPixels()
    return _stacked([running.add(*frame) for frame in zip(crops, *encoder.encode(crops), strict=True)])


def box_evidence(track: BoxTrack) -> dict[str, FloatArray]:
    """Return the witnesses that need boxes and confidences, each (T, D); see `RunningBoxes`."""
    running = RunningBoxes()
    detections = zip(track.frames.tolist(), track.boxes_xywh_px, track.confidences.tolist(), strict=True)
    return _stacked([running.add(*detection) for detection in detections])


def rows_at(evidence: dict[str, FloatArray], boxes_seen: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return the rows after so many boxes, each at least 1; more than the track has mean all it has."""
    length = len(next(iter(evidence.values())))
    rows = np.minimum(np.asarray(boxes_seen), length) - 1
    return {name: values[rows] for name, values in evidence.items()}


def _stacked(rows: Sequence[dict[str, FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
