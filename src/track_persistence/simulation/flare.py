"""Lens flare that lasts: a ghost image of the aperture, opposite a light that moves slowly.

T frames. Each camera makes its own, so that the pair is consistent with no point in the world.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import Cause, Setting
from track_persistence.simulation.draws import log_uniform
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.glow_painters import FlarePainter, FlareStyle
from track_persistence.simulation.lasting import (
    Look,
    boxes_around,
    envelope,
    fading,
    finished,
    middles_and_halves,
    mostly_inside,
)
from track_persistence.simulation.textures import random_colour

Array = NDArray[np.float64]
# Painted over everything: it arises behind all that the camera sees.
IN_THE_LENS_M = 0.01
# A light that far from the axis, in tangents of the angle, is behind the lens hood.
WIDEST_TANGENT = 3.0


def try_flare(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A coloured spot on the line through the image centre, on the other side than the light: it moves against it."""
    flare, rig = config.flare, setting.rig
    size = np.array(setting.config.rig.image_size_px)
    centre = rig.cameras[0].intrinsics[:2, 2]
    ratio = log_uniform(rng, flare.ratio)
    light_px = centre - (rng.uniform((0, 0), size) - centre) / ratio
    if np.linalg.norm(light_px - centre) > flare.light_reach * np.linalg.norm(size) / 2:
        return None
    pixel = np.append((light_px - centre) / setting.config.rig.focal_px, 1.0)
    lights = _wander(rng, setting, rig.cameras[0].rotation.T @ pixel, log_uniform(rng, flare.light_speed_rps), frames)
    spots = []
    for camera in rig.cameras:
        own = ratio * (1 + rng.uniform(-1, 1) * flare.lens_spread)
        spot = _opposite(camera, lights, own)
        if spot is None:
            return None
        spots.append(spot)
    pixels = spots[0], spots[1]
    if not mostly_inside(setting, pixels, config.presence.present_share):
        return None
    half = log_uniform(rng, flare.size_px) / 2
    boxes = boxes_around(pixels, np.array([half, half]))
    centres, radii = middles_and_halves(setting, boxes)
    strength = envelope(rng, config.envelope, len(frames))
    lines = tuple(middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9) for middle in centres)
    light = strength * log_uniform(rng, flare.brightness)
    painter = FlarePainter(centres, radii, light, _style(rng), _companions(rng), (lines[0], lines[1]))
    depths = np.full(len(frames), IN_THE_LENS_M)
    look = Look(
        Ghost.FLARE,
        frames,
        boxes,
        strength,
        painter,
        fading(config.envelope, frames, strength),
        depths_m=(depths, depths),
    )
    cause = finished(setting, config, look)
    return None if cause is None else (cause,)


def _wander(rng: np.random.Generator, setting: Setting, direction: Array, speed_rps: float, frames: IntArray) -> Array:
    """Directions (T, 3) of a distant light that moves steadily, mostly sideways."""
    time_s = (frames - frames[len(frames) // 2])[:, None] / setting.config.rig.frame_rate_hz
    angle = rng.normal(0, 0.5) + (np.pi if rng.random() < 0.5 else 0)
    way = np.array([np.cos(angle), np.sin(angle), 0.0])
    directions: Array = direction + way * np.linalg.norm(direction) * speed_rps * time_s
    return directions


def _opposite(camera: Camera, lights: Array, ratio: float) -> Array | None:
    """Pixels (T, 2) of the spot; None when the light gets beside or behind the camera."""
    local = lights @ camera.rotation.T
    if local[:, 2].min() <= 0:
        return None
    flat = local[:, :2] / local[:, 2:]
    if np.abs(flat).max() > WIDEST_TANGENT:
        return None
    spot: Array = camera.intrinsics[:2, 2] - ratio * flat * camera.intrinsics[[0, 1], [0, 1]]
    return spot


def _style(rng: np.random.Generator) -> FlareStyle:
    inner, outer = (random_colour(rng, (0.3, 0.95), (0.8, 1.0)) / np.float32(255) for _ in range(2))
    return FlareStyle(
        corners=int(rng.choice([0, 0, 5, 6, 6, 8])),
        rim=rng.uniform(-0.6, 0.95),
        turn_rad=rng.uniform(0, np.pi),
        inner=inner,
        outer=outer,
    )


def _companions(rng: np.random.Generator) -> Array:
    """Smaller spots (N, 3) that overlap the main one: place along the line, size, strength."""
    count = int(rng.integers(0, 3))
    return np.stack([rng.uniform(-0.9, 0.9, count), rng.uniform(0.2, 0.6, count), rng.uniform(0.3, 1.0, count)], axis=1)
