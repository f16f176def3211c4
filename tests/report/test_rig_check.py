"""The command line on MOT files of a pair of cameras that look along parallel axes."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from track_persistence.core.errors import DataError, ParamsError, VideoError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.report.rig_check import main, numbers
from track_persistence.report.rig_picture import write_picture
from track_persistence.stereo.calibration import save_rig
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import project
from track_persistence.stereo.self_check import self_check
from track_persistence.stereo.self_check_config import SelfCheckConfig

PARAMS = """
tracking:
  fusion: [geometry]
  lasting: null
  geometry_threshold: 0.5
  stereo: {pixel_sigma_px: 0.3, size_sigma: 0.0, confidence_exponent: 0.0, correlated_frames: 1.0, outlier_sigmas: 4.0,
    min_joint_frames: 1, min_fitting_share: 0.5, min_depth_m: 1.0, max_depth_m: 200.0, bias_sigma_px: 1.0,
    drift_spread_px: 3.0, log_size_sigma: 0.2, log_size_spread: 0.8, overlap_weight: 2.0, null_partner_cost: 2.0}
  smoothing: {motion: "off", process_psd: 1.0, speed_sigma_mps: 5.0, student_dof: null, iterations: 1, max_sigma_m: 3.0}
self_check:
  tolerated_angle_deg: 0.1
  tolerated_offset_frames: 0.5
  tolerated_bias_px: 1.0
  tolerated_behind_share: 0.1
  alarm_sigmas: 2.3
  exclude_sigmas: 1.645
  max_offset_frames: 4
  bias_sigma_px: 3.0
  own_offset_px: 0.2
  velocity_frames: 6.0
  border_px: 2.0
  angle_spread_deg: 1.0
  ends_sigma_frames: 0.5
  student_dof: 4.0
  fewest_tracks: 3
  regions: [4, 3]
"""


def pair_of_cameras() -> StereoRig:
    intrinsics = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    first, second = (
        Camera(name, intrinsics, np.zeros(5), np.column_stack([np.eye(3), [-x_m, 0, 0]]), (640, 480), 25.0)
        for name, x_m in (("left", 0.0), ("right", 0.6))
    )
    return StereoRig((first, second))


def write_mot(path: Path, camera: Camera, shift_frames: int = 0, things: int = 25) -> None:
    """Boxes of 20 px about things that cross the view, as MOT counts: frames from 1, pixels from the image's edge."""
    rng, noise = np.random.default_rng(5), np.random.default_rng(len(camera.name))
    lines = []
    for number in range(things):
        start, end = rng.uniform([-3, -2, 6], [3, 2, 12], (2, 3))
        path_m = start + (end - start) * np.linspace(0, 1, 40)[:, None]
        centres = project(camera, path_m) + 0.3 * noise.standard_normal((40, 2))
        for frame, (x, y) in enumerate(centres):
            if 12 <= x <= 627 and 12 <= y <= 467:
                at = 1 + 50 * number + frame + shift_frames
                lines.append(f"{at},{number},{x - 9.5:.3f},{y - 9.5:.3f},20,20,0.9")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rig = pair_of_cameras()
    save_rig(tmp_path / "rig.toml", rig)
    write_mot(tmp_path / "a.txt", rig.cameras[0])
    write_mot(tmp_path / "b.txt", rig.cameras[1])
    write_mot(tmp_path / "late.txt", rig.cameras[1], shift_frames=3)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def arguments(folder: Path, **changed: Any) -> list[str]:
    flags: dict[str, Any] = {
        "rig": folder / "rig.toml",
        "tracks1": folder / "a.txt",
        "tracks2": folder / "b.txt",
        "confidence": "probability",
        "params": folder / "params.yaml",
        "output-dir": folder / "out",
    }
    return [part for name, value in (flags | changed).items() for part in (f"--{name}", str(value))]


def test_a_right_rig_is_trusted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(files))
    printed = capsys.readouterr().out
    assert printed.startswith("SOUND: rotation and synchronisation can be trusted")
    found = json.loads((files / "out" / "rig_check.json").read_text())
    assert found["state"] == "sound"
    assert found["verdict"] == printed.splitlines()
    assert sum(region["frames"] for region in found["regions"]) == found["joint_frames"]
    picture = cv2.imread(str(files / "out" / "rig_check.png"))
    assert picture is not None
    assert picture.std() > 10


def test_a_delayed_camera_is_named_with_its_delay(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(files, tracks2=files / "late.txt"))
    assert re.match(r"WRONG: time offset -3\.0\d ± ", capsys.readouterr().out)
    assert json.loads((files / "out" / "rig_check.json").read_text())["best_whole_offset_frames"] == -3


def test_nothing_measured_is_drawn_as_nothing_and_alike_every_time(tmp_path: Path) -> None:
    params = YAML(typ="safe").load(PARAMS)
    stereo = StereoConfig.model_validate(params["tracking"]["stereo"])
    found = self_check(pair_of_cameras(), [], [], stereo, SelfCheckConfig.model_validate(params["self_check"]))
    assert (numbers(found)["quantities"], numbers(found)["state"]) == ({}, "undecided")
    for name in ("once.png", "again.png"):
        write_picture(tmp_path / name, found)
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert cv2.imread(str(tmp_path / "once.png")) is not None


def test_boxes_outside_the_calibrated_image_are_refused(files: Path) -> None:
    with (files / "b.txt").open("a") as file:
        file.write("9000,77,700,100,20,20,0.9\n")
    with pytest.raises(DataError, match=r"b\.txt: track 77 of camera 1: frame 9000: .*640 x 480 px.*right"):
        main(arguments(files))


def test_broken_boxes_are_refused_with_their_line(files: Path) -> None:
    (files / "b.txt").write_text("1,1,nan,100,20,20,0.9\n")
    with pytest.raises(VideoError, match=r"b\.txt: line 1: x is nan"):
        main(arguments(files))


def test_a_frame_rate_that_contradicts_the_calibration_is_refused(files: Path) -> None:
    with pytest.raises(DataError, match=r"rig\.toml: .*30"):
        main(arguments(files, **{"frame-rate-hz": 30}))


def test_cameras_that_the_calibration_lacks_are_refused(files: Path) -> None:
    with pytest.raises(ParamsError, match="name two of 1 to 2"):
        main([*arguments(files), "--cameras", "1", "3"])
