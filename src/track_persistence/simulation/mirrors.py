"""Reflections that last: a body out of view, seen in a mirror or in a window pane that one also looks through.

T frames. The virtual body stands behind the pane, the wrong way round; the pane's edge cuts it off.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import Cause, Setting, boxes_of, ray_between, see_both, smears
from track_persistence.simulation.draws import log_uniform, pick
from track_persistence.simulation.ghost_config import CausesConfig, PaneConfig
from track_persistence.simulation.lasting import (
    Look,
    Pair,
    clipped,
    envelope,
    every_frame,
    fading,
    finished,
    image_bounds,
    in_view,
    normalised,
    prop,
    seen_through,
)
from track_persistence.simulation.motion import Path, draw_path
from track_persistence.simulation.optics import boxes_from_extents, to_camera
from track_persistence.simulation.painters import MirrorPainter, Plane, SolidPainter
from track_persistence.simulation.pane_painters import PanePainter, WindowPainter, cut_out
from track_persistence.simulation.place import Place, upright_corners
from track_persistence.simulation.shapes import Shape, draw_shape, posed
from track_persistence.simulation.textures import Mips, coloured, noise_tile, pattern, random_colour
from track_persistence.simulation.views import NEAREST_M

Array = NDArray[np.float64]
PICTURE_PX = 128
PANE_GAP_M = 0.03
# The reflection is painted right after its pane.
IN_FRONT_M = 0.005
# Panes stand a little above the ground, so that feet show in them.
LOWEST_M, HIGHEST_M = 0.02, 0.25
# Less than this of the body's width or height is no visible cut.
CUT_SHARE = 0.97
MIRROR_SOLIDITY, WINDOW_SOLIDITY = 0.9, 0.0
MIRRORED_AMBIENT = 0.8


@dataclass(frozen=True, eq=False)
class Pane:
    """An upright pane: corners (4, 3), middle (3,), the matrix (3, 3) that mirrors directions, and its images.

    edges: corners (4, 2) per camera, normalised; bounds_xywh_px (4,) per camera. on_wall: whether it hangs there.
    """

    corners_m: Array
    middle_m: Array
    mirror: Array
    edges: Pair
    bounds_xywh_px: Pair
    on_wall: bool

    def mirrored(self, points_m: Array) -> Array:
        """World points (..., 3) as they appear behind the pane."""
        moved: Array = (points_m - self.middle_m) @ self.mirror + self.middle_m
        return moved


def try_reflection(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A strong, tinted reflection in a mirror on the wall or one that stands free."""
    placed = _place_body(rng, setting, config, config.reflection, frames)
    if placed is None:
        return None
    pane, solid = placed
    strength = envelope(rng, config.envelope, len(frames))
    painter = MirrorPainter(
        solid, pane.edges, strength * rng.uniform(*config.reflection.strength), _tint(rng, (0.72, 1.0))
    )
    boxes = boxes_of(setting.rig, solid.seen)
    ghost = _reported(setting, config, pane, Look(Ghost.REFLECTION, frames, boxes, strength, painter, frames))
    if ghost is None:
        return None
    picture = _room(rng, setting.place)
    return ghost, _pane_prop(setting, pane, ghost, picture, MIRROR_SOLIDITY)


def try_window(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """A weak reflection over what lies behind a window pane."""
    placed = _place_body(rng, setting, config, config.window, frames)
    if placed is None:
        return None
    pane, solid = placed
    strength = envelope(rng, config.envelope, len(frames))
    double = (0.0, 0.0)
    if rng.random() < config.window.double_image:
        double = (rng.uniform(0.25, 0.6), rng.choice([-1, 1]) * rng.uniform(*config.window.double_offset))
    painter = WindowPainter(
        solid, pane.edges, strength * rng.uniform(*config.window.strength), _tint(rng, (0.8, 1.05)), double
    )
    boxes = boxes_of(setting.rig, solid.seen)
    ghost = _reported(setting, config, pane, Look(Ghost.WINDOW, frames, boxes, strength, painter, frames))
    if ghost is None:
        return None
    return ghost, _pane_prop(setting, pane, ghost, _glazing(rng, pane.on_wall), WINDOW_SOLIDITY)


def _place_body(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, glass: PaneConfig, frames: IntArray
) -> tuple[Pane, SolidPainter] | None:
    """Draw a pane and a body that walks past it out of view; cheap tests come before the costly draws."""
    objects, place = setting.config.objects, setting.place
    appears_m = log_uniform(rng, objects.depth_m)
    away_m = appears_m * rng.uniform(*glass.pane_distance)
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    pane = _draw_pane(rng, setting, glass, ray, away_m)
    if pane is None:
        return None
    # Seen through any point of the pane, so that its sides cut the body off as often as they would.
    through = pane.corners_m[0] + rng.uniform(0, 1) * (pane.corners_m[1] - pane.corners_m[0])
    virtual = through * (appears_m / min(away_m, pane.middle_m[2]))
    virtual[1] = place.ground_m
    source = pane.mirrored(virtual)
    if in_view(setting, source[None] - (0, 1, 0)):
        return None
    family = pick(rng, objects.families)
    if family == "blob":
        source[1] -= rng.uniform(0.5, 1.5)
    speed = rng.uniform(*objects.speed_mps[family])
    path = draw_path(rng, frames, source, speed, objects.turn_rate_rps, setting.config.rig.frame_rate_hz)
    if not _passes(setting, config, pane, path):
        return None
    solid = _mirrored_body(setting, pane, draw_shape(rng, family, setting.wardrobe), path)
    return None if solid is None else (pane, solid)


def _draw_pane(rng: np.random.Generator, setting: Setting, glass: PaneConfig, ray: Array, away_m: float) -> Pane | None:
    width, height = (log_uniform(rng, limits) for limits in glass.pane_size_m)
    turn = rng.uniform(-glass.turn_rad, glass.turn_rad)
    farthest = setting.place.wall_m - PANE_GAP_M - width / 2 * abs(np.sin(turn))
    on_wall = away_m > farthest
    away = min(away_m, farthest)
    if away - width / 2 * abs(np.sin(turn)) < 2 * NEAREST_M:
        return None
    middle = np.array([ray[0] * away, setting.place.ground_m - height / 2 - rng.uniform(LOWEST_M, HIGHEST_M), away])
    corners = upright_corners(middle, (width, height), turn)
    normal = np.array([np.sin(turn), 0.0, -np.cos(turn)])
    edges, bounds = [], []
    for camera in setting.rig.cameras:
        # A mirror shows itself to a camera in front of it only.
        if normal @ (camera.centre_m - middle) <= 0:
            return None
        flat = normalised(camera, corners)
        edges.append(flat)
        bounds.append(boxes_from_extents(camera, np.concatenate([flat.min(axis=0), flat.max(axis=0)])[None])[0])
    mirror = np.eye(3) - 2 * np.outer(normal, normal)
    return Pane(corners, middle, mirror, (edges[0], edges[1]), (bounds[0], bounds[1]), on_wall)


def _passes(setting: Setting, config: CausesConfig, pane: Pane, path: Path) -> bool:
    """Whether the virtual body's middle is between the pane's sides, and in the image, for enough of its life."""
    points = pane.mirrored(path.positions_m)
    width = setting.config.rig.image_size_px[0]
    for camera, edges in zip(setting.rig.cameras, pane.edges, strict=True):
        local = to_camera(camera, points)
        if local[:, 2].min() < 2 * NEAREST_M:
            return False
        x = local[:, 0] / local[:, 2]
        reach = width / 2 / camera.intrinsics[0, 0]
        seen = (x > max(edges[:, 0].min(), -reach)) & (x < min(edges[:, 0].max(), reach))
        if seen.mean() < config.presence.present_share:
            return False
    return True


def _mirrored_body(setting: Setting, pane: Pane, shape: Shape, path: Path) -> SolidPainter | None:
    body = posed(shape, path)
    seen = see_both(setting.rig, shape.parts, pane.mirrored(body.centres_m), pane.mirror @ body.axes_m)
    if seen is None:
        return None
    # What a pane shows stands in the open, lit from the front.
    lighting = replace(setting.lighting(path.positions_m, pane.mirror), ambient=MIRRORED_AMBIENT)
    return SolidPainter(shape.parts, seen, lighting, smears(seen, setting.shutter), None)


def _reported(setting: Setting, config: CausesConfig, pane: Pane, look: Look) -> Cause | None:
    """Finish a reflection: cut by its pane, painted at its distance; its evidence is where the edge cuts it."""
    cut = np.zeros(len(look.frames), bool)
    for box, bounds in zip(look.boxes_xywh_px, pane.bounds_xywh_px, strict=True):
        left, present = seen_through(setting, config.presence, box, bounds)
        whole = clipped(box, image_bounds(setting))
        cut |= present & (left[:, 2:].prod(axis=1) < CUT_SHARE * whole[:, 2:].prod(axis=1))
    evidence = np.union1d(look.frames[cut], fading(config.envelope, look.frames, look.strength)).astype(np.int32)
    depths = tuple(
        np.full(len(look.frames), to_camera(camera, pane.middle_m[None])[0, 2] - IN_FRONT_M)
        for camera in setting.rig.cameras
    )
    return finished(
        setting,
        config,
        replace(look, evidence_frames=evidence, depths_m=(depths[0], depths[1]), bounds_xywh_px=pane.bounds_xywh_px),
    )


def _pane_prop(setting: Setting, pane: Pane, ghost: Cause, picture: Mips, solidity: float) -> Cause:
    frames = every_frame(setting)
    count = len(frames)
    first, second = (np.broadcast_to(edges, (count, 4, 2)) for edges in pane.edges)
    painter = PanePainter(picture, (first, second), float(setting.place.light_gain(pane.middle_m)), None)
    boxes = tuple(np.tile(bounds, (count, 1)) for bounds in pane.bounds_xywh_px)
    depths = tuple(np.full(count, depth[0] + IN_FRONT_M) for depth in ghost.depths_m)
    look = Look(
        ghost.ghost,
        frames,
        (boxes[0], boxes[1]),
        np.ones(count),
        painter,
        frames[:0],
        depths_m=(depths[0], depths[1]),
    )
    return prop(setting, look, solidity)


def _tint(rng: np.random.Generator, limits: tuple[float, float]) -> Plane:
    return rng.uniform(*limits, 3).astype(np.float32)


def _room(rng: np.random.Generator, place: Place) -> Mips:
    """What a mirror shows beside the body: ground up to a horizon, a wall or the sky above it, and the frame."""
    size = PICTURE_PX
    picture = np.empty((size, size, 3), np.uint8)
    horizon = int(size * rng.uniform(0.3, 0.6))
    sky = random_colour(rng, (0.03, 0.4), (0.35, 0.95))
    lower = sky * np.float32(rng.uniform(0.6, 1.1))
    picture[:] = coloured(pattern(rng, "gradient", size), noise_tile(rng, size), (sky, lower), rng.uniform(0.03, 0.15))
    if rng.random() < 0.5:
        picture[:horizon] = place.wall[2][:horizon, :size]
    picture[horizon:] = place.ground[2][: size - horizon, :size]
    shade = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), size)[:, None, None] * _tint(rng, (0.75, 1.0))
    picture = np.clip(picture * shade, 0, 255).astype(np.uint8)
    _add_frame(rng, picture, np.ones((size, size), np.float32), 0)
    return cut_out(picture, np.ones((size, size)))


def _glazing(rng: np.random.Generator, on_wall: bool) -> Mips:
    """A window: a frame around glass that shows the sky faintly; behind a wall's window it is dark."""
    size = PICTURE_PX
    if on_wall:
        dark = random_colour(rng, (0.0, 0.4), (0.08, 0.45))
        colours, opacity = (dark, dark * np.float32(rng.uniform(0.5, 1.6))), rng.uniform(0.75, 0.95)
    else:
        sky = random_colour(rng, (0.05, 0.35), (0.5, 0.95), (0.45, 0.65))
        colours, opacity = (sky, sky * np.float32(rng.uniform(0.4, 0.9))), rng.uniform(0.06, 0.3)
    picture = coloured(pattern(rng, "gradient", size), noise_tile(rng, size), colours, rng.uniform(0.03, 0.12))
    alpha = np.full((size, size), opacity, np.float32)
    _add_frame(rng, picture, alpha, int(rng.integers(0, 3)))
    return cut_out(picture, alpha)


def _add_frame(rng: np.random.Generator, picture: NDArray[np.uint8], alpha: Plane, bars: int) -> None:
    """Paint a frame, and up to two bars across, into the picture and its opacity."""
    size = len(picture)
    width = int(rng.integers(3, 9))
    colour = random_colour(rng, (0.0, 0.4), (0.1, 0.9))
    frame = np.zeros((size, size), bool)
    frame[:width] = frame[-width:] = True
    frame[:, :width] = frame[:, -width:] = True
    thin = max(width // 2, 2)
    for bar in range(bars):
        at = size // 2 if bar == 0 else int(size * rng.uniform(0.3, 0.6))
        frame[:, at : at + thin] |= bar == 0
        frame[at : at + thin] |= bar == 1
    picture[frame] = colour.astype(np.uint8)
    alpha[frame] = 1
