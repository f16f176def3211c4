"""Flat upright pictures in a scene: mirrors, window panes, posters and cut-out things; and what a window reflects.

A canvas is (3, H, W) float32 RGB in 0..255, changed in place. T frames; pairs have one entry per camera.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.lasting import Pair
from track_persistence.simulation.painters import OWN_SHADOW, FlatPatch, Plane, SolidPainter, darken
from track_persistence.simulation.raster import polygon_mask
from track_persistence.simulation.textures import Mips, mip_for, mips
from track_persistence.simulation.views import Window

Array = NDArray[np.float64]
# Share of the light from behind that a reflection of full strength drowns: a window adds more than it covers.
WINDOW_COVER = 0.45


def cut_out(colour: NDArray[np.uint8], alpha: Any) -> Mips:
    """Return a picture (H, W, 3) with opacity (H, W) in [0, 1] as levels (h, w, 4) of RGB times alpha, and alpha."""
    solid = np.asarray(alpha, np.float32)[..., None]
    picture = np.concatenate([colour * solid, 255 * solid], axis=-1)
    return mips(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


@dataclass(frozen=True, eq=False)
class PanePainter:
    """A flat picture (from `cut_out`) at corners (T, 4, 2), normalised, from its top left around; `gain` of its light.

    shadow: what it casts on the ground, if anything.
    """

    picture: Mips
    corners: tuple[Array, Array]
    gain: float
    shadow: tuple[FlatPatch, FlatPatch] | None

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Blend the picture over the canvas where it is seen."""
        if self.shadow is not None:
            covered = self.shadow[camera].alpha(window, index)
            if covered is not None:
                where, alpha = covered
                darken(canvas[:, where[0], where[1]], alpha * np.float32(OWN_SHADOW))
        corners = self.corners[camera][index]
        part = window.part(np.concatenate([corners.min(axis=0), corners.max(axis=0)]))
        if part is None:
            return
        rows, columns = part
        quad = (window.pixels(corners) - (columns.start, rows.start)).astype(np.float32)
        height, width = self.picture[0].shape[:2]
        area = max(abs(float(cv2.contourArea(quad))), 1.0)
        picture = mip_for(self.picture, float(np.sqrt(height * width / area)))
        height, width = picture.shape[:2]
        around = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
        homography = cv2.getPerspectiveTransform(around, quad)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        layer = np.asarray(cv2.warpPerspective(picture, homography, size, flags=cv2.INTER_LINEAR))
        view = canvas[:, rows, columns]
        view *= 1 - layer[..., 3] * np.float32(1 / 255)
        view += np.multiply(layer[..., :3].transpose(2, 0, 1), np.float32(self.gain), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class WindowPainter:
    """A body mirrored in glass that one also looks through: its light is added, cut off at the pane's edges (4, 2).

    strength (T,); tint (3,); double: strength of the image from the back of the glass and its shift as a share of the
    body's width.
    """

    body: SolidPainter
    edges: Pair
    strength: Array
    tint: Plane
    double: tuple[float, float]

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add the mirrored body, and its double, to the pane."""
        layer = self.body.layer(window, camera, index)
        weight, shift = self.double
        if weight > 0:
            left, _, right, _ = self.body.seen[camera].whole_extents[index].tolist()
            aside = (right - left) * shift
            shifted = replace(window, x=window.x - np.float32(aside), left=window.left - aside)
            layer += self.body.layer(shifted, camera, index) * np.float32(weight)
        layer *= polygon_mask(window, self.edges[camera]) * np.float32(self.strength[index])
        canvas *= 1 - layer[3] * np.float32(WINDOW_COVER)
        canvas += layer[:3] * self.tint[:, None, None]
