import numpy as np

from track_persistence.evaluation.resampling import with_intervals


def share(row: np.ndarray) -> dict[str, float]:
    return {"share": float(row[0] / row[1])}


def test_the_ratio_is_of_the_sums_and_the_ends_are_ratios_of_resampled_scenes() -> None:
    # 1 of 1 and 0 of 3: the ratio of the sums is 1/4, the mean of the ratios would be 1/2; a draw holds one scene
    # twice (share 1 or 0, each with probability 1/4) or both
    got = with_intervals(share, np.array([[1.0, 1.0], [0.0, 3.0]]), np.random.default_rng(0), 200)
    assert got == {"share": {"value": 0.25, "low": 0.0, "high": 1.0}}


def test_metrics_see_the_sums_over_the_scenes() -> None:
    got = with_intervals(lambda row: {"total": row[0]}, np.array([[1.0], [4.0]]), np.random.default_rng(0), 200)
    assert got == {"total": {"value": 5, "low": 2, "high": 8}}


def test_scenes_that_agree_leave_no_width() -> None:
    got = with_intervals(share, np.array([[1.0, 2.0]] * 5), np.random.default_rng(0), 20)
    assert got["share"] == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_one_scene_has_a_value_and_no_interval() -> None:
    got = with_intervals(share, np.array([[1.0, 2.0]]), np.random.default_rng(0), 20)["share"]
    assert got["value"] == 0.5
    assert np.isnan([got["low"], got["high"]]).all()
