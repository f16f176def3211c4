from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens, StereoRig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.formats import ros


def flow(numbers: NDArray[np.float64]) -> str:
    """A flow list broken over lines, as camera_calibration writes it."""
    return "[" + ",\n         ".join(", ".join(map(repr, row.tolist())) for row in np.atleast_2d(numbers)) + "]"


def calibrator(rectified, index: int) -> str:
    side = ("left", "right")[index]
    return f"""# made by camera_calibration
image_width: 640
image_height: 480
camera_name: narrow_stereo/{side}
camera_matrix:
  rows: 3
  cols: 3
  data: {flow(rectified.matrices[index])}
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: {flow(rectified.distortions[index])}
rectification_matrix:
  rows: 3
  cols: 3
  data: {flow(rectified.rotations[index])}
projection_matrix:
  rows: 3
  cols: 4
  data: {flow(rectified.projections[index])}
"""


def message(rectified, index: int) -> str:
    """A message as `topic echo` prints it: lists under their key without indentation, and a separator."""
    lists = {
        "d": rectified.distortions[index], "k": rectified.matrices[index],
        "r": rectified.rotations[index], "p": rectified.projections[index],
    }  # fmt: skip
    head = "header:\n  stamp:\n    sec: 1\n  frame_id: ''\nheight: 480\nwidth: 640\ndistortion_model: plumb_bob\n"
    body = "".join(
        f"{key}:\n" + "".join(f"- {value!r}\n" for value in numbers.ravel().tolist()) for key, numbers in lists.items()
    )
    return f"{head}{body}binning_x: 0\nroi:\n  height: 0\n  width: 0\n  do_rectify: false\n---\nheight: 1\n"


@pytest.mark.parametrize("written", [calibrator, message])
def test_the_raw_cameras_stand_as_they_stood_before_rectification(written, rectified, tmp_path: Path) -> None:
    for index, name in enumerate(("a.yaml", "b.yaml")):
        (tmp_path / name).write_text(written(rectified, index))
    rig = load_rig(tmp_path, frame_rate_hz=15.0)
    assert isinstance(rig, StereoRig)
    left, right = rig.cameras
    rotation, translation = rectified.right_from_left
    np.testing.assert_allclose(right.rotation @ left.rotation.T, rotation, atol=1e-12)
    np.testing.assert_allclose(right.rotation @ (left.centre_m - right.centre_m), translation, atol=1e-12)
    for camera, matrix, bends in zip(rig.cameras, rectified.matrices, rectified.distortions, strict=True):
        np.testing.assert_array_equal(camera.intrinsics, matrix)
        np.testing.assert_array_equal(camera.distortion, bends)
        assert (camera.image_size_px, camera.frame_rate_hz) == ((640, 480), 15.0)


def test_cameras_are_called_as_their_file_says_or_as_it_is_called(rectified) -> None:
    texts = {"b.yml": calibrator(rectified, 0), "a.yml": message(rectified, 1)}
    assert [camera.name for camera in ros.parse(texts).cameras] == ["a", "narrow_stereo/left"]


def test_equidistant_is_a_fisheye_and_rational_has_eight_coefficients(rectified) -> None:
    text = calibrator(rectified, 0).replace(flow(rectified.distortions[0]), "[0.1, 0.2, 0.3, 0.4]")
    (camera,) = ros.parse({"a.yaml": text.replace("plumb_bob", "equidistant")}).cameras
    assert (camera.lens, camera.distortion.tolist()) == (Lens.FISHEYE, [0.1, 0.2, 0.3, 0.4])
    text = text.replace("[0.1, 0.2, 0.3, 0.4]", "[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0]")
    (camera,) = ros.parse({"a.yaml": text.replace("plumb_bob", "rational_polynomial")}).cameras
    assert (camera.lens, camera.distortion.tolist()) == (Lens.BROWN_CONRADY, [1, 2, 3, 4, 5, 6, 7, 8])


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ("camera_matrix", "matrix", StorageError, "key camera_matrix or K or k is missing"),
        ("projection_matrix", "projector", StorageError, "key projection_matrix or P or p is missing"),
        ("distortion_model: plumb_bob", "a: 1", StorageError, "key distortion_model is missing"),
        ("plumb_bob", "bent", DataError, "distortion_model: 'bent'; expected one of plumb_bob"),
        ("image_width: 640", "image_width: wide", StorageError, "image_width: expected numbers, got 'wide'"),
        ("image_width: 640", "image_width: 640.5", DataError, "image size"),
        ("  data: [500.0, ", "  data: [", DataError, r"camera_matrix: expected \(3, 3\) numbers, got \(8,\)"),
        ("image_width", "binning_x: 2\nimage_width", DataError, "binning or a region of interest"),
        ("image_width", "roi: {width: 100}\nimage_width", DataError, "binning or a region of interest"),
        ("image_width: 640", "image_width: [640", StorageError, "not an OpenCV FileStorage"),
    ],
)  # fmt: skip
def test_file_and_key_that_are_wrong_are_named(
    rectified, old: str, new: str, error: type[Exception], reason: str
) -> None:
    text = calibrator(rectified, 0)
    assert old in text
    with pytest.raises(error, match=rf"left\.yaml: .*{reason}"):
        ros.parse({"left.yaml": text.replace(old, new, 1)})


def test_a_tag_runs_nothing(rectified, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    tag = f"evil: !!python/object/apply:os.system ['touch {proof}']\n"
    for index, name in enumerate(("a.yaml", "b.yaml")):
        (tmp_path / name).write_text(tag + calibrator(rectified, index))
    load_rig(tmp_path, frame_rate_hz=15.0)
    assert not proof.exists()


def test_two_cameras_calibrated_alone_have_no_baseline(rectified, tmp_path: Path) -> None:
    for index, name in enumerate(("a.yaml", "b.yaml")):
        alone = np.column_stack([rectified.projections[index][:, :3], np.zeros(3)])
        text = calibrator(rectified, index).replace(flow(rectified.projections[index]), flow(alone))
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="the baseline must be above 0"):
        load_rig(tmp_path, frame_rate_hz=15.0)


def test_a_camera_that_was_never_calibrated_is_named(rectified) -> None:
    text = calibrator(rectified, 0).replace(flow(rectified.projections[0]), flow(np.zeros((3, 4))))
    with pytest.raises(DataError, match="projection_matrix: its left 3x3 part is singular"):
        ros.parse({"a.yaml": text})


def test_rectification_is_opencvs(rectified, points_m) -> None:
    """The fixture itself: raw pixels moved by R and P are those of P on points in the rectified frame."""
    pixels = cv2.projectPoints(points_m, np.zeros(3), np.zeros(3), rectified.matrices[0], rectified.distortions[0])[0]
    moved = cv2.undistortPoints(
        pixels, rectified.matrices[0], rectified.distortions[0], R=rectified.rotations[0], P=rectified.projections[0]
    )[:, 0]
    seen = points_m @ rectified.rotations[0].T @ rectified.projections[0][:, :3].T
    np.testing.assert_allclose(moved, seen[:, :2] / seen[:, 2:], atol=1e-4)
