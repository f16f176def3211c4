from dataclasses import replace

import numpy as np
import pytest
from tests.simulation.lasting_scene import FRAMES, drawn, setting_of

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.highlights import (
    _half_vectors,
    _highlight,
    _surface,
    try_glare,
    try_specular,
    try_static_glare,
)
from track_persistence.simulation.lasting import standing
from track_persistence.simulation.optics import meeting_points
from track_persistence.simulation.shapes import Shape, ellipsoid


def test_the_highlight_sends_the_light_into_the_camera_as_a_mirror_does(config: GenerateConfig) -> None:
    _, setting = setting_of(config, 0)
    camera, light = setting.rig.cameras[0], setting.place.light
    centres = np.array([[1.0, 0.5, 9.0], [-2.0, 1.0, 5.0]])
    axes = np.stack([np.diag([0.4, 0.9, 0.5]), np.diag([0.6, 0.3, 0.3])])
    normals = _half_vectors(camera, light, centres, axes)
    points = _surface(centres, axes, normals)
    local = np.einsum("tij,tj->ti", np.linalg.inv(axes), points - centres)
    np.testing.assert_allclose(np.linalg.norm(local, axis=1), 1)
    view = camera.centre_m - points
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    bounced = 2 * (normals * light).sum(axis=1, keepdims=True) * normals - light
    np.testing.assert_allclose(bounced, view, atol=2e-3)


def test_the_stereo_depth_of_a_highlight_is_that_of_the_suns_image_in_the_ball(config: GenerateConfig) -> None:
    _, setting = setting_of(config, 0)
    behind = replace(setting.place, light=np.array([0.0, 0.0, -1.0]))
    ball = Shape("ball", (ellipsoid((0, 0, 0), (1.0, 1.0, 1.0), (np.zeros((8, 8, 3), np.uint8),)),), 2.0, 1.0, 1.0)
    path = standing(np.array([0.0, 0.0, 10.0]), FRAMES[:1], 0.0)
    found = _highlight(replace(setting, place=behind), ball, path, 0.1, np.array([1.0, 1.0]))
    assert found is not None
    boxes, (_, axes), _ = found
    centres = tuple(box[:, :2] + box[:, 2:] / 2 for box in boxes)
    # A convex mirror of radius 1 shows a distant light half a radius before its centre.
    assert meeting_points(setting.rig, (centres[0], centres[1]))[0, 2] == pytest.approx(10 - 1 / 2, abs=0.05)
    # The image of a lobe of 0.1 rad on a ball of radius 1, seen from 9 metres.
    assert np.linalg.norm(axes[0][0][:, 0]) == pytest.approx(np.sin(np.arctan(np.tan(0.1))) / 9, rel=0.02)


def test_the_body_below_a_highlight_is_painted_first_and_contains_it(config: GenerateConfig) -> None:
    for seed in range(8):
        _, (ghost, host) = drawn(try_specular, config, seed)
        at = np.searchsorted(host.frames, ghost.frames)
        for number in (0, 1):
            assert (host.depths_m[number][at] > ghost.depths_m[number]).all()
            assert ghost.present is not None
            seen = ghost.present[number]
            middle = ghost.boxes_xywh_px[number][seen]
            whole = host.boxes_xywh_px[number][at][seen]
            centre = middle[:, :2] + middle[:, 2:] / 2
            assert (centre > whole[:, :2] - 5).all()
            assert (centre < whole[:, :2] + whole[:, 2:] + 5).all()


def test_a_glare_moves_and_a_static_one_stays(config: GenerateConfig) -> None:
    moved: list[float] = []
    stayed: list[float] = []
    for seed in range(8):
        for maker, ways in ((try_glare, moved), (try_static_glare, stayed)):
            _, (ghost, *_) = drawn(maker, config, seed)
            boxes = ghost.boxes_xywh_px[0]
            centres = (boxes[:, :2] + boxes[:, 2:] / 2)[10:20]
            ways.append(float(np.linalg.norm(centres[-1] - centres[0])))
    assert max(stayed) < 5
    assert np.median(moved) > 5
