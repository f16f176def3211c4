"""What the filter and the tracker hand back: verdicts, decisions and reconstructed 3D tracks.

T frames of a 2D track, J joint frames of a pair.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import FloatArray, IntArray
from track_persistence.stereo.triangulation import Status


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


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided about one 2D track.

    camera: 0 or 1. is_persistent: whether the track was kept; always True without a filter. confidence: probability of
    being persistent, of both views together where there is a partner. attention: (T,) of this view, summing to 1.
    partner_id: track id in the other camera, None without a partner. log_odds: natural logarithms by source: `own`
    view, `partner` view (if any) and their mean `total`. Without a filter confidence, attention and log_odds are None.
    """

    camera: int
    track_id: int
    is_persistent: bool
    confidence: float | None
    attention: FloatArray | None
    partner_id: int | None
    log_odds: Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class Reconstructed3DTrack:
    """The 3D path of one kept pair of tracks.

    track_ids: in camera 1 and camera 2. frames: (J,) int32. positions_m: (J, 3) world coordinates, covariances_m2:
    (J, 3, 3), reprojection_px: (J, 2) per camera; all three are NaN where there is no point. status: (J,) uint8
    `stereo.triangulation.Status`, only OK rows are measurements. persistence: probability of being a real object,
    None without a filter. confidence: (J,) mean detector confidence of the two boxes.
    """

    track_ids: tuple[int, int]
    frames: IntArray
    positions_m: NDArray[np.float64]
    covariances_m2: NDArray[np.float64]
    reprojection_px: NDArray[np.float64]
    status: NDArray[np.uint8]
    persistence: float | None
    confidence: FloatArray

    def __len__(self) -> int:
        """Return the number of joint frames J."""
        return len(self.frames)

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which rows are measurements, (J,) bool."""
        accepted: NDArray[np.bool_] = self.status == Status.OK
        return accepted


def probability(log_odds: float) -> float:
    """Return the probability with these natural log-odds, without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))
