"""A camera's image as a level camera at its place would take it: what stands upright is upright, with its proportions.

People detectors know upright people only. A camera that is rolled or looks down leans and foreshortens them; that can
be taken back for any scene, because turning a camera about its centre only bends its image (Hartley and Zisserman 2004,
8.4.2). The level view has no distortion. N points or boxes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera
from track_persistence.stereo.geometry import distort, undistort_normalised
from track_persistence.stereo.pixels import FloatArray

# Colour of what the camera does not see; mid grey has the weakest edge on average.
UNSEEN = (128, 128, 128)
# Points along the image's border whose rays bound the view.
BORDER_POINTS = 33
# Cosine of the largest angle to the level direction; there, pixels are stretched to more than twelve times their size.
LEAST_FORWARD = 0.08


@dataclass(frozen=True, eq=False)
class LevelView:
    """The level view of one camera.

    camera_from_level: (3, 3) rotation. focal_px: of the view. corner: (2,) normalised coordinates of the centre of its
    first pixel. shrunk_px: (width, height) to which `take` scales the camera's image, so that its resolution is that of
    the view. map_px: (height, width, 2) float32, where the view's pixels lie in that image.
    """

    camera: Camera
    camera_from_level: FloatArray
    focal_px: float
    corner: FloatArray
    shrunk_px: tuple[int, int]
    map_px: NDArray[np.float32]

    def take(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the level camera sees, (h, w, 3) uint8; image: (H, W, 3) of the camera's own size."""
        if image.shape[1::-1] != self.camera.image_size_px:
            raise DataError(
                f"camera {self.camera.name}: image of {image.shape[1::-1]} px, but it is calibrated for "
                f"{self.camera.image_size_px} px; use the video's own calibration"
            )
        small = cv2.resize(image, self.shrunk_px, interpolation=cv2.INTER_AREA)
        columns, rows = self.map_px[..., 0], self.map_px[..., 1]
        taken = cv2.remap(small, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=UNSEEN)
        return np.asarray(taken, np.uint8)

    def pixels_in_camera(self, pixels: FloatArray) -> FloatArray:
        """Return where pixels (N, 2) of the view lie in the camera's image, (N, 2)."""
        return distort(self.camera, _turned(pixels / self.focal_px + self.corner, self.camera_from_level))

    def boxes_in_camera(self, boxes_xywh_px: FloatArray) -> FloatArray:
        """Return boxes (N, 4) of the view as upright boxes (N, 4) of the camera's image.

        Their centres are where the level boxes' centres lie, which is the middle of a standing thing in 3D; width and
        height are the distances of the middles of the level boxes' sides, so that sizes do not grow with the roll.
        """
        corner, size = boxes_xywh_px[:, :2], boxes_xywh_px[:, 2:]
        centre, left, right, top, bottom = (
            self.pixels_in_camera(corner + size * np.array(share))
            for share in ((0.5, 0.5), (0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1))
        )
        extent = np.column_stack([np.linalg.norm(right - left, axis=1), np.linalg.norm(bottom - top, axis=1)])
        return np.column_stack([centre - extent / 2, extent])


def level_view(camera: Camera, up: FloatArray, scale: float) -> LevelView:
    """Return the level view of all that `camera` sees.

    up: (3,) the world's upward direction. scale: focal length of the view over the camera's. Raises `DataError` for a
    camera that looks up or down so steeply that a level one at its place would not see the same.
    """
    level = _level_from_world(camera, up)
    camera_from_level = camera.rotation @ level.T
    border = undistort_normalised(camera, _border(camera.image_size_px))
    rays = np.column_stack([border, np.ones(len(border))]) @ camera_from_level
    if (rays[:, 2] < LEAST_FORWARD * np.linalg.norm(rays, axis=1)).any():
        raise DataError(
            f"camera {camera.name}: looks too steeply up or down for a level view; detect people by other means"
        )
    flat = rays[:, :2] / rays[:, 2:]
    corner = flat.min(axis=0)
    focal_px = scale * float(np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1]))
    width, height = (int(side) for side in np.ceil(np.ptp(flat, axis=0) * focal_px) + 1)
    shrunk = (max(1, round(scale * camera.image_size_px[0])), max(1, round(scale * camera.image_size_px[1])))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    inside = _turned(np.column_stack([columns.ravel(), rows.ravel()]) / focal_px + corner, camera_from_level)
    # Pixel (0, 0) is the centre of the first one in both images.
    places = (distort(camera, inside) + 0.5) * np.array(shrunk) / camera.image_size_px - 0.5
    # Beyond the border of the image the lens model may fold back into it.
    places[np.linalg.norm(inside, axis=1) > np.linalg.norm(border, axis=1).max()] = -1e6
    map_px = places.reshape(height, width, 2).astype(np.float32)
    return LevelView(camera, camera_from_level, focal_px, corner, shrunk, map_px)


def _border(size_px: tuple[int, int]) -> FloatArray:
    """Return pixels (N, 2) all along the border of an image."""
    shares = np.linspace(0, 1, BORDER_POINTS)
    ends = [np.column_stack([shares, np.full_like(shares, end)]) for end in (0.0, 1.0)]
    border: FloatArray = np.concatenate([*ends, *(end[:, ::-1] for end in ends)]) * (np.array(size_px) - 1)
    return border


def _turned(normalised: FloatArray, camera_from_level: FloatArray) -> FloatArray:
    """Return normalised coordinates (N, 2) of the level camera as such of the real one."""
    rays = np.column_stack([normalised, np.ones(len(normalised))]) @ camera_from_level.T
    turned: FloatArray = rays[:, :2] / rays[:, 2:]
    return turned


def _level_from_world(camera: Camera, up: FloatArray) -> FloatArray:
    """Return the axes (3, 3) of the level camera: right, down, and level ahead."""
    down = -np.asarray(up, np.float64) / np.linalg.norm(up)
    ahead = camera.rotation[2] - down * (camera.rotation[2] @ down)
    length = float(np.linalg.norm(ahead))
    if length < LEAST_FORWARD:
        raise DataError(
            f"camera {camera.name}: looks straight up or down and has no level view; detect people by other means"
        )
    ahead = ahead / length
    return np.stack([np.cross(down, ahead), down, ahead])
