"""Real objects of the matched profile: they enter late, leave early, stand, go in company and pass behind posts.

T frames of an object's life.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.types import IntArray
from track_persistence.simulation.appearance import clothed
from track_persistence.simulation.causes import (
    TRIES_PER_SHAPE,
    Cause,
    Setting,
    boxes_of,
    object_cause,
    ray_between,
    see_both,
)
from track_persistence.simulation.draws import pick
from track_persistence.simulation.lives import Life
from track_persistence.simulation.matched_config import CrowdConfig
from track_persistence.simulation.motion import Path, draw_path
from track_persistence.simulation.shapes import Body, Form, Part, Shape, draw_shape, posed
from track_persistence.simulation.textures import mips

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
POST_TEXELS = 64
POST_PATTERNS = ("plain", "plain", "bricks", "stripes", "gradient")


def inside_shares(boxes_xywh_px: Array, size_px: tuple[int, int]) -> Array:
    """Share (T,) of each box (T, 4) that lies inside the image."""
    low = np.maximum(boxes_xywh_px[:, :2], -0.5)
    high = np.minimum(boxes_xywh_px[:, :2] + boxes_xywh_px[:, 2:], np.array(size_px) - 0.5)
    shares: Array = np.maximum(high - low, 0).prod(axis=1) / boxes_xywh_px[:, 2:].prod(axis=1)
    return shares


def place_wanderer(rng: np.random.Generator, setting: Setting, crowd: CrowdConfig, life: Life) -> tuple[Cause, Body]:
    """Draw objects and paths until one is in view of every camera while it is tracked there.

    Raises `DataError` when the settings make that impossible.
    """
    objects = setting.config.objects
    for attempt in range(objects.attempts):
        if attempt % TRIES_PER_SHAPE == 0:
            shape = draw_shape(rng, pick(rng, objects.families), setting.wardrobe)
            stands = rng.random() < crowd.standing_share
        path = _path(rng, setting, shape, life.frames, stands)
        if path is not None:
            body = posed(shape, path)
            cause = _seen(setting, crowd, body, life)
            if cause is not None:
                return cause, body
    raise DataError(
        f"params.yaml: generate.matched.crowd: no object out of {objects.attempts} was in view while it is tracked; "
        "widen generate.objects.depth_m, lower speed_mps or minimum_size_px, or shorten matched.lives.length_frames"
    )


def place_company(
    rng: np.random.Generator, setting: Setting, crowd: CrowdConfig, life: Life, leader: Body
) -> Cause | None:
    """Put a second object beside `leader`, on the same way; None when it is not in view."""
    shape = draw_shape(rng, leader.shape.family, setting.wardrobe)
    turn = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(*crowd.company_m) * np.array([np.cos(turn), 0.0, 0.3 * np.sin(turn)])
    path = replace(leader.path, positions_m=leader.path.positions_m + away)
    if not _within(setting, shape, path):
        return None
    return _seen(setting, crowd, posed(shape, path), life)


def place_post(rng: np.random.Generator, setting: Setting, frames: IntArray) -> Cause | None:
    """Put a post or a low wall before the scene, in `frames`; no detector reports it."""
    place = setting.place
    depth = float(rng.uniform(1.5, 3.0)) * setting.config.objects.depth_m[0]
    half = np.array([rng.uniform(0.04, 0.25), rng.uniform(0.3, 1.1), rng.uniform(0.04, 0.2)])
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    faces = (mips(clothed(rng, setting.wardrobe, POST_TEXELS, POST_PATTERNS)),) * 3
    part = Part(Form.BOX, np.array([0.0, -half[1], 0.0]), half, faces, np.zeros(3))
    shape = Shape("crate", (part,), 2 * half[1], float(np.hypot(half[0], half[2])), stride_m=1.0)
    middle = np.array([ray[0] * depth, place.ground_m, depth])
    body = posed(shape, draw_path(rng, frames, middle, 0.0, 0.0, setting.config.rig.frame_rate_hz))
    seen = see_both(setting.rig, shape.parts, body.centres_m, body.axes_m)
    return (
        None if seen is None else replace(object_cause(setting, body, seen, boxes_of(setting.rig, seen)), is_prop=True)
    )


def _path(rng: np.random.Generator, setting: Setting, shape: Shape, frames: IntArray, stands: bool) -> Path | None:
    config, place = setting.config, setting.place
    nearest, farthest = config.objects.depth_m
    farthest = min(farthest, place.wall_m - shape.radius_m)
    if farthest <= nearest:
        return None
    depth = float(np.exp(rng.uniform(np.log(nearest), np.log(farthest))))
    ray = ray_between(setting.rig, rng.uniform((0, 0), config.rig.image_size_px))
    y = ray[1] * depth if shape.flies else place.ground_m
    if shape.flies and y > place.ground_m - shape.radius_m:
        return None
    speed = 0.0 if stands else rng.uniform(*config.objects.speed_mps[shape.family])
    middle = np.array([ray[0] * depth, y, depth])
    path = draw_path(rng, frames, middle, speed, config.objects.turn_rate_rps, config.rig.frame_rate_hz)
    return path if _within(setting, shape, path) else None


def _within(setting: Setting, shape: Shape, path: Path) -> bool:
    z = path.positions_m[:, 2]
    nearest, farthest = setting.config.objects.depth_m
    return bool(z.min() >= nearest and z.max() <= min(farthest, setting.place.wall_m - shape.radius_m))


def _seen(setting: Setting, crowd: CrowdConfig, body: Body, life: Life) -> Cause | None:
    """Return the body as the cameras see it; None when it is out of view while it is tracked."""
    seen = see_both(setting.rig, body.shape.parts, body.centres_m, body.axes_m)
    if seen is None:
        return None
    config = setting.config
    boxes = boxes_of(setting.rig, seen)
    present = []
    for box in boxes:
        large = box[:, 2:].min(axis=1) >= config.objects.minimum_size_px
        present.append(large & (inside_shares(box, config.rig.image_size_px) >= crowd.smallest_share))
    if not life.is_in_view((present[0], present[1]), config.matched.lives.in_view_share):
        return None
    return replace(object_cause(setting, body, seen, boxes), present=(present[0], present[1]))
