import numpy as np
import pytest

from track_persistence.simulation.glow_painters import (
    FlarePainter,
    FlareStyle,
    GlowPainter,
    GlowStyle,
    HighlightPainter,
    SparklePainter,
    SunPatchPainter,
    WaterPainter,
)
from track_persistence.simulation.painters import FlatPatch, Plane
from track_persistence.simulation.views import Window

WINDOW = Window.over(np.array([-0.1, -0.1, 0.1, 0.1]), 65, 65)
WHITE = np.ones(3, np.float32)
ZERO = np.zeros((2, 2))


def _grey(level: float) -> Plane:
    return np.full((3, 65, 65), level, np.float32)


def _glow(apart: list[list[float]], core: tuple[float, float, float]) -> GlowPainter:
    radii = np.full((2, 2), 0.08)
    style = GlowStyle(WHITE, core, 1.0, ((0.3, 1.0),))
    return GlowPainter((ZERO, ZERO), (radii, radii), np.array([1.0, 0.25]), style, np.array(apart))


def test_a_light_saturates_in_its_middle_and_follows_its_strength() -> None:
    painter = _glow([[0.0, 0.0]], (0.2, 0.2, 1.0))
    strong, weak = _grey(50), _grey(50)
    painter.paint(strong, WINDOW, 0, 0)
    painter.paint(weak, WINDOW, 1, 1)
    assert strong[:, 32, 32].min() > 255
    np.testing.assert_allclose(weak - 50, (strong - 50) / 4, rtol=1e-3, atol=1e-3)


def test_a_wide_core_is_wider_than_high_and_a_pair_has_two() -> None:
    wide, pair = _grey(0), _grey(0)
    _glow([[0.0, 0.0]], (0.4, 0.1, 1.0)).paint(wide, WINDOW, 0, 0)
    assert wide[0, 32, 45] > 2 * wide[0, 45, 32]
    _glow([[-0.5, 0.0], [0.5, 0.0]], (0.1, 0.1, 1.0)).paint(pair, WINDOW, 0, 0)
    assert pair[0, 32, 19] == pytest.approx(pair[0, 32, 45], rel=0.02)
    assert pair[0, 32, 19] > 2 * pair[0, 32, 32]


def test_a_highlight_follows_its_half_axes() -> None:
    axes = np.tile(np.array([[0.06, 0.0], [0.0, 0.02]]), (2, 1, 1))
    painter = HighlightPainter((ZERO, ZERO), (axes, axes), np.ones(2), 1.5, WHITE)
    canvas = _grey(0)
    painter.paint(canvas, WINDOW, 0, 0)
    # 13 samples of 0.2/65 are two thirds of the long half axis, and twice the short one.
    assert canvas[0, 32, 45] > 150
    assert canvas[0, 45, 32] < 50


def test_a_hexagonal_flare_has_six_equal_corners_and_ends_outside_them() -> None:
    style = FlareStyle(corners=6, rim=0.0, turn_rad=0.0, inner=WHITE, outer=WHITE)
    radii = np.full((2, 2), 0.08)
    line = np.tile([1.0, 0.0], (2, 1))
    painter = FlarePainter((ZERO, ZERO), (radii, radii), np.full(2, 80.0), style, np.empty((0, 3)), (line, line))
    canvas = _grey(10)
    painter.paint(canvas, WINDOW, 0, 0)
    angles = np.arange(6) * np.pi / 3
    for radius, level in ((0.5, 90), (1.1, 10)):
        columns = np.rint(32 + radius * 26 * np.cos(angles)).astype(int)
        rows = np.rint(32 + radius * 26 * np.sin(angles)).astype(int)
        np.testing.assert_allclose(canvas[0, rows, columns], level, atol=0.5)


def test_a_sparkle_gives_the_same_light_however_coarsely_it_is_seen() -> None:
    sizes = np.full((1, 2), 0.01)
    light = np.array([[300.0], [0.0]])
    painter = SparklePainter((np.zeros((1, 2)),) * 2, (sizes, sizes), (light, light), WHITE)
    totals = []
    for count in (65, 9):
        canvas = np.zeros((3, count, count), np.float32)
        painter.paint(canvas, Window.over(np.array([-0.1, -0.1, 0.1, 0.1]), count, count), 0, 0)
        totals.append(float(canvas[0].mean()))
    assert totals[0] == pytest.approx(2 * np.pi * 300 * 0.01**2 / 0.2**2, rel=0.01)
    assert totals[1] == pytest.approx(totals[0], rel=0.2)
    dark = _grey(20)
    painter.paint(dark, WINDOW, 0, 1)
    np.testing.assert_array_equal(dark, _grey(20))


def test_sun_multiplies_the_light_that_is_there_inside_its_panes() -> None:
    pane = np.array([[-0.05, -0.05], [0.05, -0.05], [0.05, 0.05], [-0.05, 0.05]])
    size = np.array([0.05, 0.05])
    painter = SunPatchPainter(((pane,), (pane,)), np.array([1.5]), 0.001, (size, size), WHITE)
    canvas = _grey(40)
    canvas[1] = 0
    painter.paint(canvas, WINDOW, 0, 0)
    assert canvas[0, 32, 32] == pytest.approx(100)
    assert canvas[1].max() == 0
    assert canvas[0, 5, 5] == 40


def test_water_covers_the_ground_with_its_own_light() -> None:
    inverse = np.linalg.inv(np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]).T)[None]
    patch = FlatPatch(np.array([[0.0, 0.5, 10.0]]), inverse, np.array([[-9.0, -9.0, 9.0, 9.0]]), 0.3)
    blue = np.array([20, 40, 90], np.float32)
    painter = WaterPainter((patch, patch), blue, 0.8, np.array([[3.0, 7.0, 0.1, 0.0]]), 0.0)
    canvas = _grey(120)
    painter.paint(canvas, WINDOW, 0, 0)
    # The ray (0, 0.05, 1) meets the ground 0.5 below the eye in the middle of the water.
    row = int(np.argmin(np.abs(WINDOW.y - 0.05)))
    np.testing.assert_allclose(canvas[:, row, 32], 0.2 * 120 + 0.8 * blue, atol=0.5)
    assert canvas[0, 0, 32] == 120
