"""From gains of pairs of tracks to groups of tracks, at most one per camera.

The total gain of the pairs inside groups is maximised: exactly for two cameras, where it is a linear assignment. For
more it is NP-hard, so pairs are joined greedily and then each camera in turn is reassigned exactly against what the
others have, until nothing is gained (local improvement by matchings: Bandelt, Crama and Spieksma 1994).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from track_persistence.stereo.pixels import FloatArray

Place = tuple[int, int]
"""A camera, and a position in its sequence of tracks."""
CameraPair = tuple[int, int]
Gains = Mapping[CameraPair, FloatArray]
"""By pair of cameras (i < j): (n_i, n_j) what a pair adds, -inf where it must not be, 0 where nothing is known."""
# Sums of gains in another order differ by rounding.
LEAST_GAIN = 1e-6


def assign(gains: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs with the largest total gain; a gain of 0 or less is worse than no partner."""
    if not gains.size:
        return []
    cost = np.hstack([np.where(gains > 0, -gains, 0.0), np.zeros((len(gains), len(gains)))])
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if j < gains.shape[1] and gains[i, j] > 0]


def group(gains: Gains, counts: Sequence[int]) -> list[tuple[Place, ...]]:
    """Return the groups of two tracks or more, in order of their first places; counts: tracks per camera.

    No group holds a pair of gain -inf. A pair that speaks against a group breaks its weakest edge unless that edge,
    with whatever else it brings into the group, outweighs it.
    """
    edges = [(float(gain[a, b]), (i, a), (j, b)) for (i, j), gain in gains.items() for a, b in assign(gain)]
    groups = _joined(edges, gains, counts)
    if len(counts) > 2:
        groups = _improved(groups, gains, counts)
    return sorted(members for members in groups if len(members) > 1)


def _joined(edges: list[tuple[float, Place, Place]], gains: Gains, counts: Sequence[int]) -> list[tuple[Place, ...]]:
    """Join the surest pairs first, where all pairs between the two groups together gain more than 0."""
    places = [(camera, index) for camera, count in enumerate(counts) for index in range(count)]
    group_of: dict[Place, tuple[Place, ...]] = {place: (place,) for place in places}
    for _, first, second in sorted(edges, key=lambda edge: (-edge[0], edge[1:])):
        one, two = group_of[first], group_of[second]
        if {camera for camera, _ in one} & {camera for camera, _ in two}:
            continue
        if sum(gain_of(gains, a, b) for a in one for b in two) > 0:
            joined = tuple(sorted((*one, *two)))
            group_of |= dict.fromkeys(joined, joined)
    return sorted(set(group_of.values()))


def _improved(groups: list[tuple[Place, ...]], gains: Gains, counts: Sequence[int]) -> list[tuple[Place, ...]]:
    total = _total(groups, gains)
    while True:
        for camera in range(len(counts)):
            groups = _reassigned(groups, camera, counts[camera], gains)
        before, total = total, _total(groups, gains)
        if total <= before + LEAST_GAIN:
            return groups


def _reassigned(groups: list[tuple[Place, ...]], camera: int, count: int, gains: Gains) -> list[tuple[Place, ...]]:
    """Give each track of one camera the group of the others' tracks that suits it, all at once."""
    rest = [tuple(place for place in members if place[0] != camera) for members in groups]
    rest = [members for members in rest if members]
    added = np.zeros((count, len(rest)))
    for column, members in enumerate(rest):
        for other, index in members:
            pair = (min(camera, other), max(camera, other))
            added[:, column] += gains[pair][:, index] if camera < other else gains[pair][index]
    taken = assign(added)
    for row, column in taken:
        rest[column] = tuple(sorted((*rest[column], (camera, row))))
    alone = set(range(count)) - {row for row, _ in taken}
    return sorted([*rest, *(((camera, index),) for index in alone)])


def _total(groups: list[tuple[Place, ...]], gains: Gains) -> float:
    return sum(gain_of(gains, a, b) for members in groups for a, b in combinations(members, 2))


def gain_of(gains: Gains, place: Place, other: Place) -> float:
    """Return the gain of two places of different cameras."""
    (i, a), (j, b) = sorted((place, other))
    return float(gains[i, j][a, b])
