import math
from fractions import Fraction

import numpy as np
import pytest

from track_persistence.evaluation.pooling import pool, ratio

ROW = {
    "tracks": 15,
    "kept": 15,
    "persistent": 5,
    "persistent_kept": 5,
    "points": 130,
    "ignored": 0,
    "truth": 105,
    "matched": 100,
    "spurious": 30,
    "missed": 5,
    "squared_error_m2": 4.0,
    "frames": 50,
    "gospa_localisation_m2": 8.0,
    "gospa_missed_m2": 10.0,
    "gospa_false_m2": 60.0,
}
ON = ROW | {"kept": 6, "persistent_kept": 4, "points": 91, "spurious": 1, "gospa_false_m2": 2.0}
OTHER_ON = ON | {"kept": 5, "persistent_kept": 5}


def pooled(replicates: int = 50) -> dict:
    scenes = {"off": [ROW, ROW], "on": [ON, OTHER_ON], "min_hits": [ROW, ON]}
    return pool(scenes, 0.667, np.random.default_rng(1), replicates)


def test_ratios_are_taken_over_all_scenes_at_once() -> None:
    got = pooled()
    assert got["on"]["precision"]["value"] == pytest.approx(Fraction(4 + 5, 6 + 5))  # not the mean of 4/6 and 5/5
    assert got["on"]["recall"]["value"] == pytest.approx(Fraction(9, 10))
    assert got["off"]["precision"]["value"] == pytest.approx(Fraction(1, 3))


def test_the_reductions_compare_with_the_filter_off() -> None:
    got = pooled()
    assert got["track_reduction"]["value"] == pytest.approx(1 - Fraction(11, 30))
    assert got["point_reduction"]["value"] == pytest.approx(1 - Fraction(91, 130))
    assert got["on"]["track_reduction"] == got["track_reduction"]
    assert got["min_hits"]["track_reduction"]["value"] == pytest.approx(1 - Fraction(21, 30))
    assert got["off"]["track_reduction"]["value"] == 0


def test_spurious_and_missed_points_are_means_per_scene() -> None:
    got = pooled()
    assert got["min_hits"]["spurious_points"]["value"] == pytest.approx(Fraction(31, 2))
    assert got["on"]["missed_points"]["value"] == 5


def test_errors_are_root_mean_squares_and_the_parts_of_gospa_add_up_in_squares() -> None:
    got = pooled()["off"]
    assert got["rmse_m"]["value"] == pytest.approx(Fraction(1, 5))  # sqrt(4 / 100)
    assert got["gospa_localisation_m"]["value"] == pytest.approx(Fraction(2, 5))  # sqrt(8 / 50)
    parts = [got[f"gospa_{part}_m"]["value"] ** 2 for part in ("localisation", "missed", "false")]
    assert got["gospa_m"]["value"] ** 2 == pytest.approx(sum(parts)) == pytest.approx(Fraction(78, 50))


def test_counts_stand_beside_the_ratios() -> None:
    got = pooled()
    assert (got["seeds"], got["expected_filtered"]) == (2, 0.667)
    assert got["on"]["counts"]["kept"] == 11


def test_an_interval_holds_its_value_and_comes_from_whole_scenes() -> None:
    precision = pooled()["on"]["precision"]
    # resampling two scenes yields 4/6, 9/11 or 5/5, each often enough to be within 95 %
    assert precision["low"] == pytest.approx(Fraction(4, 6))
    assert precision["high"] == 1
    same = pooled()["off"]["recall"]
    assert (same["low"], same["value"], same["high"]) == (1, 1, 1)


def test_the_same_generator_gives_the_same_intervals() -> None:
    assert pooled() == pooled()


def test_a_ratio_over_nothing_is_undefined() -> None:
    nothing = ROW | {"kept": 0, "persistent_kept": 0, "matched": 0, "squared_error_m2": 0.0}
    got = pool({"off": [ROW, ROW], "on": [nothing, nothing]}, 0.0, np.random.default_rng(1), 5)
    assert math.isnan(got["on"]["precision"]["value"])
    assert math.isnan(got["on"]["rmse_m"]["low"])
    assert got["on"]["track_reduction"]["value"] == 1
    assert math.isnan(ratio(1, 0))
