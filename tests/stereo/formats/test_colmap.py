from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from track_persistence.core.errors import DataError, StorageError
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.formats import colmap
from track_persistence.stereo.geometry import project

ROTATION = Rotation.from_rotvec([0.2, -0.4, 0.1])
W, X, Y, Z = np.roll(ROTATION.as_quat(), 1).tolist()
IMAGES = f"""# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME
7 {W!r} {X!r} {Y!r} {Z!r} 0.1 0.2 0.3 4 right side.jpg
100.5 200.5 -1 7.5 8.5 3

3 1 0 0 0 0 0 0 4 left.jpg

"""
POINTS = np.random.default_rng(1).uniform((-1, -1, 3), (1, 1, 6), (20, 3))
K = np.array([[500.0, 0, 319.5], [0, 510, 239.5], [0, 0, 1]])


def cameras(model: str, params: str) -> str:
    return f"# Camera list\n4 {model} 640 480 {params}\n"


@pytest.mark.parametrize(
    ("model", "params", "focal_y", "bends"),
    [
        ("SIMPLE_PINHOLE", "500 320 240", 500, []),
        ("PINHOLE", "500 510 320 240", 510, []),
        ("SIMPLE_RADIAL", "500 320 240 -0.1", 500, [-0.1, 0, 0, 0]),
        ("RADIAL", "500 320 240 -0.1 0.02", 500, [-0.1, 0.02, 0, 0]),
        ("OPENCV", "500 510 320 240 -0.1 0.02 0.001 0.002", 510, [-0.1, 0.02, 0.001, 0.002]),
        ("FULL_OPENCV", "500 510 320 240 -0.1 0.02 0.001 0.002 0.03 0.04 0.05 0.06", 510,
         [-0.1, 0.02, 0.001, 0.002, 0.03, 0.04, 0.05, 0.06]),
        ("OPENCV_FISHEYE", "500 510 320 240 -0.1 0.02 0.003 0.001", 510, [-0.1, 0.02, 0.003, 0.001]),
        ("SIMPLE_RADIAL_FISHEYE", "500 320 240 -0.1", 500, [-0.1, 0, 0, 0]),
        ("RADIAL_FISHEYE", "500 320 240 -0.1 0.02", 500, [-0.1, 0.02, 0, 0]),
    ],
)  # fmt: skip
def test_every_model_sees_what_opencv_sees_with_the_pixel_centre_moved(
    tmp_path: Path, model: str, params: str, focal_y: float, bends: list[float]
) -> None:
    """COLMAP's principal point (320, 240) is (319.5, 239.5) where the first pixel's centre is (0, 0)."""
    (tmp_path / "cameras.txt").write_text(cameras(model, params))
    (tmp_path / "images.txt").write_text(IMAGES)
    left, right = load_rig(tmp_path, frame_rate_hz=30.0).cameras
    assert (left.name, right.name, right.image_size_px) == ("left.jpg", "right side.jpg", (640, 480))
    matrix = np.diag([500.0, focal_y, 1]) + np.array([[0, 0, 319.5], [0, 0, 239.5], [0, 0, 0]])
    turn, shift = ROTATION.as_rotvec(), np.array([0.1, 0.2, 0.3])
    if model.endswith("FISHEYE"):
        seen = cv2.fisheye.projectPoints(POINTS[:, None], turn, shift, matrix, np.array(bends))[0]
    else:
        seen = cv2.projectPoints(POINTS, turn, shift, matrix, np.array(bends))[0]
    np.testing.assert_allclose(project(right, POINTS), seen.reshape(-1, 2), atol=1e-8)


def test_an_arbitrary_scale_is_turned_into_metres(tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text(cameras("PINHOLE", "500 510 320 240"))
    (tmp_path / "images.txt").write_text(IMAGES)
    rig, scaled = (load_rig(tmp_path, None, 30.0, scale) for scale in (1.0, 2.5))
    for camera, moved in zip(rig.cameras, scaled.cameras, strict=True):
        np.testing.assert_allclose(moved.centre_m, 2.5 * camera.centre_m)
        np.testing.assert_array_equal(moved.rotation, camera.rotation)


@pytest.mark.parametrize(
    ("text", "images", "error", "reason"),
    [
        ("4 FOV 640 480 1 2 3 4 5\n", IMAGES, DataError, r"cameras\.txt: line 1: model FOV; expected one of SIMPLE"),
        ("4 PINHOLE 640 480 500\n", IMAGES, DataError, r"cameras\.txt: line 1: PARAMS: expected \(4,\) numbers"),
        ("4 PINHOLE 640\n", IMAGES, StorageError, r"cameras\.txt: line 1: expected CAMERA_ID"),
        ("4 PINHOLE 640 480 a 1 1 1\n", IMAGES, StorageError, r"cameras\.txt: line 1: expected numbers, got 'a'"),
        ("5 PINHOLE 640 480 1 1 1 1\n", IMAGES, StorageError, r"images\.txt: line 2: camera 4 is missing"),
        ("4 PINHOLE 640 480 1 1 1 1\n", "1 1 0 0 0 0 0 0 4\n", StorageError, r"images\.txt: line 1: .* 9 fields"),
        ("4 PINHOLE 640 480 1 1 1 1\n", "1 2 0 0 0 0 0 0 4 a\n", DataError, "quaternion of length 2 is no rotation"),
        ("4 PINHOLE 640 480 1 1 1 1\n", "1 1 0 0 0 0 0 0 4 a\n2 1 0 0 0 1 0 0 4 b\n", StorageError,
         r"images\.txt: line 2: expected X Y POINT3D_ID of 2D points, or an empty line after an image; got 10 fields"),
        ("4 PINHOLE 640 480 1 1 1 1\n", "1 1 0 0 0 0 0 0 4 a\n2 1 0 0 0 1 0 0 4 the left b\n", StorageError,
         r"images\.txt: line 2: 2D points: expected numbers, got 'the'"),
        ("4 PINHOLE 640 480 1 1 1 1\n", "1 nan 0 0 0 0 0 0 4 a\n", DataError, "line 1: .*all must be finite"),
    ],
)  # fmt: skip
def test_the_line_that_is_wrong_is_named(text: str, images: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        colmap.parse(text, images)
