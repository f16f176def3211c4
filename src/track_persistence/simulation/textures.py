"""Procedural textures: natural 1/f noise, and patterns such as stripes, checks, bricks and blotches.

Textures are (H, W, 3) uint8 RGB, tileable. The noise comes from a fixed library, made once per process; a scene takes
random cuts, mixtures and colours of it.
"""

import colorsys
import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.uint8]
Mips = tuple[Texture, ...]

LIBRARY_SEED = 20
LIBRARY_SIZE_PX = 512
SPECTRAL_SLOPES = (0.7, 1.0, 1.3, 1.7)
SMALLEST_MIP_PX = 4


@lru_cache(maxsize=1)
def noise_library() -> NDArray[np.float32]:
    """Tiles (4, 512, 512) of zero mean and unit variance with amplitude spectra 1/f^slope, as natural images have."""
    rng = np.random.default_rng(LIBRARY_SEED)
    size = LIBRARY_SIZE_PX
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    tiles = []
    for slope in SPECTRAL_SLOPES:
        spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**slope
        tile = np.fft.irfft2(spectrum, (size, size))
        tiles.append(tile / tile.std())
    return np.stack(tiles).astype(np.float32)


def noise_tile(rng: np.random.Generator, size_px: int) -> NDArray[np.float32]:
    """Return a random cut (size, size) of the library, turned at random; tileable at the library's own size."""
    tile = noise_library()[rng.integers(len(SPECTRAL_SLOPES))]
    shift = rng.integers(LIBRARY_SIZE_PX, size=2)
    turn = int(rng.integers(4))
    if size_px == LIBRARY_SIZE_PX:
        cut = np.roll(tile, tuple(int(s) for s in shift), (0, 1))
    else:
        top, left = shift % (LIBRARY_SIZE_PX - size_px)
        cut = tile[top : top + size_px, left : left + size_px]
    return np.ascontiguousarray(np.rot90(cut, turn))


def random_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.05, 0.85),
    value: tuple[float, float] = (0.1, 0.95),
    hue: tuple[float, float] = (0.0, 1.0),
) -> NDArray[np.float32]:
    """Return an RGB colour (3,) in 0..255 with hue, saturation and value in the given ranges."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    return np.asarray(rgb, np.float32) * np.float32(255)


def _grid(size_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    steps = (np.arange(size_px, dtype=np.float32) + np.float32(0.5)) / np.float32(size_px)
    return steps[:, None], steps[None]


def pattern(rng: np.random.Generator, name: str, size_px: int) -> NDArray[np.float32]:
    """Return a mixing field (size, size) in 0..1 of the named pattern; tileable except for `blotches`."""
    y, x = _grid(size_px)
    count = int(rng.integers(2, 7))
    field: NDArray[np.float32]
    if name == "stripes":
        along = y if rng.random() < 0.6 else x
        field = np.broadcast_to((along * count % 1 < rng.uniform(0.3, 0.7)), (size_px, size_px)).astype(np.float32)
    elif name == "checks":
        field = ((y * count % 1 < 0.5) ^ (x * count % 1 < 0.5)).astype(np.float32)
    elif name == "plaid":
        field = ((y * count % 1 < 0.35) * np.float32(0.5) + (x * count % 1 < 0.35) * np.float32(0.5)).astype(np.float32)
    elif name == "bricks":
        rows = 2 * count
        row = np.floor(y * rows)
        column = x * count + (row % 2) * np.float32(0.5)
        joint = (y * rows % 1 < 0.12) | (column % 1 < 0.06)
        field = joint.astype(np.float32)
    elif name == "tiles":
        field = ((y * count % 1 < 0.05) | (x * count % 1 < 0.05)).astype(np.float32)
    elif name == "blotches":
        field = (noise_tile(rng, size_px) > rng.uniform(-0.5, 0.8)).astype(np.float32)
    elif name == "gradient":
        field = np.broadcast_to(y, (size_px, size_px)).astype(np.float32)
    else:
        assert name == "plain", name
        field = np.zeros((size_px, size_px), np.float32)
    return field


def coloured(
    field: NDArray[np.float32], noise: NDArray[np.float32], colours: tuple[Any, Any], roughness: float
) -> Texture:
    """Mix two RGB colours by `field` (H, W) and roughen by `noise` (H, W): relative strength `roughness`."""
    first, second = (np.asarray(colour, np.float32) for colour in colours)
    gain = noise * np.float32(roughness) + np.float32(1)
    channels = [(field * (b - a) + a) * gain for a, b in zip(first, second, strict=True)]
    return np.asarray(cv2.convertScaleAbs(np.maximum(cv2.merge(channels), 0)), np.uint8)


def cloth(rng: np.random.Generator, size_px: int, patterns: tuple[str, ...]) -> Texture:
    """Return the surface of an object: two colours in a random pattern, slightly rough."""
    name = patterns[int(rng.integers(len(patterns)))]
    colours = random_colour(rng), random_colour(rng)
    return coloured(pattern(rng, name, size_px), noise_tile(rng, size_px), colours, rng.uniform(0.03, 0.15))


EARTH, PLANTS, STONE_AND_SKY = (0.02, 0.15), (0.2, 0.4), (0.5, 0.66)
SURFACE_PATTERNS = ("plain", "plain", "bricks", "tiles", "stripes", "checks", "blotches")


def surface(rng: np.random.Generator, size_px: int) -> Texture:
    """Return a large natural surface: a muted colour with strong 1/f noise under a faint pattern."""
    name = SURFACE_PATTERNS[int(rng.integers(len(SURFACE_PATTERNS)))]
    hues = (EARTH, EARTH, PLANTS, STONE_AND_SKY)[int(rng.integers(4))]
    base = random_colour(rng, (0.03, 0.35), (0.3, 0.75), hues)
    other = base * rng.uniform(0.6, 1.3) + rng.uniform(-12, 12, 3).astype(np.float32)
    return coloured(pattern(rng, name, size_px), noise_tile(rng, size_px), (base, other), rng.uniform(0.05, 0.17))


def mips(texture: Texture) -> Mips:
    """Return the texture and its halvings, for sampling without aliasing when it is seen small."""
    levels = [texture]
    while min(levels[-1].shape[:2]) >= 2 * SMALLEST_MIP_PX:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


def mip_level(levels: Mips, texels_per_px: float) -> int:
    """Return the number of the level on which a pixel covers about one texel; `texels_per_px` counts level 0."""
    level = int(math.log2(max(texels_per_px, 1.0)) + 0.5)
    return min(level, len(levels) - 1)


def mip_for(levels: Mips, texels_per_px: float) -> Texture:
    """Return the level on which a pixel covers about one texel."""
    return levels[mip_level(levels, texels_per_px)]
