"""What cheap pixels tell: gradients, colours and a thumbnail of the first crops, to principal components, to logistic.

The baseline that any encoder has to beat. T frames, A ages, N tracks, D values of a descriptor, as many as
`video.descriptors.DESCRIPTOR_SIZE` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from track_persistence.core.errors import DataError
from track_persistence.core.types import CropArray, FloatArray, check_crops
from track_persistence.video.descriptors import frame_descriptors, pooled

Floats = NDArray[np.float64]

COMPONENTS = 40
INVERSE_REGULARISATION = 1.0
MOST_ITERATIONS = 2000
START = 0
"""Seed of the vector that the search for the components starts from; the result is the same to the last digits."""


def cheap_descriptors(crops: CropArray, ages: Sequence[int]) -> FloatArray:
    """Describe a track after its first min(a, T) frames for each a of `ages` (A,): (A, D) float32.

    crops: (T, 64, 64, 3) uint8 RGB. Raises `DataError` on crops of another shape or an age below 1.
    """
    check_crops("crops", crops)
    return pooled(frame_descriptors(crops[: max(ages, default=1)]), ages)


@dataclass(frozen=True)
class CheapPixelsModel:
    """Descriptors to `COMPONENTS` principal components to a logistic regression.

    Nothing is standardised: all parts of a descriptor lie in [-1, 1], and what hardly varies should weigh little.
    """

    pipeline: Pipeline

    @classmethod
    def fit(cls, descriptors: FloatArray, labels: NDArray[np.bool_]) -> "CheapPixelsModel":
        """Fit on (N, D) descriptors of one age and (N,) labels; raises `DataError` when only one class is there.

        N tracks give N - 1 components at most.
        """
        if labels.all() or not labels.any():
            raise DataError(f"cheap pixels: {len(labels)} tracks of one class; both classes are needed to fit")
        count = min(COMPONENTS, len(descriptors) - 1)
        components = PCA(count, svd_solver="arpack", random_state=START)
        regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MOST_ITERATIONS)
        return cls(make_pipeline(components, regression).fit(descriptors.astype(np.float64), labels))

    def score(self, descriptors: FloatArray) -> Floats:
        """Return the probability (N,) of being persistent."""
        probabilities: Any = self.pipeline.predict_proba(descriptors.astype(np.float64))
        scores: Floats = probabilities[:, 1]
        return scores
