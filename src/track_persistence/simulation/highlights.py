"""Light that lasts: highlights on glossy bodies, lights that move and bloom, and lamps that stay.

T frames.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import (
    OBJECT_SOLIDITY,
    Cause,
    Setting,
    boxes_of,
    own_shadow,
    ray_between,
    see_both,
    smears,
)
from track_persistence.simulation.draws import log_uniform
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.glow_painters import GlowPainter, GlowStyle, HighlightPainter
from track_persistence.simulation.lasting import (
    Look,
    Pair,
    boxes_around,
    envelope,
    every_frame,
    fading,
    finished,
    held,
    images_of,
    middles_and_halves,
    mostly_inside,
    normalised,
    prop,
    standing,
    staying,
    warm_colour,
)
from track_persistence.simulation.motion import Path, draw_path
from track_persistence.simulation.optics import boxes_from_extents
from track_persistence.simulation.painters import SolidPainter
from track_persistence.simulation.shapes import TEXTURE_PX, Shape, ellipsoid, posed
from track_persistence.simulation.sun_patches import try_sun_patch
from track_persistence.simulation.textures import Mips, coloured, mips, noise_tile, pattern, random_colour

Array = NDArray[np.float64]
# The highlight's place depends on the view, and the view on the place: three rounds settle it far below a pixel.
HALF_VECTOR_ROUNDS = 3
# The highlight is painted right after its body.
IN_FRONT_M = 0.01
# A box is as wide and as high as its highlight within these factors, drawn apart.
BOX_SPREAD = (0.75, 1.3)
# Brightness of a highlight, from satin to lacquer; at 1 its middle is far above white.
GLOSS = (0.3, 1.0)
# Radii of a light's core as shares of its box's, and brightness of the core: from a far lamp to a bare tube.
CORE_SHARE, CORE_LEVEL = (0.08, 0.4), (0.15, 1.0)
UP = np.array([0.0, -1.0, 0.0])


def try_specular(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A highlight at the point of a convex body whose normal halves the angle between the light and the view.

    It differs between the cameras, so that its stereo depth is that of the light's image in the body.
    """
    gloss = config.specular
    radius, lobe, bloom = (log_uniform(rng, limits) for limits in (gloss.host_radius_m, gloss.lobe_rad, gloss.bloom))
    away = 2 * radius * lobe * bloom * setting.config.rig.focal_px / log_uniform(rng, gloss.size_px)
    nearest, farthest = setting.config.objects.depth_m
    if not nearest < away < min(farthest, setting.place.wall_m - 2 * radius):
        return None
    moving = rng.random() < gloss.moving_share
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    middle = np.array([ray[0] * away, setting.place.ground_m, away])
    path = standing(middle, frames, rng.uniform(0, 2 * np.pi))
    if moving:
        rate, turning = setting.config.rig.frame_rate_hz, setting.config.objects.turn_rate_rps
        path = draw_path(rng, frames, middle, rng.uniform(*gloss.speed_mps), turning, rate)
    top = images_of(setting, path.positions_m + UP * radius)
    if top is None or not mostly_inside(setting, top, config.presence.present_share):
        return None
    shape = _host(rng, radius, gloss.host_stretch, rolls=moving and rng.random() < 0.5)
    reach = bloom * rng.uniform(*BOX_SPREAD, 2)
    found = _highlight(setting, shape, path, lobe, reach)
    if found is None:
        return None
    boxes, painted, depths = found
    strength = envelope(rng, config.envelope, len(frames))
    light = strength * rng.uniform(*GLOSS)
    painter = HighlightPainter(painted[0], painted[1], light, bloom, warm_colour(rng, 0.3))
    look = Look(
        Ghost.SPECULAR, frames, boxes, strength, painter, fading(config.envelope, frames, strength), depths_m=depths
    )
    ghost = finished(setting, config, look)
    if ghost is None:
        return None
    life = path if moving else standing(middle, every_frame(setting), float(path.heading_rad[0]))
    host = _host_prop(setting, shape, life)
    return None if host is None else (ghost, host)


def _host(rng: np.random.Generator, radius_m: float, stretch: tuple[float, float], rolls: bool) -> Shape:
    """A glossy body that stands on the ground: lacquer, glass, wet stone."""
    half = np.full(3, radius_m) if rolls else radius_m * rng.uniform(*stretch, 3)
    part = ellipsoid((0, -half[1], 0), tuple(half.tolist()), _lacquer(rng))
    return Shape("ball", (part,), 2 * float(half[1]), float(max(half[0], half[2])), stride_m=1.0, rolls=rolls)


def _lacquer(rng: np.random.Generator) -> Mips:
    name = ("plain", "plain", "gradient", "stripes", "blotches")[int(rng.integers(5))]
    first = random_colour(rng, (0.0, 0.95), (0.08, 0.7))
    second = first * np.float32(rng.uniform(0.4, 1.3))
    return mips(coloured(pattern(rng, name, TEXTURE_PX), noise_tile(rng, TEXTURE_PX), (first, second), 0.06))


def _highlight(
    setting: Setting, shape: Shape, path: Path, lobe_rad: float, bloom: Array
) -> tuple[Pair, tuple[Pair, Pair], Pair] | None:
    """Boxes (T, 4) of the highlight, its centres (T, 2) and half axes (T, 2, 2), normalised, and its depths (T,)."""
    body = posed(shape, path)
    seen = see_both(setting.rig, shape.parts, body.centres_m, body.axes_m)
    if seen is None:
        return None
    boxes, centres, axes = [], [], []
    for camera in setting.rig.cameras:
        normal = _half_vectors(camera, setting.place.light, body.centres_m[:, 0], body.axes_m[:, 0])
        beside = np.cross(normal, UP)
        beside /= np.maximum(np.linalg.norm(beside, axis=1, keepdims=True), 1e-6)
        below = np.cross(normal, beside)
        spread = np.tan(lobe_rad)
        middle, right, low = (
            normalised(camera, _surface(body.centres_m[:, 0], body.axes_m[:, 0], turned))
            for turned in (normal, normal + spread * beside, normal + spread * below)
        )
        half = np.stack([right - middle, low - middle], axis=-1)
        if np.abs(np.linalg.det(half)).min() < 1e-10:
            return None
        reach = bloom * np.sqrt((half**2).sum(axis=-1))
        boxes.append(boxes_from_extents(camera, np.concatenate([middle - reach, middle + reach], axis=1)))
        centres.append(middle)
        axes.append(half)
    depths = seen[0].depth_m - IN_FRONT_M, seen[1].depth_m - IN_FRONT_M
    return (boxes[0], boxes[1]), ((centres[0], centres[1]), (axes[0], axes[1])), depths


def _half_vectors(camera: Camera, light: Array, centres_m: Array, axes_m: Array) -> Array:
    """Unit normals (T, 3) at which the bodies mirror the distant light into the camera (Blinn 1977)."""
    points = centres_m
    for _ in range(HALF_VECTOR_ROUNDS):
        view = camera.centre_m - points
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        half = view + light
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        points = _surface(centres_m, axes_m, half)
    return half


def _surface(centres_m: Array, axes_m: Array, normals: Array) -> Array:
    """Points (T, 3) of ellipsoids at which their outward normals point along `normals` (T, 3), of any length."""
    local = np.einsum("tij,ti->tj", axes_m, normals)
    points: Array = centres_m + np.einsum("tij,tj->ti", axes_m, local / np.linalg.norm(local, axis=1, keepdims=True))
    return points


def _host_prop(setting: Setting, shape: Shape, path: Path) -> Cause | None:
    body = posed(shape, path)
    seen = see_both(setting.rig, shape.parts, body.centres_m, body.axes_m)
    if seen is None:
        return None
    lighting = setting.lighting(path.positions_m)
    painter = SolidPainter(shape.parts, seen, lighting, smears(seen, setting.shutter), own_shadow(setting, body))
    look = Look(
        Ghost.SPECULAR,
        path.frames,
        boxes_of(setting.rig, seen),
        np.ones(len(path.frames)),
        painter,
        path.frames[:0],
        depths_m=(seen[0].depth_m, seen[1].depth_m),
    )
    return prop(setting, look, OBJECT_SOLIDITY)


def try_glare(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A light that moves past and blooms: a headlight, a pair of them, or the sun in a windscreen."""
    glare, place = config.glare, setting.place
    height = rng.uniform(*glare.height_m)
    nearest, farthest = setting.config.objects.depth_m
    away = log_uniform(rng, (nearest, min(farthest, place.wall_m)))
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    middle = np.array([ray[0] * away, place.ground_m - height, away])
    rate, turning = setting.config.rig.frame_rate_hz, setting.config.objects.turn_rate_rps
    path = draw_path(rng, frames, middle, rng.uniform(*glare.speed_mps), turning, rate)
    if path.positions_m[:, 2].max() > place.wall_m:
        return None
    apart = np.zeros((1, 2))
    if rng.random() < glare.pair_share:
        apart = np.array([[-1.0, 0.0], [1.0, 0.0]]) * rng.uniform(0.25, 0.5) + rng.uniform(-0.05, 0.05, (2, 2))
    size = log_uniform(rng, glare.size_px)
    pixels = images_of(setting, path.positions_m)
    if pixels is None or not mostly_inside(setting, pixels, config.presence.present_share):
        return None
    strength = envelope(rng, config.envelope, len(frames))
    boxes, painter = _bloom(rng, setting, pixels, strength, (size, apart))
    fades = fading(config.envelope, frames, strength)
    cause = finished(setting, config, Look(Ghost.GLARE, frames, boxes, strength, painter, fades))
    return None if cause is None else (cause,)


def try_static_glare(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A lamp or the reflection of one that stays for the whole scene, or a patch of sun on the wall or the ground."""
    glare, place = config.static_glare, setting.place
    if rng.random() < glare.patch_share:
        return try_sun_patch(rng, setting, config, frames)
    nearest, farthest = setting.config.objects.depth_m
    away = log_uniform(rng, (nearest, min(farthest, place.wall_m)))
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    point = np.array([ray[0] * away, place.ground_m - rng.uniform(*glare.lamp_height_m), away])
    life, size = every_frame(setting), log_uniform(rng, glare.size_px)
    pixels = images_of(setting, np.tile(point, (len(life), 1)))
    if pixels is None or not mostly_inside(setting, pixels, config.presence.present_share):
        return None
    strength = held(setting, frames, envelope(rng, config.envelope, len(frames)))
    boxes, painter = _bloom(rng, setting, pixels, strength, (size, np.zeros((1, 2))))
    return staying(setting, config, Look(Ghost.STATIC_GLARE, life, boxes, strength, painter, life[:0]), frames, 0.0)


def _bloom(
    rng: np.random.Generator, setting: Setting, pixels: Pair, strength: Array, bloom: tuple[float, Array]
) -> tuple[Pair, GlowPainter]:
    """Boxes (T, 4) and the painter of a light at pixels (T, 2); bloom: its size in pixels and its parts (N, 2)."""
    half = bloom[0] / 2 * (0.6 + 0.4 * np.sqrt(strength))[:, None] * np.array([1.0, rng.uniform(0.85, 1.1)])
    boxes = boxes_around(pixels, half)
    centres, radii = middles_and_halves(setting, boxes)
    return boxes, GlowPainter(centres, radii, strength, _glow_style(rng), bloom[1])


def _glow_style(rng: np.random.Generator) -> GlowStyle:
    """Core and halo, and the rays that aperture blades and a dirty pane draw."""
    rays = int(rng.choice([0, 0, 1, 2, 3, 4]))
    start, gain = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0)
    streaks = tuple((start + ray * np.pi / max(rays, 1), gain * rng.uniform(0.5, 1.0)) for ray in range(rays))
    return GlowStyle(
        colour=warm_colour(rng, 0.35),
        core=(log_uniform(rng, CORE_SHARE), log_uniform(rng, CORE_SHARE), log_uniform(rng, CORE_LEVEL)),
        halo=rng.uniform(0.4, 1.4),
        streaks=streaks,
    )
