"""OpenCV FileStorage: YAML, XML or JSON, read with the names that OpenCV's samples use and written with our own.

Written: frame_rate_hz and, i = 1..N, name<i>, lens<i> (brown_conrady or fisheye), image_size<i> (width, height), K<i>,
D<i>, cam<i>_from_world (3x4, metres); of a pair also R and T (camera 2 from camera 1, for other readers).
Read: the same, or the names that others give the matrices of a pair (`INTRINSICS`, `DISTORTION`, numbered or by side)
with R and T, in one file or, as OpenCV's stereo_calib writes them, in two: intrinsics and extrinsics. Without
cam1_from_world the world is camera 1's frame; without lens<i> and fisheye_model the lens is radial-tangential. OpenCV's
samples write T in units of the board's square.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import CameraRig, Lens, StereoRig
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    check_same_pose,
    coefficients,
    floats,
    image_size,
    pose,
    rotation_matrix,
    shaped,
    without_skew,
)
from track_persistence.stereo.formats.markup import root_element
from track_persistence.stereo.pixels import FloatArray

PARTS = ("intrinsics", "extrinsics")
SUFFIXES = (".yml", ".yaml", ".xml", ".json")
INTRINSICS = ("K{}", "M{}", "cameraMatrix{}", "camera_matrix_{}", "camera_matrix{}", "K_{}")
DISTORTION = (
    "D{}", "distCoeffs{}", "dist_coeffs_{}", "dist_coeffs{}", "D_{}",
    "distortion_coefficients_{}", "distortion_coeffs_{}", "distortion_{}",
)  # fmt: skip
SIDES = {1: ("left", "Left", "L", "l"), 2: ("right", "Right", "R", "r")}
ROTATION, TRANSLATION = ("R", "rotation_matrix"), ("T", "translation_vector")
IMAGE_SIZE = ("image_size{}", "image_size", "imageSize")
IMAGE_SIDES = (("image_width", "image_height"), ("width", "height"))
RATE, RATES = "frame_rate_hz", ("frame_rate_hz", "fps")
FISHEYE = "fisheye_model"
NAMES_SHOWN = 4
Nodes = Mapping[str, Any]
"""The entries of one or more storages by name."""

# OpenCV's parsers recurse, and a deep enough file overflows their stack.
MAX_DEPTH = 100
OPENING = re.compile(r"[\[{]|<(?=\w)")
NESTING = re.compile(r"[\[{\]}]|</|/>|<(?=\w)")
PARSE_ERROR = re.compile(r"^\((\d+)\): (.*)")
DASHES = re.compile(r"^\s*((?:-\s+)+)", re.MULTILINE)


def recognises(text: str) -> bool:
    """Whether `text` is a FileStorage."""
    return text.lstrip().startswith("%YAML") or text.lstrip().startswith("{") or root_element(text) == "opencv_storage"


def parse(*texts: str) -> RigDraft:
    """Return the cameras of a FileStorage or of several that complete each other.

    Raises `StorageError` on a missing key, `DataError` on a wrong number.
    """
    storages = [opened(text) for text in texts]
    nodes = {key: storage.getNode(key) for storage in storages for key in storage.root().keys()}
    count = 1
    while _has(nodes, _names(INTRINSICS, count + 1)):
        count += 1
    poses = _poses(nodes, max(count, 2))
    cameras = tuple(_camera(nodes, index, pose) for index, pose in enumerate(poses, start=1))
    return RigDraft(cameras, " or ".join(key.format(1) for key in IMAGE_SIZE), RATE)


def render(rig: CameraRig, suffix: str) -> str:
    """Return `rig` as a FileStorage; `suffix` chooses YAML, XML or JSON. Every number comes back exactly."""
    storage = cv2.FileStorage(suffix, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    # The poses come last, so that a file cut off lacks one and is refused.
    storage.write(RATE, rig.cameras[0].frame_rate_hz)
    for index, camera in enumerate(rig.cameras, start=1):
        storage.write(f"name{index}", camera.name)
        storage.write(f"lens{index}", camera.lens.value)
        storage.write(f"image_size{index}", np.array([camera.image_size_px], np.int32))
        storage.write(f"K{index}", camera.intrinsics)
        storage.write(f"D{index}", camera.distortion.reshape(1, -1))
    for index, camera in enumerate(rig.cameras, start=1):
        storage.write(f"cam{index}_from_world", np.ascontiguousarray(camera.cam_from_world))
    if isinstance(rig, StereoRig):
        relative = _relative(*(camera.cam_from_world for camera in rig.cameras))
        storage.write("R", np.ascontiguousarray(relative[:, :3]))
        storage.write("T", np.ascontiguousarray(relative[:, 3:]))
    return storage.releaseAndGetString()


def opened(text: str) -> cv2.FileStorage:
    """Return the storage in `text`; raises `StorageError` when OpenCV cannot read it or its top is no mapping."""
    root_element(text)
    if _depth(text) > MAX_DEPTH:
        raise StorageError(f"nested more than {MAX_DEPTH} deep; expected a calibration")
    storage = cv2.FileStorage()
    try:
        readable = storage.open(text.lstrip(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        mapping = readable and storage.root().isMap()
    except cv2.error as error:
        # OpenCV puts line and reason of a parsing error where the function's name belongs.
        place = PARSE_ERROR.search(error.func)
        reason = f"line {place[1]}: {place[2]}" if place else " ".join(error.err.split())
        raise StorageError(f"not an OpenCV FileStorage file: {reason}; is it cut off?") from error
    if not mapping:
        raise StorageError("not an OpenCV FileStorage file: expected named entries at the top")
    return storage


def node_numbers(key: str, node: Any) -> FloatArray:
    """Return the numbers of a matrix, a list or a single number."""
    if node.isMap():
        try:
            matrix = node.mat()
        except cv2.error as error:
            raise StorageError(f"{key}: expected a matrix: {' '.join(str(error.err).split())}") from error
        return np.empty(0) if matrix is None else np.asarray(matrix, np.float64)
    return floats(key, [item.real() if item.isInt() or item.isReal() else item.string() for item in _items(node)])


def _items(node: Any) -> Iterator[Any]:
    """Yield a single number, those of a list, or those of a list of rows."""
    if node.isSeq():
        for index in range(node.size()):
            yield from _items(node.at(index))
    else:
        yield node


def _depth(text: str) -> int:
    deepest = depth = 0
    for found in NESTING.finditer(text):
        depth += 1 if OPENING.match(text, found.start()) else -1
        deepest = max(deepest, depth)
    return max([deepest, *(found.group(1).count("-") for found in DASHES.finditer(text))])


def _names(templates: Sequence[str], index: int) -> list[str]:
    """Return the names that a camera's entry may have: numbered ones first."""
    return [template.format(label) for label in (index, *SIDES.get(index, ())) for template in templates]


def _has(nodes: Nodes, keys: Sequence[str]) -> bool:
    return any(key in nodes for key in keys)


def _find(nodes: Nodes, keys: Sequence[str]) -> tuple[str, FloatArray]:
    for key in keys:
        if key in nodes:
            return key, node_numbers(key, nodes[key])
    shown = " or ".join(keys[:NAMES_SHOWN]) + (" (or another usual name)" if len(keys) > NAMES_SHOWN else "")
    raise StorageError(f"key {shown} is missing; add it to the calibration")


def _matrix(nodes: Nodes, keys: Sequence[str], shape: tuple[int, ...]) -> FloatArray:
    return shaped(*_find(nodes, keys), shape)


def _relative(first: FloatArray, second: FloatArray) -> FloatArray:
    rotation = second[:, :3] @ first[:, :3].T
    return pose(rotation, second[:, 3] - rotation @ first[:, 3])


def _poses(nodes: Nodes, count: int) -> list[FloatArray]:
    if count > 2 or "cam1_from_world" in nodes:
        poses = [_matrix(nodes, (f"cam{index}_from_world",), (3, 4)) for index in range(1, count + 1)]
        if count == 2 and "R" in nodes and "T" in nodes:
            check_same_pose("R, T and cam1_from_world, cam2_from_world", _relative(*poses), _pair_pose(nodes))
        return poses
    return [np.eye(3, 4), _pair_pose(nodes)]


def _pair_pose(nodes: Nodes) -> FloatArray:
    return pose(rotation_matrix(*_find(nodes, ROTATION)), _matrix(nodes, TRANSLATION, (3,)))


def _camera(nodes: Nodes, index: int, cam_from_world: FloatArray) -> CameraDraft:
    named = nodes.get(f"name{index}")
    lens = _lens(nodes, f"lens{index}")
    key, distortion = _find(nodes, _names(DISTORTION, index))
    rate = next((name for name in RATES if name in nodes), None)
    return CameraDraft(
        named.string() if named is not None and named.isString() else f"camera{index}",
        without_skew(f"camera {index}", _matrix(nodes, _names(INTRINSICS, index), (3, 3))),
        coefficients(key, distortion, lens),
        cam_from_world,
        _size(nodes, index),
        None if rate is None else float(_matrix(nodes, (rate,), ())),
        lens,
    )


def _size(nodes: Nodes, index: int) -> tuple[int, int] | None:
    keys = [key.format(index) for key in IMAGE_SIZE]
    if _has(nodes, keys):
        return image_size(*_find(nodes, keys))
    for width, height in IMAGE_SIDES:
        if width in nodes and height in nodes:
            sides = np.concatenate([node_numbers(key, nodes[key]) for key in (width, height)])
            return image_size(f"{width}, {height}", sides)
    return None


def _lens(nodes: Nodes, key: str) -> Lens:
    if key in nodes:
        name = nodes[key].string()
        if name not in list(Lens):
            raise DataError(f"{key}: {name[:40]!r}; expected {' or '.join(Lens)}")
        return Lens(name)
    return Lens.FISHEYE if FISHEYE in nodes and _matrix(nodes, (FISHEYE,), ()) != 0 else Lens.BROWN_CONRADY
