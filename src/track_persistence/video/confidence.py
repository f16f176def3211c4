"""Detector scores as the data model wants them: in [0, 1]."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from track_persistence.core.errors import VideoError
from track_persistence.video.mot import MotTable

Scale = Literal["probability", "raw"]


def confidences(table: MotTable, scale: Scale) -> NDArray[np.float64]:
    """Return the N scores of `table` in [0, 1].

    probability: taken as they are; a value outside [0, 1] raises `VideoError` naming file, line, value and rule.
    raw: any real number s (an SVM margin, a log-odds), mapped to 1 / (1 + exp(-s)), which keeps the order.
    """
    if scale == "raw":
        return np.asarray(expit(table.scores))
    outside = np.flatnonzero((table.scores < 0) | (table.scores > 1))
    if outside.size:
        at = outside[0]
        raise VideoError(
            f"{table.path}: line {table.lines[at]}: confidence is {table.scores[at]:g}; a probability lies in [0, 1]; "
            "pass --confidence raw when the detector gives scores of another kind"
        )
    return table.scores
