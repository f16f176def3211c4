"""Clutter: things that stand about for the whole scene and that a detector mistakes for an object now and then.

T frames. The thing is a prop for all frames of the scene; the ghost is the run of frames in which it is reported.
"""

import numpy as np
from numpy.typing import NDArray

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
from track_persistence.simulation.clutter_pictures import bush, cone, poster, sign
from track_persistence.simulation.draws import log_uniform, pick
from track_persistence.simulation.ghost_config import CausesConfig, Thing
from track_persistence.simulation.lasting import (
    Look,
    Pair,
    every_frame,
    images_of,
    mostly_inside,
    normalised,
    standing,
    staying,
)
from track_persistence.simulation.motion import Path
from track_persistence.simulation.optics import boxes_from_extents, to_camera
from track_persistence.simulation.painters import Painter, SolidPainter
from track_persistence.simulation.pane_painters import PanePainter, cut_out
from track_persistence.simulation.raster import Light
from track_persistence.simulation.shapes import TEXTURE_PX, Body, Form, Part, Shape, ellipsoid, posed
from track_persistence.simulation.textures import Mips, coloured, mips, noise_tile, pattern, random_colour

Array = NDArray[np.float64]
HEIGHT_M: dict[Thing, tuple[float, float]] = {
    "cone": (0.45, 0.95),
    "post": (0.8, 1.5),
    "bin": (0.75, 1.3),
    "bush": (0.6, 2.2),
    "sign": (1.7, 2.7),
    "sack": (0.35, 0.75),
    "hydrant": (0.55, 0.95),
    "poster": (0.7, 2.2),
}
# Width of a cut-out picture as a share of its height.
WIDTH_SHARE: dict[Thing, tuple[float, float]] = {
    "cone": (0.55, 0.75),
    "bush": (0.7, 1.5),
    "sign": (0.35, 0.4),
    "poster": (0.5, 1.1),
}
PICTURES = {"cone": cone, "sign": sign, "bush": bush, "poster": poster}
WALL_GAP_M = 0.02


def try_clutter(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A cone, post, bin, bush, sign, sack, hydrant or poster, at the distance that gives the height drawn in pixels."""
    clutter, place = config.clutter, setting.place
    thing = pick(rng, clutter.things)
    height_px, focal = log_uniform(rng, clutter.height_px), setting.config.rig.focal_px
    height = log_uniform(rng, HEIGHT_M[thing])
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    nearest, farthest = setting.config.objects.depth_m
    away, lift = focal * height / height_px, 0.0
    if thing == "poster":
        away, lift = place.wall_m - WALL_GAP_M, rng.uniform(0.2, 1.2)
        height = height_px * away / focal
    limits = HEIGHT_M[thing]
    if not nearest < away < min(farthest, place.wall_m) or not limits[0] <= height <= limits[1]:
        return None
    foot = np.array([ray[0] * away, place.ground_m - lift, away])
    top = images_of(setting, foot[None] - (0, height / 2, 0))
    if top is None or not mostly_inside(setting, top, 1.0):
        return None
    path = standing(foot, every_frame(setting), rng.uniform(0, 2 * np.pi))
    if thing in PICTURES:
        sway = rng.uniform(*clutter.sway_rad) if thing == "bush" else 0.0
        made = _cut_out_thing(rng, setting, thing, (height, sway), path)
    else:
        made = _solid_thing(rng, setting, thing, height, path)
    if made is None:
        return None
    painter, boxes, depths = made
    look = Look(Ghost.CLUTTER, path.frames, boxes, np.ones(len(path.frames)), painter, frames[:0], depths_m=depths)
    return staying(setting, config, look, frames, OBJECT_SOLIDITY)


def _solid_thing(
    rng: np.random.Generator, setting: Setting, thing: Thing, height: float, path: Path
) -> tuple[Painter, Pair, Pair] | None:
    makers = {"post": _post, "bin": _bin, "sack": _sack, "hydrant": _hydrant}
    body = posed(makers[thing](rng, height), path)
    seen = see_both(setting.rig, body.shape.parts, body.centres_m, body.axes_m)
    if seen is None:
        return None
    painter = SolidPainter(
        body.shape.parts,
        seen,
        setting.lighting(path.positions_m),
        smears(seen, setting.shutter),
        own_shadow(setting, body),
    )
    return painter, boxes_of(setting.rig, seen), (seen[0].depth_m, seen[1].depth_m)


def _cut_out_thing(
    rng: np.random.Generator, setting: Setting, thing: Thing, build: tuple[float, float], path: Path
) -> tuple[Painter, Pair, Pair] | None:
    """A picture of `build`: height in metres and lean in radians; it stands upright and faces the cameras."""
    height, sway = build
    width = height * rng.uniform(*WIDTH_SHARE[thing])
    count = len(path.frames)
    lean = height * np.tan(sway) * np.sin(2 * np.pi * path.frames / rng.uniform(20, 70) + rng.uniform(0, 2 * np.pi))
    x = np.stack([lean - width / 2, lean + width / 2, np.full(count, width / 2), np.full(count, -width / 2)], axis=1)
    y = np.broadcast_to([-height, -height, 0.0, 0.0], (count, 4))
    corners = path.positions_m[:, None] + np.stack([x, y, np.zeros((count, 4))], axis=-1)  # (T, 4, 3)
    flat, boxes, depths = [], [], []
    for camera in setting.rig.cameras:
        flat.append(normalised(camera, corners))
        boxes.append(boxes_from_extents(camera, np.concatenate([flat[-1].min(axis=1), flat[-1].max(axis=1)], axis=1)))
        depths.append(to_camera(camera, path.positions_m)[:, 2])
    light = Light(setting.place.light, setting.place.ambient, float(setting.place.light_gain(path.positions_m[0])))
    shadow = None
    if thing != "poster":
        stand = Shape("crate", (), height, width / 2, stride_m=1.0)
        empty = np.empty((count, 0, 3))
        shadow = own_shadow(setting, Body(stand, path, empty, empty[..., None]))
    picture = cut_out(*PICTURES[thing](rng))
    painter = PanePainter(picture, (flat[0], flat[1]), float(light.shade(-light.direction[2])), shadow)
    return painter, (boxes[0], boxes[1]), (depths[0], depths[1])


def _box(middle: tuple[float, ...], half: tuple[float, ...], faces: tuple[Mips, ...]) -> Part:
    return Part(Form.BOX, np.array(middle), np.array(half), faces, np.zeros(3))


def _coat(rng: np.random.Generator, name: str, dark: bool) -> Mips:
    first = random_colour(rng, (0.0, 0.4 if dark else 0.9), (0.08, 0.5 if dark else 0.9))
    second = np.array([225, 225, 220], np.float32) if name == "stripes" else first * np.float32(rng.uniform(0.6, 1.2))
    return mips(coloured(pattern(rng, name, TEXTURE_PX), noise_tile(rng, TEXTURE_PX), (first, second), 0.07))


def _post(rng: np.random.Generator, height: float) -> Shape:
    """A bollard: a slim box, often banded, with a cap."""
    half = rng.uniform(0.04, 0.11)
    side, cap = _coat(rng, "stripes" if rng.random() < 0.5 else "plain", False), _coat(rng, "plain", True)
    parts = (
        _box((0, -height * 0.47, 0), (half, height * 0.47, half), (side, cap, side)),
        _box((0, -height * 0.97, 0), (half * 1.25, height * 0.03, half * 1.25), (cap, cap, cap)),
    )
    return Shape("crate", parts, height, half * 1.5, stride_m=1.0)


def _bin(rng: np.random.Generator, height: float) -> Shape:
    """A waste bin: a slim box with a lid of another colour."""
    wide, deep = height * rng.uniform(0.22, 0.33), height * rng.uniform(0.22, 0.33)
    wall, lid = _coat(rng, "plain" if rng.random() < 0.6 else "gradient", True), _coat(rng, "plain", False)
    parts = (
        _box((0, -height * 0.43, 0), (wide, height * 0.43, deep), (wall, wall, wall)),
        _box((0, -height * 0.93, 0), (wide * 1.07, height * 0.07, deep * 1.07), (lid, lid, lid)),
    )
    return Shape("crate", parts, height, max(wide, deep), stride_m=1.0)


def _sack(rng: np.random.Generator, height: float) -> Shape:
    """A heap of sacks: flattened lumps beside and on each other."""
    parts = []
    for number in range(int(rng.integers(2, 5))):
        half = height * rng.uniform((0.45, 0.28, 0.35), (0.75, 0.38, 0.55))
        up = half[1] if number < 2 else height * 0.65
        aside = rng.uniform(-0.55, 0.55, 2) * height
        parts.append(ellipsoid((aside[0], -up, aside[1]), tuple(half.tolist()), _coat(rng, "blotches", True)))
    return Shape("crate", tuple(parts), height, height, stride_m=1.0)


def _hydrant(rng: np.random.Generator, height: float) -> Shape:
    """A hydrant: a round stem with a dome and two stubs."""
    coat, other = _coat(rng, "plain", False), _coat(rng, "plain", False)
    slim = height * rng.uniform(0.16, 0.24)
    parts = [
        ellipsoid((0, -0.42 * height, 0), (slim, 0.42 * height, slim), coat),
        ellipsoid((0, -0.82 * height, 0), (slim * 1.15, 0.18 * height, slim * 1.15), other),
        ellipsoid((0, -0.06 * height, 0), (slim * 1.5, 0.06 * height, slim * 1.5), other),
    ]
    for side in (-1, 1):
        stub = (side * slim * 1.2, -0.6 * height, 0)
        parts.append(ellipsoid(stub, (slim * 0.5, slim * 0.45, slim * 0.45), other))
    return Shape("crate", tuple(parts), height, slim * 1.5, stride_m=1.0)
