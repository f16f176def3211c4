import numpy as np
import pytest
from tests.simulation.lasting_scene import FRAMES, Maker, drawn, setting_of

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.mirrors import Pane, _draw_pane, try_reflection, try_window
from track_persistence.simulation.optics import extents_from_boxes, to_camera
from track_persistence.simulation.views import Window

BOTH = pytest.mark.parametrize("maker", [try_reflection, try_window])


def _pane(config: GenerateConfig) -> Pane:
    rng, setting = setting_of(config, 4)
    pane = None
    while pane is None:
        pane = _draw_pane(rng, setting, config.matched.causes.reflection, np.array([0.1, 0.0, 1.0]), 6.0)
    return pane


def test_a_pane_shows_a_point_as_far_behind_it_as_it_lies_before_it(config: GenerateConfig) -> None:
    pane = _pane(config)
    across, down = pane.corners_m[1] - pane.corners_m[0], pane.corners_m[3] - pane.corners_m[0]
    normal = np.cross(across, down) / np.linalg.norm(np.cross(across, down))
    points = np.random.default_rng(0).normal(0, 3, (20, 3))
    mirrored = pane.mirrored(points)
    before, behind = (points - pane.middle_m) @ normal, (mirrored - pane.middle_m) @ normal
    np.testing.assert_allclose(before, -behind, atol=1e-9)
    np.testing.assert_allclose(np.cross(mirrored - points, normal), 0, atol=1e-9)
    np.testing.assert_allclose(pane.mirrored(mirrored), points, atol=1e-9)
    assert np.linalg.det(pane.mirror) == pytest.approx(-1)


@BOTH
def test_a_reflection_appears_behind_its_pane_and_is_painted_at_the_pane(config: GenerateConfig, maker: Maker) -> None:
    for seed in range(5):
        setting, (ghost, pane) = drawn(maker, config, seed)
        for number, camera in enumerate(setting.rig.cameras):
            virtual = to_camera(camera, ghost.positions_m)[:, 2]
            assert np.median(virtual) > ghost.depths_m[number][0]
            assert ghost.depths_m[number].max() < pane.depths_m[number].min()


@BOTH
def test_a_reflection_ends_at_the_edge_of_its_pane(config: GenerateConfig, maker: Maker) -> None:
    for seed in range(4):
        setting, (ghost, pane) = drawn(maker, config, seed)
        for number, camera in enumerate(setting.rig.cameras):
            bounds = pane.boxes_xywh_px[number][0]
            around = bounds + np.array([-0.5, -0.5, 1.0, 1.0]) * np.tile(bounds[2:], 2)
            window = Window.over(extents_from_boxes(camera, around[None])[0], 80, 80)
            canvas = np.full((3, 80, 80), 50, np.float32)
            ghost.painter.paint(canvas, window, number, len(FRAMES) // 2)
            inside = canvas[:, 18:62, 18:62]
            assert np.abs(inside - 50).max() > 2
            inside[:] = 50
            np.testing.assert_allclose(canvas, 50, atol=1e-3)


def test_the_cut_of_the_edge_is_the_evidence(config: GenerateConfig) -> None:
    found = 0
    for seed in range(30):
        _, (ghost, pane) = drawn(try_reflection, config, seed)
        assert ghost.present is not None
        assert ghost.evidence_frames is not None
        for boxes, present, bounds in zip(ghost.boxes_xywh_px, ghost.present, pane.boxes_xywh_px, strict=True):
            right = bounds[0, 0] + bounds[0, 2]
            touching = present & (
                (np.abs(boxes[:, 0] - bounds[0, 0]) < 1e-6) | (np.abs(boxes[:, 0] + boxes[:, 2] - right) < 1e-6)
            )
            known = np.isin(ghost.frames, ghost.evidence_frames)
            found += int((touching & known).sum())
            # A body that only touches the edge is not cut yet.
            assert (touching & ~known).sum() <= max(2, 0.5 * touching.sum())
    assert found > 20
