"""KITTI's calibration texts (Geiger et al. 2013).

`calib.txt` of the tracking, object and odometry sets: P0..P3 (3x4), projections of the rectified cameras from the
rectified frame of camera 0, in metres. `calib_cam_to_cam.txt` of the raw recordings: S, K, D, R, T of each camera
before rectification (R, T: camera from camera 0), and S_rect, R_rect, P_rect after it. Published images are rectified,
so the rectified cameras are read, except when the caller's image size is that of S_<i>: then those before.
Neither file holds the frame rate (10 Hz), and `calib.txt` no image size.
"""

import re

import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    coefficients,
    floats,
    image_size,
    pose,
    shaped,
    without_skew,
)
from track_persistence.stereo.pixels import FloatArray

KEY = r"(?:P\d|[SKDRTP]_(?:rect_)?\d\d)"
LINE = re.compile(rf"^{KEY}:?[ \t]+[-+.\d]", re.MULTILINE)
Entries = dict[str, FloatArray]


def recognises(text: str) -> bool:
    """Whether a line of `text` is one of KITTI's: a key and numbers."""
    return LINE.search(text) is not None


def parse(text: str, image_size_px: tuple[int, int] | None) -> RigDraft:
    """Return the cameras of either file; raises `StorageError` on a missing key, `DataError` on a wrong number."""
    entries = _entries(text)
    plain = sorted(key for key in entries if re.fullmatch(r"P\d", key))
    if plain:
        return RigDraft(tuple(_projected(f"image_0{key[1]}", key, entries, None) for key in plain), None)
    numbers = sorted({key[-2:] for key in entries if re.fullmatch(r"(?:K|P_rect)_\d\d", key)})
    before = [key for key in entries if re.fullmatch(r"S_\d\d", key)]
    if image_size_px is not None and any(_size(entries, key) == image_size_px for key in before):
        return RigDraft(tuple(_unrectified(number, entries) for number in numbers), "S_<i>")
    return RigDraft(
        tuple(_projected(f"image_{number}", f"P_rect_{number}", entries, f"S_rect_{number}") for number in numbers),
        "S_rect_<i>",
    )


def _entries(text: str) -> Entries:
    lines = [(key.rstrip(":"), numbers) for key, *numbers in filter(None, map(str.split, text.splitlines()))]
    return {key: floats(key, numbers) for key, numbers in lines if re.fullmatch(KEY, key)}


def _get(entries: Entries, key: str, shape: tuple[int, ...]) -> FloatArray:
    if key not in entries:
        raise StorageError(f"key {key} is missing; add it to the calibration")
    return shaped(key, entries[key], shape)


def _size(entries: Entries, key: str) -> tuple[int, int]:
    return image_size(key, _get(entries, key, (2,)))


def _projected(name: str, key: str, entries: Entries, size_key: str | None) -> CameraDraft:
    """Return the camera of P = K [I | t], whose t is K^-1 times the last column."""
    projection = _get(entries, key, (3, 4))
    intrinsics = without_skew(key, projection[:, :3])
    try:
        translation = np.asarray(np.linalg.solve(intrinsics, projection[:, 3]), np.float64)
    except np.linalg.LinAlgError:
        raise DataError(f"{key}: its left 3x3 part is singular; expected K [I | t]") from None
    return CameraDraft(
        name,
        intrinsics,
        np.empty(0),
        pose(np.eye(3), translation),
        None if size_key is None else _size(entries, size_key),
    )


def _unrectified(number: str, entries: Entries) -> CameraDraft:
    rotation = _get(entries, f"R_{number}", (3, 3))
    return CameraDraft(
        f"image_{number}",
        without_skew(f"K_{number}", _get(entries, f"K_{number}", (3, 3))),
        coefficients(f"D_{number}", _get(entries, f"D_{number}", (5,)), Lens.BROWN_CONRADY),
        pose(rotation, _get(entries, f"T_{number}", (3,))),
        _size(entries, f"S_{number}"),
    )
