"""What light that is no body does to a picture: blooming lights, highlights, lens flare, sparkles, patches of sun.

A canvas is (3, H, W) float32 RGB in 0..255, changed in place; the sensor clips it. T frames; `index` counts the cause's
own frames. "Normalised" is undistorted, at unit depth; pairs have one entry per camera.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.lasting import Pair
from track_persistence.simulation.painters import FlatPatch, Plane
from track_persistence.simulation.raster import polygon_mask
from track_persistence.simulation.views import Window

Array = NDArray[np.float64]
# Grey levels added in the middle of a light at full strength: far above white, as a light is.
CORE_LEVEL, HALO_LEVEL, VEIL_LEVEL, STREAK_LEVEL = 900.0, 150.0, 45.0, 320.0
# A saturated core is white whatever colour its light has.
CORE_WHITE = 0.75


@dataclass(frozen=True, eq=False)
class GlowStyle:
    """How a light blooms.

    colour (3,); core: radii of the core along x and y as shares of the box's, and its brightness; halo: brightness of
    what is around it; streaks: (angle, brightness) of each ray.
    """

    colour: Plane
    core: tuple[float, float, float]
    halo: float
    streaks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class GlowPainter:
    """Lights that bloom in the lens: centres and radii (T, 2) per camera, normalised; strength (T,).

    apart: (N, 2) places of several lights in units of the radii, (0, 0) for a single one.
    """

    centres: Pair
    radii: Pair
    strength: Array
    style: GlowStyle
    apart: Array

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add cores, halos and streaks to the light that is there."""
        bloom = np.zeros(window.shape, np.float32)
        core = np.zeros(window.shape, np.float32)
        radii = self.radii[camera][index]
        wide, high, level = self.style.core
        for offset in self.apart:
            middle = self.centres[camera][index] + offset * radii
            x = ((window.x - middle[0]) / radii[0]).astype(np.float32)
            y = ((window.y - middle[1]) / radii[1]).astype(np.float32)
            core += np.outer(np.exp(-0.5 * (y / np.float32(high)) ** 2), np.exp(-0.5 * (x / np.float32(wide)) ** 2))
            halo = np.outer(np.exp(-4 * y * y), np.exp(-4 * x * x)) * np.float32(HALO_LEVEL)
            halo += np.outer(np.exp(-1.2 * y * y), np.exp(-1.2 * x * x)) * np.float32(VEIL_LEVEL)
            bloom += halo * np.float32(self.style.halo)
            _add_streaks(bloom, x[None], y[:, None], self.style.streaks)
        core *= np.float32(self.strength[index] * CORE_LEVEL * level)
        bloom *= np.float32(self.strength[index])
        for channel, share in zip(canvas, self.style.colour.tolist(), strict=True):
            channel += core * np.float32(CORE_WHITE + (1 - CORE_WHITE) * share)
            channel += bloom * np.float32(share)


def _add_streaks(bloom: Plane, x: Plane, y: Plane, streaks: tuple[tuple[float, float], ...]) -> None:
    """Add thin rays through (0, 0) that fade outwards; x (1, W), y (H, 1) in radii."""
    for angle, strength in streaks:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along, across = x * cos + y * sin, y * cos - x * sin
        bloom += np.exp(-2.5 * np.abs(along) - 260 * across * across) * np.float32(STREAK_LEVEL * strength)


@dataclass(frozen=True, eq=False)
class HighlightPainter:
    """An elliptic highlight: centres (T, 2) and half axes (T, 2, 2) as columns per camera, normalised; strength (T,).

    halo: how much wider its bloom is. colour (3,).
    """

    centres: Pair
    axes: tuple[Array, Array]
    strength: Array
    halo: float
    colour: Plane

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add the highlight and its bloom."""
        x = (window.x - self.centres[camera][index, 0]).astype(np.float32)[None]
        y = (window.y - self.centres[camera][index, 1]).astype(np.float32)[:, None]
        to = np.linalg.inv(self.axes[camera][index]).astype(np.float32)
        square = (x * to[0, 0] + y * to[0, 1]) ** 2 + (x * to[1, 0] + y * to[1, 1]) ** 2
        spot = np.exp(-1.8 * square * square) * np.float32(420)
        spot += np.exp(square * np.float32(-1.6 / self.halo**2)) * np.float32(70)
        spot *= np.float32(self.strength[index])
        for channel, share in zip(canvas, self.colour.tolist(), strict=True):
            channel += spot * np.float32(share)


@dataclass(frozen=True, eq=False)
class FlareStyle:
    """A ghost image of the aperture: corners (0 for a round one), rim against middle, turn, two colours (3,)."""

    corners: int
    rim: float
    turn_rad: float
    inner: Plane
    outer: Plane


@dataclass(frozen=True, eq=False)
class FlarePainter:
    """Spots inside the lens: centres and radii (T, 2) per camera, normalised; added light (T,) in grey levels.

    companions: (N, 3), further spots on the same line: place along the line in radii, size, strength. lines: (T, 2)
    unit directions of the line per camera.
    """

    centres: Pair
    radii: Pair
    light: Array
    style: FlareStyle
    companions: Array
    lines: Pair

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add the spots; what lies behind them shines through."""
        middle, radii = self.centres[camera][index], self.radii[camera][index]
        line = self.lines[camera][index]
        for place, size, strength in ((0.0, 1.0, 1.0), *self.companions.tolist()):
            spot = middle + line * radii * place
            x = ((window.x - spot[0]) / (radii[0] * size)).astype(np.float32)[None]
            y = ((window.y - spot[1]) / (radii[1] * size)).astype(np.float32)[:, None]
            self._add_spot(canvas, x, y, line, float(self.light[index]) * strength)

    def _add_spot(self, canvas: Plane, x: Plane, y: Plane, line: Array, light: float) -> None:
        distance = np.sqrt(x * x + y * y)
        if self.style.corners:
            sector = np.float32(2 * np.pi / self.style.corners)
            angle = (np.arctan2(y, x) + np.float32(self.style.turn_rad)) % sector - sector / 2
            distance *= np.cos(angle) / np.cos(sector / 2)
        inside = np.clip((np.float32(0.95) - distance) * 9, 0, 1)
        inside *= np.float32(1 - self.style.rim) + np.float32(self.style.rim) * distance**4
        # Glass bends blue more than red: the colour changes along the line through the image centre.
        along = np.clip((x * np.float32(line[0]) + y * np.float32(line[1])) * np.float32(0.5) + np.float32(0.5), 0, 1)
        inside *= np.float32(light)
        for channel, inner, outer in zip(canvas, self.style.inner.tolist(), self.style.outer.tolist(), strict=True):
            channel += inside * (along * np.float32(outer - inner) + np.float32(inner))


@dataclass(frozen=True, eq=False)
class SparklePainter:
    """Sparkles on water: places (N, 2) and sizes (N, 2) normalised, light (T, N) in grey levels, per camera."""

    places: Pair
    sizes: Pair
    light: Pair
    colour: Plane

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Add the flashes of this frame; each is the product of its profile along rows and columns."""
        light = self.light[camera][index]
        lit = np.flatnonzero(light)
        places, sizes = self.places[camera][lit], self.sizes[camera][lit]
        # A sparkle smaller than a pixel spreads its light over one.
        widths = np.maximum(sizes, np.array([window.step_x, window.step_y]) * 0.5)
        gain = light[lit] * (sizes / widths).prod(axis=1)
        across = np.exp(-0.5 * ((window.x[None] - places[:, :1]) / widths[:, :1]) ** 2)
        down = np.exp(-0.5 * ((window.y[None] - places[:, 1:]) / widths[:, 1:]) ** 2)
        flashes = ((down * gain[:, None]).T @ across).astype(np.float32)
        for channel, share in zip(canvas, self.colour.tolist(), strict=True):
            channel += flashes * np.float32(share)


@dataclass(frozen=True, eq=False)
class WaterPainter:
    """Water on the ground: it shows a bluish sky in place of the ground, with slow ripples.

    patches: one per camera, with a frame for each frame of the scene. waves: (N, 4): wave numbers along both half axes,
    radians per frame, phase. shine: relative height of the ripples' light.
    """

    patches: tuple[FlatPatch, FlatPatch]
    colour: Plane
    opacity: float
    waves: Array
    shine: float

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Blend the water over the ground."""
        patch = self.patches[camera]
        covered = patch.alpha(window, index)
        if covered is None:
            return
        (rows, columns), alpha = covered
        to, centre = patch.inverse[index], patch.centres_m[index]
        row, column = window.y[rows, None], window.x[None, columns]
        below = column * np.float32(to[2, 0]) + (row * np.float32(to[2, 1]) + np.float32(to[2, 2] + 1e-12))
        t = np.float32(to[2] @ centre) / below
        along, across = (
            t * (column * np.float32(to[k, 0]) + (row * np.float32(to[k, 1]) + np.float32(to[k, 2])))
            - np.float32(to[k] @ centre)
            for k in (0, 1)
        )
        ripple = np.zeros_like(along)
        for first, second, speed, phase in self.waves.tolist():
            turn = np.float32(speed * index + phase)
            ripple += np.sin(along * np.float32(first) + across * np.float32(second) + turn)
        ripple *= np.float32(self.shine / len(self.waves))
        ripple += 1
        alpha *= np.float32(self.opacity)
        view = canvas[:, rows, columns]
        view *= 1 - alpha
        view += self.colour[:, None, None] * (ripple * alpha)


@dataclass(frozen=True, eq=False)
class SunPatchPainter:
    """Sun through an opening onto the wall or ground: the light there grows.

    panes: (4, 2) normalised corners per pane and camera. gain (T,): additional light as a multiple. blur: of the edge,
    as a share of `size` (2,), the half sides of the whole, normalised. colour (3,).
    """

    panes: tuple[tuple[Array, ...], tuple[Array, ...]]
    gain: Array
    blur: float
    size: tuple[Array, Array]
    colour: Plane

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Light up the panes and a little of their surroundings."""
        mask = np.zeros(window.shape, np.float32)
        for corners in self.panes[camera]:
            np.maximum(mask, polygon_mask(window, corners), out=mask)
        sigma = self.blur * self.size[camera] / (window.step_x, window.step_y)
        if sigma.max() > 0.3:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), *np.maximum(sigma, 0.2).tolist()), np.float32)
        mask *= np.float32(self.gain[index])
        for channel, share in zip(canvas, self.colour.tolist(), strict=True):
            channel *= 1 + mask * np.float32(share)
