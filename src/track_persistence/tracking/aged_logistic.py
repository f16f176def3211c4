"""A logistic model whose weights change with the number of frames seen.

The log-odds are `base(n) + sum of weight(n) * number`, and base and weights are linear in log n between the ages and
constant beyond them: what three frames say is worth another factor than what fifty say (a varying-coefficient model:
Hastie and Tibshirani 1993).

N samples, A ages, S numbers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Floats = NDArray[np.float64]
BASE = "base"
MOST_ITERATIONS = 2000


class AgedLogistic(BaseModel):
    """The model; frozen, and JSON can hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    ages: Annotated[tuple[float, ...], Field(min_length=1)]
    """Numbers of frames seen at which the weights are given, at least 1 and increasing."""
    base: tuple[float, ...]
    """At each age."""
    weights: dict[str, tuple[float, ...]]
    """Of each number, by its name, at each age."""

    @model_validator(mode="after")
    def _fits(self) -> "AgedLogistic":
        if self.ages[0] < 1 or (np.diff(self.ages) <= 0).any():
            raise ValueError("ages must be at least 1 and increase strictly")
        if any(len(values) != len(self.ages) for values in (self.base, *self.weights.values())):
            raise ValueError("base and every weight need one value for each of the ages")
        return self

    def weight(self, name: str, frames_seen: float) -> float:
        """Return what a number counts after `frames_seen` frames; `base` is named so."""
        values = self.base if name == BASE else self.weights[name]
        return float(np.interp(math.log(frames_seen), np.log(self.ages), values))

    def parts(self, numbers: Mapping[str, float], frames_seen: float) -> dict[str, float]:
        """Return what `base` and every number add to the log-odds."""
        found = {name: self.weight(name, frames_seen) * numbers[name] for name in self.weights}
        return {BASE: self.weight(BASE, frames_seen), **found}

    def log_odds(self, numbers: Mapping[str, Floats], frames_seen: Floats) -> Floats:
        """Return the sums of `parts` of many samples: numbers and `frames_seen` (N,), log-odds (N,)."""
        at, ages = np.log(frames_seen), np.log(self.ages)
        total: Floats = np.interp(at, ages, self.base)
        for name, values in self.weights.items():
            total = total + np.interp(at, ages, values) * numbers[name]
        return total


def fit_aged(
    numbers: Mapping[str, Floats],
    frames_seen: Floats,
    labels: NDArray[np.bool_],
    ages: Sequence[float],
    inverse_regularisation: float,
) -> AgedLogistic:
    """Fit base and weights by penalised maximum likelihood.

    numbers: (N,) each; frames_seen: (N,); labels: (N,); N may be 0. The penalty acts on the weights of standardised
    numbers. One sample of each class with mean numbers is added at every age (Laplace's rule), which keeps the base
    finite where a class never occurs.
    """
    from sklearn.linear_model import LogisticRegression  # a second to import, needed for fitting alone

    names = list(numbers)
    table = np.column_stack([numbers[name] for name in names])
    centres, scales = np.zeros(len(names)), np.ones(len(names))
    if len(table):
        centres, scales = table.mean(axis=0), table.std(axis=0)
        scales[scales == 0] = 1.0
    standard = np.column_stack([np.ones(len(table)), (table - centres) / scales])  # (N, 1 + S)
    means = np.kron(np.eye(len(ages)), np.eye(1, 1 + len(names)))  # (A, A (1 + S))
    design = (_hats(frames_seen, ages)[:, :, None] * standard[:, None]).reshape(
        len(table), means.shape[1]
    )  # (N, A (1 + S))
    classes = [*labels.tolist(), *[True] * len(ages), *[False] * len(ages)]
    regression = LogisticRegression(C=inverse_regularisation, fit_intercept=False, max_iter=MOST_ITERATIONS)
    fitted = regression.fit(np.concatenate([design, means, means]), np.array(classes, np.bool_))
    found = fitted.coef_[0].reshape(len(ages), -1)  # (A, 1 + S)
    weights = found[:, 1:] / scales
    base = found[:, 0] - weights @ centres
    return AgedLogistic(
        ages=tuple(map(float, ages)),
        base=tuple(base.tolist()),
        weights={name: tuple(column) for name, column in zip(names, weights.T.tolist(), strict=True)},
    )


def _hats(frames_seen: Floats, ages: Sequence[float]) -> Floats:
    """Return how much of each age a sample has, (N, A); a row sums to 1."""
    at, knots = np.log(frames_seen), np.log(ages)
    return np.stack([np.interp(at, knots, one) for one in np.eye(len(ages))], axis=1)
