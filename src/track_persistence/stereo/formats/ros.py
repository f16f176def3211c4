"""ROS `camera_info` YAML: a folder with one file a camera, in the order of the file names.

Read: the files of camera_calibration (image_width, camera_matrix: {data}, ...) and messages as `topic echo` prints them
(width, K or k, ...). The cameras are the raw ones, K and D; their poses come from rectification R and projection P =
K' [I | t] (metres): a point of the rectified frame, our world, is R^T (X + t) in the camera. A pair calibrated one
camera at a time has no baseline. There is no frame rate. OpenCV's parser reads the YAML, so no tag is ever run.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    coefficients,
    image_size,
    pose,
    shaped,
    without_skew,
)
from track_persistence.stereo.formats.opencv import node_numbers, opened
from track_persistence.stereo.pixels import FloatArray

KEY = re.compile(r"^(?:camera_matrix|[Kk]):", re.MULTILINE)
SEPARATOR = re.compile(r"^(?:---|\.\.\.|%YAML.*)\s*$", re.MULTILINE)
DASH = re.compile(r"^(\s*)- ", re.MULTILINE)
LENSES = {
    "plumb_bob": Lens.BROWN_CONRADY,
    "rational_polynomial": Lens.BROWN_CONRADY,
    "equidistant": Lens.FISHEYE,
    "fisheye": Lens.FISHEYE,
}
WIDTH, HEIGHT = ("image_width", "width"), ("image_height", "height")
INTRINSICS = ("camera_matrix", "K", "k")
DISTORTION = ("distortion_coefficients", "D", "d")
RECTIFICATION = ("rectification_matrix", "R", "r")
PROJECTION = ("projection_matrix", "P", "p")


def recognises(text: str) -> bool:
    """Whether `text` has the camera matrix of a `camera_info`."""
    return KEY.search(text) is not None


def parse(texts: Mapping[str, str]) -> RigDraft:
    """Return the cameras of several files, by file name.

    Raises `StorageError` on a missing key, `DataError` on a wrong number; both name the file within the folder.
    """
    cameras = []
    for name in sorted(texts):
        try:
            cameras.append(_camera(name.rpartition(".")[0], _opened(texts[name])))
        except (DataError, StorageError) as error:
            raise type(error)(f"{name}: {error}") from error
    return RigDraft(tuple(cameras), "image_width, image_height")


def _opened(text: str) -> Any:
    """Return the first document of `text` as OpenCV reads it, which wants its own head and indented lists."""
    documents = [part for part in SEPARATOR.split(text) if part.strip()]
    if not documents:
        raise StorageError("the file is empty; expected a camera_info")
    return opened("%YAML:1.0\n---\n" + DASH.sub(r"\1  - ", documents[0]))


def _camera(name: str, storage: Any) -> CameraDraft:
    _check_whole_image(storage)
    model = storage.getNode("distortion_model")
    if not model.isString():
        raise StorageError(f"key distortion_model is missing; add one of {', '.join(LENSES)}")
    if model.string() not in LENSES:
        raise DataError(f"distortion_model: {model.string()[:40]!r}; expected one of {', '.join(LENSES)}")
    lens = LENSES[model.string()]
    rotation = shaped(*_numbers(storage, RECTIFICATION), (3, 3))
    key, numbers = _numbers(storage, PROJECTION)
    projection = shaped(key, numbers, (3, 4))
    try:
        shift_m = np.linalg.solve(projection[:, :3], projection[:, 3])
    except np.linalg.LinAlgError:
        raise DataError(f"{key}: its left 3x3 part is singular; the camera is not calibrated") from None
    size = np.concatenate([_numbers(storage, WIDTH)[1], _numbers(storage, HEIGHT)[1]])
    named = storage.getNode("camera_name")
    return CameraDraft(
        named.string() if named.isString() else name,
        without_skew("camera_matrix", shaped(*_numbers(storage, INTRINSICS), (3, 3))),
        coefficients(*_numbers(storage, DISTORTION), lens),
        pose(rotation.T, rotation.T @ shift_m),
        image_size("image_width, image_height", size),
        None,
        lens,
    )


def _numbers(storage: Any, keys: Sequence[str]) -> tuple[str, FloatArray]:
    """Return the numbers under the first of `keys` that is there, or under its `data`."""
    for key in keys:
        node = storage.getNode(key)
        if not node.empty() or node.isSeq():
            data = node.getNode("data") if node.isMap() else node
            return key, node_numbers(key, data)
    raise StorageError(f"key {' or '.join(keys)} is missing; add it to the calibration")


def _check_whole_image(storage: Any) -> None:
    region = storage.getNode("roi")
    partial = region.isMap() and any(region.getNode(key).real() for key in ("width", "height") if key in region.keys())
    binned = any(storage.getNode(key).real() > 1 for key in ("binning_x", "binning_y") if storage.getNode(key).isInt())
    if partial or binned:
        raise DataError("binning or a region of interest: K is that of the whole image; record the whole image")
