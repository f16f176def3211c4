from collections.abc import Callable

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, CameraRig, Lens, StereoRig


def test_the_centre_of_a_camera_projects_to_its_own_origin(camera: Callable[..., Camera]) -> None:
    # a quarter turn about y with t = (1, 2, 3): the centre is -R^T t = (3, -2, -1)
    quarter_turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    turned = camera(cam_from_world=np.hstack([quarter_turn, [[1], [2], [3]]]))
    assert turned.centre_m.tolist() == [3, -2, -1]
    assert (turned.rotation @ turned.centre_m + turned.translation_m).tolist() == [0, 0, 0]


def test_the_baseline_is_the_distance_of_the_centres(camera: Callable[..., Camera]) -> None:
    assert StereoRig((camera(x_m=1.0), camera(x_m=-0.5))).baseline_m == 1.5


@pytest.mark.parametrize("count", [0, 4, 5, 8])
def test_the_usual_lens_models_are_allowed(camera: Callable[..., Camera], count: int) -> None:
    assert len(camera(distortion=np.zeros(count)).distortion) == count


def test_a_fisheye_has_four_coefficients(camera: Callable[..., Camera]) -> None:
    assert camera(lens=Lens.FISHEYE, distortion=np.zeros(4)).lens is Lens.FISHEYE
    with pytest.raises(DataError, match=r"distortion .*; a fisheye lens has one of \(4,\) coefficients"):
        camera(lens=Lens.FISHEYE, distortion=np.zeros(5))


def stretched(scale: float) -> np.ndarray:
    return np.hstack([np.diag([scale, 1, 1]), np.zeros((3, 1))])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cam_from_world", stretched(1.1), "is not a rotation: .* 0.21, .* recalibrate"),  # 1.1^2 - 1
        ("cam_from_world", stretched(-1), r"det R = -1.000; expected .* \+1"),
        ("cam_from_world", np.eye(4), r"expected finite \(3, 4\), got \(4, 4\)"),
        ("cam_from_world", np.full((3, 4), np.nan), "cam_from_world: expected finite"),
        ("intrinsics", np.diag([0.0, 500, 1]), "focal lengths must be above 0"),
        ("intrinsics", np.diag([500.0, 500, 2]), "last row 0 0 1"),
        ("intrinsics", np.eye(2), "intrinsics: expected finite"),
        ("distortion", np.zeros(3), r"distortion \[0.0, 0.0, 0.0\]; a brown_conrady lens has one of \(0, 4, 5, 8\)"),
        ("image_size_px", (0, 480), "image size .* must be above 0"),
        ("frame_rate_hz", 0.0, "frame rate 0.0"),
    ],
)
def test_a_calibration_that_is_none_is_refused(
    camera: Callable[..., Camera], field: str, value: object, message: str
) -> None:
    with pytest.raises(DataError, match=f"camera left: .*{message}") as caught:
        camera(**{field: value})
    assert "\n" not in str(caught.value)


def test_a_rotation_rounded_to_five_digits_still_passes(camera: Callable[..., Camera]) -> None:
    c, s = round(np.cos(0.3), 5), round(np.sin(0.3), 5)
    rounded = np.hstack([[[c, 0, s], [0, 1, 0], [-s, 0, c]], np.zeros((3, 1))])
    assert camera(cam_from_world=rounded).name == "left"


def test_a_rig_needs_two_cameras_apart_at_one_rate(camera: Callable[..., Camera]) -> None:
    with pytest.raises(DataError, match="expected 2 cameras, got 3"):
        StereoRig((camera(), camera(x_m=1), camera(x_m=2)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="stand at one point"):
        StereoRig((camera(), camera("right")))
    with pytest.raises(DataError, match=r"left runs at 30.0 Hz, right at 25.0 Hz; resample"):
        StereoRig((camera(), camera("right", x_m=1, frame_rate_hz=25.0)))


def test_a_rig_of_any_size_gives_its_pairs_and_checks_each(camera: Callable[..., Camera]) -> None:
    three = CameraRig((camera(), camera("middle", x_m=1), camera("right", x_m=3)))
    assert three.pair(2, 1).baseline_m == 2 and [item.name for item in three.pair(2, 1).cameras] == ["right", "middle"]
    with pytest.raises(DataError, match="expected at least 2 cameras, got 1"):
        CameraRig((camera(),))
    with pytest.raises(DataError, match="middle and right stand at one point"):
        CameraRig((camera(), camera("middle", x_m=1), camera("right", x_m=1)))
    with pytest.raises(DataError, match=r"left runs at 30.0 Hz, slow at 25.0 Hz"):
        CameraRig((camera(), camera("middle", x_m=1), camera("slow", x_m=3, frame_rate_hz=25.0)))
