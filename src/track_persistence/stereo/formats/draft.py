"""What a calibration file says about its cameras, before the caller adds what its format cannot say."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import DISTORTION_LENGTHS, ROTATION_TOLERANCE, Lens
from track_persistence.stereo.pixels import FloatArray

# A rotation written with four decimals is no better, and the Rodrigues vector beside it is that of an exact one.
POSE_TOLERANCE = 2 * ROTATION_TOLERANCE


@dataclass(frozen=True, eq=False)
class CameraDraft:
    """One camera of a file; the fields are those of `Camera`, None where the file says nothing."""

    name: str
    intrinsics: FloatArray
    distortion: FloatArray
    cam_from_world: FloatArray
    image_size_px: tuple[int, int] | None
    frame_rate_hz: float | None = None
    lens: Lens = Lens.BROWN_CONRADY


@dataclass(frozen=True, eq=False)
class RigDraft:
    """All cameras of a file, and the keys that its format has for image size and frame rate (None: it has none)."""

    cameras: tuple[CameraDraft, ...]
    size_key: str | None
    rate_key: str | None = None


def floats(key: str, values: Iterable[object]) -> FloatArray:
    """Return numbers or their texts as float64 (N,); raises `StorageError` naming `key` when one is no number."""
    found = []
    for value in values:
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise TypeError
            found.append(float(value))
        except (TypeError, ValueError, OverflowError):
            shown = value[:20] if isinstance(value, str) else type(value).__name__
            raise StorageError(f"{key}: expected numbers, got {shown!r}; correct the calibration") from None
    return np.array(found, np.float64)


def check_finite(key: str, numbers: FloatArray) -> FloatArray:
    """Return `numbers` unchanged; raises `DataError` naming `key` on NaN or infinity."""
    if not np.isfinite(numbers).all():
        raise DataError(f"{key}: {numbers.tolist()}; all must be finite")
    return numbers


def shaped(key: str, numbers: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return `numbers` in `shape`; raises `DataError` naming `key` when there are more or fewer."""
    if numbers.size != np.prod(shape):
        raise DataError(f"{key}: expected {shape} numbers, got {numbers.shape}")
    return numbers.reshape(shape)


def without_skew(key: str, intrinsics: FloatArray) -> FloatArray:
    """Return K (3, 3) unchanged; raises `DataError` naming `key` when its axes are not perpendicular."""
    if intrinsics[0, 1] != 0 or intrinsics[1, 0] != 0:
        raise DataError(f"{key}: skew {intrinsics[0, 1]:g}; only cameras without skew are supported")
    return intrinsics


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> FloatArray:
    """Return K (3, 3) of focal lengths and principal point in pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def coefficients(key: str, numbers: FloatArray, lens: Lens) -> FloatArray:
    """Return distortion coefficients (N,) without the zeros past the last one that the lens model knows.

    Raises `DataError` naming `key` on a coefficient of a model that we lack (thin prism, tilt) or one not finite.
    """
    flat, longest = check_finite(key, numbers.reshape(-1)), max(DISTORTION_LENGTHS[lens])
    if flat[longest:].any():
        raise DataError(
            f"{key}: {len(flat)} coefficients; of a {lens.value} lens {longest} are supported, "
            "thin-prism and tilt terms are not"
        )
    return flat[:longest]


def image_size(key: str, numbers: FloatArray) -> tuple[int, int]:
    """Return (width, height); raises `DataError` naming `key` unless they are two whole numbers of at least 1."""
    width, height = shaped(key, numbers, (2,)).tolist()
    if not (width >= 1 and height >= 1 and np.isfinite((width, height)).all() and width % 1 == height % 1 == 0):
        raise DataError(f"{key}: image size ({width:g}, {height:g}); both must be above 0 and whole numbers of pixels")
    return int(width), int(height)


def rotation_matrix(key: str, numbers: FloatArray) -> FloatArray:
    """Return R (3, 3) of its nine numbers or of a Rodrigues vector (3,); raises `DataError` naming `key` on others."""
    if numbers.size == 3:
        return np.asarray(cv2.Rodrigues(numbers.reshape(3))[0], np.float64)
    return shaped(key, numbers, (3, 3))


def pose(rotation: FloatArray, translation: FloatArray) -> FloatArray:
    """Return [R | t] (3, 4) of R (3, 3) and t (3,)."""
    return np.column_stack([rotation, translation.reshape(3)])


def check_same_pose(keys: str, kept: FloatArray, other: FloatArray) -> None:
    """Raise `DataError` naming `keys` when a file gives one pose (3, 4) twice and differently."""
    error = float(np.abs(kept - other).max())
    if not error <= POSE_TOLERANCE:
        raise DataError(
            f"{keys} differ by {error:.2g} (allowed {POSE_TOLERANCE:g}); remove the entry that is out of date"
        )
