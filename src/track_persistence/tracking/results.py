"""What the filter and the tracker hand back: verdicts, decisions and reconstructed 3D tracks.

T frames of a 2D track, V cameras, F frames of a 3D track.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer for one track.

    confidence: calibrated probability of being persistent. log_odds: natural logarithm of its odds.
    attention: (T,) float32, where the model looked, summing to 1.
    """

    is_persistent: bool
    confidence: float
    log_odds: float
    attention: FloatArray


@dataclass(frozen=True)
class Detection:
    """What a detector says of one live track in one frame.

    box_xywh_px: top-left corner, width and height, as in `BoxTrack`. confidence: in [0, 1].
    """

    frame: int
    box_xywh_px: tuple[float, float, float, float]
    confidence: float


@dataclass(frozen=True, eq=False)
class RunningVerdict:
    """What is known of a track while it grows.

    confidence: calibrated probability of being persistent, by the first `frames_read` of the `frames_seen`; the two
    differ by at most a few frames, and only for long tracks. log_odds: natural logarithm of its odds. decision: `keep`,
    `drop` or `wait` by the checkpoint's error budget; the first that is not `wait` is final, whatever the confidence
    does later. attention: of the frames that were read, summing to 1; None unless asked for.
    """

    confidence: float
    log_odds: float
    frames_seen: int
    frames_read: int
    decision: Literal["keep", "wait", "drop"]
    attention: FloatArray | None


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided about one 2D track.

    camera: its index in the rig. is_persistent: whether the track was kept; always True without a filter. confidence:
    probability of being persistent, of its whole group. attention: (T,) of this view, summing to 1. group_ids: the
    track's id and its partners' by camera, None where a camera has none; None for a track without a partner.
    pairing: in words, why it has its partners or none.
    log_odds: natural logarithms by source. `own` is what the pixels of this view say and `partner` the mean of the
    other views. `appearance` (their mean over all views), `statistics` and `geometry` are what each witness of
    `tracking.fusion` adds to the decision, `base` or `prior` what the mix of the training data adds; these add up to
    `total`. Of several witnesses each counts as much as the fusion model gives it at this number of frames.
    cues: the part of each geometric cue in `geometry`, which they add up to.
    Without a filter confidence and log_odds are None; attention is None where no pixels, cues where no geometry was
    used.
    """

    camera: int
    track_id: int
    is_persistent: bool
    confidence: float | None
    attention: FloatArray | None
    group_ids: tuple[int | None, ...] | None
    pairing: str
    log_odds: Mapping[str, float] | None
    cues: Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class Reconstructed3DTrack:
    """The 3D path of one kept group of tracks.

    track_ids: the track of each camera, None where a camera has none. frames: (F,) int32, smoothed paths include gaps.
    positions_m: (F, 3) world coordinates and covariances_m2: (F, 3, 3), NaN in frames without a point.
    velocities_mps: (F, 3), NaN as well where nothing was smoothed. views: (F,) uint8, cameras that saw it.
    reprojection_px: (F, V) distance of the triangulated point from each camera's measurement, NaN without one.
    status: (F,) uint8 `stereo.triangulation.Status` of the frame's own measurements: a smoothed frame has a position
    whatever it says. persistence: probability of being a real object, None without a filter. confidence: (F,) float32
    mean detector confidence of the views, NaN in gaps.
    """

    track_ids: tuple[int | None, ...]
    frames: IntArray
    positions_m: NDArray[np.float64]
    velocities_mps: NDArray[np.float64]
    covariances_m2: NDArray[np.float64]
    views: NDArray[np.uint8]
    reprojection_px: NDArray[np.float64]
    status: NDArray[np.uint8]
    persistence: float | None
    confidence: FloatArray

    def __len__(self) -> int:
        """Return the number of frames F."""
        return len(self.frames)

    @property
    def located(self) -> NDArray[np.bool_]:
        """Which frames have a position, (F,) bool."""
        known: NDArray[np.bool_] = np.asarray(np.isfinite(self.positions_m).all(axis=1))
        return known


def probability(log_odds: float) -> float:
    """Return the probability with these natural log-odds, without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))
