"""Cameras and the stereo rig: what a calibration says, checked.

Metres, radians, pixels; pixel (0, 0) is the centre of the top-left pixel; a camera looks along +z, x right, y down.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError

ROTATION_TOLERANCE = 1e-4
MIN_BASELINE_M = 1e-6


class Lens(StrEnum):
    """How a lens bends rays."""

    BROWN_CONRADY = "brown_conrady"
    """Radial-tangential, with 8 coefficients rational (Brown 1971)."""
    FISHEYE = "fisheye"
    """Equidistant with a polynomial of the angle (Kannala and Brandt 2006)."""


DISTORTION_LENGTHS = {Lens.BROWN_CONRADY: (0, 4, 5, 8), Lens.FISHEYE: (4,)}


@dataclass(frozen=True, eq=False)
class Camera:
    """One calibrated camera.

    intrinsics: (3, 3) float64 K in pixels. distortion: float64 in OpenCV order, (0|4|5|8,) k1 k2 p1 p2 [k3 [k4 k5 k6]]
    of a Brown-Conrady lens, (4,) k1 k2 k3 k4 of a fisheye. cam_from_world: (3, 4) float64 [R | t], t in metres.
    image_size_px: (width, height). frame_rate_hz: frames per second. Raises `DataError` when R is no rotation or K no
    camera matrix.
    """

    name: str
    intrinsics: NDArray[np.float64]
    distortion: NDArray[np.float64]
    cam_from_world: NDArray[np.float64]
    image_size_px: tuple[int, int]
    frame_rate_hz: float
    lens: Lens = Lens.BROWN_CONRADY

    def __post_init__(self) -> None:
        """Check that the numbers describe a camera."""
        for field, shape in (("intrinsics", (3, 3)), ("cam_from_world", (3, 4))):
            value = getattr(self, field)
            if np.shape(value) != shape or not np.isfinite(value).all():
                raise DataError(f"camera {self.name}: {field}: expected finite {shape}, got {np.shape(value)}")
        k = self.intrinsics
        if k[0, 0] <= 0 or k[1, 1] <= 0 or not np.allclose(k[2], (0, 0, 1)):
            raise DataError(
                f"camera {self.name}: intrinsics {k.tolist()}; focal lengths must be above 0 and the last row 0 0 1"
            )
        lengths = DISTORTION_LENGTHS[self.lens]
        if np.shape(self.distortion) not in [(n,) for n in lengths] or not np.isfinite(self.distortion).all():
            raise DataError(
                f"camera {self.name}: distortion {np.asarray(self.distortion).tolist()}; "
                f"a {self.lens.value} lens has one of {lengths} coefficients, all finite"
            )
        error = float(np.abs(self.rotation @ self.rotation.T - np.eye(3)).max())
        if error > ROTATION_TOLERANCE or np.linalg.det(self.rotation) < 0:
            raise DataError(
                f"camera {self.name}: cam_from_world is not a rotation: R R^T differs from the identity "
                f"by {error:.2g}, det R = {np.linalg.det(self.rotation):.3f}; "
                f"expected at most {ROTATION_TOLERANCE:g} and +1; recalibrate or orthonormalise R"
            )
        if min(self.image_size_px) < 1 or not 0 < self.frame_rate_hz < np.inf:
            raise DataError(
                f"camera {self.name}: image size {self.image_size_px}, frame rate {self.frame_rate_hz}; "
                "all must be above 0 and finite"
            )

    @property
    def rotation(self) -> NDArray[np.float64]:
        """R of cam_from_world, (3, 3)."""
        return self.cam_from_world[:, :3]

    @property
    def translation_m(self) -> NDArray[np.float64]:
        """Return t of cam_from_world, (3,) metres."""
        return self.cam_from_world[:, 3]

    @property
    def centre_m(self) -> NDArray[np.float64]:
        """Optical centre in world coordinates, (3,) metres."""
        centre: NDArray[np.float64] = -self.rotation.T @ self.translation_m
        return centre


@dataclass(frozen=True, eq=False)
class CameraRig:
    """Two or more synchronised calibrated cameras with one world frame."""

    cameras: tuple[Camera, ...]

    def __post_init__(self) -> None:
        """Check that the cameras stand apart from each other and run at one rate."""
        if len(self.cameras) < 2:
            raise DataError(f"camera rig: expected at least 2 cameras, got {len(self.cameras)}")
        for first, second in combinations(self.cameras, 2):
            if first.frame_rate_hz != second.frame_rate_hz:
                raise DataError(
                    f"camera rig: {first.name} runs at {first.frame_rate_hz} Hz, {second.name} at "
                    f"{second.frame_rate_hz} Hz; resample one recording first"
                )
            if np.linalg.norm(first.centre_m - second.centre_m) < MIN_BASELINE_M:
                raise DataError(
                    f"camera rig: {first.name} and {second.name} stand at one point; the baseline must be above 0"
                )

    def pair(self, first: int, second: int) -> "StereoRig":
        """Return two of the cameras, by index, as a stereo rig."""
        return StereoRig((self.cameras[first], self.cameras[second]))


@dataclass(frozen=True, eq=False)
class StereoRig(CameraRig):
    """Exactly two cameras."""

    cameras: tuple[Camera, Camera]

    def __post_init__(self) -> None:
        """Check that there are two cameras that make a rig."""
        if len(self.cameras) != 2:
            raise DataError(f"stereo rig: expected 2 cameras, got {len(self.cameras)}")
        super().__post_init__()

    @property
    def baseline_m(self) -> float:
        """Distance between the optical centres in metres."""
        first, second = self.cameras
        return float(np.linalg.norm(first.centre_m - second.centre_m))
