import numpy as np
import pytest

from track_persistence.classifier.rules import RULES, rule_score
from track_persistence.classifier.table import Boxes


def make(frames: list[int], confidences: list[float] | None = None) -> Boxes:
    count = len(frames)
    scores = np.full(count, 0.5) if confidences is None else np.array(confidences)
    boxes = np.tile(np.array([0, 0, 4, 4], np.float32), (count, 1))
    return Boxes(np.array(frames, np.int32), boxes, scores.astype(np.float32))


def test_sort_counts_the_longest_run_of_hits() -> None:
    assert RULES["min_hits"](make([5, 6, 9, 10, 11])).tolist() == [1, 2, 2, 2, 3]


def test_deepsort_deletes_a_tentative_track_at_its_first_miss() -> None:
    assert RULES["n_init"](make([5, 6, 9, 10, 11])).tolist() == [1, 2, 2, 2, 2]


def test_bytetrack_wants_a_confident_birth_and_a_confirming_next_frame() -> None:
    # consecutive frames: (.9, .5) confirms at min(.9, .5 + .1) = .6, (.8, .75) at .8; frames 3 and 5 do not touch
    track = make([1, 2, 3, 5, 6], [0.9, 0.5, 0.4, 0.8, 0.75])
    assert RULES["bytetrack"](track) == pytest.approx([0.9 - 2, 0.6, 0.6, 0.6, 0.8], abs=1e-6)


def test_bytetrack_ranks_unconfirmed_tracks_below_all_confirmed_ones() -> None:
    assert rule_score("bytetrack", make([1], [1.0]), None) < rule_score("bytetrack", make([1, 2], [0.0, 0.0]), None)


def test_norfairs_counter_rises_with_hits_and_falls_with_misses() -> None:
    # 1, 2, 3, then one miss and a hit: 3 - 1 + 1 = 3, then 4
    assert RULES["norfair"](make([1, 2, 3, 5, 6])).tolist() == [1, 2, 3, 3, 4]


def test_norfairs_object_dies_below_zero() -> None:
    # after frame 2 the counter is 2; three misses bring it to -1, and what follows is another object
    assert RULES["norfair"](make([1, 2, 6, 7, 8, 9])).tolist() == [1, 2, 2, 2, 2, 2]
    assert RULES["norfair"](make([1, 2, 5, 6, 7, 8])).tolist() == [1, 2, 2, 2, 3, 4]  # two misses: 0, still alive


def test_confidence_scores_are_mean_highest_and_sum_so_far() -> None:
    track = make([1, 2, 3], [0.5, 1.0, 0.0])
    assert RULES["mean_confidence"](track) == pytest.approx([1 / 2, 3 / 4, 1 / 2])
    assert RULES["max_confidence"](track) == pytest.approx([1 / 2, 1, 1])
    assert RULES["sum_confidence"](track) == pytest.approx([1 / 2, 3 / 2, 3 / 2])


@pytest.mark.parametrize("name", RULES)
def test_no_rule_looks_ahead(name: str) -> None:
    rng = np.random.default_rng(0)
    frames = np.cumsum(rng.integers(1, 4, 20)).tolist()
    confidences = rng.random(20).tolist()
    whole = RULES[name](make(frames, confidences))
    for count in range(1, 21):
        assert RULES[name](make(frames[:count], confidences[:count]))[-1] == pytest.approx(whole[count - 1])
        assert rule_score(name, make(frames, confidences), count) == whole[count - 1]


@pytest.mark.parametrize("name", sorted(set(RULES) - {"mean_confidence"}))
def test_a_kept_track_stays_kept(name: str) -> None:
    rng = np.random.default_rng(1)
    running = RULES[name](make(np.cumsum(rng.integers(1, 4, 30)).tolist(), rng.random(30).tolist()))
    assert (np.diff(running) >= 0).all()


def test_an_age_past_the_end_takes_the_whole_track() -> None:
    assert rule_score("min_hits", make([1, 2]), 10) == rule_score("min_hits", make([1, 2]), None) == 2
