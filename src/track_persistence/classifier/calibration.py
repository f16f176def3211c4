"""Temperature scaling (Guo et al. 2017) whose temperature and bias depend on the number of frames seen.

N (track, age) pairs, K knots; logits (N,) float, labels (N,) bool, frames_seen (N,) int.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from track_persistence.core.errors import DataError

Floats = NDArray[np.float64]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.25, 10.0
LARGEST_BIAS = 3.0
# Nats for two neighbouring knots that differ by one in log temperature or bias: next to nothing where tracks speak.
STEP_PENALTY = 1e-3


@dataclass(frozen=True)
class Calibration:
    """Log-odds = logit / temperature + bias; both at K knots of frames seen.

    ages: (K,), growing. Between knots log temperature and bias are linear in log frames, outside they are constant.
    """

    ages: tuple[int, ...]
    temperatures: tuple[float, ...]
    biases: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that there is a sound value at every knot."""
        if not (len(self.ages) == len(self.temperatures) == len(self.biases) > 0):
            raise DataError(f"calibration: {len(self.ages)} ages need as many temperatures and biases, at least one")
        grows = self.ages[0] >= 1 and all(a < b for a, b in zip(self.ages, self.ages[1:], strict=False))
        if not grows or not np.isfinite(self.biases).all():
            raise DataError(f"calibration: ages {self.ages}, biases {self.biases}; expected growing from 1, and finite")
        if not all(np.isfinite(value) and value > 0 for value in self.temperatures):
            raise DataError(f"calibration: temperatures {self.temperatures}; expected finite and above 0")

    @classmethod
    def constant(cls, temperature: float) -> "Calibration":
        """Return one temperature for every age, without bias."""
        return cls((1,), (temperature,), (0.0,))

    def log_odds(self, logits: ArrayLike, frames_seen: ArrayLike) -> Floats:
        """Return the calibrated log-odds of `logits` after `frames_seen` frames; the two are broadcast."""
        at, knots = np.log(np.asarray(frames_seen, np.float64)), np.log(self.ages)
        temperature = np.exp(np.interp(at, knots, np.log(self.temperatures)))
        return np.asarray(np.asarray(logits, np.float64) / temperature + np.interp(at, knots, self.biases))

    def probabilities(self, logits: ArrayLike, frames_seen: ArrayLike) -> Floats:
        """Return the calibrated probabilities of being persistent."""
        return np.asarray(expit(self.log_odds(logits, frames_seen)))


def negative_log_likelihood(log_odds: Floats, labels: NDArray[np.bool_], weights: Floats) -> float:
    """Return the weighted mean binary cross-entropy of the log-odds, in nats."""
    signed = np.where(labels, log_odds, -log_odds)
    return float(np.average(np.logaddexp(0.0, -signed), weights=weights))


def fit_calibration(
    logits: Floats, labels: NDArray[np.bool_], frames_seen: NDArray[np.int64], weights: Floats, ages: tuple[int, ...]
) -> Calibration:
    """Return the calibration of least weighted cross-entropy with knots at `ages`.

    Where the logits separate the classes the best temperature is 0, certainty beyond what N tracks can show; bounds on
    temperature, [0.25, 10], and bias, [-3, 3], keep it finite. A small penalty on steps between knots makes a knot at
    which no track weighs anything that of its neighbour. Raises `DataError` when all the weight is on one class.
    """
    shares = [float(weights[labels == label].sum()) for label in (True, False)]
    if min(shares) <= 0:
        raise DataError("calibration: the validation tracks are of one class; generate more scenes or raise its share")
    basis = _hat_functions(frames_seen, ages)
    signs = np.where(labels, 1.0, -1.0)
    normed = weights / weights.sum()
    count = len(ages)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scaled = logits * np.exp(-basis @ parameters[:count])
        margins = signs * (scaled + basis @ parameters[count:])
        slope = -signs * expit(-margins) * normed
        gradient = np.concatenate((basis.T @ (-slope * scaled), basis.T @ slope))
        steps = np.diff(parameters.reshape(2, count), axis=1)
        pull = 2 * STEP_PENALTY * (np.pad(steps, ((0, 0), (1, 0))) - np.pad(steps, ((0, 0), (0, 1))))
        penalty = STEP_PENALTY * float(np.square(steps).sum())
        return float(normed @ np.logaddexp(0.0, -margins)) + penalty, gradient + pull.ravel()

    temperature_bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    bounds = [temperature_bounds] * count + [(-LARGEST_BIAS, LARGEST_BIAS)] * count
    found: Any = minimize(
        loss, np.zeros(2 * count), jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-12}
    )
    temperatures = np.exp(found.x[:count])
    return Calibration(ages, tuple(map(float, temperatures)), tuple(map(float, found.x[count:])))


def _hat_functions(frames_seen: NDArray[np.int64], ages: tuple[int, ...]) -> Floats:
    """Return the weight (N, K) of every knot in the interpolation at `frames_seen`."""
    at, knots = np.log(frames_seen.astype(np.float64)), np.log(ages)
    return np.stack([np.interp(at, knots, unit) for unit in np.eye(len(ages))], axis=1)
