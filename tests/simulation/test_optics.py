import cv2
import numpy as np
import pytest

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.optics import (
    boxes_from_extents,
    build_rig,
    extents_from_boxes,
    meeting_points,
    project,
    undistort,
)


def test_the_rig_has_the_baseline_of_its_params_and_looks_inwards(config: GenerateConfig) -> None:
    rig = build_rig(config.rig)
    assert rig.baseline_m == pytest.approx(config.rig.baseline_m)
    left, right = (camera.rotation[2] for camera in rig.cameras)
    assert left[0] > 0 > right[0]
    assert left[1] == pytest.approx(np.sin(config.rig.pitch_rad))


def test_projection_agrees_with_opencv(config: GenerateConfig) -> None:
    points = np.random.default_rng(0).uniform((-3, -1, 5), (3, 1, 20), (50, 3))
    for camera in build_rig(config.rig).cameras:
        turn, _ = cv2.Rodrigues(camera.rotation)
        expected, _ = cv2.projectPoints(points, turn, camera.translation_m, camera.intrinsics, camera.distortion)
        np.testing.assert_allclose(project(camera, points), expected[:, 0], atol=1e-8)


def test_points_are_recovered_from_their_two_pixels_up_to_the_corners(config: GenerateConfig) -> None:
    points = np.random.default_rng(1).uniform((-5, -3, 8), (5, 2, 30), (200, 3))
    rig = build_rig(config.rig)
    first, second = (project(camera, points) for camera in rig.cameras)
    np.testing.assert_allclose(meeting_points(rig, (first, second)), points, atol=1e-5)


def test_undistortion_is_the_inverse_of_distortion_at_the_image_corner(config: GenerateConfig) -> None:
    camera = build_rig(config.rig).cameras[0]
    corner = np.array([[0.0, 0.0], [1279.0, 719.0]])
    directions = np.hstack([undistort(camera, corner), np.ones((2, 1))])
    world = directions @ camera.rotation + camera.centre_m
    np.testing.assert_allclose(project(camera, world), corner, atol=1e-6)


def test_boxes_and_extents_are_inverse(config: GenerateConfig) -> None:
    camera = build_rig(config.rig).cameras[1]
    boxes = np.array([[100.0, 50.0, 300.0, 400.0], [900.0, 500.0, 20.0, 30.0]])
    back = boxes_from_extents(camera, extents_from_boxes(camera, boxes))
    # Edges are followed at their middles only, so a large box moves a little where the distortion bends them.
    np.testing.assert_allclose(back, boxes, atol=0.5)
