"""Surfaces from families of synthetic images that share the statistics of natural ones.

Dead leaves (discs and polygons of power-law size that hide one another; Lee, Mumford and Huang 2001), random 1/f
spectra, fractals of iterated function systems, stripes and text-like rows of strokes. Features learned on such images
are known to transfer to photographs: Baradad et al. 2021, "Learning to See by Looking at Noise"; Kataoka et al. 2020,
"Pre-training without Natural Images".

A library of tileable fields is made once per process from a fixed seed; a scene takes random cuts, scales and colours
of it. H, W rows and columns of a field, K its layers: a texture adds K colours in proportion to the layers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.nuisance_config import AppearanceConfig, AppearanceFamily
from track_persistence.simulation.textures import LIBRARY_SIZE_PX, Texture, cloth, noise_tile, random_colour, surface

Plane = NDArray[np.float32]
Field = NDArray[np.uint8]

FIELD_SEED = 23
FIELDS_PER_FAMILY = 4
LEAVES = 4500
BOTTOM_LEAVES = 120
LEAF_RADII_PX = (2.5, 130.0)
POLYGON_CORNERS = (3, 8)
FRACTAL_POINTS = 16_000
FRACTAL_STEPS = 20
FRACTAL_UNSETTLED_STEPS = 8
# Standard deviation of the points, in tiles.
FRACTAL_SPREAD = 0.3
GLYPHS = 26
WORD_END_SHARE = 0.18
ROUND = np.linspace(0, 2 * np.pi, 25)
SUBPIXEL_BITS = 3
# Contrast of the layers: natural images vary more in brightness than in colour.
LAYER_WEIGHTS = (1.0, 0.45, 0.3)


@dataclass(frozen=True, eq=False)
class Wardrobe:
    """Where textures come from: with probability `share` from the families, else from the plain patterns."""

    share: float
    weights: Mapping[AppearanceFamily, float]

    @classmethod
    def of(cls, config: AppearanceConfig) -> "Wardrobe":
        """Return the wardrobe of a config."""
        return cls(config.share, config.weights)


def clothed(rng: np.random.Generator, wardrobe: Wardrobe | None, size_px: int, patterns: tuple[str, ...]) -> Texture:
    """Return the surface of an object or a poster; without a wardrobe, one of the plain `patterns`."""
    if wardrobe is not None and rng.random() < wardrobe.share:
        return appearance_texture(rng, wardrobe.weights, size_px)
    return cloth(rng, size_px, patterns)


def surfaced(rng: np.random.Generator, wardrobe: Wardrobe | None, size_px: int) -> Texture:
    """Return a large surface, such as ground or wall."""
    if wardrobe is not None and rng.random() < wardrobe.share:
        return appearance_texture(rng, wardrobe.weights, size_px)
    return surface(rng, size_px)


def appearance_texture(rng: np.random.Generator, weights: Mapping[AppearanceFamily, float], size_px: int) -> Texture:
    """Return a texture (size, size, 3) of a family drawn by `weights`; tileable at the library's own size, 512."""
    families = sorted(weights)
    shares = np.array([weights[family] for family in families])
    family = families[int(rng.choice(len(families), p=shares / shares.sum()))]
    field = _fields(family)[int(rng.integers(FIELDS_PER_FAMILY))]
    return _coloured(rng, _cut(rng, field, size_px), noise_tile(rng, size_px))


def _cut(rng: np.random.Generator, field: Field, size_px: int) -> Field:
    """Cut a random square of the field at a random scale, turned at random; at the library's size roll it instead."""
    if size_px == LIBRARY_SIZE_PX:
        down, right = (int(shift) for shift in rng.integers(LIBRARY_SIZE_PX, size=2))
        cut = np.roll(field, (down, right), (0, 1))
    else:
        largest = math.log(LIBRARY_SIZE_PX * 0.75)
        side = round(math.exp(rng.uniform(math.log(min(size_px, LIBRARY_SIZE_PX // 2)), largest)))
        top, left = (int(corner) for corner in rng.integers(LIBRARY_SIZE_PX - side, size=2))
        square = field[top : top + side, left : left + side]
        cut = np.asarray(cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(np.rot90(cut, int(rng.integers(4)))).reshape(size_px, size_px, -1)


def _coloured(rng: np.random.Generator, field: Field, noise: Plane) -> Texture:
    """Add one colour per layer (H, W, K) to a middle colour, and roughen by 1/f noise (H, W)."""
    layers = field.shape[2]
    middle = random_colour(rng, (0.03, 0.6), (0.2, 0.8))
    contrast = rng.uniform(60, 230)
    mixture = np.empty((3, layers), np.float32)
    for layer in range(layers):
        grey, hue = rng.choice([-1, 1]) * rng.uniform(0.4, 1), rng.normal(0, 0.25, 3)
        mixture[:, layer] = contrast * LAYER_WEIGHTS[layer] * (grey * (layer == 0) + hue)
    shift = middle - mixture.sum(axis=1) / 2
    mixed = cv2.transform(field, np.column_stack([mixture / np.float32(255), shift]).astype(np.float32))
    gain = noise * np.float32(rng.uniform(0.02, 0.12)) + np.float32(1)
    return np.asarray(cv2.convertScaleAbs(np.maximum(mixed * gain[:, :, None], 0)), np.uint8)


@lru_cache(maxsize=8)
def _fields(family: AppearanceFamily) -> tuple[Field, ...]:
    """Return the family's fields (512, 512, K), the same in every process."""
    draw: Callable[[np.random.Generator, int], Field] = {
        "dead_leaves": _dead_leaves,
        "spectrum": _spectrum,
        "fractal": _fractal,
        "stripes": _stripes,
        "text": _text,
    }[family]
    return tuple(draw(np.random.default_rng([FIELD_SEED, *family.encode(), n]), n) for n in range(FIELDS_PER_FAMILY))


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _dead_leaves(rng: np.random.Generator, number: int) -> Field:
    """Leaves of density r^-3, each of one colour, falling on one another; discs, polygons, or both."""
    field = np.zeros((LIBRARY_SIZE_PX, LIBRARY_SIZE_PX, 3), np.uint8)
    smallest, largest = LEAF_RADII_PX
    radii = 1 / np.sqrt(rng.uniform(largest**-2, smallest**-2, LEAVES))
    # Large leaves at the bottom leave no gap.
    radii[:BOTTOM_LEAVES] = rng.uniform(0.5 * largest, largest, BOTTOM_LEAVES)
    circle = np.stack([np.cos(ROUND), np.sin(ROUND)], axis=1)
    for radius in radii.tolist():
        middle = rng.uniform(0, LIBRARY_SIZE_PX, 2)
        if number % 3 == 0 or (number % 3 == 2 and rng.random() < 0.5):
            outline = circle
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(*POLYGON_CORNERS))))
            outline = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        colour = rng.integers(256, size=3).tolist()
        for right in _wraps(middle[0], radius):
            for down in _wraps(middle[1], radius):
                leaf = _fixed(middle + (right, down) + radius * outline)
                cv2.fillConvexPoly(field, leaf, colour, cv2.LINE_AA, SUBPIXEL_BITS)
    return field


def _wraps(middle: float, reach: float) -> list[int]:
    """Return by how much to move a thing so that it also shows at the other edge of the tile."""
    size = LIBRARY_SIZE_PX
    return [0, *([size] if middle < reach else []), *([-size] if middle > size - reach else [])]


def _spectrum(rng: np.random.Generator, number: int) -> Field:
    """Three layers of independent 1/f noise of one slope, the first turned into plateaus in every other field."""
    layers = 128 + 45 * np.stack([noise_tile(rng, LIBRARY_SIZE_PX) for _ in range(3)], axis=-1)
    if number % 2:
        layers[..., 0] = 32 * np.round(layers[..., 0] / 32)
    return np.asarray(np.clip(layers, 0, 255), np.uint8)


def _fractal(rng: np.random.Generator, number: int) -> Field:
    """Density of the chaos game of random contractions, wrapped round the tile; the second layer is the last map.

    The contractions are strong in one direction at most, which keeps the attractors from being a few thin threads
    (Anderson and Farrell 2022, "Improving Fractal Pre-training").
    """
    count = 2 + number % 3
    stretch = np.stack([rng.uniform(0.7, 0.92, count), rng.uniform(0.4, 0.85, count)], axis=-1)
    maps = _turns(rng.uniform(0, 2 * np.pi, count)) * stretch[:, None] @ _turns(rng.uniform(0, 2 * np.pi, count))
    shifts = rng.uniform(-1, 1, (count, 2))
    chance = np.abs(np.linalg.det(maps)) + 0.05
    points, colours = rng.uniform(-1, 1, (FRACTAL_POINTS, 2)), np.zeros(FRACTAL_POINTS)
    middle, spread = np.zeros(2), 1.0
    hits, tints = np.zeros(LIBRARY_SIZE_PX**2), np.zeros(LIBRARY_SIZE_PX**2)
    for step in range(FRACTAL_STEPS):
        chosen = rng.choice(count, FRACTAL_POINTS, p=chance / chance.sum())
        points = np.einsum("nij,nj->ni", maps[chosen], points) + shifts[chosen]
        colours = (colours + chosen / (count - 1)) / 2
        if step == FRACTAL_UNSETTLED_STEPS:
            middle, spread = points.mean(axis=0), FRACTAL_SPREAD * LIBRARY_SIZE_PX / float(points.std())
        if step >= FRACTAL_UNSETTLED_STEPS:
            settled = (points - middle) * spread
            # A second, smaller copy fills the gaps of sparse attractors.
            for copy in (settled, settled[:, ::-1] * 0.4 + LIBRARY_SIZE_PX / 2):
                columns, rows = np.floor(copy).astype(np.int64).T % LIBRARY_SIZE_PX
                at = rows * LIBRARY_SIZE_PX + columns
                hits += np.bincount(at, minlength=len(hits))
                tints += np.bincount(at, colours, minlength=len(hits))
    density = np.log1p(hits)
    layers = np.stack([density / np.quantile(density[hits > 0], 0.98), tints / np.maximum(hits, 1)], axis=-1)
    field = np.clip(layers * 255, 0, 255).reshape(LIBRARY_SIZE_PX, LIBRARY_SIZE_PX, 2).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(field, (0, 0), 0.8), np.uint8)


def _turns(angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rotations (N, 2, 2)."""
    cos, sin = np.cos(angles_rad), np.sin(angles_rad)
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


def _stripes(rng: np.random.Generator, number: int) -> Field:
    """Waves of two directions, bent by 1/f noise; hard-edged or soft."""
    y, x = np.mgrid[0:LIBRARY_SIZE_PX, 0:LIBRARY_SIZE_PX] / LIBRARY_SIZE_PX
    bent = rng.uniform(0, 0.6) * noise_tile(rng, LIBRARY_SIZE_PX) * (number % 2)
    layers: list[NDArray[np.float64]] = []
    for _ in range(2):
        across, down = rng.integers(-24, 25, 2)
        wave = np.sin(2 * np.pi * (across * x + (down or 6) * y + bent))
        layers.append(wave if rng.random() < 0.4 else np.tanh(8 * (wave - rng.uniform(-0.6, 0.6))))
    return np.asarray(np.clip(128 + 127 * np.stack(layers, axis=-1), 0, 255), np.uint8)


def _text(rng: np.random.Generator, number: int) -> Field:
    """Rows of words of glyph-like strokes, from fine print to headlines."""
    line_px = LIBRARY_SIZE_PX // (8, 16, 24, 32)[number % 4]
    alphabet = [_glyph(rng) for _ in range(GLYPHS)]
    page = np.zeros((LIBRARY_SIZE_PX, LIBRARY_SIZE_PX), np.uint8)
    thickness = max(1, round(line_px * rng.uniform(0.05, 0.11)))
    for top in range(0, LIBRARY_SIZE_PX - line_px + 1, line_px):
        left = line_px * 0.3
        while left < LIBRARY_SIZE_PX - line_px * 0.6:
            if rng.random() < WORD_END_SHARE:
                left += line_px * 0.4
                continue
            for stroke in alphabet[int(rng.integers(GLYPHS))]:
                points = stroke * (line_px * 0.36, line_px * 0.62) + (left, top + 0.18 * line_px)
                cv2.polylines(page, [_fixed(points)], False, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
            left += line_px * 0.55
    return page[:, :, None]


def _glyph(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Return strokes (N, 2) in the unit square: mostly a stem, with bars and bows that meet it on a lattice."""
    strokes = [np.array([[0.0, 0.0], [0.0, 1.0]])] if rng.random() < 0.75 else []
    for _ in range(int(rng.integers(1, 4))):
        ends = rng.integers(3, size=(2, 2)) / 2
        if rng.random() < 0.4:
            bow = np.stack([0.5 + 0.5 * np.cos(ROUND), 0.25 + 0.25 * np.sin(ROUND)], axis=1)
            strokes.append(bow[: int(rng.choice([13, 25]))] * (1, rng.choice([1, 2])) + (0, 0.5 * rng.integers(2)))
        else:
            strokes.append(ends)
    return strokes
