import math

import numpy as np
import pytest

from track_persistence.evaluation.kitti_metrics import CHANGE, choose, metrics_of, pool_sequences
from track_persistence.evaluation.outcomes import OFF


def counts(frames=1, matched=0, spurious=0, missed=0, squared_error_m2=0.0):
    """Count with a cut-off of 2 m: a missed and a false point cost 2 m^2 each."""
    return {
        "frames": frames,
        "truth": matched + missed,
        "matched": matched,
        "spurious": spurious,
        "missed": missed,
        "squared_error_m2": squared_error_m2,
        "gospa_localisation_m2": squared_error_m2,
        "gospa_missed_m2": 2.0 * missed,
        "gospa_false_m2": 2.0 * spurious,
    }


def test_metrics_are_ratios_of_sums_and_lengths_are_roots_of_them():
    found = metrics_of(counts(frames=4, matched=8, spurious=2, missed=4, squared_error_m2=4.0))
    assert found == pytest.approx(
        {
            "precision": 8 / 10,
            "recall": 8 / 12,
            "spurious_per_frame": 2 / 4,
            "missed_per_frame": 4 / 4,
            "gospa_m": math.sqrt((4 + 8 + 4) / 4),
            "gospa_localisation_m": 1.0,
            "gospa_missed_m": math.sqrt(8 / 4),
            "gospa_false_m": 1.0,
            "rmse_m": math.sqrt(4 / 8),
        }
    )


def test_a_metric_without_denominator_is_nan():
    found = metrics_of(counts(missed=1))
    assert math.isnan(found["precision"])
    assert math.isnan(found["rmse_m"])
    assert found["recall"] == 0


def test_each_sequence_gets_the_candidate_that_is_best_on_all_others():
    low = {"a": counts(spurious=9), "b": counts(spurious=1), "c": counts(spurious=1)}
    high = {"a": counts(spurious=0), "b": counts(spurious=3), "c": counts(spurious=2)}
    # Without a: 2 false points against 5. Without b: 10 against 2. Without c: 10 against 3.
    found, chosen = choose({0.3: low, 0.6: high})
    assert chosen == {"a": 0.3, "b": 0.6, "c": 0.6}
    assert found == {"a": low["a"], "b": high["b"], "c": high["c"]}


def test_the_smaller_of_equal_candidates_is_taken():
    same = {"a": counts(spurious=1), "b": counts(spurious=1)}
    assert choose({0.9: same, 0.3: same, 0.6: same})[1] == {"a": 0.3, "b": 0.3}


def pooled(found, off, replicates=400):
    return pool_sequences({OFF: off, "rule": found}, np.random.default_rng(0), replicates)


def test_sequences_are_pooled_by_their_sums_and_compared_with_no_filter_on_the_same_ones():
    off = {"a": counts(frames=1, spurious=8), "b": counts(frames=3, matched=1, spurious=24)}
    rule = {"a": counts(frames=1, spurious=2), "b": counts(frames=3, matched=1, spurious=6)}
    found = pooled(rule, off)
    assert found[OFF]["gospa_m"]["value"] == pytest.approx(math.sqrt(2 * 32 / 4))
    assert found["rule"]["gospa_m"]["value"] == pytest.approx(math.sqrt(2 * 8 / 4))
    # In both sequences 16 m^2 a frame become 4 m^2, so that every resampling sees the same change.
    assert [found["rule"][CHANGE][key] for key in ("value", "low", "high")] == pytest.approx([-2.0, -2.0, -2.0])
    assert found["rule"]["counts"]["spurious"] == 8
    assert found["rule"]["gospa_m_by_sequence"] == pytest.approx({"a": 2.0, "b": 2.0})


def test_an_interval_spans_what_resampled_sequences_give():
    off = {name: counts(frames=1, matched=1, spurious=row % 2) for row, name in enumerate("abcdefghijklmnop")}
    precision = pooled(off, off)[OFF]["precision"]
    # 8 of 16 sequences have a false point: 16 / (16 + n) with n binomial, at 95 % from 4 to 12.
    assert (precision["low"], precision["high"]) == pytest.approx((16 / 28, 16 / 20), abs=0.02)


def test_one_sequence_with_points_says_nothing_about_the_spread():
    off = {"a": counts(frames=1, matched=3, spurious=1), "b": counts(frames=1, missed=1), "c": counts(frames=1)}
    found = pooled(off, off)[OFF]
    assert found["precision"]["value"] == 3 / 4
    assert math.isnan(found["precision"]["low"])
    assert math.isnan(found["rmse_m"]["high"])
    assert found["recall"]["low"] <= 3 / 4 <= found["recall"]["high"]
