import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import CameraRig, Lens, StereoRig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.formats import opencv
from track_persistence.stereo.formats.draft import CameraDraft

INTRINSICS = ([500.0, 0, 320, 0, 500, 240, 0, 0, 1], [510.0, 0, 321, 0, 510, 241, 0, 0, 1])
BENDS = ([-0.3, 0.1, 0.001, 0.002, 0.01], [-0.2, 0.1, 0.001, 0.002, 0.0])


def entry(name: str, rows: int, numbers: list[float]) -> str:
    columns = len(numbers) // rows
    return f"{name}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: {numbers}\n"


def lenses(matrices: str, bends: str, sides: tuple[str, str]) -> str:
    parts = zip(sides, INTRINSICS, BENDS, strict=True)
    return "".join(entry(matrices.format(side), 3, k) + entry(bends.format(side), 1, d) for side, k, d in parts)


def relative(rotation: str, translation: str) -> str:
    """The second camera 60 mm to the right of the first and turned a quarter about the axis."""
    return entry(rotation, 3, [0, -1, 0, 1, 0, 0, 0, 0, 1]) + entry(translation, 3, [0, -0.06, 0])


def assert_pair(cameras: tuple[CameraDraft, ...]) -> None:
    assert [camera.intrinsics.ravel().tolist() for camera in cameras] == list(INTRINSICS)
    assert [camera.distortion.tolist() for camera in cameras] == list(BENDS)
    assert [camera.lens for camera in cameras] == [Lens.BROWN_CONRADY] * 2
    assert cameras[0].cam_from_world.tolist() == np.eye(3, 4).tolist()
    np.testing.assert_allclose(cameras[1].cam_from_world, [[0, -1, 0, 0], [1, 0, 0, -0.06], [0, 0, 1, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("matrices", "bends", "sides", "pose"),
    [
        ("K{}", "D{}", ("1", "2"), ("R", "T")),
        ("cameraMatrix{}", "distCoeffs{}", ("1", "2"), ("R", "T")),
        ("camera_matrix_{}", "dist_coeffs_{}", ("left", "right"), ("R", "T")),
        ("camera_matrix_{}", "distortion_coeffs_{}", ("left", "right"), ("rotation_matrix", "translation_vector")),
        ("K_{}", "D_{}", ("left", "right"), ("R", "T")),
        ("cameraMatrix{}", "distCoeffs{}", ("L", "R"), ("R", "T")),
    ],
)
def test_the_names_that_programs_give_the_matrices_of_a_pair_are_known(
    matrices: str, bends: str, sides: tuple[str, str], pose: tuple[str, str]
) -> None:
    assert_pair(opencv.parse("%YAML:1.0\n---\n" + lenses(matrices, bends, sides) + relative(*pose)).cameras)


def test_the_two_files_of_opencvs_stereo_calib_are_one_calibration(tmp_path: Path) -> None:
    rectified = entry("R1", 3, [1, 0, 0, 0, 1, 0, 0, 0, 1]) + entry("P1", 3, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
    texts = ("%YAML:1.0\n---\n" + lenses("M{}", "D{}", ("1", "2")), "%YAML:1.0\n---\n" + relative("R", "T") + rectified)
    assert_pair(opencv.parse(*texts).cameras)
    for name, text in zip(("intrinsics.yml", "extrinsics.yml"), texts, strict=True):
        (tmp_path / name).write_text(text)
    assert_pair(load_rig(tmp_path, (640, 480), 25.0).cameras)
    with pytest.raises(StorageError, match=r"key R or rotation_matrix is missing"):
        opencv.parse(texts[0])


def test_json_may_hold_rows_as_lists_and_a_rotation_as_a_vector() -> None:
    """As Python's json writes numpy's lists: a matrix is a list of rows, a column a list of lists of one."""
    content = {
        "K1": [INTRINSICS[0][:3], INTRINSICS[0][3:6], INTRINSICS[0][6:]], "D1": [BENDS[0]],
        "K2": [INTRINSICS[1][:3], INTRINSICS[1][3:6], INTRINSICS[1][6:]], "D2": [BENDS[1]],
        "R": [[0.0], [0.0], [np.pi / 2]], "T": [[0.0], [-0.06], [0.0]],
    }  # fmt: skip
    assert_pair(opencv.parse(json.dumps(content)).cameras)


def test_sides_of_the_image_and_frames_per_second_have_other_names() -> None:
    for width, height in (("image_width", "image_height"), ("width", "height")):
        head = f"\n%YAML:1.0\n---\n{width}: 640\n{height}: 480\nfps: 12.5\n"
        cameras = opencv.parse(head + lenses("K{}", "D{}", ("1", "2")) + relative("R", "T")).cameras
        assert [(camera.image_size_px, camera.frame_rate_hz) for camera in cameras] == [((640, 480), 12.5)] * 2


def test_fisheye_model_says_what_four_coefficients_mean() -> None:
    four = lenses("K{}", "D{}", ("1", "2")).replace("cols: 5", "cols: 4").replace(", 0.01]", "]").replace(", 0.0]", "]")
    for value, lens in ((1, Lens.FISHEYE), (0, Lens.BROWN_CONRADY)):
        text = f"%YAML:1.0\n---\nfisheye_model: {value}\n" + four + relative("R", "T")
        assert [camera.lens for camera in opencv.parse(text).cameras] == [lens, lens]


def test_three_cameras_are_written_without_the_pose_of_a_pair(rig: StereoRig) -> None:
    first, second = rig.cameras
    third = replace(second, name="third", cam_from_world=second.cam_from_world + np.eye(3, 4, 3))
    text = opencv.render(CameraRig((first, second, third)), ".yml")
    assert "\nR:" not in text
    assert [camera.name for camera in opencv.parse(text).cameras] == ["left", "right", "third"]


def test_a_third_camera_needs_poses_in_the_world(rig: StereoRig) -> None:
    text = (
        opencv.render(rig, ".yml").replace("cam1_from_world", "pose1") + "K3: [ 1., 0., 0., 0., 1., 0., 0., 0., 1. ]\n"
    )
    with pytest.raises(StorageError, match="key cam1_from_world is missing"):
        opencv.parse(text)


def test_the_lens_is_radial_tangential_where_the_file_says_nothing(rig: StereoRig) -> None:
    fisheye = replace(rig.cameras[0], lens=Lens.FISHEYE, distortion=np.array([0.1, 0.2, 0.3, 0.4]))
    text = opencv.render(StereoRig((fisheye, rig.cameras[1])), ".yml")
    assert [camera.lens for camera in opencv.parse(text).cameras] == [Lens.FISHEYE, Lens.BROWN_CONRADY]
    assert opencv.parse(text.replace("lens1", "glass1")).cameras[0].lens is Lens.BROWN_CONRADY
    with pytest.raises(DataError, match=r"lens1: 'fishy'; expected brown_conrady or fisheye"):
        opencv.parse(text.replace("lens1: fisheye", "lens1: fishy"))


@pytest.mark.parametrize(
    "text",
    [
        "%YAML:1.0\n---\na: " + "[" * 200_000 + "]" * 200_000,
        "%YAML:1.0\n---\na:\n  " + "- " * 200_000 + "1\n",
        '{"a": ' + "[" * 200_000 + "]" * 200_000 + "}",
        '<?xml version="1.0"?><opencv_storage>' + "<a>" * 200_000 + "</a>" * 200_000 + "</opencv_storage>",
    ],
    ids=["yaml", "dashes", "json", "xml"],
)
def test_a_file_that_would_overflow_the_parser_is_refused(text: str) -> None:
    with pytest.raises(StorageError, match="nested more than 100 deep"):
        opencv.parse(text)


@pytest.mark.parametrize("suffix", [".yml", ".xml", ".json"])
def test_a_file_cut_off_anywhere_is_refused_unless_all_cameras_are_whole(rig: StereoRig, suffix: str) -> None:
    text = opencv.render(rig, suffix)
    poses = text.index("cam2_from_world") + 100
    for length in range(10, len(text), 37):
        try:
            read = opencv.parse(text[:length]).cameras
        except (StorageError, DataError):
            continue
        assert length > poses
        np.testing.assert_array_equal(read[1].cam_from_world, rig.cameras[1].cam_from_world)


def test_a_parsing_error_names_its_line() -> None:
    with pytest.raises(StorageError, match="not an OpenCV FileStorage file: line 4: Incorrect indentation"):
        opencv.parse("%YAML:1.0\n---\na: [1,2\nb: 2 3]\n")


def test_other_opencv_programs_read_what_we_write(rig: StereoRig) -> None:
    storage = cv2.FileStorage(opencv.render(rig, ".yml"), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    np.testing.assert_array_equal(storage.getNode("K1").mat(), rig.cameras[0].intrinsics)
    np.testing.assert_array_equal(storage.getNode("D1").mat()[0], rig.cameras[0].distortion)
