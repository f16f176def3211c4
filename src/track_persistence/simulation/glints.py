"""Glints that last: rippled water on the ground that flashes here and there.

T frames, N places that can flash. Which of them does depends on the slope of the ripples seen from each camera, so that
the flashes of both cameras have nothing to do with each other.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import Cause, Setting, flat_patches, ray_between
from track_persistence.simulation.draws import log_uniform
from track_persistence.simulation.ghost_config import CausesConfig, GlintConfig
from track_persistence.simulation.glow_painters import SparklePainter, WaterPainter
from track_persistence.simulation.lasting import (
    Look,
    envelope,
    every_frame,
    fading,
    finished,
    images_of,
    mostly_inside,
    normalised,
    prop,
    warm_colour,
)
from track_persistence.simulation.optics import boxes_from_extents, to_camera
from track_persistence.simulation.textures import random_colour

Array = NDArray[np.float64]
SHORE_SOFTNESS = 0.25
# The water reaches a little beyond its flashes.
WATER_MARGIN = 1.25
# How far the box follows the outermost flashes of the moment.
BOX_FOLLOWS = 0.6


def try_glint(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """Sparkles on a puddle; the box is around the flashes, and jumps with them."""
    glint, place = config.glint, setting.place
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    if ray[1] * place.wall_m <= place.ground_m:
        return None
    middle = ray * place.ground_m / ray[1]
    height_px, focal = log_uniform(rng, glint.size_px), setting.config.rig.focal_px
    length = height_px / 2 * middle[2] ** 2 / focal / place.ground_m
    if not glint.length_m[0] < length < glint.length_m[1] or not length + 1 < middle[2] < place.wall_m - length:
        return None
    width = height_px * log_uniform(rng, glint.aspect) / 2 * middle[2] / focal
    pixels = images_of(setting, middle[None])
    if pixels is None or not mostly_inside(setting, pixels, 1.0):
        return None
    axes = _along_view(ray, width, length)
    places = _places(rng, glint, middle, axes)
    strength = envelope(rng, config.envelope, len(frames))
    spots, sizes, lights, boxes = [], [], [], []
    for camera in setting.rig.cameras:
        spots.append(normalised(camera, places))
        sizes.append(_sizes(rng, glint, focal, len(places)))
        lit = _flashes(rng, glint, (len(frames), len(places)))
        lights.append(lit * rng.uniform(150, 700, len(places)) * strength[:, None])
        boxes.append(_boxes(camera, spots[-1], lit > 0))
    painter = SparklePainter((spots[0], spots[1]), (sizes[0], sizes[1]), (lights[0], lights[1]), warm_colour(rng, 0.15))
    far = tuple(np.full(len(frames), to_camera(camera, middle[None])[0, 2] + length) for camera in setting.rig.cameras)
    look = Look(
        Ghost.GLINT,
        frames,
        (boxes[0], boxes[1]),
        strength,
        painter,
        fading(config.envelope, frames, strength),
        depths_m=(far[0], far[1]),
    )
    ghost = finished(setting, config, look)
    return None if ghost is None else (ghost, _water(rng, setting, middle, axes * WATER_MARGIN, ghost))


def _along_view(ray: Array, width_m: float, length_m: float) -> Array:
    """Half axes (3, 2) on the ground: across and along the direction of a view ray (3,)."""
    away = np.array([ray[0], 0.0, ray[2]]) / np.hypot(ray[0], ray[2])
    return np.stack([np.array([away[2], 0.0, -away[0]]) * width_m, away * length_m], axis=-1)


def _places(rng: np.random.Generator, glint: GlintConfig, middle_m: Array, axes_m: Array) -> Array:
    """Places (N, 3) on the water, spread evenly over the ellipse with half axes (3, 2)."""
    count = int(rng.integers(glint.sparkles[0], glint.sparkles[1] + 1))
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    places: Array = middle_m + (axes_m @ (radius * np.stack([np.cos(angle), np.sin(angle)]))).T
    return places


def _sizes(rng: np.random.Generator, glint: GlintConfig, focal_px: float, count: int) -> Array:
    """Standard deviations (N, 2) of the sparkles' images, normalised: the slope of water stretches them sideways."""
    low, high = np.log(glint.sparkle_px)
    size = np.exp(rng.uniform(low, high, count)) / focal_px
    return np.stack([size * rng.uniform(1.0, 2.0, count), size * rng.uniform(0.6, 1.0, count)], axis=1)


def _flashes(rng: np.random.Generator, glint: GlintConfig, shape: tuple[int, int]) -> Array:
    """Brightness (T, N) in [0, 1] of the places: each flashes for about `flash_frames` and is dark in between."""
    share, length = rng.uniform(*glint.lit_share), rng.uniform(*glint.flash_frames)
    stays = 1 - 1 / max(length, 1.0)
    starts = min(share / max(1 - share, 1e-3) * (1 - stays), 1.0)
    draws = rng.random(shape)
    lit = np.empty(shape, bool)
    lit[0] = draws[0] < share
    for index in range(1, shape[0]):
        lit[index] = draws[index] < np.where(lit[index - 1], stays, starts)
    # The water never goes dark as a whole: its brightest place of the moment stays.
    lit[np.arange(shape[0]), draws.argmin(axis=1)] = True
    return lit * rng.uniform(0.3, 1.0, shape)


def _boxes(camera: Camera, spots: Array, lit: NDArray[np.bool_]) -> Array:
    """Boxes (T, 4): between the outline of all places (N, 2) and that of the lit ones (T, N)."""
    whole_low, whole_high = spots.min(axis=0), spots.max(axis=0)
    low = np.where(lit[..., None], spots, np.inf).min(axis=1) * BOX_FOLLOWS + whole_low * (1 - BOX_FOLLOWS)
    high = np.where(lit[..., None], spots, -np.inf).max(axis=1) * BOX_FOLLOWS + whole_high * (1 - BOX_FOLLOWS)
    return boxes_from_extents(camera, np.concatenate([low, high], axis=1))


def _water(rng: np.random.Generator, setting: Setting, middle_m: Array, axes_m: Array, ghost: Cause) -> Cause:
    frames = every_frame(setting)
    count = len(frames)
    centres = np.tile(middle_m, (count, 1))
    patches = flat_patches(setting.rig, centres, np.broadcast_to(axes_m, (count, 3, 2)), SHORE_SOFTNESS)
    waves = np.stack(
        [
            rng.normal(0, 4, 4),
            rng.uniform(6, 30, 4),
            rng.normal(0, 0.3, 4),
            rng.uniform(0, 6.3, 4),
        ],
        axis=1,
    )
    painter = WaterPainter(
        patches,
        colour=random_colour(rng, (0.1, 0.5), (0.15, 0.6), (0.5, 0.66)),
        opacity=rng.uniform(0.55, 0.95),
        waves=waves,
        shine=rng.uniform(0.1, 0.5),
    )
    boxes = tuple(
        boxes_from_extents(camera, patch.extents) for camera, patch in zip(setting.rig.cameras, patches, strict=True)
    )
    # Painted before the sparkles, and before whatever stands in the water.
    depths = tuple(np.full(count, depth[0] + 0.01) for depth in ghost.depths_m)
    look = Look(
        Ghost.GLINT, frames, (boxes[0], boxes[1]), np.ones(count), painter, frames[:0], depths_m=(depths[0], depths[1])
    )
    return prop(setting, look, 0.0)
