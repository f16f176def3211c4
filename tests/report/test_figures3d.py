import re
from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.stereo.tracks import bench_rig, paths_in_view
from markupsafe import Markup

from track_persistence.report.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE
from track_persistence.report.figures3d import (
    DepthErrors,
    DrawnPath,
    GospaOverTime,
    depth_error_figure,
    gospa_time_figure,
    scene_figure,
)

EDGES_M = np.array([3.0, 10.0, 30.0])
SHAPE = re.compile(r'<path d="([^"]*)"[^>]*style="([^"]*)"', re.DOTALL)
MARK = re.compile(r'<use [^>]*x="([^"]*)" y="([^"]*)" style="fill: (#\w+); stroke: \3; stroke-linejoin: miter"/>')
DOT = re.compile(r'<use [^>]*style="fill: (#\w+); fill-opacity: 0.45"/>')


def shapes(svg: Markup, style: str) -> list[np.ndarray]:
    """The corner and control points, (K, 2) in drawing units, of every path drawn in a style."""
    found = [path for path, drawn in SHAPE.findall(str(svg)) if style in drawn]
    return [np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2) for path in found]


def scene(kept: bool = True) -> Markup:
    rig, rng = bench_rig(), np.random.default_rng(0)
    truth_m = list(paths_in_view(rig, 2, 10, 0.1, rng))
    covariances_m2 = np.tile(np.diag([0.01, 0.01, 0.2]), (10, 1, 1))
    paths = [DrawnPath(truth_m[0] + 0.1, covariances_m2, True), DrawnPath(truth_m[1] + 0.1, covariances_m2, kept)]
    return scene_figure(rig, truth_m, paths, "example")


def depth() -> Markup:
    """One method whose RMSE is the bound in both bins: 0.5 and 1.5 m."""
    depths_m = np.random.default_rng(0).uniform(3, 30, 5000)
    bound_m = EDGES_M[1:] / 20
    method = DepthErrors("frame by frame", depths_m, depths_m**2 / 400, bound_m, 0.9 * bound_m, 1.2 * bound_m)
    return depth_error_figure([method], EDGES_M, bound_m, "example")


def gospa() -> Markup:
    ones = np.ones(5)
    off = GospaOverTime("off", np.arange(5) / 5, ones, 3 * ones, 0 * ones)
    both = GospaOverTime("both", np.arange(5) / 5, ones, ones, 2 * ones)
    return gospa_time_figure([off, both], "example")


@pytest.mark.parametrize("draw", [scene, depth, gospa])
def test_the_same_numbers_draw_the_same_bytes(draw: Callable[[], Markup]) -> None:
    assert draw() == draw()


@pytest.mark.parametrize(
    ("draw", "texts"),
    [
        (scene, ["from above", "from the side", "z in metres", "x in metres", "y in metres", "truth", "camera"]),
        (scene, ["field of view", "kept track with 2-sigma ellipses", "example: 3D tracks from above"]),
        (depth, ["true depth in metres", "3D error in metres", "Cramér-Rao bound, one frame", "frame by frame: RMSE"]),
        (gospa, ["time in seconds", "GOSPA squared in m²", "(squares of the parts add up)", "localisation", "missed"]),
    ],
)
def test_a_figure_says_what_it_shows(draw: Callable[[], Markup], texts: list[str]) -> None:
    svg = str(draw())
    assert [text for text in texts if text not in svg] == []


def test_dropped_tracks_look_different_from_kept_ones() -> None:
    assert "dropped track" not in scene(kept=True)
    both = scene(kept=False)
    assert "dropped track with 2-sigma ellipses" in both
    assert len(shapes(both, f"fill: {ORANGE}")) == len(shapes(both, f"fill: {BLUE}")) == 2 * 5  # two views, 5 ellipses
    assert len(shapes(both, f"stroke: {GREY}; stroke-opacity: 0.5")) == 2 * 2 + 1  # and the legend


def test_ellipses_reach_two_standard_deviations_to_each_side() -> None:
    # sigma 1.5 m along z; points 10 m apart in z give the scale, and the ellipse is 4 sigma = 6 m long
    covariance = np.diag([0.04, 0.04, 2.25])[None]
    paths = [DrawnPath(np.array([[0.0, 0.0, z]]), covariance, False) for z in (10.0, 20.0)]
    first, second, *_ = shapes(scene_figure(bench_rig(), [], paths, "example"), f"fill: {ORANGE}")
    per_metre = (second[:, 0].mean() - first[:, 0].mean()) / 10
    assert per_metre > 0
    assert np.ptp(first, axis=0) / per_metre == pytest.approx([6.0, 0.8], rel=1e-3)  # 0.8 m: the scale is equal


def test_each_camera_shows_its_field_of_view_in_both_views() -> None:
    assert len(shapes(scene(), f"fill: {GREEN}; opacity: 0.1")) == 2 * 2 + 1  # and the legend


def test_an_efficient_method_lies_on_the_bound() -> None:
    svg = depth()
    low, high = sorted(set(shapes(svg, "fill: none; stroke-dasharray")[0][:, 1]), reverse=True)  # svg's y runs down
    marks = [(float(x), float(y)) for x, y, colour in MARK.findall(str(svg)) if colour == ORANGE]
    squares = [y for _, y in sorted(marks)]
    assert squares == pytest.approx([low, high, squares[-1]], abs=0.01)  # the last one stands in the legend


def test_at_most_so_many_points_are_drawn() -> None:
    # 5000 points, at most 600 drawn: every ninth, 556 of them
    assert DOT.findall(str(depth())) == [ORANGE] * 556


def test_the_parts_are_stacked_in_one_scale_and_add_up() -> None:
    svg = gospa()
    (first, second), (third, fourth) = (
        [np.ptp(shape[:, 1]) for shape in shapes(svg, f"fill: {colour}")[:2]] for colour in (BLUE, PURPLE)
    )
    assert third == pytest.approx(3 * first)  # off: localisation 1, missed 3
    assert fourth == pytest.approx(second) == pytest.approx(first)  # both: 1 and 1
    localisation, missed = (shapes(svg, f"fill: {colour}")[0] for colour in (BLUE, PURPLE))
    assert missed[:, 1].max() == pytest.approx(localisation[:, 1].min())  # svg's y runs down


def test_the_headline_is_the_root_of_the_mean_square() -> None:
    squares = np.array([0.0, 3.0])
    method = GospaOverTime("off", np.arange(2.0), squares, squares, squares)
    # (0 + 9) / 2 over the frames
    assert method.root_mean_square_m == pytest.approx(4.5**0.5)
    assert "off: root mean square 2.12 m" in gospa_time_figure([method], "example")
