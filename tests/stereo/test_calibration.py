from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import StereoRig
from track_persistence.stereo.calibration import load_rig, save_rig

Edit = Callable[[str], str]
OPENCV_STYLE = """%YAML:1.0
---
M1: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 500., 0., 320., 0., 500., 240., 0., 0., 1. ]
M2: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 510., 0., 321., 0., 510., 241., 0., 0., 1. ]
D1: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ 0.1, 0., 0., 0., 0. ]
D2: [ 0., 0., 0., 0. ]
R: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1., 0., 0., 0., 1., 0., 0., 0., 1. ]
T: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ -0.5, 0., 0. ]
imageSize: [ 640, 480 ]
frame_rate_hz: 30
"""


@pytest.mark.parametrize("suffix", [".yml", ".yaml", ".xml", ".json"])
def test_a_rig_comes_back_exactly(rig: StereoRig, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rig{suffix}"
    save_rig(path, rig)
    for ours, read in zip(rig.cameras, load_rig(path).cameras, strict=True):
        for field in ("intrinsics", "distortion", "cam_from_world"):
            np.testing.assert_array_equal(getattr(read, field), getattr(ours, field))
        assert (read.name, read.image_size_px, read.frame_rate_hz) == (ours.name, ours.image_size_px, 25.0)


def test_opencv_reads_the_relative_pose_that_we_write(rig: StereoRig, tmp_path: Path) -> None:
    path = tmp_path / "rig.yml"
    save_rig(path, rig)
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    rotation, translation = storage.getNode("R").mat(), storage.getNode("T").mat()[:, 0]
    first, second = rig.cameras
    np.testing.assert_allclose(rotation @ first.rotation, second.rotation, atol=1e-12)
    np.testing.assert_allclose(rotation @ first.translation_m + translation, second.translation_m, atol=1e-12)


def test_the_names_of_opencvs_own_samples_are_known(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE)
    first, second = load_rig(path).cameras
    assert (first.intrinsics[0, 0], second.intrinsics[0, 0]) == (500.0, 510.0)
    assert first.distortion.tolist() == [0.1, 0, 0, 0, 0]
    assert first.cam_from_world.tolist() == np.eye(3, 4).tolist()
    assert second.centre_m.tolist() == [0.5, 0.0, 0.0]
    assert second.image_size_px == (640, 480)


@pytest.mark.parametrize(
    ("edit", "error", "reason"),
    [
        (lambda text: text.replace("frame_rate_hz", "rate"), StorageError, "key frame_rate_hz is missing"),
        (lambda text: text.replace("M2", "N2"), StorageError, "key K2 or M2 or .* is missing"),
        (lambda text: text.replace("imageSize", "size"), StorageError, "key image_size1 or image_size or .*missing"),
        (lambda text: text.replace("[ 1., 0., 0., 0., 1.", "[ 2., 0., 0., 0., 1."),
         DataError, "cam_from_world is not a rotation"),
        (lambda text: text.replace("[ 640, 480 ]", "[ 640 ]"), DataError, r"imageSize: expected \(2,\) numbers"),
        (lambda text: text.replace("[ 640, 480 ]", "[ 0, 480 ]"), DataError, "image size .* must be above 0"),
        (lambda text: text.replace("[ 640, 480 ]", "big"), StorageError, "imageSize: expected numbers"),
        (lambda text: text.replace("500., 0., 320.", "500., 3., 320."), DataError, "camera 1: skew 3"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", "[ 0., 0., 0. ]"), DataError, "distortion of shape"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", "[ 0., 0., .Nan, 0. ]"), DataError, "must be finite"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", f"[ {'0., ' * 8} 0.1 ]"), DataError, "tilt terms are not"),
        (lambda text: text.replace("-0.5", "0.0"), DataError, "baseline must be above 0"),
        (lambda text: "hello", StorageError, "not an OpenCV FileStorage file"),
        (lambda text: "", StorageError, "not an OpenCV FileStorage file"),
        (lambda text: "%YAML:1.0\n---\n- 1\n", StorageError, "expected named entries"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_calibration_is_said_in_one_line(
    tmp_path: Path, edit: Edit, error: type[Exception], reason: str
) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(edit(OPENCV_STYLE))
    assert path.read_text() != OPENCV_STYLE
    with pytest.raises(error, match=reason) as caught:
        load_rig(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_relative_pose_that_contradicts_the_cameras_is_refused(rig: StereoRig, tmp_path: Path) -> None:
    path = tmp_path / "rig.yml"
    save_rig(path, rig)
    written = path.read_text()
    start = written.index("data: [ -0.", written.index("\nT:")) + len("data: [ -")
    path.write_text(written[:start] + "1" + written[start:])
    with pytest.raises(DataError, match="R, T differ by 10 from"):
        load_rig(path)


def test_a_missing_file_and_a_foreign_suffix_are_named(rig: StereoRig, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no\.yml: cannot be read: No such file"):
        load_rig(tmp_path / "no.yml")
    for refuse in (load_rig, lambda path: save_rig(path, rig)):
        with pytest.raises(StorageError, match=r"suffix '\.pkl'"):
            refuse(tmp_path / "rig.pkl")


def test_zeros_beyond_the_eighth_coefficient_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE.replace("[ 0., 0., 0., 0. ]", f"[ 0.2, {'0., ' * 12} 0. ]"))
    assert load_rig(path).cameras[1].distortion.tolist() == [0.2, 0, 0, 0, 0, 0, 0, 0]
