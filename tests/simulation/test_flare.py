import numpy as np
import pytest
from tests.simulation.lasting_scene import drawn, setting_of

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.flare import _opposite, try_flare
from track_persistence.simulation.optics import extents_from_boxes
from track_persistence.simulation.views import Window


def test_the_spot_lies_opposite_the_light_and_moves_against_it(config: GenerateConfig) -> None:
    _, setting = setting_of(config, 0)
    camera = setting.rig.cameras[0]
    local = np.array([[0.2, 0.1, 1.0], [0.3, 0.1, 1.0]])
    spots = _opposite(camera, local @ camera.rotation, 0.5)
    assert spots is not None
    centre = np.array([(1280 - 1) / 2, (720 - 1) / 2])
    # 0.2 and 0.1 times the focal length of 800 pixels, half as far on the other side.
    np.testing.assert_allclose(spots[0], centre - [80, 40])
    np.testing.assert_allclose(spots[1] - spots[0], [-40, 0], atol=1e-9)
    assert _opposite(camera, -local @ camera.rotation, 0.5) is None


def test_a_flare_adds_light_in_front_of_everything(config: GenerateConfig) -> None:
    for seed in range(6):
        setting, (ghost,) = drawn(try_flare, config, seed)
        assert max(depth.max() for depth in ghost.depths_m) < config.objects.depth_m[0]
        extents = extents_from_boxes(setting.rig.cameras[1], ghost.boxes_xywh_px[1])[15]
        canvas = np.full((3, 40, 40), 60, np.float32)
        ghost.painter.paint(canvas, Window.over(extents, 40, 40), 1, 15)
        assert canvas.min() >= 60
        assert canvas.max() > 65


def test_in_the_two_cameras_the_spot_lies_apart_the_wrong_way_round(config: GenerateConfig) -> None:
    _, setting = setting_of(config, 0)
    straight = np.array([[0.0, 0.0, 1.0]])
    first, second = (_opposite(camera, straight, 0.5) for camera in setting.rig.cameras)
    assert first is not None
    assert second is not None
    # Turned in by 0.02 rad each, the cameras see something far away 16 pixels left and right of their centres.
    assert first[0, 0] - second[0, 0] == pytest.approx(2 * 0.5 * 800 * np.tan(config.rig.toe_in_rad), rel=0.01)
    assert first[0, 1] == pytest.approx(second[0, 1], abs=1e-6)
