"""Shadows that last: the outline of a body out of view, thrown on the ground or the wall.

T frames. The shadow of an ellipsoid is an ellipse: parallel light maps its half axes to the plane linearly.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import Cause, Setting, flat_patches, ray_between
from track_persistence.simulation.draws import log_uniform, pick
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.lasting import (
    Look,
    Pair,
    envelope,
    fading,
    finished,
    images_of,
    in_view,
    mostly_inside,
)
from track_persistence.simulation.motion import draw_path
from track_persistence.simulation.optics import boxes_from_extents
from track_persistence.simulation.painters import ShadowPainter
from track_persistence.simulation.shapes import Body, Form, draw_shape, posed
from track_persistence.simulation.views import seen_parts

Array = NDArray[np.float64]
GROUND_AXIS, WALL_AXIS = 1, 2
# An ellipsoid in place of a box is to have about the box's outline.
BOX_TO_ELLIPSOID = 1.2
# A flat body seen along its plane throws a line; this keeps the ellipse's half axes apart.
THINNEST_M2 = 1e-4


def try_shadow(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A moving shadow that darkens the texture beneath it; the body itself is never in view."""
    place, objects = setting.place, setting.config.objects
    on_wall = rng.random() < config.shadow.wall_share
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    if on_wall:
        light = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.01, 0.08), -1.0])
        foot = np.array([ray[0] * place.wall_m, place.ground_m - rng.uniform(0, 0.4), place.wall_m])
        plane, reach = (WALL_AXIS, place.wall_m), rng.uniform(0.3, 1.4) * place.wall_m
    else:
        light = place.light
        if ray[1] * place.wall_m <= place.ground_m:
            return None
        foot = ray * place.ground_m / ray[1]
        plane, reach = (GROUND_AXIS, place.ground_m), rng.uniform(*config.shadow.lift_m)
    body_at = foot - light * reach / light[plane[0]]
    if in_view(setting, body_at[None] - (0, 1, 0)):
        return None
    family = pick(rng, objects.families)
    rate = setting.config.rig.frame_rate_hz
    path = draw_path(rng, frames, body_at, rng.uniform(*objects.speed_mps[family]), objects.turn_rate_rps, rate)
    pixels = images_of(setting, thrown(path.positions_m, light, plane))
    if pixels is None or not mostly_inside(setting, pixels, config.presence.present_share):
        return None
    if in_view(setting, path.positions_m[:: max(len(frames) // 4, 1)] - (0, 1, 0)):
        return None
    outline = _outline(setting, posed(draw_shape(rng, family), path), light, plane)
    if outline is None:
        return None
    boxes, ellipses = outline
    softness = log_uniform(rng, config.shadow.softness)
    soft = [flat_patches(setting.rig, centres, axes, softness) for centres, axes in ellipses]
    strength = envelope(rng, config.envelope, len(frames))
    painter = ShadowPainter(
        (tuple(first for first, _ in soft), tuple(second for _, second in soft)),
        strength * rng.uniform(*config.shadow.strength),
    )
    cause = finished(
        setting, config, Look(Ghost.SHADOW, frames, boxes, strength, painter, fading(config.envelope, frames, strength))
    )
    return None if cause is None else (cause,)


def thrown(points_m: Array, light: Array, plane: tuple[int, float]) -> Array:
    """Where points (..., 3) throw their shadow: along the direction to the light (3,) onto a plane axis = value."""
    axis, value = plane
    shadow: Array = points_m - (points_m[..., axis] - value)[..., None] * light / light[axis]
    return shadow


def thrown_axes(half_axes_m: Array, light: Array, axis: int) -> Array:
    """Half axes (T, 3, 2) of the elliptic shadow of ellipsoids with half axes (T, 3, 3), on a plane across `axis`."""
    onto = np.eye(3)
    onto[:, axis] -= light / light[axis]
    flat = onto @ half_axes_m
    inside = [number for number in range(3) if number != axis]
    square = (flat @ flat.swapaxes(-1, -2))[:, inside][:, :, inside] + THINNEST_M2 * np.eye(2)
    axes = np.zeros((len(half_axes_m), 3, 2))
    axes[:, inside] = np.linalg.cholesky(square)
    return axes


def _outline(
    setting: Setting, body: Body, light: Array, plane: tuple[int, float]
) -> tuple[Pair, list[tuple[Array, Array]]] | None:
    """Boxes (T, 4) per camera of the whole shadow, and centres (T, 3) and half axes (T, 3, 2) of its ellipses."""
    ellipses = []
    for number, part in enumerate(body.shape.parts):
        grown = body.axes_m[:, number] * (BOX_TO_ELLIPSOID if part.form is Form.BOX else 1.0)
        centres = thrown(body.centres_m[:, number], light, plane)
        ellipses.append((centres, thrown_axes(grown, light, plane[0])))
    centres = np.stack([middle for middle, _ in ellipses], axis=1)
    # A vanishing third axis turns the ellipsoid of the exact outline into a flat ellipse.
    solid = np.stack([np.concatenate([axes, np.zeros((len(axes), 3, 1))], axis=-1) for _, axes in ellipses], axis=1)
    boxes = []
    for camera in setting.rig.cameras:
        seen = seen_parts(camera, (Form.ELLIPSOID,) * len(ellipses), centres, solid)
        if seen is None:
            return None
        boxes.append(boxes_from_extents(camera, seen.whole_extents))
    return (boxes[0], boxes[1]), ellipses
