"""Draws that several modules share."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

K = TypeVar("K", bound=str)


def log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a positive number whose logarithm is uniform between the limits."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def pick(rng: np.random.Generator, weights: Mapping[K, float]) -> K:
    """Draw a key in proportion to its weight."""
    names = sorted(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]
