from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import StereoRig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.formats import kitti
from track_persistence.stereo.geometry import project

RECORDED = Path(__file__).parents[3].parent / "shared" / "data" / "kitti_tracking" / "calib" / "0000.txt"
SIZE = (640, 480)


def line(key: str, numbers: NDArray[np.float64]) -> str:
    return f"{key}: " + " ".join(f"{number:.17e}" for number in numbers.ravel()) + "\n"


@pytest.fixture
def raw(rectified) -> str:
    """calib_cam_to_cam.txt of the pair, with the images made larger by rectification."""
    text = "calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.950000e-02\n"
    poses = ((np.eye(3), np.zeros(3)), rectified.right_from_left)
    for index, (rotation, translation) in enumerate(poses):
        text += line(f"S_0{index}", np.array(SIZE))
        text += line(f"K_0{index}", rectified.matrices[index])
        text += line(f"D_0{index}", rectified.distortions[index])
        text += line(f"R_0{index}", rotation) + line(f"T_0{index}", translation)
        text += line(f"S_rect_0{index}", np.array([600, 400]))
        text += line(f"R_rect_0{index}", rectified.rotations[index])
        text += line(f"P_rect_0{index}", rectified.projections[index])
    return text


@pytest.fixture
def path(raw: str, tmp_path: Path) -> Path:
    file = tmp_path / "calib_cam_to_cam.txt"
    file.write_text(raw)
    return file


def test_the_cameras_before_rectification_see_what_opencv_says(path: Path, rectified, points_m) -> None:
    rig = load_rig(path, SIZE, 10.0)
    assert isinstance(rig, StereoRig) and [camera.name for camera in rig.cameras] == ["image_00", "image_01"]
    poses = ((np.zeros(3), np.zeros(3)), (cv2.Rodrigues(rectified.right_from_left[0])[0], rectified.right_from_left[1]))
    for camera, pose, matrix, bends in zip(rig.cameras, poses, rectified.matrices, rectified.distortions, strict=True):
        expected = cv2.projectPoints(points_m, *pose, matrix, bends)[0][:, 0]
        np.testing.assert_allclose(project(camera, points_m), expected, atol=1e-9)


def test_the_rectified_cameras_see_the_rectified_pixels(path: Path, rectified, points_m) -> None:
    """OpenCV moves the raw pixels by R and P; our camera projects the point in the rectified frame."""
    before, after = load_rig(path, SIZE, 10.0), load_rig(path, None, 10.0)
    for index in (0, 1):
        raw_pixels = project(before.cameras[index], points_m)
        expected = cv2.undistortPoints(
            raw_pixels, rectified.matrices[index], rectified.distortions[index],
            R=rectified.rotations[index], P=rectified.projections[index],
        )[:, 0]  # fmt: skip
        seen = project(after.cameras[index], points_m @ rectified.rotations[0].T)
        np.testing.assert_allclose(seen, expected, atol=1e-4)
        assert after.cameras[index].image_size_px == (600, 400)


def test_a_size_of_neither_kind_contradicts_the_file(path: Path) -> None:
    with pytest.raises(DataError, match=r"S_rect_<i> is \(600, 400\), but image_size_px is \(1242, 375\)"):
        load_rig(path, (1242, 375), 10.0)


@pytest.mark.parametrize(
    ("key", "size"), [("K_01", SIZE), ("D_00", SIZE), ("R_01", SIZE), ("P_rect_01", None), ("S_rect_00", None)]
)
def test_a_missing_key_is_named(raw: str, key: str, size: tuple[int, int] | None) -> None:
    with pytest.raises(StorageError, match=f"key {key} is missing"):
        kitti.parse(raw.replace(f"{key}:", "other:"), size)


def test_a_rotation_that_is_none_is_refused(path: Path, rectified) -> None:
    path.write_text(path.read_text().replace(line("R_01", rectified.right_from_left[0]), line("R_01", 2 * np.eye(3))))
    with pytest.raises(DataError, match=r"cam_to_cam\.txt: camera image_01: cam_from_world is not a rotation"):
        load_rig(path, SIZE, 10.0)


def test_a_projection_file_says_which_arguments_it_needs(tmp_path: Path) -> None:
    """P = K [I | t] with f 100 px, centre (50, 40) and the second camera 0.5 m to the right: t = (-0.5, 0, 0)."""
    path = tmp_path / "calib.txt"
    path.write_text("P0: 100 0 50 0 0 100 40 0 0 0 1 0\nP1: 100 0 50 -50 0 100 40 0 0 0 1 0\nTr_velo_cam 1 0 0\n")
    with pytest.raises(StorageError, match=r"calib\.txt: this format holds no image_size_px; pass image_size_px"):
        load_rig(path, None, 10.0)
    with pytest.raises(StorageError, match="this format holds no frame_rate_hz; pass frame_rate_hz"):
        load_rig(path, (101, 81))
    right = load_rig(path, (101, 81), 10.0).cameras[1]
    assert right.centre_m.tolist() == [0.5, 0.0, 0.0] and right.intrinsics[0].tolist() == [100.0, 0.0, 50.0]
    assert (right.name, right.image_size_px, right.frame_rate_hz) == ("image_01", (101, 81), 10.0)


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("P0: 100 0 50 0 0 100 40 0 0 0 1\n", DataError, r"P0: expected \(3, 4\) numbers, got \(11,\)"),
        ("P0: 100 0 50 0 0 100 40 0 0 0 1 x\n", StorageError, "P0: expected numbers, got 'x'"),
        ("P0: 0 0 50 0 0 100 40 0 0 0 1 0\n", DataError, "P0: its left 3x3 part is singular"),
        ("P0: 100 1 50 0 0 100 40 0 0 0 1 0\n", DataError, "P0: skew 1"),
    ],
)
def test_a_wrong_projection_is_named(text: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        kitti.parse(text, None)


@pytest.mark.skipif(not RECORDED.is_file(), reason="the shared data is not here")
def test_a_recorded_calibration_projects_as_its_matrices_do() -> None:
    rig = load_rig(RECORDED, (1242, 375), 10.0)
    assert [camera.name for camera in rig.cameras] == [f"image_0{index}" for index in range(4)]
    point = np.array([[1.5, 0.5, 12.0]])
    for index, camera in enumerate(rig.cameras):
        matrix = np.array(RECORDED.read_text().splitlines()[index].split()[1:], float).reshape(3, 4)
        x, y, w = matrix @ [1.5, 0.5, 12.0, 1.0]
        np.testing.assert_allclose(project(camera, point)[0], [x / w, y / w], rtol=1e-12)
    # The setup page of the data set gives the colour cameras 0.54 m of baseline, to the centimetre.
    assert abs(rig.pair(2, 3).baseline_m - 0.54) < 0.01
