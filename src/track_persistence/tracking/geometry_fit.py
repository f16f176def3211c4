"""Fitting the judge by geometry: a logistic regression on hat functions of the cues for groups, and one for loners.

N samples, C columns: a hat function per knot of every cue (de Boor 1978, linear B-splines), and one column for its
absence.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.stereo.cues import GeometryCues, UnpairedCues
from track_persistence.tracking.geometry import (
    GROUP_CUES,
    UNPAIRED_CUES,
    AdditiveModel,
    Curve,
    GeometryModel,
    numbers_of,
)
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_samples import Sample

Floats = NDArray[np.float64]
MOST_ITERATIONS = 2000


def fit_geometry(samples: Sequence[Sample], config: GeometryConfig) -> GeometryModel:
    """Fit both models; raises `DataError` when only one class is there."""
    labels = np.array([sample.is_real for sample in samples], np.bool_)
    if labels.all() or not labels.any():
        raise DataError(
            f"geometry: {len(samples)} samples, {int(labels.sum())} of them real; both real tracks and others are "
            "needed to fit: read more shards (geometry.shards)"
        )
    return GeometryModel(
        format="track_persistence.geometry",
        prior_log_odds=math.log(labels.sum() / (~labels).sum()),
        process_psd=config.process_psd,
        speed_sigma_mps=config.speed_sigma_mps,
        group=_fit([s for s in samples if isinstance(s.cues, GeometryCues)], list(GROUP_CUES), config),
        unpaired=_fit([s for s in samples if isinstance(s.cues, UnpairedCues)], list(UNPAIRED_CUES), config),
    )


def _fit(samples: Sequence[Sample], names: Sequence[str], config: GeometryConfig) -> AdditiveModel:
    numbers = [numbers_of(sample.cues) for sample in samples]
    table = {name: np.array([row[name] for row in numbers], np.float64) for name in names}
    knots = {name: _knots(values, config.knots) for name, values in table.items()}
    columns = [_columns(values, knots[name]) for name, values in table.items()]
    widths = [column.shape[1] for column in columns]
    # One sample of each class without any cue (Laplace's rule): keeps the base finite where a class never occurs.
    basis = np.concatenate([np.concatenate(columns, axis=1), np.zeros((2, sum(widths)))])
    labels = np.array([*(sample.is_real for sample in samples), True, False], np.bool_)
    from sklearn.linear_model import LogisticRegression  # a second to import, needed for fitting alone

    regression = LogisticRegression(C=config.inverse_regularisation, max_iter=MOST_ITERATIONS).fit(basis, labels)
    weights = dict(zip(names, np.split(regression.coef_[0], np.cumsum(widths)[:-1]), strict=True))
    return _centred(float(regression.intercept_[0]), table, knots, weights)


def _knots(values: Floats, count: int) -> Floats:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(1)
    knots: Floats = np.unique(np.quantile(known, np.linspace(0, 1, count)))
    return knots


def _columns(values: Floats, knots: Floats) -> Floats:
    """Return the hat functions of the knots, and whether the value is missing, (N, K + 1); a row sums to 1."""
    missing = np.isnan(values)
    filled = np.where(missing, knots[0], values)
    hats = np.stack([np.interp(filled, knots, one) for one in np.eye(len(knots))], axis=1)
    return np.column_stack([np.where(missing[:, None], 0.0, hats), missing])


def _centred(
    base: float, table: Mapping[str, Floats], knots: Mapping[str, Floats], weights: Mapping[str, Floats]
) -> AdditiveModel:
    """Move the mean of every curve over the samples into the base, so that a cue's part says how unusual it is."""
    curves = {}
    for name, values in table.items():
        mean = float((_columns(values, knots[name]) @ weights[name]).mean()) if len(values) else 0.0
        heights = (weights[name] - mean).tolist()
        base += mean
        curves[name] = Curve(knots=tuple(knots[name].tolist()), log_odds=tuple(heights[:-1]), missing=heights[-1])
    return AdditiveModel(base=base, curves=curves)
