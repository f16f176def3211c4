import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera
from track_persistence.stereo.geometry import project
from track_persistence.stereo.level_view import LevelView, level_view

UP = np.array([0.0, 0, 1])
LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # looks along y, z up
BARREL = np.array([-0.1, 0.03, 0.001, -0.001, 0.0])


def camera(pitch_deg: float, roll_deg: float, distortion: np.ndarray = BARREL) -> Camera:
    """2 m above the floor, looking along y, down by `pitch_deg`, its image turned by `roll_deg`."""
    down, turned = (cv2.Rodrigues(np.radians(angle))[0] for angle in ([pitch_deg, 0, 0], [0, 0, roll_deg]))
    rotation = turned @ down @ LEVEL
    intrinsics = np.array([[400.0, 0, 159.5], [0, 400, 239.5], [0, 0, 1]])
    pose = np.column_stack([rotation, -rotation @ [0, 0, 2.0]])
    return Camera("cam", intrinsics, distortion, pose, (320, 480), 25.0)


def in_view(view: LevelView, positions_m: np.ndarray) -> np.ndarray:
    """World points in the pixels of a level view, by the pinhole formula: x to the right, z up, y ahead."""
    offset = positions_m - view.camera.centre_m
    return (np.column_stack([offset[:, 0], -offset[:, 2]]) / offset[:, 1:2] - view.corner) * view.focal_px


def test_the_view_of_a_level_camera_is_its_own_image() -> None:
    plain = camera(0, 0, np.empty(0))
    image = np.random.default_rng(0).integers(0, 255, (480, 320, 3), np.uint8)
    view = level_view(plain, UP, 1.0)
    seen = view.take(image)
    assert seen[:480, :320] == pytest.approx(image, abs=1)
    pixels = np.array([[0.0, 0], [319, 0], [30, 400]])
    assert view.pixels_in_camera(pixels) == pytest.approx(pixels)
    boxes = np.array([[10.0, 20, 30, 60]])
    assert view.boxes_in_camera(boxes) == pytest.approx(boxes)


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(0, 0), (25, 0), (0, 20), (25, -20)])
def test_what_stands_upright_is_upright_with_its_proportions(pitch_deg: float, roll_deg: float) -> None:
    # 1.8 m tall and 0.6 m wide at 5 m: the camera's pixels of the four ends are known, and the view's map must send
    # an upright box of 0.6 to 1.8 there
    view = level_view(camera(pitch_deg, roll_deg), UP, 0.5)
    ends_m = np.array([[0.3, 5, 1.8], [0.3, 5, 0], [0, 5, 0.9], [0.6, 5, 0.9]])
    top, bottom, left, right = pixels = in_view(view, ends_m)
    assert top[0] == pytest.approx(bottom[0])
    assert (right[0] - left[0]) / (bottom[1] - top[1]) == pytest.approx(0.6 / 1.8)
    assert view.pixels_in_camera(pixels) == pytest.approx(project(view.camera, ends_m), abs=1e-6)


def test_the_centre_of_a_box_in_the_camera_is_the_middle_of_the_thing() -> None:
    view = level_view(camera(25, -20), UP, 0.5)
    low, high = in_view(view, np.array([[0.0, 5, 1.8], [0.6, 5, 0.0]]))
    (box,) = view.boxes_in_camera(np.array([[*low, *(high - low)]]))
    (middle, top, bottom) = project(view.camera, np.array([[0.3, 5, 0.9], [0.3, 5, 1.8], [0.3, 5, 0]]))
    assert box[:2] + box[2:] / 2 == pytest.approx(middle, abs=1e-6)
    assert box[3] == pytest.approx(np.linalg.norm(top - bottom), abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_spot_of_the_image_lies_in_the_view_where_the_thing_is(scale: float) -> None:
    view = level_view(camera(20, 15), UP, scale)
    place_m = np.array([[0.4, 4.0, 1.2]])
    rows, columns = np.mgrid[:480, :320]
    across, down = project(view.camera, place_m)[0]
    spot = 255 * np.exp(-((columns - across) ** 2 + (rows - down) ** 2) / (2 * 6.0**2))
    seen = view.take(np.repeat(spot[..., None].astype(np.uint8), 3, axis=2))[..., 0].astype(float)
    seen[seen < 150] = 0  # neither the grey outside nor the black inside
    rows, columns = np.indices(seen.shape)
    middle = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    assert middle == pytest.approx(in_view(view, place_m)[0], abs=0.3)


def test_what_the_camera_does_not_see_is_grey() -> None:
    view = level_view(camera(0, 20), UP, 0.5)
    seen = view.take(np.zeros((480, 320, 3), np.uint8))
    assert seen[0, 0].tolist() == [128, 128, 128]
    assert seen[seen.shape[0] // 2, seen.shape[1] // 2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("pitch_deg", [70, 90, -90])
def test_a_camera_that_looks_down_or_up_has_no_level_view(pitch_deg: float) -> None:
    with pytest.raises(DataError, match=r"camera cam: looks .* detect people by other means"):
        level_view(camera(pitch_deg, 0), UP, 0.5)


def test_an_image_of_another_size_is_refused() -> None:
    view = level_view(camera(10, 0), UP, 0.5)
    with pytest.raises(DataError, match=r"camera cam: image of \(480, 320\) px, but it is calibrated for \(320, 480\)"):
        view.take(np.zeros((320, 480, 3), np.uint8))
