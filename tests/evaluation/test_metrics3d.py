from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stonesoup.metricgenerator.ospametric import GOSPAMetric
from stonesoup.types.state import State

from track_persistence.core.errors import DataError
from track_persistence.evaluation.metrics3d import Frame, assign_within, count_at_distances, count_points, gospa

NOTHING = np.empty((0, 3))


def points(*x_m: float) -> np.ndarray:
    """Points along the x axis."""
    return np.array([[x, 0.0, 0.0] for x in x_m]).reshape(-1, 3)


def frame(truth: np.ndarray, estimate: np.ndarray, unseen: np.ndarray = NOTHING) -> Frame:
    return Frame(truth, unseen, estimate)


def test_a_pair_inside_the_cutoff_costs_its_squared_distance() -> None:
    got = gospa(points(0, 10), points(0.5, 10), cutoff_m=2)
    assert got.localisation == pytest.approx(Fraction(1, 4))
    assert (got.missed, got.false) == (0, 0)
    assert got.distance_m == pytest.approx(Fraction(1, 2))


def test_a_point_left_alone_costs_half_the_squared_cutoff() -> None:
    # c = 2: a missed and a false point cost 2^2 / 2 = 2 each
    got = gospa(points(0, 50), points(1), cutoff_m=2)
    assert (got.localisation, got.missed, got.false) == (1, 2, 0)
    assert got.distance_m == pytest.approx(3**0.5)
    got = gospa(points(0), points(1, 30, 40), cutoff_m=2)
    assert (got.localisation, got.missed, got.false) == (1, 0, 4)


def test_a_pair_at_the_cutoff_counts_as_one_missed_and_one_false() -> None:
    got = gospa(points(0), points(2), cutoff_m=2)
    assert (got.localisation, got.missed, got.false) == (0, 2, 2)


def test_the_best_pairing_is_global_not_greedy() -> None:
    # greedy takes the pair 1.0-1.1 first and leaves 0.0-2.0 alone; the best pairing is 0-1.1 and 1-2: 1.21 + 1
    got = gospa(points(0, 1), points(1.1, 2), cutoff_m=3)
    assert got.localisation == pytest.approx(Fraction(121, 100) + 1)
    assert (got.missed, got.false) == (0, 0)


def test_a_hopeless_point_does_not_spoil_a_good_pair() -> None:
    # 1.5-1.4 with 0 and 100 left alone costs 1/100 + 2 + 2; uncut distances would pair 0-1.4 to bring 100 nearer
    got = gospa(points(0, 1.5), points(1.4, 100), cutoff_m=2)
    assert got.localisation == pytest.approx(Fraction(1, 100))
    assert (got.missed, got.false) == (2, 2)


def test_the_first_order_metric_adds_distances() -> None:
    # p = 1, c = 4: a pair at 3 costs 3, a false point 4 / 2 = 2
    got = gospa(points(0), points(3, 90), cutoff_m=4, order=1)
    assert (got.localisation, got.missed, got.false, got.distance_m) == (3, 0, 2, 5)


def test_empty_sets_are_at_distance_zero() -> None:
    assert gospa(NOTHING, NOTHING, cutoff_m=2).distance_m == 0


COORDINATES = st.lists(st.tuples(*[st.floats(-5, 5, width=32)] * 3), max_size=4)


@settings(max_examples=60, deadline=None)
@given(COORDINATES, COORDINATES)
def test_gospa_is_the_least_cost_over_every_pairing(truth: list, estimate: list) -> None:
    x, y = (np.array(p, float).reshape(-1, 3) for p in (truth, estimate))

    def least(i: int, free: frozenset[int]) -> float:
        """Cost by the definition: row i stays alone or takes a free column, at any distance."""
        if i == len(x):
            return 2.0 * len(free)  # c^2 / 2 with c = 2
        pairs = [((x[i] - y[j]) ** 2).sum() + least(i + 1, free - {j}) for j in free]
        return min([2.0 + least(i + 1, free), *pairs])

    got = gospa(x, y, cutoff_m=2)
    assert got.distance_m**2 == pytest.approx(least(0, frozenset(range(len(y)))), abs=1e-9)
    assert got.distance_m**2 == pytest.approx(got.localisation + got.missed + got.false, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(COORDINATES, COORDINATES, COORDINATES)
def test_gospa_is_a_metric(a: list, b: list, c: list) -> None:
    x, y, z = (np.array(p, float).reshape(-1, 3) for p in (a, b, c))
    assert gospa(x, x, 2).distance_m == 0
    assert gospa(x, y, 2).distance_m == pytest.approx(gospa(y, x, 2).distance_m)
    assert gospa(x, z, 2).distance_m <= gospa(x, y, 2).distance_m + gospa(y, z, 2).distance_m + 1e-9


def states(points_m: np.ndarray) -> list[State]:
    """The points as Stone Soup takes them, all at one time."""
    return [State(point, timestamp=datetime(2000, 1, 1, tzinfo=UTC)) for point in points_m]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("cutoff_m", [0.5, 3.0, 20.0])
def test_gospa_and_its_parts_are_those_of_stone_soup(order: int, cutoff_m: float) -> None:
    rng = np.random.default_rng(order)
    peer = GOSPAMetric(p=order, c=cutoff_m)
    for n, m in [(0, 4), (4, 0), (1, 1), (3, 7), (7, 3), *rng.integers(1, 9, (10, 2))]:
        truth, estimate = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
        theirs = peer.compute_gospa_metric(states(estimate), states(truth))[0].value
        ours = gospa(truth, estimate, cutoff_m, order)
        for part in ("localisation", "missed", "false"):
            assert getattr(ours, part) == pytest.approx(theirs[part], rel=1e-12, abs=1e-12)
        assert ours.distance_m == pytest.approx(theirs["distance"], rel=1e-12, abs=1e-12)


def test_points_pair_one_to_one_and_only_within_the_gate() -> None:
    pairs, distances_m = assign_within(points(0, 5), points(5.25, 0.5, 0.75, 9), gate_m=1)
    assert pairs.tolist() == [[0, 1], [1, 0]]
    assert distances_m.tolist() == [0.5, 0.25]


def test_a_second_point_on_the_same_object_is_spurious() -> None:
    got = count_points([frame(points(0), points(0.5, -0.75))], gate_m=1, cutoff_m=2)
    assert (got.points, got.matched, got.spurious, got.missed) == (2, 1, 1, 0)
    assert got.squared_error_m2 == pytest.approx(Fraction(1, 4))


def test_a_point_outside_the_gate_is_spurious_and_its_object_is_missed() -> None:
    got = count_points([frame(points(0), points(1.5))], gate_m=1, cutoff_m=2)
    assert (got.matched, got.spurious, got.missed, got.squared_error_m2) == (0, 1, 1, 0)
    # within the GOSPA cut-off the same pair is a localisation error of 1.5^2
    assert (got.gospa_localisation_m2, got.gospa_missed_m2, got.gospa_false_m2) == (2.25, 0, 0)


def test_a_point_on_an_object_that_one_camera_sees_is_neither_right_nor_wrong() -> None:
    got = count_points([frame(points(0), points(0.25, 8.5), unseen=points(8))], gate_m=1, cutoff_m=2)
    assert (got.points, got.ignored, got.truth, got.matched, got.spurious, got.missed) == (2, 1, 1, 1, 0, 0)
    assert got.gospa_false_m2 == 0


def test_an_unseen_object_takes_no_point_from_a_seen_one() -> None:
    # the point lies nearer to the unseen object, but the seen one is matched first
    got = count_points([frame(points(0), points(0.5), unseen=points(0.6))], gate_m=1, cutoff_m=2)
    assert (got.matched, got.missed, got.ignored) == (1, 0, 0)


def test_counts_of_frames_add_up() -> None:
    one = frame(points(0), points(0.5, 9))
    got = count_points([one, one, frame(points(3), NOTHING)], gate_m=1, cutoff_m=2)
    assert (got.frames, got.truth, got.matched, got.spurious, got.missed) == (3, 3, 2, 2, 1)
    assert got.squared_error_m2 == pytest.approx(Fraction(1, 2))
    assert (got.gospa_localisation_m2, got.gospa_missed_m2, got.gospa_false_m2) == (0.5, 2, 4)


def test_a_larger_distance_finds_more_and_counts_each_frame_again() -> None:
    # errors 0.5 and 1.5 m, one point far off: 1 of 3 estimates match within 1 m and 2 within 2 m
    got = count_at_distances([frame(points(0, 10), points(0.5, 11.5, 90))] * 2, [1, 2])
    assert got.distances_m.tolist() == [1, 2]
    assert got.matched.tolist() == [2, 4]
    assert got.spurious.tolist() == [4, 2]
    assert got.missed.tolist() == [2, 0]


def test_at_every_distance_points_on_unseen_objects_are_ignored_within_that_distance() -> None:
    got = count_at_distances([frame(points(0), points(0.1, 8.5), unseen=points(8))], [0.25, 1])
    assert got.matched.tolist() == [1, 1]
    assert got.spurious.tolist() == [1, 0]


def test_matches_at_a_distance_are_those_of_the_point_counts() -> None:
    rng = np.random.default_rng(0)
    scene = [Frame(*(rng.uniform(0, 6, (rng.integers(6), 3)) for _ in range(3))) for _ in range(20)]
    counts = count_points(scene, gate_m=2, cutoff_m=2)
    got = count_at_distances(scene, [2])
    assert (got.matched[0], got.spurious[0], got.missed[0]) == (counts.matched, counts.spurious, counts.missed)
    assert counts.ignored > 0


def test_no_frames_count_nothing() -> None:
    assert count_points([], gate_m=1, cutoff_m=2).frames == 0


def test_points_that_are_not_finite_positions_are_refused() -> None:
    with pytest.raises(DataError, match=r"estimate_m: expected finite \(n, 3\) metres"):
        frame(points(0), np.full((1, 3), np.nan))
    with pytest.raises(DataError, match="truth_m"):
        frame(np.zeros((2, 2)), NOTHING)
