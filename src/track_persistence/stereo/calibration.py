"""Calibrations of two and more cameras: read in seven formats, told apart by content; written as TOML or FileStorage.

What each format holds stands at the top of its module in `stereo.formats`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from track_persistence.core.errors import DataError, ParamsError, StorageError
from track_persistence.core.files import write_text
from track_persistence.core.rig import Camera, CameraRig, StereoRig
from track_persistence.stereo.formats import colmap, kitti, opencv, qualisys, ros, toml
from track_persistence.stereo.formats.draft import CameraDraft, RigDraft

T = TypeVar("T")
TOML_SUFFIX = ".toml"
YAML_SUFFIXES = (".yaml", ".yml")
SINGLE_FILE: tuple[tuple[Callable[[str], bool], Callable[[str], RigDraft]], ...] = (
    (opencv.recognises, opencv.parse),
    (qualisys.recognises, qualisys.parse),
    (toml.recognises, toml.parse),
)
FORMATS = (
    "OpenCV FileStorage (YAML that begins with %YAML:1.0, XML, JSON; a folder with intrinsics.yml and extrinsics.yml), "
    "anipose or Pose2Sim TOML, KITTI calib.txt or calib_cam_to_cam.txt, Qualisys .qca.txt, "
    "a folder of ROS camera_info files, a folder of COLMAP text"
)


def save_rig(path: Path, rig: CameraRig) -> None:
    """Write `rig` atomically as TOML or an OpenCV FileStorage, by the suffix; `load_rig` returns it exactly."""
    suffix = path.suffix.lower()
    if suffix not in (TOML_SUFFIX, *opencv.SUFFIXES):
        allowed = ", ".join((TOML_SUFFIX, *opencv.SUFFIXES))
        raise StorageError(f"{path}: suffix {path.suffix!r}; a calibration is written with one of {allowed}")
    write_text(path, toml.render(rig) if suffix == TOML_SUFFIX else opencv.render(rig, suffix))


def load_rig(
    path: Path,
    image_size_px: tuple[int, int] | None = None,
    frame_rate_hz: float | None = None,
    metres_per_unit: float = 1.0,
) -> CameraRig:
    """Read a calibration; a `StereoRig` when it has two cameras.

    image_size_px: (width, height) and frame_rate_hz: needed where the format has none, else they must agree with the
    file. metres_per_unit: what positions are multiplied by after the format's own unit, for files in the unit of a
    board or of a reconstruction. Raises `StorageError` when a file cannot be read or lacks a key, `DataError` when its
    numbers are no calibration or contradict the arguments; both name the file.
    """
    try:
        draft = _drafted(path, image_size_px)
        cameras = tuple(_completed(camera, draft, image_size_px, frame_rate_hz) for camera in draft.cameras)
        scaled = tuple(_scaled(camera, metres_per_unit) for camera in cameras)
        return StereoRig((scaled[0], scaled[1])) if len(scaled) == 2 else CameraRig(scaled)
    except (DataError, StorageError) as error:
        raise type(error)(f"{path}: {error}") from error


def load_pair(
    path: Path,
    cameras: Sequence[int] | None,
    image_size_px: Sequence[int] | None = None,
    frame_rate_hz: float | None = None,
    metres_per_unit: float = 1.0,
) -> StereoRig:
    """Read two cameras of a calibration; the other arguments are those of `load_rig`.

    cameras: their numbers from 1, None where the calibration holds just two. Raises `ParamsError` on other numbers.
    """
    size = None if image_size_px is None else (image_size_px[0], image_size_px[1])
    rig = load_rig(path, size, frame_rate_hz, metres_per_unit)
    count = len(rig.cameras)
    chosen = cameras or ([1, 2] if count == 2 else [])
    if len(set(chosen)) != 2 or not all(1 <= number <= count for number in chosen):
        raise ParamsError(
            f"--cameras: got {cameras}; {path} holds {count} cameras "
            f"({', '.join(camera.name for camera in rig.cameras)}), name two of 1 to {count}"
        )
    return rig.pair(chosen[0] - 1, chosen[1] - 1)


def _drafted(path: Path, image_size_px: tuple[int, int] | None) -> RigDraft:
    if path.is_dir():
        return _folder(path)
    text = _text(path)
    if kitti.recognises(text):
        return kitti.parse(text, image_size_px)
    for recognises, parse in SINGLE_FILE:
        if recognises(text):
            return parse(text)
    if ros.recognises(text):
        raise StorageError("one camera_info is one camera; give the folder with the files of all cameras")
    raise StorageError(f"not a calibration in a known format: {FORMATS}")


def _folder(path: Path) -> RigDraft:
    if all((path / name).is_file() for name in (colmap.CAMERAS, colmap.IMAGES)):
        return colmap.parse(_text(path / colmap.CAMERAS), _text(path / colmap.IMAGES))
    parts = [_part(path, stem) for stem in opencv.PARTS]
    if all(part is not None for part in parts):
        return opencv.parse(*(_text(part) for part in parts if part is not None))
    files = [file for file in path.iterdir() if file.suffix.lower() in YAML_SUFFIXES]
    if not files:
        raise StorageError(
            f"a folder without {colmap.CAMERAS} and {colmap.IMAGES} (COLMAP), without {' and '.join(opencv.PARTS)} "
            "(OpenCV) and without YAML files (ROS camera_info); "
            "give the file of another format itself"
        )
    return ros.parse({file.name: _text(file) for file in files})


def _part(folder: Path, stem: str) -> Path | None:
    return next(
        (folder / f"{stem}{suffix}" for suffix in opencv.SUFFIXES if (folder / f"{stem}{suffix}").is_file()), None
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}; check the path of the calibration") from error
    except UnicodeDecodeError as error:
        raise StorageError(f"not a text file; expected {FORMATS}") from error


def _completed(
    camera: CameraDraft, draft: RigDraft, image_size_px: tuple[int, int] | None, frame_rate_hz: float | None
) -> Camera:
    rate_hz = _agreed("frame_rate_hz", draft.rate_key, camera.frame_rate_hz, frame_rate_hz)
    if not math.isfinite(rate_hz):
        raise DataError(f"camera {camera.name}: frame rate {rate_hz}; expected a finite number above 0")
    return Camera(
        camera.name,
        camera.intrinsics,
        camera.distortion,
        camera.cam_from_world,
        _agreed("image_size_px", draft.size_key, camera.image_size_px, image_size_px),
        rate_hz,
        camera.lens,
    )


def _agreed(argument: str, key: str | None, said: T | None, given: T | None) -> T:
    """Return what the file said or the caller gave; raises when neither did or when they differ."""
    found = given if said is None else said
    if found is None:
        lack = f"key {key} is missing; add it to the calibration or" if key else f"this format holds no {argument};"
        raise StorageError(f"{lack} pass {argument}")
    if given is not None and found != given:
        raise DataError(f"{key} is {said}, but {argument} is {given}; use this recording's calibration or leave it out")
    return found


def _scaled(camera: Camera, metres_per_unit: float) -> Camera:
    if metres_per_unit == 1:
        return camera
    if not (math.isfinite(metres_per_unit) and metres_per_unit > 0):
        raise DataError(f"metres_per_unit: {metres_per_unit}; expected a finite number above 0")
    moved = np.column_stack([camera.rotation, camera.translation_m * metres_per_unit])
    return replace(camera, cam_from_world=moved)
