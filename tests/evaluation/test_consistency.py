from dataclasses import replace

import numpy as np
import pytest
from benchmarks.stereo.tracks import bench_rig, paths_in_view, pixels_of, points_in_view
from scipy.stats import binom, chi2

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.evaluation.consistency import (
    PathErrors,
    consistency_metrics,
    count_consistency,
    cramer_rao,
    nees_interval,
    normalised_errors,
    path_errors,
    pool_consistency,
)
from track_persistence.evaluation.paths3d import EstimatedPath, TruePath
from track_persistence.stereo.triangulation import triangulate

EDGES_M = (3.0, 10.0, 30.0)
RATE_HZ = 25.0


def errors_of(
    errors_m: np.ndarray, covariances_m2: np.ndarray, depth_m: float = 5.0, frames: np.ndarray | None = None
) -> PathErrors:
    """A path with these errors beside a truth at rest; the bound is one square metre on each axis."""
    count = len(errors_m)
    truth_m = np.tile([0.0, 0.0, depth_m], (count, 1))
    return PathErrors(
        np.arange(count) if frames is None else frames,
        truth_m,
        truth_m + errors_m,
        covariances_m2,
        np.tile(np.eye(3), (count, 1, 1)),
        truth_m[:, 2],
    )


def test_the_bound_of_a_parallel_pair_is_that_of_the_textbook() -> None:
    # In the middle between two cameras of focal length f and baseline b, with pixel noise s, the derivatives of u are
    # f/z by x and -+ f b / (2 z^2) by z, so the information is diagonal: 2 f^2 / (s z)^2 across, f^2 b^2 / (2 s^2 z^4)
    # along the depth.
    f, b, z, s = 800, 0.5, 12.0, 0.7
    bound = cramer_rao(bench_rig(), np.array([[b / 2, 0.0, z]]), s)
    across, along = (s * z / f) ** 2 / 2, 2 * s**2 * z**4 / (f * b) ** 2
    assert bound[0] == pytest.approx(np.diag([across, across, along]), rel=1e-9, abs=1e-15)


def test_the_bound_is_the_covariance_that_triangulation_states_at_the_true_pixels() -> None:
    rig, rng = bench_rig(), np.random.default_rng(0)
    points_m = points_in_view(rig, 50, rng)
    stated = triangulate(rig, pixels_of(rig, points_m, 0.0, rng), 1.0).covariances_m2
    assert cramer_rao(rig, points_m, 1.0) == pytest.approx(stated, rel=1e-6)


def test_a_camera_that_does_not_see_the_point_adds_nothing_to_the_bound() -> None:
    pair = bench_rig()
    left, right = pair.cameras
    third = replace(right, name="third", cam_from_world=np.column_stack([np.eye(3), [0.3, 0, 0]]))
    rig = CameraRig((left, right, third))
    point = np.array([[0.2, 0.1, 8.0]])
    bound = cramer_rao(rig, np.repeat(point, 3, axis=0), [[1, 1, np.nan], [1, 1, 1], [np.nan, 1, np.nan]])
    assert bound[0] == pytest.approx(cramer_rao(pair, point, 1.0)[0])
    assert np.trace(bound[1]) < np.trace(bound[0])
    assert np.isnan(bound[2]).all()


def test_an_error_is_measured_in_the_covariance_that_the_track_states() -> None:
    # e = (1, 0, 0) m, P = I/4 m^2: 4, between the chi-square quantiles 2.37 (50 %) and 7.81 (95 %); (3, 0, 0): 36
    path = errors_of(np.array([[1.0, 0, 0], [0, 0, 0], [3.0, 0, 0]]), np.tile(np.eye(3) / 4, (3, 1, 1)))
    assert normalised_errors(path) == pytest.approx([4, 0, 36])
    got = consistency_metrics(count_consistency([path], EDGES_M, RATE_HZ))
    assert got["nees"] == pytest.approx(40 / 3)
    assert got["coverage_50"] == pytest.approx(1 / 3)
    assert got["coverage_95"] == pytest.approx(2 / 3)


def test_correlated_errors_count_along_the_covariance() -> None:
    # P^-1 of [[2, 1], [1, 2]] is [[2, -1], [-1, 2]] / 3: e = (1, 1) costs 2/3 and e = (1, -1) costs 2
    covariance = np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 1]])
    path = errors_of(np.array([[1.0, 1, 0], [1, -1, 0]]), np.tile(covariance, (2, 1, 1)))
    assert normalised_errors(path) == pytest.approx([2 / 3, 2])


def random_paths(rng: np.random.Generator, paths: int, stated: float) -> list[PathErrors]:
    """Paths of 5 equal errors, as the frames of a smoothed path nearly are, drawn from `stated` times their P."""
    shape = rng.normal(size=(3, 3))
    covariance = shape @ shape.T + np.eye(3)
    draws = rng.multivariate_normal(np.zeros(3), stated * covariance, paths)
    return [errors_of(np.repeat(draw[None], 5, axis=0), np.tile(covariance, (5, 1, 1))) for draw in draws]


def test_honest_covariances_pass_and_overconfident_ones_do_not() -> None:
    rng, paths = np.random.default_rng(5), 400
    honest = count_consistency(random_paths(rng, paths, stated=1.0), EDGES_M, RATE_HZ)
    # the sum over the paths is chi-square with 3 per path; a true test fails once in 10000 seeds
    assert chi2.ppf(5e-5, 3 * paths) < honest.path_nees < chi2.ppf(1 - 5e-5, 3 * paths)
    for inside, level in ((honest.inside_50, 0.5), (honest.inside_95, 0.95)):
        assert binom.ppf(5e-5, paths, level) <= inside / 5 <= binom.ppf(1 - 5e-5, paths, level)
    interval = nees_interval(honest)
    assert interval["paths"] == paths  # not the 2000 frames, which repeat each other
    assert interval["expected_low"] == pytest.approx(chi2.ppf(0.025, 1200) / 400)
    assert interval["expected_low"] < 3 < interval["expected_high"]
    overconfident = nees_interval(count_consistency(random_paths(rng, paths, stated=2.0), EDGES_M, RATE_HZ))
    assert overconfident["value"] > overconfident["expected_high"]
    timid = nees_interval(count_consistency(random_paths(rng, paths, stated=0.5), EDGES_M, RATE_HZ))
    assert timid["value"] < timid["expected_low"]


def test_the_middle_frame_stands_for_the_path() -> None:
    path = errors_of(np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0]]), np.tile(np.eye(3), (3, 1, 1)))
    assert nees_interval(count_consistency([path], EDGES_M, RATE_HZ))["value"] == pytest.approx(1)


def test_errors_and_bounds_are_gathered_by_depth() -> None:
    # near: squared errors 1 and 4 beside bounds of trace 3 each; far: one of 12 beside 3; at 31 m: no bin
    covariances = np.tile(np.eye(3), (2, 1, 1))
    near = errors_of(np.array([[1.0, 0, 0], [0, 2, 0]]), covariances, depth_m=5)
    far = errors_of(np.array([[2.0, 2, 2]]), covariances[:1], depth_m=20)
    outside = errors_of(np.array([[9.0, 9, 9]]), covariances[:1], depth_m=31)
    counts = count_consistency([near, far, outside], EDGES_M, RATE_HZ)
    assert counts.bins.tolist() == [[2, 1], [5, 12], [6, 3]]
    got = consistency_metrics(counts)
    assert got["rmse_m_0"] == pytest.approx((5 / 2) ** 0.5)
    assert got["bound_ratio_0"] == pytest.approx((5 / 6) ** 0.5)
    assert got["bound_ratio_1"] == pytest.approx(2)
    assert got["rmse_m"] == pytest.approx((17 / 3) ** 0.5)
    assert got["bound_m"] == pytest.approx(3**0.5)


def test_depth_edges_that_do_not_increase_are_refused() -> None:
    with pytest.raises(DataError, match=r"depth_edges_m: got \[3, 3\]; expected at least two increasing depths"):
        count_consistency([], [3, 3], RATE_HZ)
    with pytest.raises(DataError, match="depth_edges_m"):
        count_consistency([], [3], RATE_HZ)


def test_jerk_is_the_third_difference_over_unbroken_runs() -> None:
    # x = t^3 has the third derivative 6 m/s^3, and its third differences are exact
    frames = np.array([0, 1, 2, 3, 4, 9, 10, 11])  # two runs of four frames; none across the gap
    cubic = np.column_stack([(frames / RATE_HZ) ** 3, np.zeros((8, 2))])
    path = errors_of(cubic, np.tile(np.eye(3), (8, 1, 1)), frames=frames)
    counts = count_consistency([path], EDGES_M, RATE_HZ)
    assert counts.jerk_points == 2
    got = consistency_metrics(counts)
    assert got["jerk_mps3"] == pytest.approx(6)
    assert got["true_jerk_mps3"] == 0


def test_a_path_is_compared_in_common_frames_and_bounded_where_all_cameras_see() -> None:
    rig = bench_rig()
    positions = np.column_stack([np.zeros((4, 2)), [5.0, 6, 7, 8]])
    truth = TruePath(1, np.arange(4), positions, np.array([True, True, True, False]))
    estimate = EstimatedPath(2, np.array([2, 3, 4]), positions[1:] + 0.5, np.tile(np.eye(3), (3, 1, 1)))
    got = path_errors(rig, truth, estimate, 1.0)
    assert got.frames.tolist() == [2, 3]
    assert got.depths_m.tolist() == [7, 8]
    assert got.estimate_m.tolist() == [[0.5, 0.5, 6.5], [0.5, 0.5, 7.5]]
    assert got.bounds_m2[0] == pytest.approx(cramer_rao(rig, positions[2:3], 1.0)[0])
    assert np.isnan(got.bounds_m2[1]).all()
    counts = count_consistency([got], EDGES_M, RATE_HZ)
    assert counts.bins[0].tolist() == [1, 0]
    assert counts.nees_points == 2


def test_a_track_without_covariances_has_errors_but_no_nees() -> None:
    path = replace(errors_of(np.ones((2, 3)), np.empty(0)), covariances_m2=None)
    got = consistency_metrics(count_consistency([path], EDGES_M, RATE_HZ))
    assert got["rmse_m"] == pytest.approx(3**0.5)
    assert np.isnan([got["nees"], got["coverage_95"]]).all()
    assert np.isnan(nees_interval(count_consistency([path], EDGES_M, RATE_HZ))["expected_low"])


def test_triangulated_scenes_reach_the_bound_and_are_calibrated() -> None:
    rig, rng, edges_m = bench_rig(), np.random.default_rng(1), (3.0, 8.0, 13.0)
    scenes, everyone = [], []
    for _ in range(10):
        paths = []
        for path_m in paths_in_view(rig, 12, 6, psd=0.3, rng=rng):
            points = triangulate(rig, pixels_of(rig, path_m, 1.0, rng), 1.0)
            truth = TruePath(0, np.arange(6), path_m, np.ones(6, bool))
            estimate = EstimatedPath(0, np.arange(6), points.positions_m, points.covariances_m2)
            paths.append(path_errors(rig, truth, estimate, 1.0))
        scenes.append(count_consistency(paths, edges_m, RATE_HZ))
        everyone += paths
    got = pool_consistency(scenes, np.random.default_rng(0), 300)
    # nearly all error lies along the depth, so a bin's sum of squares is one of chi-squares with 1 degree of freedom,
    # each weighed by its bound: about a chi-square with (sum of weights)^2 / sum of squared weights (Satterthwaite)
    depths_m = np.concatenate([path.depths_m for path in everyone])
    weights = np.concatenate([np.trace(path.bounds_m2, axis1=1, axis2=2) for path in everyone])
    for number in range(2):
        mine = weights[(depths_m >= edges_m[number]) & (depths_m < edges_m[number + 1])]
        dof = mine.sum() ** 2 / (mine**2).sum()
        low, high = (chi2.ppf(q, dof) / dof for q in (5e-5, 1 - 5e-5))
        assert low < got[f"bound_ratio_{number}"]["value"] ** 2 < high
    assert got["nees"]["low"] < got["nees"]["value"] < got["nees"]["high"]
    whole = got["nees_one_frame_a_path"]
    assert chi2.ppf(5e-5, 360) < whole["value"] * whole["paths"] < chi2.ppf(1 - 5e-5, 360)
    assert got["coverage_95"]["value"] == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 720) ** 0.5)
