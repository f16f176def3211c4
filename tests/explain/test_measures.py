import numpy as np
import pytest

from track_persistence.explain.measures import mean_of, measure, summarise_attention


def no_interval(values, groups):
    return None


def test_even_attention_has_lift_one_and_full_entropy():
    shape = measure(np.full(4, 1 / 4))
    assert shape.max_lift == pytest.approx(1)
    assert shape.entropy_ratio == pytest.approx(1)


def test_all_equal_weights_peak_in_the_middle_not_at_the_first_frame():
    assert measure(np.full(5, 1 / 5)).peak_position == pytest.approx(1 / 2)


def test_all_attention_on_the_last_frame():
    shape = measure(np.array([0.0, 0.0, 0.0, 1.0]))
    assert (shape.max_lift, shape.entropy_ratio, shape.peak_position) == (4, 0, 1)


def test_half_of_the_attention_on_the_second_of_three_frames():
    shape = measure(np.array([1 / 4, 1 / 2, 1 / 4]))
    assert shape.max_lift == pytest.approx(3 / 2)
    # 2 * (1/4 ln 4) + 1/2 ln 2 = 3/2 ln 2
    assert shape.entropy_ratio == pytest.approx(3 / 2 * np.log(2) / np.log(3))
    assert shape.peak_position == pytest.approx(1 / 2)


def test_a_single_frame_has_no_shape():
    assert measure(np.ones(1)) is None


@pytest.mark.parametrize("frames", [2, 3, 10, 40])
def test_the_random_control_is_the_expectation_over_weights_without_meaning(frames):
    draws = np.random.default_rng(3).dirichlet(np.ones(frames), size=20_000)
    shapes = measure(draws[0])
    lifts = frames * draws.max(axis=1)
    entropies = -(draws * np.log(draws)).sum(axis=1) / np.log(frames)
    assert shapes.random_lift == pytest.approx(lifts.mean(), abs=5 * lifts.std() / np.sqrt(20_000))
    assert shapes.random_entropy_ratio == pytest.approx(entropies.mean(), abs=5 * entropies.std() / np.sqrt(20_000))


def test_single_frames_are_counted_but_not_averaged():
    summary = summarise_attention([measure(np.array([1.0, 0.0])), None], [0, 0], no_interval)
    assert (summary["tracks"], summary["single_frame_tracks"]) == (1, 1)
    assert summary["max_lift"] == {"value": 2.0}
    # H_2 = 3/2
    assert summary["max_lift_random_control"] == {"value": 1.5}
    assert summary["excess_lift"] == {"value": 0.5}


def test_a_group_without_tracks_has_no_mean():
    assert mean_of([], [], no_interval) is None
