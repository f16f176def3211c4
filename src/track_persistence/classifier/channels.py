"""What a track shows besides its pixels, frame by frame, as input of the classifier and of the sequential test.

T observed frames, C feature width, K channels.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from track_persistence.classifier.rules import Timeline
from track_persistence.core.errors import DataError

Floats32 = NDArray[np.float32]
Inputs = Literal["pixels", "no_pixels", "both"]

CHANNELS = ("confidence", "log_side", "log_aspect", "displacement", "size_change", "gap")
# Beyond these a detector's certainty and a jump of the box mean nothing more.
CONFIDENCE_RANGE = (0.001, 0.999)
LARGEST_DISPLACEMENT, LARGEST_SIZE_CHANGE = 3.0, 1.0
SIDE_UNIT_PX = 64.0


@dataclass(frozen=True)
class ConfidenceScale:
    """Mean and standard deviation of the confidence logit over the boxes of one source, a detector in its scene."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        """Refuse a scale that cannot divide."""
        if not (np.isfinite(self.mean) and np.isfinite(self.std) and self.std > 0):
            raise DataError(f"confidence scale: mean {self.mean}, std {self.std}; expected finite and std above 0")

    @classmethod
    def of(cls, confidences: NDArray[Any]) -> "ConfidenceScale":
        """Return the scale of a source's confidences (any number, in [0, 1]); equal confidences get the std 1."""
        if len(confidences) == 0:
            raise DataError("confidence scale: no confidence to measure it on; give the boxes of at least one track")
        logits = _confidence_logit(confidences)
        spread = float(logits.std())
        return cls(float(logits.mean()), spread if spread > 0 else 1.0)


def no_pixel_channels(track: Timeline, scale: ConfidenceScale) -> Floats32:
    """Return the channels (T, K) named in `CHANNELS`; row t depends on the frames up to t alone.

    confidence: logit, normalised by the source's `scale`. log_side: log of the box's mean side in units of 64 px.
    log_aspect: log of width over height. displacement: of the box centre since the previous observed frame, in box
    sides per frame. size_change: of log_side, per frame. gap: log of the frames since the previous observed one, 0 when
    none was missed. The last three are 0 on the first frame.
    """
    boxes = track.boxes_xywh_px.astype(np.float64)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    sides = np.sqrt(boxes[:, 2] * boxes[:, 3])
    elapsed = np.diff(track.frames).astype(np.float64)
    moved = np.hypot(*np.diff(centres, axis=0).T) / (sides[:-1] * elapsed)
    grown = np.diff(np.log(sides)) / elapsed
    changes = np.column_stack(
        [
            np.minimum(moved, LARGEST_DISPLACEMENT),
            np.clip(grown, -LARGEST_SIZE_CHANGE, LARGEST_SIZE_CHANGE),
            np.log(elapsed),
        ]
    )
    return np.column_stack(
        [
            (_confidence_logit(track.confidences) - scale.mean) / scale.std,
            np.log(sides / SIDE_UNIT_PX),
            np.log(boxes[:, 2] / boxes[:, 3]),
            np.concatenate((np.zeros((1, 3)), changes)),
        ]
    ).astype(np.float32)


def model_inputs(
    features: NDArray[Any] | None, track: Timeline, inputs: Inputs, scale: ConfidenceScale | None
) -> Floats32:
    """Return what a classifier with these `inputs` takes of one track: features (T, C), then channels (T, K).

    features: None when `inputs` leaves the pixels out; scale: None when it leaves the channels out.
    """
    parts: list[Floats32] = []
    if inputs != "no_pixels":
        if features is None:
            raise DataError(f"classifier inputs {inputs!r} need the encoder's features; encode the crops first")
        parts.append(np.asarray(features, np.float32))
    if inputs != "pixels":
        if scale is None:
            raise DataError(f"classifier inputs {inputs!r} need a confidence scale; measure it with ConfidenceScale.of")
        parts.append(no_pixel_channels(track, scale))
    return np.concatenate(parts, axis=1)


def _confidence_logit(confidences: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(confidences.astype(np.float64), *CONFIDENCE_RANGE)))
