from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import StereoRig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.formats import qualisys
from track_persistence.stereo.geometry import project
from track_persistence.stereo.triangulation import triangulate

RECORDED = Path(__file__).parents[3].parent / "shared" / "data" / "pose2sim_multiperson" / "Calib.qca.txt"

# A camera 2 m up, looking at the floor with its image's top towards +y: the axes of a camera that looks along -z are
# the world's. Focal length 6400 / 64 = 100 px, centre (3232 / 64 - 10, 1632 / 64 - 5) = (40.5, 20.5).
CAMERA = """
<camera active="1" serial="{serial}" model="Miqus Video" viewrotation="0">
  <fov_video left="10" top="5" right="89" bottom="44"/>
  <transform x="{x}" y="0" z="2000" r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1"/>
  <intrinsic focalLengthU="6400" focalLengthV="6400" centerPointU="3232" centerPointV="1632" skew="0.0"
    radialDistortion1="-0.05" radialDistortion2="0.1" radialDistortion3="0.0"
    tangentalDistortion1="0.001" tangentalDistortion2="0.002"/>
</camera>"""
TEXT = (
    '<?xml version="1.0" encoding="ASCII"?>\n<calibration source="hand"><results std-dev="0"/><cameras>'
    + CAMERA.format(serial="one", x="0")
    + CAMERA.format(serial="two", x="500")
    + CAMERA.format(serial="off", x="900").replace('active="1"', 'active="0"')
    + "</cameras></calibration>"
)


def test_millimetres_subpixels_and_axes_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "calib.txt"
    path.write_text(TEXT)
    rig = load_rig(path, frame_rate_hz=100.0)
    assert isinstance(rig, StereoRig)
    one, two = rig.cameras
    assert (one.name, two.name, one.image_size_px) == ("one", "two", (80, 40))
    assert (one.centre_m.tolist(), two.centre_m.tolist()) == ([0.0, 0.0, 2.0], [0.5, 0.0, 2.0])
    assert one.intrinsics.tolist() == [[100.0, 0, 40.5], [0, 100, 20.5], [0, 0, 1]]
    assert one.distortion.tolist() == [-0.05, 0.1, 0.001, 0.002, 0.0]
    # On the floor below the camera is the principal point; +y is up in the image, so the row falls.
    right, up = project(one, np.array([[0.1, 0, 0], [0, 0.1, 0]]))
    assert right[0] > 44 and abs(right[1] - 20.5) < 0.1
    assert up[1] < 17 and abs(up[0] - 40.5) < 0.1


def test_without_a_part_for_video_the_whole_sensor_is_the_image() -> None:
    """Columns 0 to 5183 / 64 = 80.98 and rows 0 to 2623 / 64 = 40.98: 81 x 41 px, and nothing to move."""
    sensor = 'sensorMinU="0.0" sensorMaxU="5183.0" sensorMinV="0.0" sensorMaxV="2623.0" focalLengthU'
    text = TEXT.replace('<fov_video left="10" top="5" right="89" bottom="44"/>', "").replace("focalLengthU", sensor)
    camera = qualisys.parse(text).cameras[0]
    assert camera.image_size_px == (81, 41)
    assert camera.intrinsics.tolist() == [[100.0, 0, 50.5], [0, 100, 25.5], [0, 0, 1]]
    with pytest.raises(StorageError, match=r"camera one: key intrinsic\.sensorMaxV is missing"):
        qualisys.parse(text.replace("sensorMaxV", "other"))


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ("<transform", "<moved", StorageError, "camera one: element transform is missing"),
        ('r23="0"', "", StorageError, "camera one: key transform.r23 is missing"),
        ('focalLengthU="6400"', "", StorageError, "camera one: key intrinsic.focalLengthU is missing"),
        ('"6400"', '"long"', StorageError, "camera one: intrinsic.focalLengthU: expected numbers, got 'long'"),
        ('skew="0.0"', 'skew="1"', DataError, "camera one: intrinsic skew 1"),
        ('right="89"', 'right="9"', DataError, "camera one: fov_video: image size"),
        ("</cameras>", "", StorageError, "not valid XML: .*is the file cut off"),
        ("<calibration", "<!DOCTYPE a [<!ENTITY b 'c'>]><calibration", StorageError, "entities are refused"),
    ],
)  # fmt: skip
def test_camera_and_key_that_are_wrong_are_named(old: str, new: str, error: type[Exception], reason: str) -> None:
    assert old in TEXT
    with pytest.raises(error, match=reason):
        qualisys.parse(TEXT.replace(old, new, 1))


@pytest.mark.skipif(not RECORDED.is_file(), reason="the shared data is not here")
def test_the_recorded_treadmill_is_flat_and_its_bolts_are_on_the_floor() -> None:
    """Bolt heads and stickers on the deck, clicked in the first frames of cam01 to cam04 (NaN: hidden).

    The deck is the plane z = 0 of this recording. Two bolts of one rail are as far apart as those of the other, and the
    recording's principal points are known to be off by up to 20 px, which leaves about 10 px of reprojection error.
    """
    rig = load_rig(RECORDED, (1088, 1920), 60.0)
    hidden = [np.nan, np.nan]
    bolts = np.array(
        [
            [hidden, [801, 1264], [140, 1258], hidden],
            [[512, 1028], [822, 1061], [519, 1490], [323, 1462]],
            [[281, 1357], hidden, hidden, [932, 1053]],
            [[67, 1052], hidden, [912, 1218], [884, 1428]],
        ],
        np.float64,
    ).transpose(1, 0, 2)
    points = triangulate(rig, bolts, 5.0)
    assert points.ok.all()
    assert np.abs(points.positions_m[:, 2]).max() < 0.02
    assert np.nanmax(points.reprojection_px) < 20
    near, far = (np.linalg.norm(points.positions_m[i] - points.positions_m[i + 1]) for i in (0, 2))
    assert abs(near / far - 1) < 0.05
    assert all(1 < camera.centre_m[2] < 2.5 for camera in rig.cameras)
