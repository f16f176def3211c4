"""What a site's adapter looks at: the witnesses of one track, running from observed frame to observed frame.

T observed frames of a track, D values of a witness. Row t of every witness depends on the frames up to t alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from track_persistence.classifier.adapter import Adapter
from track_persistence.classifier.baselines import STATISTICS, statistics_by_count
from track_persistence.core.types import BoxTrack, CropArray, FloatArray
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.video.descriptors import frame_descriptors, pooled

Floats = NDArray[np.float64]
# Beyond these a detector's certainty means nothing more.
CONFIDENCE_RANGE = (0.001, 0.999)
# Hits beyond these tell nothing new: real tracks may be short, and clutter stays.
MOST_HITS = 8
PLACE_UNIT_PX = 100.0

WITHOUT_CONFIDENCE = [at for at, name in enumerate(STATISTICS) if not name.startswith("confidence")]
PIXELS, SAME_DETECTOR = "pixels", "same_detector"
BOX_WITNESSES: Mapping[str, Callable[[BoxTrack], Floats]]


class SiteJudge:
    """A filter's adapter together with the levels of the encoder that it reads."""

    def __init__(self, adapter: Adapter, encoder: LevelEncoder) -> None:
        """Take over both."""
        self._adapter, self._encoder = adapter, encoder

    def log_odds(self, crops: CropArray, track: BoxTrack | None) -> Floats:
        """Return the calibrated log-odds (T,) of being real after every frame.

        track: boxes and confidences of the detector that the site was adapted with; None judges by pixels alone.
        """
        evidence = pixel_evidence(crops, self._encoder)
        if track is None:
            return self._adapter.log_odds(evidence, PIXELS)
        return self._adapter.log_odds({**evidence, **box_evidence(track)}, SAME_DETECTOR)


def pixel_evidence(crops: CropArray, encoder: LevelEncoder) -> dict[str, FloatArray]:
    """Return the witnesses that need crops (T, 64, 64, 3) uint8 RGB alone, each (T, D).

    descriptors: gradients, colours and thumbnail. texture, layout: the encoder's early levels. All are means over the
    frames so far; the descriptors end with the last thumbnail less the first.
    """
    texture, layout = encoder.encode(crops)
    return {
        "descriptors": pooled(frame_descriptors(crops), range(1, len(crops) + 1)),
        "texture": _running_mean(texture).astype(np.float32),
        "layout": _running_mean(layout).astype(np.float32),
    }


def box_evidence(track: BoxTrack) -> dict[str, FloatArray]:
    """Return the witnesses that need boxes and confidences, each (T, D).

    statistics: those of the no-pixels baseline but for confidence: hits so far (capped), gaps, displacement, speed,
    size and aspect, in pixels. confidence: the mean logit so far. place: where in the image the mean box stands
    and how tall it is, for a camera that does not move: centre, foot and log height, with their squares and products,
    so that the height expected of an object at that place can be learned (Hoiem et al. 2008).
    """
    return {name: witness(track).astype(np.float32) for name, witness in BOX_WITNESSES.items()}


def rows_at(evidence: Mapping[str, NDArray[Any]], boxes_seen: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return the rows after so many boxes, each at least 1; more than the track has mean all it has."""
    length = len(next(iter(evidence.values())))
    rows = np.minimum(np.asarray(boxes_seen), length) - 1
    return {name: values[rows] for name, values in evidence.items()}


def _statistics(track: BoxTrack) -> Floats:
    found = statistics_by_count(track, np.arange(1, len(track) + 1))[:, WITHOUT_CONFIDENCE]
    found[:, 0] = np.minimum(found[:, 0], MOST_HITS)
    return found


def _confidence(track: BoxTrack) -> Floats:
    logits = np.asarray(logit(np.clip(track.confidences.astype(np.float64), *CONFIDENCE_RANGE)))
    return _running_mean(logits[:, None])


def _place(track: BoxTrack) -> Floats:
    boxes = track.boxes_xywh_px.astype(np.float64)
    where = np.column_stack(
        [
            (boxes[:, 0] + boxes[:, 2] / 2) / PLACE_UNIT_PX,
            (boxes[:, 1] + boxes[:, 3]) / PLACE_UNIT_PX,
            np.log(boxes[:, 3] / PLACE_UNIT_PX),
        ]
    )
    means = _running_mean(where)
    first, second = np.triu_indices(means.shape[1])
    return np.hstack([means, means[:, first] * means[:, second]])


def _running_mean(values: NDArray[Any]) -> Floats:
    counts = np.arange(1, len(values) + 1)[:, None]
    return np.asarray(np.cumsum(values, axis=0, dtype=np.float64) / counts)


BOX_WITNESSES = {"statistics": _statistics, "confidence": _confidence, "place": _place}
