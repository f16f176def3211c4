"""Motion models of the smoother: what stays constant, and how white noise disturbs it."""

from dataclasses import dataclass
from math import factorial

import numpy as np

from track_persistence.core.errors import ParamsError
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.pixels import FloatArray

DERIVATIVES = {"constant_velocity": 1, "constant_acceleration": 2}


@dataclass(frozen=True, eq=False)
class MotionModel:
    """A linear motion of n = 3 (d + 1) numbers: position, velocity and, for d = 2, acceleration in world axes.

    transition: (n, n) over one frame. noise: (n, n) covariance that one frame adds. prior: (n, n) covariance of the
    first frame's state before anything is seen; the position is as good as unknown.
    """

    transition: FloatArray
    noise: FloatArray
    prior: FloatArray


UNKNOWN_POSITION_M = 1e3


def motion_model(config: SmoothingConfig, frame_rate_hz: float) -> MotionModel:
    """Return the model over one frame, discretised exactly (Bar-Shalom, Li and Kirubarajan 2001, 6.2).

    Raises `ParamsError` when `motion` is off.
    """
    if config.motion == "off":
        raise ParamsError("smoothing.motion is off: there is no motion model; triangulate instead, or choose one")
    degree, dt = DERIVATIVES[config.motion], 1 / frame_rate_hz
    size = degree + 1
    transition, noise = np.zeros((size, size)), np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            transition[i, j] = dt ** (j - i) / factorial(j - i)
        for j in range(size):
            left, right = degree - i, degree - j
            noise[i, j] = dt ** (left + right + 1) / (factorial(left) * factorial(right) * (left + right + 1))
    sigmas = [UNKNOWN_POSITION_M, config.speed_sigma_mps, config.speed_sigma_mps][:size]
    axes = np.eye(3)
    matrices = (transition, config.process_psd * noise, np.diag(np.square(sigmas)))
    return MotionModel(*(np.kron(matrix, axes).astype(np.float64) for matrix in matrices))
