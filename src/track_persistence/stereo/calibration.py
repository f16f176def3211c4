"""Stereo calibrations in OpenCV FileStorage files (yml, yaml, xml, json).

Written: K1 D1 K2 D2 (intrinsics, distortion), cam1_from_world and cam2_from_world (3x4, metres), R and T (camera 2 from
camera 1, for other readers), image_size1, image_size2 (width, height), frame_rate_hz, name1, name2.
Read: the same, or the names that OpenCV's own samples use; without cam1_from_world the world is camera 1's frame.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.files import write_text
from track_persistence.core.rig import DISTORTION_LENGTHS, Camera, StereoRig
from track_persistence.stereo.geometry import FloatArray

SUFFIXES = (".yml", ".yaml", ".xml", ".json")
INTRINSICS = ("K{}", "M{}", "cameraMatrix{}", "camera_matrix_{}")
DISTORTION = ("D{}", "distCoeffs{}", "dist_coeffs_{}")
IMAGE_SIZE = ("image_size{}", "image_size", "imageSize")
ROTATION, TRANSLATION = ("R",), ("T",)
POSE_TOLERANCE = 1e-6


def save_rig(path: Path, rig: StereoRig) -> None:
    """Write `rig` to `path` atomically; the suffix chooses YAML, XML or JSON."""
    _check_suffix(path)
    first, second = rig.cameras
    storage = cv2.FileStorage(path.suffix, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    for index, camera in enumerate(rig.cameras, start=1):
        storage.write(f"name{index}", camera.name)
        storage.write(f"K{index}", camera.intrinsics)
        storage.write(f"D{index}", camera.distortion.reshape(1, -1))
        storage.write(f"cam{index}_from_world", np.ascontiguousarray(camera.cam_from_world))
        storage.write(f"image_size{index}", np.array([camera.image_size_px], np.int32))
    rotation = second.rotation @ first.rotation.T
    storage.write("R", rotation)
    storage.write("T", (second.translation_m - rotation @ first.translation_m).reshape(3, 1))
    storage.write("frame_rate_hz", first.frame_rate_hz)
    write_text(path, storage.releaseAndGetString())


def load_rig(path: Path) -> StereoRig:
    """Read a stereo calibration.

    Raises `StorageError` when the file cannot be read or lacks a key, `DataError` when its numbers are no calibration;
    both name the file.
    """
    storage = _opened(path)
    if _has(storage, "cam1_from_world"):
        poses = [_matrix(path, storage, (f"cam{index}_from_world",), (3, 4)) for index in (1, 2)]
        _check_relative_pose(path, storage, poses)
    else:
        poses = [np.eye(3, 4), np.hstack(_relative_pose(path, storage))]
    try:
        first, second = (_camera(path, storage, index, pose) for index, pose in enumerate(poses, start=1))
        return StereoRig((first, second))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise StorageError(f"{path}: suffix {path.suffix!r}; a calibration ends in one of {', '.join(SUFFIXES)}")


def _opened(path: Path) -> cv2.FileStorage:
    _check_suffix(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; check the path of the calibration") from error
    except UnicodeDecodeError as error:
        raise StorageError(f"{path}: not a text file; expected an OpenCV FileStorage file") from error
    storage = cv2.FileStorage()
    try:
        opened = storage.open(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        mapping = opened and storage.root().isMap()
    except cv2.error as error:
        raise StorageError(f"{path}: not an OpenCV FileStorage file: {' '.join(str(error.err).split())}") from error
    if not mapping:
        raise StorageError(f"{path}: not an OpenCV FileStorage file: expected named entries at the top")
    return storage


def _has(storage: cv2.FileStorage, key: str) -> bool:
    return not storage.getNode(key).empty()


def _node(path: Path, storage: cv2.FileStorage, keys: Sequence[str]) -> tuple[str, Any]:
    for key in keys:
        if _has(storage, key):
            return key, storage.getNode(key)
    raise StorageError(f"{path}: key {' or '.join(dict.fromkeys(keys))} is missing; add it to the calibration")


def _numbers(path: Path, storage: cv2.FileStorage, keys: Sequence[str]) -> tuple[str, FloatArray]:
    """Return the numbers of a matrix, a list or a single number."""
    key, node = _node(path, storage, keys)
    if node.isMap():
        matrix = node.mat()
        return key, np.empty(0) if matrix is None else np.asarray(matrix, np.float64)
    items = [node.at(index) for index in range(node.size())] if node.isSeq() else [node]
    if not all(item.isInt() or item.isReal() for item in items):
        raise StorageError(f"{path}: {key}: expected numbers")
    return key, np.array([item.real() for item in items], np.float64)


def _matrix(path: Path, storage: cv2.FileStorage, keys: Sequence[str], shape: tuple[int, ...]) -> FloatArray:
    key, numbers = _numbers(path, storage, keys)
    if numbers.size != np.prod(shape):
        raise DataError(f"{path}: {key}: expected {shape} numbers, got {numbers.shape}")
    return numbers.reshape(shape)


def _relative_pose(path: Path, storage: cv2.FileStorage) -> tuple[FloatArray, FloatArray]:
    return _matrix(path, storage, ROTATION, (3, 3)), _matrix(path, storage, TRANSLATION, (3, 1))


def _check_relative_pose(path: Path, storage: cv2.FileStorage, poses: list[FloatArray]) -> None:
    """Refuse a file whose R and T, when present, contradict its camera poses."""
    if not (_has(storage, "R") and _has(storage, "T")):
        return
    rotation = poses[1][:, :3] @ poses[0][:, :3].T
    relative = np.column_stack([rotation, poses[1][:, 3] - rotation @ poses[0][:, 3]])
    error = float(np.abs(np.hstack(_relative_pose(path, storage)) - relative).max())
    if not error <= POSE_TOLERANCE:
        raise DataError(
            f"{path}: R, T differ by {error:.2g} from cam1_from_world, cam2_from_world (allowed {POSE_TOLERANCE:g}); "
            "remove the pair that is out of date"
        )


def _camera(path: Path, storage: cv2.FileStorage, index: int, pose: FloatArray) -> Camera:
    intrinsics = _matrix(path, storage, [key.format(index) for key in INTRINSICS], (3, 3))
    if intrinsics[0, 1] != 0 or intrinsics[1, 0] != 0:
        raise DataError(f"camera {index}: skew {intrinsics[0, 1]:g}; only cameras without skew are supported")
    width, height = _matrix(path, storage, [key.format(index) for key in IMAGE_SIZE], (2,))
    rate_hz = _matrix(path, storage, ("frame_rate_hz",), ())
    name = storage.getNode(f"name{index}").string() if _has(storage, f"name{index}") else f"camera{index}"
    return Camera(name, intrinsics, _distortion(path, storage, index), pose, (int(width), int(height)), float(rate_hz))


def _distortion(path: Path, storage: cv2.FileStorage, index: int) -> FloatArray:
    """Return the coefficients; the thin-prism and tilt terms that OpenCV appends must be 0."""
    key, numbers = _numbers(path, storage, [key.format(index) for key in DISTORTION])
    coefficients = numbers.reshape(-1)
    longest = max(DISTORTION_LENGTHS)
    if coefficients[longest:].any():
        raise DataError(f"{key}: {len(coefficients)} coefficients; thin-prism and tilt terms are not supported")
    if not np.isfinite(coefficients).all():
        raise DataError(f"{key}: {coefficients.tolist()}; distortion coefficients must be finite")
    return coefficients[:longest]
