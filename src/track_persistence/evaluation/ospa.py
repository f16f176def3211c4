"""OSPA, the distance between two sets of points that counts an error per point.

Schuhmacher, Vo and Vo, "A consistent metric for performance evaluation of multi-object filters", IEEE Transactions on
Signal Processing 2008. Unlike GOSPA it is divided by the size of the larger set, so it never exceeds its cut-off and
does not tell missed points from false ones.
"""

from dataclasses import dataclass

import numpy as np

from track_persistence.evaluation.metrics3d import Points, assign_within


@dataclass(frozen=True)
class Ospa:
    """OSPA of one frame, each part as its contribution to ospa ** order, so that the parts sum to the whole.

    localisation: of the pairs, among them those at the cut-off; cardinality: of the points that the larger set has
    more. Both in metres to the power `order`.
    """

    localisation: float
    cardinality: float
    order: int

    @property
    def distance_m(self) -> float:
        """The metric in metres: the sum of the parts to the power 1 / order."""
        return float((self.localisation + self.cardinality) ** (1 / self.order))


def ospa(truth_m: Points, estimate_m: Points, cutoff_m: float, order: int) -> Ospa:
    """Return OSPA between the sets truth_m (n, 3) and estimate_m (m, 3); two empty sets are at distance 0.

    A pair costs min(distance, cutoff_m) ** order, a point without partner cutoff_m ** order. `order` is the metric's
    own exponent p >= 1.
    """
    smaller, larger = sorted((len(truth_m), len(estimate_m)))
    if larger == 0:
        return Ospa(0.0, 0.0, order)
    pairs, distances_m = assign_within(truth_m, estimate_m, cutoff_m, order)
    at_cutoff = cutoff_m**order * (smaller - len(pairs))
    return Ospa(
        localisation=float(np.sum(distances_m**order) + at_cutoff) / larger,
        cardinality=cutoff_m**order * (larger - smaller) / larger,
        order=order,
    )
