"""What the causes of tracks do to a picture: solid bodies, mirrored bodies, glows, shadows and specks.

A canvas is (3, H, W) float32 RGB in 0..255, changed in place; it may exceed 255 before the sensor clips it.
T frames; `index` counts the cause's own frames.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.raster import Light, draw_parts, flat_patch_alpha, new_layer, polygon_mask
from track_persistence.simulation.shapes import Part
from track_persistence.simulation.views import SeenParts, Window

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
VISIBLE_BLUR_PX = 1.2
LONGEST_BLUR_PX = 24.0
OWN_SHADOW = 0.45
SHADE_OF_BLUE = (1.0, 0.98, 0.92)


class Painter(Protocol):
    """Draws one cause into the crop window of one camera."""

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Change `canvas` as the cause does at its frame `index`."""


@dataclass(frozen=True, eq=False)
class FlatPatch:
    """Ellipses on the ground as one camera sees them, in camera coordinates.

    centres_m (T, 3); inverse (T, 3, 3) of the two half axes and the unit normal; extents (T, 4) of the soft edge.
    """

    centres_m: Array
    inverse: Array
    extents: Array
    softness: float

    def alpha(self, window: Window, index: int) -> tuple[tuple[slice, slice], Plane] | None:
        """Return rows and columns of the window and the coverage (h, w) there; None when it lies outside."""
        where = window.part(self.extents[index])
        if where is None:
            return None
        rays = window.x[None, where[1]], window.y[where[0], None]
        return where, flat_patch_alpha(rays, self.centres_m[index], self.inverse[index], self.softness)


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light per camera: direction (2, 3) in camera coordinates, ambient share, gains (T,)."""

    directions: Array
    ambient: float
    gains: Array

    def at(self, camera: int, index: int) -> Light:
        """Return the light of one frame."""
        return Light(self.directions[camera], self.ambient, float(self.gains[index]))


@dataclass(frozen=True, eq=False)
class SolidPainter:
    """An opaque body with motion blur and the shadow it casts. smear: (T, 2) per camera, normalised, shutter open."""

    parts: tuple[Part, ...]
    seen: tuple[SeenParts, SeenParts]
    lighting: Lighting
    smear: tuple[Array, Array]
    own_shadow: tuple[FlatPatch, FlatPatch] | None

    def layer(self, window: Window, camera: int, index: int) -> Plane:
        """Return the body alone as a layer (4, H, W)."""
        layer = new_layer(window)
        self._draw(layer, window, camera, index)
        if self._shift_px(window, camera, index) <= VISIBLE_BLUR_PX:
            return layer
        return blurred(layer, self.smear[camera][index] / (window.step_x, window.step_y))

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Darken the ground beneath the body, then cover what lies behind it."""
        if self.own_shadow is not None:
            shadow = self.own_shadow[camera].alpha(window, index)
            if shadow is not None:
                where, alpha = shadow
                darken(canvas[:, where[0], where[1]], alpha * np.float32(OWN_SHADOW))
        if self._shift_px(window, camera, index) <= VISIBLE_BLUR_PX:
            self._draw(canvas, window, camera, index)
            return
        layer = self.layer(window, camera, index)
        canvas *= 1 - layer[3]
        canvas += layer[:3]

    def _draw(self, target: Plane, window: Window, camera: int, index: int) -> None:
        draw_parts(target, window, self.seen[camera], index, self.parts, self.lighting.at(camera, index))

    def _shift_px(self, window: Window, camera: int, index: int) -> float:
        x, y = self.smear[camera][index].tolist()
        return math.hypot(x / window.step_x, y / window.step_y)


@dataclass(frozen=True, eq=False)
class MirrorPainter:
    """A body seen in a pane: blended by `strength` (T,), tinted (3,), cut off at the pane's edge (4, 2) normalised."""

    body: SolidPainter
    edges: tuple[Array, Array]
    strength: Array
    tint: Plane

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Blend the mirrored body into the pane."""
        layer = self.body.layer(window, camera, index)
        layer *= polygon_mask(window, self.edges[camera]) * np.float32(self.strength[index])
        canvas *= 1 - layer[3]
        canvas += layer[:3] * self.tint[:, None, None]


@dataclass(frozen=True, eq=False)
class GlarePainter:
    """A highlight that blooms in the lens: centres (T, 2) and radii (T,) per camera, normalised; strength (T,)."""

    centres: tuple[Array, Array]
    radii: tuple[Array, Array]
    strength: Array
    colour: Plane
    streak_rad: float
    streak_share: float

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add core, halo and streak to the light that is there."""
        middle, radius = self.centres[camera][index], self.radii[camera][index]
        x = ((window.x - middle[0]) / radius).astype(np.float32)
        y = ((window.y - middle[1]) / radius).astype(np.float32)[:, None]
        bloom = 500 * np.exp(-8 * y * y) * np.exp(-8 * x * x) + 110 * np.exp(-1.6 * y * y) * np.exp(-1.6 * x * x)
        cos, sin = np.float32(np.cos(self.streak_rad)), np.float32(np.sin(self.streak_rad))
        along, across = x * cos + y * sin, y * cos - x * sin
        streak = np.exp(-3 * np.abs(along)) * np.exp(-200 * across * across)
        streak += np.exp(-3 * np.abs(across)) * np.exp(-200 * along * along)
        bloom += np.float32(260 * self.streak_share) * streak
        canvas += self.colour[:, None, None] * (bloom * np.float32(self.strength[index])).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ShadowPainter:
    """A shadow on the ground: the union of patches per camera, darkening by `strength` (T,)."""

    patches: tuple[tuple[FlatPatch, ...], tuple[FlatPatch, ...]]
    strength: Array

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Darken the texture of the ground."""
        union = np.zeros(window.shape, np.float32)
        for patch in self.patches[camera]:
            covered = patch.alpha(window, index)
            if covered is not None:
                where, alpha = covered
                np.maximum(union[where], alpha, out=union[where])
        darken(canvas, union * np.float32(self.strength[index]))


@dataclass(frozen=True, eq=False)
class SpeckPainter:
    """A blurred speck close to the lens or in the air, one frame long: centre (2,) and radii (2,) normalised."""

    centre: Array
    radii: Array
    turn_rad: float
    opacity: float
    colour: Plane

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Cover the middle softly."""
        x = ((window.x - self.centre[0]) / self.radii[0]).astype(np.float32)
        y = ((window.y - self.centre[1]) / self.radii[1]).astype(np.float32)[:, None]
        cos, sin = np.float32(np.cos(self.turn_rad)), np.float32(np.sin(self.turn_rad))
        along, across = x * cos + y * sin, y * cos - x * sin
        alpha = np.exp(-2 * along * along - 9 * across * across) * np.float32(self.opacity)
        canvas *= 1 - alpha
        canvas += self.colour[:, None, None] * alpha


def darken(canvas: Plane, shares: Plane) -> None:
    """Take shares (h, w) of the light away from a canvas (3, h, w); skylight leaves a little blue."""
    for channel, share in zip(canvas, SHADE_OF_BLUE, strict=True):
        channel *= 1 - shares * np.float32(share)


def blurred(layer: Plane, shift_px: Array) -> Plane:
    """Smear a layer (4, H, W) along `shift_px` (x, y), the way the body moves while the shutter is open."""
    length = float(np.hypot(*shift_px))
    shift = shift_px * min(1.0, LONGEST_BLUR_PX / length)
    reach = int(np.ceil(np.abs(shift).max() / 2))
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3), np.float32)
    steps = np.linspace(-0.5, 0.5, 2 * int(np.ceil(length)) + 1)[:, None] * shift + reach + 1
    whole = np.floor(steps).astype(int)
    part = steps - whole
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
        np.add.at(kernel, (whole[:, 1] + dy, whole[:, 0] + dx), weight)
    kernel /= kernel.sum()
    smeared = cv2.filter2D(layer.transpose(1, 2, 0), -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(smeared.transpose(2, 0, 1))
