import cv2
import numpy as np
import pytest

from track_persistence.core.rig import Camera, CameraRig
from track_persistence.report.views3d import field_of_view, plan_and_side

K = np.array([[800.0, 0, 639.5], [0, 800, 359.5], [0, 0, 1]])


def camera(name: str, rotation: np.ndarray, centre_m: tuple[float, float, float]) -> Camera:
    pose = np.column_stack([rotation, -rotation @ np.array(centre_m)])
    return Camera(name, K, np.empty(0), pose, (1280, 720), 25.0)


def pair(rotation: np.ndarray) -> CameraRig:
    return CameraRig((camera("left", rotation, (0, 0, 0)), camera("right", rotation, (0.5, 0, 0))))


def test_camera_coordinates_show_z_to_the_right_and_y_downwards() -> None:
    # x right, y down, z ahead: from above, looking along z, the left side (negative x) is up
    plan, side = plan_and_side(pair(np.eye(3)))
    assert (plan.axes, plan.backwards) == ((2, 0), (False, True))
    assert (side.axes, side.backwards) == ((2, 1), (False, True))
    assert plan.labels == ("z in metres", "x in metres")


def looking_down(degrees: float) -> np.ndarray:
    """A camera that looks along y in a world with z up, and so far below the horizon."""
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    pitched: np.ndarray = cv2.Rodrigues(np.array([np.radians(degrees), 0, 0]))[0] @ level
    assert pitched[2] == pytest.approx([0, np.cos(np.radians(degrees)), -np.sin(np.radians(degrees))])
    return pitched


def test_a_world_with_z_up_is_recognised_although_the_cameras_look_down() -> None:
    plan, side = plan_and_side(pair(looking_down(40)))
    assert (plan.axes, plan.backwards) == ((1, 0), (False, True))
    assert (side.axes, side.backwards) == ((1, 2), (False, False))


def test_the_plan_lies_level_for_cameras_that_stand_around_the_scene() -> None:
    # two cameras face each other, so their mean direction of sight is straight down
    here = looking_down(20)
    there = here @ np.diag([-1.0, -1, 1])
    rig = CameraRig((camera("here", here, (0, 0, 2)), camera("there", there, (0, 9, 2))))
    plan, side = plan_and_side(rig)
    assert sorted(plan.axes) == [0, 1]
    assert side.axes[1] == 2


def test_points_and_covariances_show_the_same_two_axes() -> None:
    side = plan_and_side(pair(np.eye(3)))[1]
    assert side.flat(np.array([[1.0, 2.0, 3.0]])).tolist() == [[3, 2]]
    covariance = np.array([[[1.0, 2, 3], [2, 4, 5], [3, 5, 6]]])
    assert side.flat_covariance(covariance).tolist() == [[[6, 5], [5, 4]]]


def test_the_field_of_view_goes_to_the_middles_of_the_borders() -> None:
    # 639.5 px beside the axis at f = 800 px, so 0.799375 across for 1 ahead, and 359.5 px above and below
    right = pair(np.eye(3)).cameras[1]
    plan, side = plan_and_side(pair(np.eye(3)))
    place, directions = field_of_view(right, plan)
    assert place.tolist() == [0, 0.5]
    assert sorted((directions[:, 1] / directions[:, 0]).tolist()) == pytest.approx([-639.5 / 800, 639.5 / 800])
    _, directions = field_of_view(right, side)
    assert sorted((directions[:, 1] / directions[:, 0]).tolist()) == pytest.approx([-359.5 / 800, 359.5 / 800])
    assert np.linalg.norm(directions, axis=1) == pytest.approx([1, 1])


def test_a_camera_that_looks_out_of_the_picture_has_no_wedge() -> None:
    plan, side = plan_and_side(pair(np.eye(3)))
    sideways = camera("sideways", np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]), (0, 0, 0))
    assert field_of_view(sideways, side)[1].shape == (0, 2)
    assert field_of_view(sideways, plan)[1].shape == (2, 2)
