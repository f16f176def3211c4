import numpy as np
from tests.simulation.lasting_scene import drawn

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.lasting import in_view
from track_persistence.simulation.optics import extents_from_boxes
from track_persistence.simulation.shadows import THINNEST_M2, thrown, thrown_axes, try_shadow
from track_persistence.simulation.views import Window

GROUND = (1, 2.0)


def test_a_point_throws_its_shadow_away_from_the_light() -> None:
    # The light stands one to the right for each metre up: a point one metre up throws its shadow one metre left.
    light = np.array([1.0, -1.0, 0.0])
    np.testing.assert_allclose(thrown(np.array([[5.0, 1.0, 7.0]]), light, GROUND), [[4.0, 2.0, 7.0]])


def test_a_ball_throws_a_circle_under_a_high_light_and_a_longer_ellipse_under_a_low_one() -> None:
    ball = np.eye(3)[None] * 0.5
    for light, half_axes in (((0.0, -1.0, 0.0), (0.5, 0.5)), ((1.0, -1.0, 0.0), (0.5, np.sqrt(0.5)))):
        axes = thrown_axes(ball, np.array(light), 1)[0]
        np.testing.assert_allclose(axes[1], 0)
        lengths = np.linalg.svd(axes, compute_uv=False)
        np.testing.assert_allclose(np.sort(lengths), np.sqrt(np.square(half_axes) + THINNEST_M2))


def test_a_shadow_only_darkens_and_its_body_is_out_of_view(config: GenerateConfig) -> None:
    for seed in range(6):
        setting, (ghost,) = drawn(try_shadow, config, seed)
        index = int(np.argmax(ghost.strength))
        extents = extents_from_boxes(setting.rig.cameras[0], ghost.boxes_xywh_px[0])[index]
        canvas = np.full((3, 40, 40), 100, np.float32)
        ghost.painter.paint(canvas, Window.over(extents, 40, 40), 0, index)
        assert canvas.max() <= 100
        assert canvas.min() < 85


def test_a_point_before_both_cameras_is_in_view_and_one_behind_or_beside_is_not(config: GenerateConfig) -> None:
    setting, _ = drawn(try_shadow, config, 0)
    assert in_view(setting, np.array([[0.0, 0.5, 8.0]]))
    assert not in_view(setting, np.array([[0.0, 0.5, -8.0], [30.0, 0.5, 8.0]]))
