import numpy as np
import pytest

from track_persistence.core.rig import Camera
from track_persistence.simulation.shapes import Form
from track_persistence.simulation.views import Window, seen_parts

AHEAD = Camera(
    name="ahead",
    intrinsics=np.array([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]]),
    distortion=np.zeros(0),
    cam_from_world=np.hstack([np.eye(3), np.zeros((3, 1))]),
    image_size_px=(640, 480),
    frame_rate_hz=25.0,
)


def parts_at(centre: tuple[float, ...], half: tuple[float, ...], form: Form):  # type: ignore[no-untyped-def]
    return seen_parts(AHEAD, (form,), np.array([[centre]]), np.diag(half)[None, None])


def test_a_sphere_ahead_subtends_r_over_the_tangent_length() -> None:
    seen = parts_at((0, 0, 5), (3, 3, 3), Form.ELLIPSOID)
    assert seen is not None
    # Tangent from the eye to a sphere of radius 3 at distance 5: length 4, so tan of the half angle is 3/4.
    np.testing.assert_allclose(seen.whole_extents[0], [-3 / 4, -3 / 4, 3 / 4, 3 / 4])


def test_a_box_is_as_large_as_its_near_face() -> None:
    seen = parts_at((0, 0, 5), (1, 0.5, 1), Form.BOX)
    assert seen is not None
    np.testing.assert_allclose(seen.whole_extents[0], [-1 / 4, -0.5 / 4, 1 / 4, 0.5 / 4])


def test_a_body_that_reaches_the_camera_is_not_seen() -> None:
    assert parts_at((0, 0, 1.4), (1, 1, 1), Form.ELLIPSOID) is None
    assert parts_at((0, 0, -5), (1, 1, 1), Form.BOX) is None


def test_a_flat_part_has_the_outline_of_an_ellipse() -> None:
    seen = parts_at((0, 2, 8), (1, 0, 1), Form.ELLIPSOID)
    assert seen is not None
    _, top, _, bottom = seen.whole_extents[0]
    # Far and near rim of a disc on a plane 2 below the eye.
    assert (top, bottom) == (pytest.approx(2 / 9), pytest.approx(2 / 7))


def test_a_window_knows_where_its_pixels_look() -> None:
    window = Window.over(np.array([-0.1, -0.2, 0.1, 0.2]), 10, 40)
    assert window.shape == (40, 10)
    np.testing.assert_allclose(window.pixels(np.array([window.x[3], window.y[7]], np.float64)), [3, 7], atol=1e-4)
    assert window.part(np.array([0.2, 0.0, 0.3, 0.1])) is None
