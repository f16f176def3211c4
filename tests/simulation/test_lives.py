import itertools

import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.lives import Life, draw_length, draw_life, reported
from track_persistence.simulation.matched_config import LivesConfig


@pytest.fixture
def lives(config: GenerateConfig) -> LivesConfig:
    return config.matched.lives


def test_lengths_are_log_uniform_with_both_ends(lives: LivesConfig) -> None:
    rng = generator(1, "lengths")
    drawn = np.array([draw_length(rng, (1, 7)) for _ in range(4000)])
    assert (drawn.min(), drawn.max()) == (1, 7)
    # Log-uniform over [1, 8): one frame has log 2 / log 8 = 1/3 of it, four frames log(5/4) / log 8.
    assert (drawn == 1).mean() == pytest.approx(1 / 3, abs=0.03)
    assert (drawn == 4).mean() == pytest.approx(np.log(5 / 4) / np.log(8), abs=0.02)


def test_the_windows_of_a_life_lie_in_its_frames_and_do_not_meet(lives: LivesConfig) -> None:
    rng = generator(2, "lives")
    several = 0
    for _ in range(300):
        life = draw_life(rng, lives, 100)
        assert np.diff(life.frames).tolist() == [1] * (len(life.frames) - 1)
        assert 0 <= life.frames[0] and life.frames[-1] < 100
        for windows in life.windows:
            several += len(windows) > 1
            for window in windows:
                assert life.frames[0] <= window.start < window.stop <= life.frames[-1] + 1
            for before, after in itertools.pairwise(windows):
                assert before.stop < after.start
        assert any(life.windows)
    assert several > 50


def test_a_tracker_gives_up_after_a_run_of_misses_and_the_longest_part_stays(lives: LivesConfig) -> None:
    settings = lives.model_copy(update={"miss_share": (0.0, 0.0), "most_missed_frames": 3})
    possible = np.ones(20, np.bool_)
    possible[[2, 3]] = False
    possible[9:13] = False
    seen = reported(generator(0, "x"), settings, range(30, 50), possible)
    # Two misses are bridged, four are not: of frames 0-8 without two (7) and 13-19 (7) the first part wins the tie.
    assert seen.tolist() == [30, 31, 34, 35, 36, 37, 38]
    assert seen.dtype == np.int32


def test_a_window_in_which_nothing_can_be_seen_gives_no_track(lives: LivesConfig) -> None:
    assert len(reported(generator(0, "x"), lives, range(5, 9), np.zeros(4, np.bool_))) == 0


def test_a_thing_is_in_view_only_if_it_is_in_every_fragment_of_both_cameras() -> None:
    life = Life(np.arange(10, 30, dtype=np.int32), ((range(12, 16), range(20, 25)), (range(12, 16),)))
    everywhere, gone = np.ones(20, np.bool_), np.ones(20, np.bool_)
    assert life.is_in_view((everywhere, everywhere), 1.0)
    gone[20 - 10] = False
    # One of the second fragment's five frames is lost, and that in the first camera only.
    assert life.is_in_view((gone, everywhere), 4 / 5)
    assert not life.is_in_view((gone, everywhere), 0.81)
    assert life.is_in_view((everywhere, gone), 1.0)
