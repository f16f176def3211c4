"""Bodies as one camera sees them: camera coordinates, exact projected extents, crop windows.

T frames, P parts. "Extents" are left, top, right, bottom in normalised (undistorted, unit depth) coordinates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.simulation.optics import to_camera
from track_persistence.simulation.shapes import Form

Array = NDArray[np.float64]
FloatArray = NDArray[np.float32]
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
NEAREST_M = 0.5


@dataclass(frozen=True, eq=False)
class SeenParts:
    """Parts in camera coordinates.

    centres_m (T, P, 3); axes_m (T, P, 3, 3), half axes as columns, and their inverse (zero for flat parts);
    extents (T, P, 4); depth_m (T,) of the middle.
    """

    forms: tuple[Form, ...]
    centres_m: Array
    axes_m: Array
    inverse: Array
    extents: Array
    depth_m: Array

    @property
    def whole_extents(self) -> Array:
        """Extents (T, 4) of all parts together."""
        low = self.extents[:, :, :2].min(axis=1)
        high = self.extents[:, :, 2:].max(axis=1)
        return np.concatenate([low, high], axis=-1)


def seen_parts(camera: Camera, forms: tuple[Form, ...], centres_m: Array, axes_m: Array) -> SeenParts | None:
    """Return the parts as the camera sees them, or None when any of them comes too near or behind it."""
    centres = to_camera(camera, centres_m)
    axes = camera.rotation @ axes_m
    reach = np.abs(axes[..., 2, :]).sum(axis=-1)
    if (centres[..., 2] - reach).min() < NEAREST_M:
        return None
    extents = np.empty((*centres.shape[:2], 4))
    for number, form in enumerate(forms):
        find = _ellipsoid_extents if form is Form.ELLIPSOID else _box_extents
        extents[:, number] = find(centres[:, number], axes[:, number])
    size = np.linalg.norm(axes, axis=-2, keepdims=True)
    # The half axes are orthogonal, so the inverse is the transpose over the squared lengths.
    inverse = (axes / np.where(size > 0, size, np.inf) ** 2).swapaxes(-1, -2)
    return SeenParts(forms, centres, axes, inverse, extents, centres[..., 2].mean(axis=1))


def _ellipsoid_extents(centres: Array, axes: Array) -> Array:
    """Tangent lines of the outline: the dual conic of an ellipsoid is A A^T - c c^T (Hartley and Zisserman, 8.3)."""
    dual = axes @ axes.transpose(0, 2, 1) - centres[:, :, None] * centres[:, None, :]
    low, high = [], []
    for axis in (0, 1):
        middle = dual[:, axis, 2] / dual[:, 2, 2]
        spread = np.sqrt(middle**2 - dual[:, axis, axis] / dual[:, 2, 2])
        low.append(middle - spread)
        high.append(middle + spread)
    return np.stack([*low, *high], axis=-1)


def _box_extents(centres: Array, axes: Array) -> Array:
    corners = centres[:, None] + CORNERS @ axes.transpose(0, 2, 1)  # (T, 8, 3)
    flat = corners[..., :2] / corners[..., 2:]
    return np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=-1)


@dataclass(frozen=True, eq=False)
class Window:
    """The sampling grid of one crop: normalised coordinates of its columns x (W,) and rows y (H,), float32.

    The lens distortion is taken as linear inside the window, which errs by less than a tenth of a crop pixel.
    """

    x: FloatArray
    y: FloatArray
    left: float
    top: float
    step_x: float
    step_y: float

    @classmethod
    def over(cls, extents: Array, width: int, height: int) -> "Window":
        """Return the grid of `width` x `height` samples over normalised extents (4,)."""
        left, top, right, bottom = (float(value) for value in extents)
        step_x, step_y = (right - left) / width, (bottom - top) / height
        x = (left + step_x * (np.arange(width) + 0.5)).astype(np.float32)
        y = (top + step_y * (np.arange(height) + 0.5)).astype(np.float32)
        return cls(x, y, left, top, step_x, step_y)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.x)

    def pixels(self, normalised: Array) -> Array:
        """Normalised points (..., 2) as continuous crop pixels, (0, 0) being the centre of the top-left one."""
        scaled: Array = (normalised - (self.left, self.top)) / (self.step_x, self.step_y) - 0.5
        return scaled

    def part(self, extents: Array) -> tuple[slice, slice] | None:
        """Rows and columns that cover normalised extents (4,), with a pixel to spare; None when outside."""
        left, top, right, bottom = extents.tolist()
        first_column = max(0, int((left - self.left) / self.step_x) - 1)
        last_column = min(len(self.x), int((right - self.left) / self.step_x) + 2)
        first_row = max(0, int((top - self.top) / self.step_y) - 1)
        last_row = min(len(self.y), int((bottom - self.top) / self.step_y) + 2)
        if first_column >= last_column or first_row >= last_row:
            return None
        return slice(first_row, last_row), slice(first_column, last_column)
