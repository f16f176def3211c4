from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Camera, CameraRig, Lens, StereoRig
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


def assert_same(read: CameraRig, rig: CameraRig) -> None:
    for ours, theirs in zip(rig.cameras, read.cameras, strict=True):
        for field in ("intrinsics", "distortion", "cam_from_world"):
            np.testing.assert_array_equal(getattr(theirs, field), getattr(ours, field))
        assert (theirs.name, theirs.image_size_px, theirs.lens) == (ours.name, ours.image_size_px, ours.lens)
        assert theirs.frame_rate_hz == ours.frame_rate_hz


@pytest.mark.parametrize("suffix", [".toml", ".yml", ".yaml", ".xml", ".json"])
def test_a_pair_comes_back_exactly(rig: StereoRig, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rig{suffix}"
    save_rig(path, rig)
    read = load_rig(path)
    assert isinstance(read, StereoRig)
    assert_same(read, rig)


@pytest.mark.parametrize("suffix", [".toml", ".yml", ".xml", ".json"])
@pytest.mark.parametrize("count", [3, 12])
def test_a_rig_of_any_size_and_lens_comes_back_exactly(tmp_path: Path, suffix: str, count: int) -> None:
    """Twelve cameras, since cam_10 sorts before cam_2; 29.97 Hz and thirds have no short decimal form."""
    rng = np.random.default_rng(count)
    kinds = ((Lens.BROWN_CONRADY, 0), (Lens.BROWN_CONRADY, 8), (Lens.FISHEYE, 4), (Lens.BROWN_CONRADY, 5))
    cameras = []
    for index in range(count):
        lens, coefficients = kinds[index % len(kinds)]
        pose = np.column_stack([cv2.Rodrigues(rng.normal(size=3))[0], rng.normal(size=3) / 3])
        intrinsics = np.array([[800 + rng.random(), 0, 320.1], [0, 800 + rng.random(), 240 / 7], [0, 0, 1]])
        bends = rng.normal(0, 0.01, coefficients)
        name = f'kamera {index} "nö: #1"'
        cameras.append(Camera(name, intrinsics, bends, pose, (640 + index, 480), 29.97, lens))
    path = tmp_path / f"rig{suffix}"
    save_rig(path, CameraRig(tuple(cameras)))
    assert_same(load_rig(path), CameraRig(tuple(cameras)))


@pytest.mark.parametrize("suffix", [".toml", ".yml", ".xml", ".json"])
def test_the_content_tells_the_format_not_the_name(rig: StereoRig, tmp_path: Path, suffix: str) -> None:
    save_rig(tmp_path / f"rig{suffix}", rig)
    renamed = (tmp_path / f"rig{suffix}").rename(tmp_path / "calibration.txt")
    assert_same(load_rig(renamed), rig)


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
        (lambda text: text.replace("frame_rate_hz", "rate"), StorageError, "key frame_rate_hz .*pass frame_rate_hz"),
        (lambda text: text.replace("M2", "N2"), StorageError, "key K2 or M2 or .* is missing"),
        (lambda text: text.replace("imageSize", "size"), StorageError, "key image_size1 or .* pass image_size"),
        (lambda text: text.replace("[ 1., 0., 0., 0., 1.", "[ 2., 0., 0., 0., 1."),
         DataError, "cam_from_world is not a rotation"),
        (lambda text: text.replace("[ 640, 480 ]", "[ 640 ]"), DataError, r"imageSize: expected \(2,\) numbers"),
        (lambda text: text.replace("[ 640, 480 ]", "[ 0, 480 ]"), DataError, "image size .* must be above 0"),
        (lambda text: text.replace("[ 640, 480 ]", "big"), StorageError, "imageSize: expected numbers"),
        (lambda text: text.replace("500., 0., 320.", "500., 3., 320."), DataError, "camera 1: skew 3"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", "[ 0., 0., 0. ]"), DataError, "one of .0, 4, 5, 8. coeff"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", "[ 0., 0., .Nan, 0. ]"), DataError, "must be finite"),
        (lambda text: text.replace("[ 0., 0., 0., 0. ]", f"[ {'0., ' * 8} 0.1 ]"), DataError, "tilt terms are not"),
        (lambda text: text.replace("-0.5", "0.0"), DataError, "baseline must be above 0"),
        (lambda text: text.replace("rate_hz: 30", "rate_hz: .Inf"), DataError, "frame rate inf; expected a finite"),
        (lambda text: "hello", StorageError, "not a calibration in a known format: OpenCV FileStorage"),
        (lambda text: "", StorageError, "not a calibration in a known format"),
        (lambda text: "<html></html>", StorageError, "not a calibration in a known format"),
        (lambda text: "image_width: 4\nK: [1]\n", StorageError, "one camera_info is one camera; give the folder"),
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
    with pytest.raises(DataError, match="R, T and cam1_from_world, cam2_from_world differ by 10"):
        load_rig(path)


def test_a_missing_file_a_foreign_suffix_and_a_picture_are_named(rig: StereoRig, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no\.yml: cannot be read: No such file"):
        load_rig(tmp_path / "no.yml")
    with pytest.raises(StorageError, match=r"rig\.pkl: suffix '\.pkl'"):
        save_rig(tmp_path / "rig.pkl", rig)
    (tmp_path / "rig.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(StorageError, match=r"rig\.png: not a text file; expected OpenCV"):
        load_rig(tmp_path / "rig.png")


def test_a_folder_of_neither_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("")
    with pytest.raises(StorageError, match=r"a folder without cameras\.txt and images\.txt .*without YAML"):
        load_rig(tmp_path)


def test_an_argument_fills_what_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE.replace("frame_rate_hz", "rate").replace("imageSize", "size"))
    camera = load_rig(path, (640, 480), 12.5).cameras[1]
    assert (camera.image_size_px, camera.frame_rate_hz) == ((640, 480), 12.5)


def test_an_argument_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE)
    load_rig(path, (640, 480), 30.0)
    with pytest.raises(DataError, match=r"stereo\.yml: image_size1 or .* is \(640, 480\), but image_size_px is \(480"):
        load_rig(path, (480, 640))
    with pytest.raises(DataError, match=r"stereo\.yml: frame_rate_hz is 30\.0, but frame_rate_hz is 25"):
        load_rig(path, frame_rate_hz=25.0)


def test_positions_in_the_unit_of_a_board_become_metres(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE.replace("-0.5", "-500."))
    assert load_rig(path, metres_per_unit=0.001).cameras[1].centre_m.tolist() == [0.5, 0.0, 0.0]
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match=r"stereo\.yml: metres_per_unit: .*above 0"):
            load_rig(path, metres_per_unit=wrong)


def test_what_was_calibrated_alone_is_no_rig(rig: StereoRig, tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    save_rig(path, rig)
    path.write_text(path.read_text().partition("[cam_1]")[0])
    with pytest.raises(DataError, match=r"rig\.toml: camera rig: expected at least 2 cameras, got 1"):
        load_rig(path)


def test_a_rig_that_stands_at_one_point_is_refused(rig: StereoRig, tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    save_rig(path, rig)
    text = path.read_text().replace(str(rig.cameras[1].cam_from_world.tolist()), "MOVED")
    moved = replace(rig.cameras[1], cam_from_world=rig.cameras[0].cam_from_world)
    text = text.replace("MOVED", str(moved.cam_from_world.tolist()))
    for before, after in zip(
        (cv2.Rodrigues(rig.cameras[1].rotation)[0][:, 0], rig.cameras[1].translation_m),
        (cv2.Rodrigues(moved.rotation)[0][:, 0], moved.translation_m),
        strict=True,
    ):
        text = text.replace(str(before.tolist()), str(after.tolist()))
    path.write_text(text)
    with pytest.raises(DataError, match=r"rig\.toml: .*stand at one point"):
        load_rig(path)


def test_zeros_beyond_the_eighth_coefficient_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "stereo.yml"
    path.write_text(OPENCV_STYLE.replace("[ 0., 0., 0., 0. ]", f"[ 0.2, {'0., ' * 12} 0. ]"))
    assert load_rig(path).cameras[1].distortion.tolist() == [0.2, 0, 0, 0, 0, 0, 0, 0]
