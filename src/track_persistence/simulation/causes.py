"""The causes of tracks, placed so that both cameras see them: objects, reflections, glares and shadows.

T frames. A cause lives in a run of consecutive frames; what the detector makes of it is decided elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import StereoRig
from track_persistence.core.types import Ghost, IntArray, Kind
from track_persistence.simulation.appearance import Wardrobe
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.draws import pick
from track_persistence.simulation.motion import Path, draw_path
from track_persistence.simulation.optics import boxes_from_extents, meeting_points, to_camera, undistort, world_rays
from track_persistence.simulation.painters import FlatPatch, Lighting, Painter, SolidPainter
from track_persistence.simulation.place import Place
from track_persistence.simulation.shapes import Body, Form, Part, Shape, draw_shape, posed
from track_persistence.simulation.views import SeenParts, seen_parts

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
OBJECT_SOLIDITY = 0.75
OWN_SHADOW_SOFTNESS = 0.7
# Extents of a patch that comes too near a camera for an outline.
EVERYWHERE = np.array([[-100.0, -100.0, 100.0, 100.0]])
TRIES_PER_SHAPE = 12


@dataclass(frozen=True, eq=False)
class Cause:
    """One thing that both cameras see.

    frames (T,); boxes_xywh_px (T, 4) per camera, without jitter; depths_m (T,) per camera; strength (T,) in [0, 1];
    solidity: share of its box that hides what lies behind. positions_m (T, 3): the point of the box centres.
    present: (T,) bool per camera, where a detector could report it; None means everywhere. evidence_frames: where it
    shows that a ghost is one; None means the first and the last reported frame. A prop is painted but never reported.
    """

    kind: Kind
    ghost: Ghost
    frames: IntArray
    boxes_xywh_px: tuple[Array, Array]
    depths_m: tuple[Array, Array]
    strength: Array
    solidity: float
    painter: Painter
    positions_m: Array
    present: tuple[Flags, Flags] | None = None
    evidence_frames: IntArray | None = None
    is_prop: bool = False


@dataclass(frozen=True, eq=False)
class Setting:
    """What every cause of a scene shares."""

    config: GenerateConfig
    rig: StereoRig
    place: Place
    shutter: float
    wardrobe: Wardrobe | None = None

    def lighting(self, positions_m: Array, mirror: Array | None = None) -> Lighting:
        """Return the light along positions (T, 3); `mirror` (3, 3) turns its direction as a mirror does."""
        direction = self.place.light if mirror is None else mirror @ self.place.light
        turned = np.stack([camera.rotation @ direction for camera in self.rig.cameras])
        return Lighting(turned, self.place.ambient, self.place.light_gain(positions_m))


def draw_frames(rng: np.random.Generator, limits: tuple[int, int], total: int) -> IntArray:
    """Draw a run of frames whose length lies within `limits` (ends included) inside a sequence of `total` frames."""
    length = int(rng.integers(limits[0], limits[1] + 1))
    start = int(rng.integers(0, total - length + 1))
    return np.arange(start, start + length, dtype=np.int32)


def inside_image(boxes: Array, size_px: tuple[int, int]) -> bool:
    """Whether every box (T, 4) lies inside the image."""
    high = boxes[:, :2] + boxes[:, 2:]
    return bool((boxes[:, :2] >= -0.5).all() and (high <= np.array(size_px) - 0.5).all())


def ray_between(rig: StereoRig, pixel: Array) -> Array:
    """World direction (3,) of a pixel (2,) seen from between the cameras, at unit depth along z."""
    rays = [world_rays(camera, undistort(camera, pixel[None]))[0] for camera in rig.cameras]
    middle: Array = sum((ray / ray[2] for ray in rays), np.zeros(3)) / len(rays)
    return middle


def place_object(rng: np.random.Generator, setting: Setting, others: list[Cause]) -> Cause:
    """Draw objects and trajectories until one stays in both images and no one hides another for too long.

    Raises `DataError` when the settings make that impossible.
    """
    config = setting.config
    for attempt in range(config.objects.attempts):
        if attempt % TRIES_PER_SHAPE == 0:
            shape = draw_shape(rng, pick(rng, config.objects.families))
        cause = _try_object(rng, setting, shape)
        if cause is not None and all_clear([*others, cause], config):
            return cause
    raise DataError(
        f"params.yaml: generate.objects: no trajectory out of {config.objects.attempts} stayed in both images for "
        "its whole life; widen depth_m, lower speed_mps or minimum_size_px, shorten tracks.persistent_frames or raise "
        "attempts"
    )


def _try_object(rng: np.random.Generator, setting: Setting, shape: Shape) -> Cause | None:
    config, place, rig = setting.config, setting.place, setting.rig
    frames = draw_frames(rng, config.tracks.persistent_frames, config.frames_per_sequence)
    nearest, farthest = config.objects.depth_m
    farthest = min(farthest, place.wall_m - shape.radius_m)
    if farthest <= nearest:
        return None
    depth = float(np.exp(rng.uniform(np.log(nearest), np.log(farthest))))
    ray = ray_between(rig, rng.uniform((0, 0), config.rig.image_size_px))
    y = ray[1] * depth if shape.flies else place.ground_m
    if shape.flies and y > place.ground_m - shape.radius_m:
        return None
    speed = rng.uniform(*config.objects.speed_mps[shape.family])
    middle = np.array([ray[0] * depth, y, depth])
    path = draw_path(rng, frames, middle, speed, config.objects.turn_rate_rps, config.rig.frame_rate_hz)
    z = path.positions_m[:, 2]
    if z.min() < nearest or z.max() > farthest:
        return None
    body = posed(shape, path)
    seen = see_both(rig, body.shape.parts, body.centres_m, body.axes_m)
    if seen is None:
        return None
    return _object_cause(setting, body, seen)


def _object_cause(setting: Setting, body: Body, seen: tuple[SeenParts, SeenParts]) -> Cause | None:
    config = setting.config
    boxes = boxes_of(setting.rig, seen)
    for box in boxes:
        if not inside_image(box, config.rig.image_size_px) or box[:, 2:].min() < config.objects.minimum_size_px:
            return None
    return object_cause(setting, body, seen, boxes)


def object_cause(setting: Setting, body: Body, seen: tuple[SeenParts, SeenParts], boxes: tuple[Array, Array]) -> Cause:
    """Return the cause of a body that both cameras see; boxes: exact ones (T, 4) per camera, in view or not."""
    painter = SolidPainter(
        parts=body.shape.parts,
        seen=seen,
        lighting=setting.lighting(body.path.positions_m),
        smear=smears(seen, setting.shutter),
        own_shadow=None if body.shape.flies else own_shadow(setting, body),
    )
    return Cause(
        kind=Kind.PERSISTENT,
        ghost=Ghost.NONE,
        frames=body.path.frames,
        boxes_xywh_px=boxes,
        depths_m=(seen[0].depth_m, seen[1].depth_m),
        strength=np.ones(len(body.path.frames)),
        solidity=OBJECT_SOLIDITY,
        painter=painter,
        positions_m=_tracked_point(setting.rig, body.path, boxes),
    )


def _tracked_point(rig: StereoRig, path: Path, boxes: tuple[Array, Array]) -> Array:
    """The true point (T, 3): where the rays of the exact box centres meet, freed from the swing of arms and legs.

    Limbs shift a box by fractions of a pixel, which far away is decimetres of depth; the body itself moves smoothly, so
    its distance to the meeting points is held to a parabola over its life.
    """
    first, second = (box[:, :2] + box[:, 2:] / 2 for box in boxes)
    apart = meeting_points(rig, (first, second)) - path.positions_m
    time = np.linspace(-1, 1, len(apart))
    degree = min(2, len(apart) - 1)
    return path.positions_m + np.polynomial.polynomial.polyvander(time, degree) @ (
        np.polynomial.polynomial.polyfit(time, apart, degree)
    )


def see_both(
    rig: StereoRig, parts: tuple[Part, ...], centres_m: Array, axes_m: Array
) -> tuple[SeenParts, SeenParts] | None:
    """Return the parts as both cameras see them, or None when one of them comes too near a camera."""
    forms = tuple(part.form for part in parts)
    first = seen_parts(rig.cameras[0], forms, centres_m, axes_m)
    second = seen_parts(rig.cameras[1], forms, centres_m, axes_m)
    return None if first is None or second is None else (first, second)


def boxes_of(rig: StereoRig, seen: tuple[SeenParts, SeenParts]) -> tuple[Array, Array]:
    """Exact boxes (T, 4) per camera."""
    first, second = (
        boxes_from_extents(camera, view.whole_extents) for camera, view in zip(rig.cameras, seen, strict=True)
    )
    return first, second


def smears(seen: tuple[SeenParts, SeenParts], shutter: float) -> tuple[Array, Array]:
    """Way (T, 2) of the body's middle while the shutter is open, normalised, per camera."""
    first, second = ((view.whole_extents[:, :2] + view.whole_extents[:, 2:]) / 2 for view in seen)
    if len(first) == 1:
        return np.zeros_like(first), np.zeros_like(second)
    return np.gradient(first, axis=0) * shutter, np.gradient(second, axis=0) * shutter


def own_shadow(setting: Setting, body: Body) -> tuple[FlatPatch, FlatPatch]:
    """The shadow that a body casts on the ground: an ellipse away from the light."""
    light = setting.place.light
    flat = np.array([light[0], 0.0, light[2]])
    slope = float(np.linalg.norm(flat)) / -light[1]
    away = -flat / max(float(np.linalg.norm(flat)), 1e-9)
    length = body.shape.height_m * slope / 2
    axes = np.stack(
        [away * (length + body.shape.radius_m), np.cross(away, [0.0, 1.0, 0.0]) * body.shape.radius_m * 1.1], axis=-1
    )
    centres = body.path.positions_m + away * length
    return flat_patches(setting.rig, centres, np.broadcast_to(axes, (len(centres), 3, 2)), OWN_SHADOW_SOFTNESS)


def flat_patches(rig: StereoRig, centres_m: Array, axes_m: Array, softness: float) -> tuple[FlatPatch, FlatPatch]:
    """Patches with centres (T, 3) and half axes (T, 3, 2) in world coordinates, as both cameras see them."""
    normals = np.cross(axes_m[:, :, 0], axes_m[:, :, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    inverse = np.linalg.inv(np.concatenate([axes_m, normals[:, :, None]], axis=2))
    # The soft edge reaches beyond the half axes; a vanishing third axis makes the ellipsoid's outline that of a patch.
    reach = np.concatenate([axes_m * (1 + softness / 2), np.zeros((len(axes_m), 3, 1))], axis=2)[:, None]
    first, second = (
        FlatPatch(
            to_camera(camera, centres_m),
            inverse @ camera.rotation.T,
            EVERYWHERE.repeat(len(centres_m), axis=0) if seen is None else seen.whole_extents,
            softness,
        )
        for camera in rig.cameras
        for seen in [seen_parts(camera, (Form.ELLIPSOID,), centres_m[:, None], reach)]
    )
    return first, second


def visible_shares(causes: list[Cause], camera: int) -> list[Array]:
    """Share (T,) of each cause's box that no nearer solid cause hides, in [0, 1]."""
    shares = []
    for cause in causes:
        hidden = np.zeros(len(cause.frames))
        for other in causes:
            if other is not cause and other.solidity > 0:
                hidden += _hidden_by(cause, other, camera)
        shares.append(np.clip(1 - hidden, 0, 1))
    return shares


def _hidden_by(cause: Cause, other: Cause, camera: int) -> Array:
    hidden = np.zeros(len(cause.frames))
    first, last = max(cause.frames[0], other.frames[0]), min(cause.frames[-1], other.frames[-1])
    if first > last:
        return hidden
    here = slice(first - cause.frames[0], last - cause.frames[0] + 1)
    there = slice(first - other.frames[0], last - other.frames[0] + 1)
    a, b = cause.boxes_xywh_px[camera][here], other.boxes_xywh_px[camera][there]
    low = np.maximum(a[:, :2], b[:, :2])
    shared = np.maximum(np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - low, 0)
    nearer = other.depths_m[camera][there] < cause.depths_m[camera][here]
    hidden[here] = other.solidity * nearer * shared[:, 0] * shared[:, 1] / (a[:, 2] * a[:, 3])
    return hidden


def all_clear(causes: list[Cause], config: GenerateConfig) -> bool:
    """Whether every cause is clear in both cameras for at least the fewest frames of its kind."""
    for camera in (0, 1):
        for cause, shares in zip(causes, visible_shares(causes, camera), strict=True):
            limits = config.tracks.persistent_frames if cause.kind is Kind.PERSISTENT else config.tracks.brief_frames
            if (shares > config.tracks.clear_share).sum() < limits[0]:
                return False
    return True
