from itertools import combinations, permutations, product

import numpy as np
import pytest

from track_persistence.stereo.grouping import Gains, assign, gain_of, group


def total(groups: list[tuple[tuple[int, int], ...]], gains: Gains) -> float:
    return sum(gain_of(gains, *pair) for members in groups for pair in combinations(members, 2))


def test_assignment_has_the_largest_sum_of_all_ways_to_pair() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        gains = np.where(rng.random((rows, columns)) < 0.2, -np.inf, rng.normal(0, 3, (rows, columns)))
        # Every row takes one of the columns or one of as many places without partner.
        padded = np.hstack([gains, np.zeros((rows, rows))])
        best = max(padded[range(rows), chosen].sum() for chosen in permutations(range(columns + rows), rows))
        found = assign(gains)
        assert sum(gains[pair] for pair in found) == pytest.approx(best)
        assert all(gains[pair] > 0 for pair in found)


def test_nothing_is_assigned_where_a_camera_saw_nothing() -> None:
    assert assign(np.empty((0, 3))) == assign(np.empty((3, 0))) == []
    assert group({(0, 1): np.empty((0, 3))}, (0, 3)) == []


def test_groups_of_two_cameras_are_the_assignment() -> None:
    gains = np.array([[10.0, 9.0], [9.0, 1.0]])
    assert group({(0, 1): gains}, (2, 2)) == [((0, 0), (1, 1)), ((0, 1), (1, 0))]


def test_a_forbidden_pair_breaks_the_weakest_edge_of_a_triangle() -> None:
    one = np.ones((1, 1))
    gains = {(0, 1): 5 * one, (0, 2): -np.inf * one, (1, 2): 4 * one}
    assert group(gains, (1, 1, 1)) == [((0, 0), (1, 0))]
    assert group(gains | {(1, 2): 6 * one}, (1, 1, 1)) == [((1, 0), (2, 0))]


@pytest.mark.parametrize(("implied", "size"), [(-3.9, 3), (-4.1, 2), (0.0, 3)])
def test_an_implied_pair_that_speaks_against_a_group_is_weighed_against_its_weakest_edge(
    implied: float, size: int
) -> None:
    # Joining track 3 to the sure pair adds 4 through camera 2 and `implied` through camera 1.
    one = np.ones((1, 1))
    (members, *_) = group({(0, 1): 5 * one, (0, 2): implied * one, (1, 2): 4 * one}, (1, 1, 1))
    assert len(members) == size


def test_no_group_gets_two_tracks_of_one_camera() -> None:
    # By way of cameras 2 and 3 the two tracks of camera 1 would be one thing. Apart, 9 + 8 is more than 9 + 7.
    gains = {(0, 1): np.array([[9.0], [0.0]]), (0, 2): np.array([[0.0], [8.0]]), (1, 2): np.array([[7.0]])}
    assert group(gains, (2, 1, 1)) == [((0, 0), (1, 0)), ((0, 1), (2, 0))]


def test_a_third_camera_corrects_two_that_alone_would_err() -> None:
    # Cameras 1 and 2 alone prefer 0-1 (10) over 0-0 (9); camera 3 knows that 1 is not it: 9 + 8 + 8 against 10 + 8.
    gains = {(0, 1): np.array([[9.0, 10.0]]), (0, 2): np.array([[8.0]]), (1, 2): np.array([[8.0], [-np.inf]])}
    assert group(gains, (1, 2, 1)) == [((0, 0), (1, 0), (2, 0))]


def test_two_sure_pairs_are_not_joined_by_a_weaker_link_that_another_pair_contradicts() -> None:
    # All four would be the longest chain, but cameras 1 and 4 hardly mean one thing: 5 + 5 is more than 5 + 5 + 4 - 20.
    one = np.ones((1, 1))
    gains = {pair: 0 * one for pair in combinations(range(4), 2)}
    gains |= {(0, 1): 5 * one, (2, 3): 5 * one, (1, 2): 4 * one, (0, 3): -20 * one}
    assert group(gains, (1, 1, 1, 1)) == [((0, 0), (1, 0)), ((2, 0), (3, 0))]


def test_groups_of_four_cameras_survive_planted_contradictions() -> None:
    rng = np.random.default_rng(4)
    things = 6
    orders = [rng.permutation(things) for _ in range(4)]
    gains = {}
    for i, j in combinations(range(4), 2):
        gains[i, j] = np.full((things, things), -np.inf)
        gains[i, j][orders[i], orders[j]] = rng.uniform(4, 12, things)
    # A chance fit between two things in one pair of cameras, stronger than any truth, but forbidden everywhere else.
    gains[1, 3][orders[1][0], orders[3][1]] = 15.0
    # And a thing whose first two cameras alone say that it is two.
    gains[0, 1][orders[0][2], orders[1][2]] = -1.0
    expected = sorted(tuple((camera, int(orders[camera][thing])) for camera in range(4)) for thing in range(things))
    assert group(gains, [things] * 4) == expected


def test_groups_of_three_cameras_are_nearly_the_best_there_are() -> None:
    rng = np.random.default_rng(5)
    reached = []
    for _ in range(12):
        gains = {pair: rng.normal(0, 3, (2, 2)) for pair in combinations(range(3), 2)}
        found = group(gains, (2, 2, 2))
        places = [place for members in found for place in members]
        assert len(places) == len(set(places))
        best = 0.0
        # Each track goes to one of six groups; that no camera has two in one is checked.
        for labels in product(range(6), repeat=6):
            if labels[0] != labels[1] and labels[2] != labels[3] and labels[4] != labels[5]:
                value = 0.0
                for (i, j), gain in gains.items():
                    for a, b in product(range(2), repeat=2):
                        if labels[2 * i + a] == labels[2 * j + b]:
                            value += gain[a, b]
                best = max(best, value)
        assert total(found, gains) <= best + 1e-9
        reached.append(total(found, gains) >= best - 1e-9)
    # Pure noise is the worst case; a local optimum is allowed in some of the cases.
    assert np.mean(reached) >= 0.8
