import tomllib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens, StereoRig
from track_persistence.stereo.formats import toml

# Laid out as aniposelib and Pose2Sim write it, trailing commas and whole-number floats included.
TEXT = """
# two cameras
[cam_01]
name = "near"
size = [ 1088.0, 1920.0]
matrix = [ [ 1681.5, 0.0, 532.25,], [ 0.0, 1680.0, 948.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ -0.05, 0.1, 0.001, 0.002,]
rotation = [ 0.0, 0.0, 1.5707963267948966,]
translation = [ 1.0, 2.0, 3.0,]
fisheye = false

[cam_02]
name = "far"
size = [ 1088.0, 1920.0]
matrix = [ [ 800.0, 0.0, 532.0], [ 0.0, 800.0, 948.0], [ 0.0, 0.0, 1.0]]
distortions = [ 0.1, 0.02, 0.003, 0.0004]
rotation = [ 0.0, 0.0, 0.0]
translation = [ 0.0, 0.0, 4.0]
fisheye = true

[metadata]
adjusted = false
error = 0.0
"""


def test_a_calibration_of_pose2sim_is_read() -> None:
    near, far = toml.parse(TEXT).cameras
    assert (near.name, near.image_size_px, near.frame_rate_hz) == ("near", (1088, 1920), None)
    # A quarter turn about z takes x to y, so R's columns are y, -x, z.
    np.testing.assert_allclose(near.cam_from_world, [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]], atol=1e-15)
    assert near.intrinsics.tolist() == [[1681.5, 0, 532.25], [0, 1680, 948], [0, 0, 1]]
    assert (near.lens, far.lens) == (Lens.BROWN_CONRADY, Lens.FISHEYE)
    assert far.distortion.tolist() == [0.1, 0.02, 0.003, 0.0004]


def test_other_readers_find_their_keys_in_what_we_write(rig: StereoRig) -> None:
    content = tomllib.loads(toml.render(rig))
    table, camera = content["cam_0"], rig.cameras[0]
    assert list(content) == ["metadata", "cam_0", "cam_1"]
    assert (table["name"], table["size"], table["fisheye"]) == ("left", [1280, 720], False)
    np.testing.assert_allclose(cv2.Rodrigues(np.array(table["rotation"]))[0], camera.rotation, atol=1e-12)
    assert table["translation"] == camera.translation_m.tolist()
    assert table["matrix"] == camera.intrinsics.tolist()


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ("matrix =", "K =", StorageError, "key cam_01.matrix is missing"),
        ("rotation =", "R =", StorageError, "key cam_01.rotation is missing"),
        ("[ 1.0, 2.0, 3.0,]", "[ 1.0, 2.0]", DataError, r"cam_01.translation: expected \(3,\) numbers"),
        ("[ 1.0, 2.0, 3.0,]", "'here'", StorageError, "cam_01.translation: expected numbers, got 'here'"),
        ("[ 1.0, 2.0, 3.0,]", "[ true, 2.0, 3.0]", StorageError, "cam_01.translation: expected numbers, got 'bool'"),
        ("1681.5, 0.0", "1681.5, 2.0", DataError, "cam_01.matrix: skew 2"),
        ("fisheye = false", "fisheye = 0", DataError, "cam_01.fisheye: expected true or false"),
        ("1088.0", "1088.5", DataError, "cam_01.size: image size"),
        ("[metadata]", "[metadata]\nframe_rate_hz = 'fast'", StorageError, "metadata.frame_rate_hz: expected numbers"),
        ("[cam_02]", "[cam_02", StorageError, "not valid TOML"),
        ("[metadata]", "[metadata]\na = " + "[" * 5000, StorageError, "not valid TOML"),
    ],
)  # fmt: skip
def test_the_key_that_is_wrong_is_named(old: str, new: str, error: type[Exception], reason: str) -> None:
    assert old in TEXT
    with pytest.raises(error, match=reason):
        toml.parse(TEXT.replace(old, new, 1))


def test_tables_within_a_table_and_a_rotation_of_nine_numbers_are_read() -> None:
    """As Caliscope lays its cameras out: beside settings of the board, and some below one head."""
    quarter = "rotation = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]"
    text = TEXT.replace("rotation = [ 0.0, 0.0, 1.5707963267948966,]", quarter).replace("[cam_0", "[cameras.0")
    expected = toml.parse(TEXT).cameras
    for camera, same in zip(toml.parse("[charuco]\ncolumns = 4\n" + text).cameras, expected, strict=True):
        assert camera.name == same.name
        np.testing.assert_allclose(camera.cam_from_world, same.cam_from_world, atol=1e-15)


def test_a_rotation_that_was_rounded_comes_back_from_what_we_write(rig: StereoRig) -> None:
    """Four decimals are a rotation to 1e-4 only, and the Rodrigues vector beside it is that of the nearest one."""
    rounded = replace(rig.cameras[1], cam_from_world=rig.cameras[1].cam_from_world.round(4))
    assert np.abs(rounded.rotation @ rounded.rotation.T - np.eye(3)).max() > 1e-5
    read = toml.parse(toml.render(StereoRig((rig.cameras[0], rounded)))).cameras[1]
    np.testing.assert_array_equal(read.cam_from_world, rounded.cam_from_world)


def test_a_file_without_cameras_is_refused() -> None:
    with pytest.raises(StorageError, match="no table holds matrix"):
        toml.parse("[tool.ruff]\nline-length = 120\n")


def test_an_exact_pose_that_contradicts_the_rotation_is_refused(rig: StereoRig) -> None:
    found = f"translation = {rig.cameras[0].translation_m.tolist()}"
    text = toml.render(rig).replace(found, "translation = [5.0, 0.0, 0.0]", 1)
    with pytest.raises(DataError, match="cam_0: cam_from_world and rotation, translation differ by"):
        toml.parse(text)


def test_a_name_may_hold_any_character(rig: StereoRig) -> None:
    name = 'a "b" \\ \x7f\n\t☃ 😀'
    text = toml.render(StereoRig((replace(rig.cameras[0], name=name), rig.cameras[1])))
    assert toml.parse(text).cameras[0].name == name
