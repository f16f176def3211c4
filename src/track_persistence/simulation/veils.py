"""What hangs between the scene and the sensor: rain, drifting dust, specks on the lens.

Each is a tile of coverage laid over the whole picture again and again, at an offset that may change with the frame, so
neighbouring crops of one frame see one and the same veil. T frames; H, W rows and columns of a crop window.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.textures import Mips, Texture, mip_level, mips

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
VeilKind = Literal["rain", "dust", "lens"]

TILE_PX = 512
TILE_SEED = 22
TILES_PER_KIND = 3
RAIN_STREAKS = (35, 90)
DUST_SPECKS = (120, 350)
LENS_SPECKS = (14, 36)
SUBPIXEL_BITS = 3
# No streak is broader: it need not show at both sides of the tile.
BROADEST_PX = 5
BLUR_REACH = 4


@dataclass(frozen=True, eq=False)
class Veil:
    """One layer before a camera.

    levels: coverage (h, w) uint8, finer ones first. offsets_px (T, 2): where the tile's corner lies in the image.
    slant: shift to the side per pixel downwards. px_per_texel: size of the tile in the image. colour (3,): 0..255.
    """

    levels: Mips
    offsets_px: Array
    slant: float
    px_per_texel: float
    opacity: float
    colour: Plane

    def cover(self, canvas: Plane, frame: int, corner_px: tuple[float, float], step_px: tuple[float, float]) -> None:
        """Lay the veil of `frame` over a canvas (3, H, W) in place.

        corner_px: where the canvas's outer top left corner lies in the image; step_px: image pixels per sample.
        """
        level = mip_level(self.levels, min(step_px) / self.px_per_texel)
        scale = 1 / (self.px_per_texel * 2**level)
        x = corner_px[0] + 0.5 * step_px[0] - self.offsets_px[frame, 0]
        y = corner_px[1] + 0.5 * step_px[1] - self.offsets_px[frame, 1]
        tile_from_canvas = np.array(
            [
                [step_px[0] * scale, self.slant * step_px[1] * scale, (x + self.slant * y) * scale],
                [0.0, step_px[1] * scale, y * scale],
            ]
        )
        size = canvas.shape[2], canvas.shape[1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        tile = self.levels[level]
        coverage = cv2.warpAffine(tile, tile_from_canvas, size, flags=flags, borderMode=cv2.BORDER_WRAP)
        if not coverage.any():
            return
        alpha = coverage * np.float32(self.opacity / 255)
        canvas *= 1 - alpha
        canvas += alpha * self.colour[:, None, None]


def draw_veil(rng: np.random.Generator, kind: VeilKind, frames_total: int, opacity: float, slant: float) -> Veil:
    """Draw a veil of one camera; `slant` is how the wind turns streaks, the same for both cameras of a scene."""
    scale = float(np.exp(rng.uniform(math.log(0.6), math.log(1.6))))
    start = rng.uniform(0, TILE_PX, 2)
    if kind == "rain":
        # A drop falls some 0.3 m from frame to frame: no streak is seen twice.
        offsets = rng.uniform(0, TILE_PX * scale, (frames_total, 2))
        grey = rng.uniform(150, 240)
        colour = np.array([grey * 0.97, grey, grey * 1.03])
    elif kind == "dust":
        turns = rng.normal(0, 0.3, (frames_total, 1)).cumsum(axis=0) + rng.uniform(0, 2 * np.pi)
        speed_px = np.exp(rng.uniform(math.log(0.5), math.log(15)))
        offsets = start + speed_px * np.cumsum(np.concatenate([np.cos(turns), np.sin(turns)], axis=1), axis=0)
        colour = rng.uniform(190, 250) * np.array([1.0, 0.99, 0.96]) if rng.random() < 0.6 else rng.uniform(10, 70, 3)
    else:
        offsets = np.broadcast_to(start, (frames_total, 2))
        colour = rng.uniform(20, 90) * np.array([1.0, 0.95, 0.85]) if rng.random() < 0.6 else rng.uniform(150, 220, 3)
    levels = _tiles(kind)[int(rng.integers(TILES_PER_KIND))]
    return Veil(levels, offsets, slant, scale, opacity, colour.astype(np.float32))


@lru_cache(maxsize=3)
def _tiles(kind: VeilKind) -> tuple[Mips, ...]:
    """Return the tiles of a kind with their halvings; the same in every process."""
    rng = np.random.default_rng([TILE_SEED, ("rain", "dust", "lens").index(kind)])
    draw: Callable[[np.random.Generator], Texture] = {"rain": _rain, "dust": _dust, "lens": _lens}[kind]
    return tuple(mips(draw(rng)) for _ in range(TILES_PER_KIND))


def _rain(rng: np.random.Generator) -> Texture:
    """Upright streaks, thin and faint or near and broad; the slant comes when the tile is laid."""
    tile = np.zeros((TILE_PX, TILE_PX), np.uint8)
    for _ in range(int(rng.integers(*RAIN_STREAKS))):
        x, y = rng.uniform(BROADEST_PX, TILE_PX - BROADEST_PX), rng.uniform(0, TILE_PX)
        near = rng.random() ** 2
        length, strength, thickness = 12 + 70 * near, int(rng.uniform(90, 255) * (1 - 0.4 * near)), 1 + int(2.2 * near)
        for down in (0, TILE_PX):
            start, end = _fixed((x, y - down)), _fixed((x, y - down + length))
            cv2.line(tile, start, end, strength, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    return _softened(tile, (0.5, 4.0))


def _dust(rng: np.random.Generator) -> Texture:
    """Small soft discs: most are tiny, a few near ones are large and faint."""
    return _discs(rng, int(rng.integers(*DUST_SPECKS)), (1.0, 9.0), 1.0)


def _lens(rng: np.random.Generator) -> Texture:
    """Large blurred discs, far out of focus."""
    return _discs(rng, int(rng.integers(*LENS_SPECKS)), (5.0, 40.0), 4.0)


def _discs(rng: np.random.Generator, count: int, radii_px: tuple[float, float], blur_px: float) -> Texture:
    tile = np.zeros((TILE_PX, TILE_PX), np.uint8)
    smallest, largest = radii_px
    for _ in range(count):
        radius = smallest * (largest / smallest) ** (rng.random() ** 1.7)
        strength = int(255 * rng.uniform(0.6, 1) * (smallest / radius) ** 0.25)
        x, y = rng.uniform(0, TILE_PX, 2)
        axes = _fixed((radius, radius * rng.uniform(0.6, 1)))
        turn = rng.uniform(0, 180)
        for right in (0, TILE_PX):
            for down in (0, TILE_PX):
                middle = _fixed((x + (right if x < TILE_PX / 2 else -right), y + (down if y < TILE_PX / 2 else -down)))
                cv2.ellipse(tile, middle, axes, turn, 0, 360, strength, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return _softened(tile, (blur_px, blur_px))


def _softened(tile: Texture, sigmas_px: tuple[float, float]) -> Texture:
    """Blur a tile across its edges, so that it repeats without a seam."""
    reach = math.ceil(BLUR_REACH * max(sigmas_px))
    wide = np.pad(tile, reach, mode="wrap")
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), sigmas_px[0], sigmaY=sigmas_px[1]), np.uint8)[
        reach:-reach, reach:-reach
    ].copy()


def _fixed(point: tuple[float, float]) -> tuple[int, int]:
    """Return a point in OpenCV's fixed-point coordinates."""
    scale = 1 << SUBPIXEL_BITS
    return round(point[0] * scale), round(point[1] * scale)
