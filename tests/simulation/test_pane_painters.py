import numpy as np
import pytest

from track_persistence.simulation.painters import Plane
from track_persistence.simulation.pane_painters import WINDOW_COVER, PanePainter, WindowPainter, cut_out
from track_persistence.simulation.views import Window

WINDOW = Window.over(np.array([-0.1, -0.1, 0.1, 0.1]), 64, 64)
CORNERS = np.array([[-0.05, -0.05], [0.05, -0.05], [0.05, 0.05], [-0.05, 0.05]])


def _pane(alpha: float) -> PanePainter:
    picture = cut_out(np.full((32, 32, 3), 200, np.uint8), np.full((32, 32), alpha))
    return PanePainter(picture, (CORNERS[None], CORNERS[None]), 0.5, None)


@pytest.mark.parametrize(("alpha", "level"), [(1.0, 100.0), (0.25, 0.75 * 40 + 0.25 * 100), (0.0, 40.0)])
def test_a_picture_covers_what_lies_behind_it_by_its_opacity(alpha: float, level: float) -> None:
    canvas = np.full((3, 64, 64), 40, np.float32)
    _pane(alpha).paint(canvas, WINDOW, 0, 0)
    np.testing.assert_allclose(canvas[:, 20:44, 20:44], level, atol=0.7)
    np.testing.assert_array_equal(canvas[:, :14], 40)
    np.testing.assert_array_equal(canvas[:, :, 51:], 40)


def test_a_picture_outside_the_window_changes_nothing() -> None:
    canvas = np.full((3, 64, 64), 40, np.float32)
    _pane(1.0).paint(canvas, Window.over(np.array([0.5, 0.5, 0.6, 0.6]), 64, 64), 0, 0)
    np.testing.assert_array_equal(canvas, 40)


class _Square:
    """A body that fills the whole window with a grey of 120."""

    def layer(self, window: Window, camera: int, index: int) -> Plane:
        layer = np.full((4, *window.shape), 120, np.float32)
        layer[3] = 1
        return layer


def test_a_window_adds_the_mirrored_light_inside_its_edges_only() -> None:
    painter = WindowPainter(_Square(), (CORNERS, CORNERS), np.array([0.5]), np.ones(3, np.float32), (0.0, 0.0))  # type: ignore[arg-type]
    canvas = np.full((3, 64, 64), 80, np.float32)
    painter.paint(canvas, WINDOW, 0, 0)
    np.testing.assert_allclose(canvas[:, 20:44, 20:44], 80 * (1 - 0.5 * WINDOW_COVER) + 60, rtol=1e-5)
    np.testing.assert_array_equal(canvas[:, :14], 80)
