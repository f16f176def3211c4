"""Bodies of real objects: families of textured ellipsoids and boxes, posed along a path.

T frames, P parts. Body axes: x to its right, y down, z forward; the reference point lies on the ground below it, or
at the centre of a flying one.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.appearance import Wardrobe, clothed
from track_persistence.simulation.config import Family
from track_persistence.simulation.motion import Path
from track_persistence.simulation.textures import Mips, coloured, mips, noise_tile, pattern, random_colour

Array = NDArray[np.float64]
FloatArray = NDArray[np.float32]
TEXTURE_PX = 64
CLOTHES = ("plain", "plain", "stripes", "checks", "plaid", "blotches", "gradient")
BOLD = ("stripes", "checks", "plaid", "blotches", "tiles")


class Form(Enum):
    """What a part is."""

    ELLIPSOID = "ellipsoid"
    BOX = "box"


@dataclass(frozen=True, eq=False)
class Part:
    """One textured piece of a body.

    centre_m, half_m: (3,) in body axes. faces: one texture for an ellipsoid; for a box those of its x, y and z faces.
    swing_rad: amplitude of the turn about the body's x axis around `pivot_m`; phase_rad: its place in the stride.
    normals: of an ellipsoid, unit normals (3, h, w) in its own axes at each texel of each texture level.
    """

    form: Form
    centre_m: Array
    half_m: Array
    faces: tuple[Mips, ...]
    pivot_m: Array
    swing_rad: float = 0.0
    phase_rad: float = 0.0
    normals: tuple[FloatArray, ...] = ()


@dataclass(frozen=True, eq=False)
class Shape:
    """A body: parts, height above the ground of its reference point's top, and how it moves its limbs.

    stride_m: length of a full stride. rolls: whether it rolls along its path. flies: whether it needs no ground.
    """

    family: Family
    parts: tuple[Part, ...]
    height_m: float
    radius_m: float
    stride_m: float
    rolls: bool = False
    flies: bool = False


@dataclass(frozen=True, eq=False)
class Body:
    """A posed shape: centres_m (T, P, 3), axes_m (T, P, 3, 3) with the half axes as columns, in world coordinates."""

    shape: Shape
    path: Path
    centres_m: Array
    axes_m: Array


def draw_shape(rng: np.random.Generator, family: Family, wardrobe: Wardrobe | None = None) -> Shape:
    """Draw one member of a family; its textures are its identity. Without a wardrobe it wears plain patterns."""
    makers = {"person": _person, "vehicle": _vehicle, "crate": _crate, "ball": _ball, "blob": _blob}
    return makers[family](rng, wardrobe)


def ellipsoid(centre: tuple[float, ...], half: tuple[float, ...], texture: Mips, **limb: float) -> Part:
    """Make an ellipsoid from its centre and half axes in body axes; `limb`: `swing_rad` about its upper end."""
    middle, size = np.array(centre), np.array(half)
    pivot = middle - np.array([0.0, size[1], 0.0])
    normals = tuple(_normals(level.shape[0], level.shape[1], size) for level in texture)
    return Part(Form.ELLIPSOID, middle, size, (texture,), pivot, normals=normals, **limb)


def _normals(height: int, width: int, half_m: Array) -> FloatArray:
    """Unit normals (3, h, w) of an ellipsoid at the texels, which go round it in columns and down it in rows."""
    normal = np.divide(_sphere(height, width), half_m[:, None, None], dtype=np.float32)
    normal /= np.sqrt((normal * normal).sum(axis=0))
    return np.asarray(normal, np.float32)


@lru_cache(maxsize=16)
def _sphere(height: int, width: int) -> FloatArray:
    """Points (3, h, w) of the unit sphere at the texels."""
    down = np.linspace(-1, 1, height)[:, None]
    around = np.arange(width) * 2 * np.pi / width
    ring = np.sqrt(1 - down**2)
    points = np.stack([ring * np.cos(around), np.broadcast_to(down, (height, width)), ring * np.sin(around)])
    return points.astype(np.float32)


def _plain(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Mips:
    colour = random_colour(rng, saturation, value)
    return mips(coloured(pattern(rng, "plain", TEXTURE_PX), noise_tile(rng, TEXTURE_PX), (colour, colour), 0.08))


def _head(rng: np.random.Generator) -> Mips:
    skin = np.array([230, 185, 155], np.float32) * np.float32(rng.uniform(0.35, 1.05))
    hair = random_colour(rng, (0.1, 0.6), (0.05, 0.5))
    field = np.zeros((TEXTURE_PX, TEXTURE_PX), np.float32)
    field[: TEXTURE_PX // 3] = 1
    # The texture's first column is the body's +x side; its face looks along +z, a quarter turn further.
    back = int(rng.uniform(0.5, 0.75) * TEXTURE_PX)
    field[:back, TEXTURE_PX // 2 :] = 1
    return mips(coloured(field, noise_tile(rng, TEXTURE_PX), (skin, hair), 0.06))


def _person(rng: np.random.Generator, wardrobe: Wardrobe | None) -> Shape:
    height = rng.uniform(1.5, 1.95)
    broad = rng.uniform(0.85, 1.25)
    shirt, sleeve = mips(clothed(rng, wardrobe, TEXTURE_PX, CLOTHES)), _plain(rng, (0.05, 0.8), (0.15, 0.9))
    trousers = mips(clothed(rng, wardrobe, TEXTURE_PX, ("plain", "plain", "stripes", "gradient")))
    arms = sleeve if rng.random() < 0.4 else shirt
    leg, arm = 0.26 * height, 0.19 * height
    swing = rng.uniform(0.25, 0.5)
    hip_y, shoulder_y = -0.5 * height, -0.82 * height
    parts = [
        ellipsoid((0, -0.93 * height, 0), (0.06 * height, 0.08 * height, 0.068 * height), _head(rng)),
        ellipsoid((0, -0.66 * height, 0), (0.115 * height * broad, 0.21 * height, 0.085 * height * broad), shirt),
    ]
    for side, phase in ((-1, 0.0), (1, np.pi)):
        parts.append(
            ellipsoid(
                (side * 0.05 * height * broad, hip_y + leg, 0),
                (0.054 * height * broad, leg, 0.065 * height * broad),
                trousers,
                swing_rad=swing,
                phase_rad=phase,
            )
        )
        parts.append(
            ellipsoid(
                (side * 0.135 * height * broad, shoulder_y + arm, 0),
                (0.034 * height, arm, 0.04 * height),
                arms,
                swing_rad=swing * 0.8,
                phase_rad=phase + np.pi,
            )
        )
    return Shape("person", tuple(parts), height, 0.2 * height * broad, stride_m=0.8 * height)


def _panelled(rng: np.random.Generator, body: Mips, wheels: bool) -> Mips:
    """Paint a vehicle's side: wheels at the lower edge, or windows of a cabin."""
    side = body[0].copy()
    size = TEXTURE_PX
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    if wheels:
        for middle in (0.2 * size, 0.8 * size):
            distance = np.hypot((columns - np.float32(middle)) / 0.10, (rows - np.float32(0.86 * size)) / 0.28)
            side[distance < size] = (28, 28, 30)
            side[distance < 0.45 * size] = (135, 135, 140)
        side[int(0.9 * size) :][(side[int(0.9 * size) :] > 60).any(axis=-1)] //= 4
    else:
        glass = np.array([60, 75, 90], np.float32) * np.float32(rng.uniform(0.5, 1.4))
        low, high = int(0.18 * size), int(0.8 * size)
        for left, right in ((0.06, 0.47), (0.53, 0.94)):
            shine = np.linspace(1.5, 0.8, high - low, dtype=np.float32)[:, None, None]
            side[low:high, int(left * size) : int(right * size)] = np.clip(glass * shine, 0, 255).astype(np.uint8)
    return mips(side)


def _vehicle(rng: np.random.Generator, wardrobe: Wardrobe | None) -> Shape:
    length, width = rng.uniform(3.4, 4.8), rng.uniform(1.6, 1.9)
    body_height, cabin_height = rng.uniform(0.75, 0.95), rng.uniform(0.5, 0.75)
    paint = mips(clothed(rng, wardrobe, TEXTURE_PX, ("plain",))) if wardrobe else _plain(rng, (0.05, 0.95), (0.1, 0.95))
    ends = _panelled(rng, paint, wheels=False)
    zero = np.zeros(3)
    half = np.array([width / 2, body_height / 2, length / 2])
    body = Part(
        Form.BOX,
        np.array([0, -0.12 - body_height / 2, 0]),
        half,
        (
            _panelled(rng, paint, wheels=True),
            paint,
            mips(clothed(rng, wardrobe, TEXTURE_PX, ("tiles", "plaid", "stripes"))),
        ),
        zero,
    )
    cabin_length = length * rng.uniform(0.4, 0.65)
    shift = length * rng.uniform(-0.15, 0.02)
    top = -0.12 - body_height - cabin_height / 2
    cabin = Part(
        Form.BOX,
        np.array([0, top, shift]),
        np.array([width * 0.44, cabin_height / 2, cabin_length / 2]),
        (_panelled(rng, paint, wheels=False), paint, ends),
        zero,
    )
    height = 0.12 + body_height + cabin_height
    return Shape("vehicle", (body, cabin), height, length / 2, stride_m=1.0)


def _crate(rng: np.random.Generator, wardrobe: Wardrobe | None) -> Shape:
    half = rng.uniform((0.2, 0.2, 0.2), (0.5, 0.7, 0.6))
    faces = tuple(mips(clothed(rng, wardrobe, TEXTURE_PX, (*BOLD, "plain"))) for _ in range(3))
    part = Part(Form.BOX, np.array([0, -half[1] - 0.08, 0]), half, faces, np.zeros(3))
    return Shape("crate", (part,), 2 * half[1] + 0.08, float(np.hypot(half[0], half[2])), stride_m=1.0)


def _ball(rng: np.random.Generator, wardrobe: Wardrobe | None) -> Shape:
    radius = rng.uniform(0.12, 0.4)
    texture = mips(clothed(rng, wardrobe, TEXTURE_PX, BOLD))
    part = ellipsoid((0, -radius, 0), (radius, radius, radius), texture)
    return Shape("ball", (part,), 2 * radius, radius, stride_m=1.0, rolls=True)


def _blob(rng: np.random.Generator, wardrobe: Wardrobe | None) -> Shape:
    half = rng.uniform((0.2, 0.15, 0.25), (0.5, 0.5, 0.7))
    parts = [ellipsoid((0, 0, 0), tuple(half), mips(clothed(rng, wardrobe, TEXTURE_PX, BOLD)))]
    for _ in range(int(rng.integers(0, 3))):
        place = rng.normal(0, 0.5, 3) * half
        parts.append(ellipsoid(tuple(place), tuple(half * rng.uniform(0.3, 0.7)), _plain(rng, (0.1, 0.9), (0.1, 0.9))))
    return Shape("blob", tuple(parts), 2 * float(half[1]), float(half.max()), stride_m=2.0, flies=True)


def _about_x(angle: Array) -> Array:
    sin, cos = np.sin(angle), np.cos(angle)
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _about_y(angle: Array) -> Array:
    sin, cos = np.sin(angle), np.cos(angle)
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    rows = [[cos, zero, sin], [zero, one, zero], [-sin, zero, cos]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def posed(shape: Shape, path: Path) -> Body:
    """Place a shape along a path: heading, swinging limbs, rolling."""
    turn = _about_y(path.heading_rad)  # (T, 3, 3) world_from_body
    stride = 2 * np.pi * path.travelled_m / shape.stride_m
    centres, axes = [], []
    for part in shape.parts:
        if shape.rolls:
            limb = _about_x(-path.travelled_m / part.half_m[0])
            centre = np.broadcast_to(part.centre_m, (len(stride), 3))
        else:
            limb = _about_x(part.swing_rad * np.sin(stride + part.phase_rad))
            centre = part.pivot_m + limb @ (part.centre_m - part.pivot_m)
        centres.append(path.positions_m + np.einsum("tij,tj->ti", turn, centre))
        axes.append(turn @ limb * part.half_m)
    return Body(shape, path, np.stack(centres, axis=1), np.stack(axes, axis=1))
