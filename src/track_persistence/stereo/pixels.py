"""Checks of the pixels and deviations that callers hand in.

V cameras, N points.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def check_pixels(name: str, pixels: Any) -> FloatArray:
    """Return `pixels` as (N, 2) float64; raises `DataError` on another shape, integers, NaN or infinity.

    Integers are refused because rounding a box centre to whole pixels costs more than the detector's noise.
    """
    array = np.asarray(pixels)
    if array.ndim != 2 or array.shape[1] != 2:
        raise DataError(f"{name}: expected pixels of shape (N, 2), got {array.shape}")
    _refuse_integers(name, array)
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.argmin(finite.all(axis=1)))
        raise DataError(
            f"{name}: row {at}: pixel {array[at].tolist()}; expected finite numbers, drop such frames first"
        )
    return array.astype(np.float64)


def check_views(rig: CameraRig, pixels: Any) -> list[FloatArray]:
    """Return each camera's pixels, V times (N, 2) of their own floating type; the values are `unseen`'s to check.

    Raises `DataError` on another number of cameras, unequal lengths, another shape, or integers.
    """
    try:
        arrays = [np.asarray(seen) for seen in pixels]
    except (TypeError, ValueError):
        arrays = []
    shapes = [array.shape for array in arrays]
    expected = (len(shapes[0]) == 2 and shapes[0][1] == 2) if shapes else False
    if len(arrays) != len(rig.cameras) or len(set(shapes)) > 1 or not expected:
        raise DataError(
            f"triangulation: pixels of shapes {shapes}; expected ({len(rig.cameras)}, N, 2), one array of equal length "
            "per camera with NaN where it did not see the point"
        )
    for camera, array in zip(rig.cameras, arrays, strict=True):
        _refuse_integers(f"camera {camera.name}", array)
    return arrays


def check_sigmas(sigma_px: Any, cameras: int, count: int) -> list[FloatArray]:
    """Return each camera's deviations, (N,) or (1,); the values are `deviations`' to check.

    sigma_px: a number, (V,) or (V, N); raises `DataError` on another shape.
    """
    given = np.asarray(sigma_px, np.float64)
    if given.shape not in ((), (cameras,), (cameras, count)):
        raise DataError(f"sigma_px: expected a number, ({cameras},) or ({cameras}, {count}), got shape {given.shape}")
    return list(np.broadcast_to(given, cameras)[:, None]) if given.ndim < 2 else list(given)


def unseen_points(name: str, pixels: FloatArray, first_row: int) -> BoolArray | None:
    """Return which pixels (n, 2) are NaN, (n,), or None when none is; raises `DataError` on infinity or half a NaN."""
    finite = np.isfinite(pixels[:, 0]) & np.isfinite(pixels[:, 1])
    if finite.all():
        return None
    bad = ~(finite | np.isnan(pixels).all(axis=1))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{name}: row {first_row + at}: pixel {pixels[at].tolist()}; expected two finite numbers, or NaN twice "
            "where the camera did not see the point"
        )
    unseen: BoolArray = ~finite
    return unseen


def deviations(name: str, sigma_px: FloatArray, unseen: BoolArray | None) -> FloatArray:
    """Return deviations that are finite and above 0, (n,) or (1,), with 1 where the point was not seen."""
    if unseen is not None:
        sigma_px = np.where(unseen, 1.0, sigma_px)
    good = np.isfinite(sigma_px) & (sigma_px > 0)
    if not good.all():
        raise DataError(
            f"{name}: sigma_px {sigma_px[np.argmin(good)]}; every deviation must be finite and above 0 pixels"
        )
    return sigma_px


def _refuse_integers(name: str, array: NDArray[Any]) -> None:
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{name}: expected floating-point pixels, got {array.dtype}; do not round box centres")
