"""Temperature scaling (Guo et al. 2017): one number that makes probabilities mean what they say.

N (track, age) pairs; logits (N,) float, labels (N,) bool.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

Floats = NDArray[np.float64]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.25, 10.0


def negative_log_likelihood(logits: Floats, labels: NDArray[np.bool_], temperature: float) -> float:
    """Return the mean binary cross-entropy of sigmoid(logits / temperature), in nats."""
    signed = np.where(labels, logits, -logits) / temperature
    return float(np.logaddexp(0.0, -signed).mean())


def fit_temperature(logits: Floats, labels: NDArray[np.bool_]) -> float:
    """Return the temperature of least cross-entropy.

    Where the logits separate the classes the optimum is 0, certainty beyond what N tracks can show; the range
    [0.25, 10] keeps it finite.
    """
    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    found = minimize_scalar(
        lambda log_temperature: negative_log_likelihood(logits, labels, float(np.exp(log_temperature))),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def calibrated(logits: Floats, temperature: float) -> Floats:
    """Return the probabilities sigmoid(logits / temperature)."""
    probabilities: Floats = expit(logits / temperature)
    return probabilities
