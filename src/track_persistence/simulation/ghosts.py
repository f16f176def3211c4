"""Brief causes: reflections in a pane, glares on a surface, shadows on the ground; one 3D cause for both cameras.

T frames. They fade in and out within their few frames.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.types import Ghost, IntArray, Kind
from track_persistence.simulation.causes import (
    Cause,
    Setting,
    all_clear,
    boxes_of,
    draw_frames,
    flat_patches,
    inside_image,
    ray_between,
    see_both,
    smears,
)
from track_persistence.simulation.draws import pick
from track_persistence.simulation.motion import draw_path
from track_persistence.simulation.optics import (
    boxes_from_extents,
    distort,
    meeting_points,
    to_camera,
)
from track_persistence.simulation.painters import GlarePainter, MirrorPainter, Painter, ShadowPainter, SolidPainter
from track_persistence.simulation.place import Quad, pane_picture, upright_corners
from track_persistence.simulation.shapes import Form, draw_shape, posed
from track_persistence.simulation.views import seen_parts

Array = NDArray[np.float64]
PANE_GAP_M = 0.03
# What a pane shows stands in the open, lit from the front.
MIRRORED_AMBIENT = 0.8


def fade(rng: np.random.Generator, count: int) -> Array:
    """Strength (T,) in (0, 1] of a ghost over its life: rises from the first frame and falls to the last."""
    ends = rng.uniform(0.4, 0.8)
    wave = np.sin(np.pi * (np.arange(count) + ends) / (count - 1 + 2 * ends))
    strength: Array = np.clip(wave * rng.uniform(0.8, 1.0) * rng.uniform(0.9, 1.1, count), 0.05, 1.0)
    return strength


def place_ghost(rng: np.random.Generator, setting: Setting, others: list[Cause]) -> Cause:
    """Draw ghosts until one is seen by both cameras; a reflection hangs its pane on the wall.

    Raises `DataError` when the settings make that impossible.
    """
    config = setting.config
    kind = pick(rng, config.ghosts.kinds)
    makers = {"reflection": _try_reflection, "glare": _try_glare, "shadow": _try_shadow}
    for _ in range(config.objects.attempts):
        frames = draw_frames(rng, config.tracks.brief_frames, config.frames_per_sequence)
        panes = list(setting.place.quads)
        cause = makers[kind](rng, setting, frames)
        if cause is not None and all_clear([*others, cause], config):
            return cause
        setting.place.quads[:] = panes
    raise DataError(
        f"params.yaml: generate.ghosts: no {kind} out of {config.objects.attempts} was seen by both cameras for its "
        f"whole life; widen the {kind}'s ranges or objects.depth_m, or set ghosts.kinds.{kind} to 0"
    )


def _cause(
    setting: Setting, ghost: Ghost, frames: IntArray, boxes: tuple[Array, Array], strength: Array, painter: Painter
) -> Cause | None:
    smallest_px = setting.config.ghosts.smallest_side_px
    for box in boxes:
        if not inside_image(box, setting.config.rig.image_size_px) or box[:, 2:].min() < smallest_px:
            return None
    first, second = (box[:, :2] + box[:, 2:] / 2 for box in boxes)
    positions = meeting_points(setting.rig, (first, second))
    depths = tuple(to_camera(camera, positions)[:, 2] for camera in setting.rig.cameras)
    return Cause(Kind.BRIEF, ghost, frames, boxes, (depths[0], depths[1]), strength, 0.0, painter, positions)


def _try_reflection(rng: np.random.Generator, setting: Setting, frames: IntArray) -> Cause | None:
    """A body that stands out of view, mirrored by a pane near the wall, and cut off at the pane's edge."""
    config, place, rig = setting.config.ghosts, setting.place, setting.rig
    width, height = rng.uniform(*config.pane_size_m[0]), rng.uniform(*config.pane_size_m[1])
    ray = ray_between(rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    turn = rng.uniform(-config.pane_turn_rad, config.pane_turn_rad)
    away = place.wall_m - PANE_GAP_M - width / 2 * abs(np.sin(turn))
    middle = np.array([ray[0] * away, place.ground_m - height / 2 - rng.uniform(0, 0.3), away])
    corners = upright_corners(middle, (width, height), turn)
    normal = np.array([np.sin(turn), 0.0, -np.cos(turn)])
    mirror = np.eye(3) - 2 * np.outer(normal, normal)
    virtual = middle * (1 + rng.uniform(*config.reflection_depth_m) / away)
    source = mirror @ (virtual - middle) + middle
    if _in_view(setting, source):
        return None
    family = pick(rng, setting.config.objects.families)
    shape = draw_shape(rng, family)
    source[1] = place.ground_m - (rng.uniform(0.5, 1.5) if shape.flies else 0.0)
    speed = rng.uniform(*setting.config.objects.speed_mps[family])
    rate, turning = setting.config.rig.frame_rate_hz, setting.config.objects.turn_rate_rps
    body = posed(shape, draw_path(rng, frames, source, speed, turning, rate))
    seen = see_both(rig, shape.parts, (body.centres_m - middle) @ mirror + middle, mirror @ body.axes_m)
    if seen is None:
        return None
    panes = [_normalised(setting, number, corners) for number in (0, 1)]
    bounds = _bounds(setting, 0, panes[0]), _bounds(setting, 1, panes[1])
    boxes = _cut(boxes_of(rig, seen), bounds, config.smallest_share)
    if boxes is None:
        return None
    strength = fade(rng, len(frames))
    lighting = replace(setting.lighting(body.path.positions_m, mirror), ambient=MIRRORED_AMBIENT)
    solid = SolidPainter(shape.parts, seen, lighting, smears(seen, setting.shutter), None)
    share = rng.uniform(*config.reflection_strength)
    tint = rng.uniform(0.75, 1.0, 3).astype(np.float32)
    place.quads.append(Quad(corners, pane_picture(rng), rng.uniform(0.6, 0.95)))
    painter = MirrorPainter(solid, (panes[0], panes[1]), strength * share, tint)
    return _cause(setting, Ghost.REFLECTION, frames, boxes, strength, painter)


def _in_view(setting: Setting, point_m: Array) -> bool:
    """Whether either camera could see the mirrored body directly."""
    for camera in setting.rig.cameras:
        local = to_camera(camera, point_m[None])[0]
        if local[2] > 0:
            pixel = camera.intrinsics @ (local / local[2])
            if (pixel[:2] >= 0).all() and (pixel[:2] < camera.image_size_px).all():
                return True
    return False


def _normalised(setting: Setting, number: int, points_m: Array) -> Array:
    local = to_camera(setting.rig.cameras[number], points_m)
    flat: Array = local[:, :2] / local[:, 2:]
    return flat


def _bounds(setting: Setting, number: int, normalised: Array) -> Array:
    extents = np.concatenate([normalised.min(axis=0), normalised.max(axis=0)])
    bounds: Array = boxes_from_extents(setting.rig.cameras[number], extents[None])[0]
    return bounds


def _cut(boxes: tuple[Array, Array], panes: tuple[Array, Array], smallest_share: float) -> tuple[Array, Array] | None:
    """Cut the boxes (T, 4) to the panes' boxes (4,); None when too little is left in a frame."""
    cut = []
    for box, pane in zip(boxes, panes, strict=True):
        low = np.maximum(box[:, :2], pane[:2])
        high = np.minimum(box[:, :2] + box[:, 2:], pane[:2] + pane[2:])
        size = high - low
        if (size <= 1).any() or (size.prod(axis=1) < smallest_share * box[:, 2:].prod(axis=1)).any():
            return None
        cut.append(np.concatenate([low, size], axis=1))
    return cut[0], cut[1]


def _surface_point(rng: np.random.Generator, setting: Setting) -> tuple[Array, bool]:
    """A point (3,) that is seen on the ground or the wall, and whether it is the ground."""
    place = setting.place
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    if ray[1] * place.wall_m > place.ground_m:
        return ray * place.ground_m / ray[1], True
    return ray * (place.wall_m - PANE_GAP_M), False


def _drift(rng: np.random.Generator, setting: Setting, frames: IntArray, on_ground: bool) -> Array:
    """Slow straight way (T, 3) along the ground or the wall, metres, zero in the first frame."""
    velocity = rng.uniform(-1, 1, 3) * setting.config.ghosts.drift_mps
    velocity[1 if on_ground else 2] = 0
    time_s = (frames - frames[0])[:, None] / setting.config.rig.frame_rate_hz
    way: Array = velocity * time_s
    return way


def _try_glare(rng: np.random.Generator, setting: Setting, frames: IntArray) -> Cause | None:
    """A highlight on a point of the ground or the wall that blooms with its strength."""
    rig = setting.rig
    point, on_ground = _surface_point(rng, setting)
    points = point + _drift(rng, setting, frames, on_ground)
    strength = fade(rng, len(frames))
    radius_m = rng.uniform(*setting.config.ghosts.glare_radius_m) * (0.5 + 0.5 * np.sqrt(strength))
    centres, radii, boxes = [], [], []
    for camera in rig.cameras:
        local = to_camera(camera, points)
        centre, radius = local[:, :2] / local[:, 2:], radius_m / local[:, 2]
        extents = np.concatenate([centre - radius[:, None], centre + radius[:, None]], axis=1)
        centres.append(centre)
        radii.append(radius)
        box = boxes_from_extents(camera, extents)
        # The bloom is round in the image, so the box is centred on the image of the point itself.
        box[:, :2] = distort(camera, centre) - box[:, 2:] / 2
        boxes.append(box)
    warmth = rng.uniform(-0.25, 0.25)
    colour = np.array([1 + min(warmth, 0), 1 - 0.4 * abs(warmth), 1 - max(warmth, 0)], np.float32)
    painter = GlarePainter(
        (centres[0], centres[1]),
        (radii[0], radii[1]),
        strength,
        colour,
        rng.uniform(0, np.pi),
        rng.uniform(0, 1),
    )
    return _cause(setting, Ghost.GLARE, frames, (boxes[0], boxes[1]), strength, painter)


def _try_shadow(rng: np.random.Generator, setting: Setting, frames: IntArray) -> Cause | None:
    """The shadow of something above or beside the view: one to three soft ellipses on the ground."""
    config, rig, place = setting.config.ghosts, setting.rig, setting.place
    point, on_ground = _surface_point(rng, setting)
    if not on_ground:
        return None
    length = rng.uniform(*config.shadow_radius_m)
    turn = rng.uniform(0, np.pi)
    along = np.array([np.cos(turn), 0.0, np.sin(turn)])
    beside = np.array([-np.sin(turn), 0.0, np.cos(turn)])
    way = _drift(rng, setting, frames, True)
    centres, axes = [], []
    for number in range(int(rng.integers(1, 4))):
        place_at = along * rng.uniform(-0.8, 0.8) * length + beside * rng.uniform(-0.3, 0.3) * length
        offset = np.zeros(3) if number == 0 else place_at
        share = 1.0 if number == 0 else rng.uniform(0.3, 0.7)
        flat = np.stack([along * length * share, beside * length * share * rng.uniform(0.3, 0.9)], axis=-1)
        centres.append(point + offset + way)
        axes.append(np.broadcast_to(flat, (len(frames), 3, 2)))
    # A vanishing third axis turns the ellipsoid of the exact outline into a flat ellipse.
    solid = np.stack([np.concatenate([flat, np.zeros((len(frames), 3, 1))], axis=-1) for flat in axes], axis=1)
    boxes = []
    for camera in rig.cameras:
        seen = seen_parts(camera, (Form.ELLIPSOID,) * len(centres), np.stack(centres, axis=1), solid)
        if seen is None or point[2] > place.wall_m - length:
            return None
        boxes.append(boxes_from_extents(camera, seen.whole_extents))
    softness = rng.uniform(0.3, 0.8)
    patches = [flat_patches(rig, centre, flat, softness) for centre, flat in zip(centres, axes, strict=True)]
    strength = fade(rng, len(frames))
    painter = ShadowPainter(
        (tuple(first for first, _ in patches), tuple(second for _, second in patches)),
        strength * rng.uniform(*config.shadow_strength),
    )
    return _cause(setting, Ghost.SHADOW, frames, (boxes[0], boxes[1]), strength, painter)
