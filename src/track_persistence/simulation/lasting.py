"""What all lasting ghosts share: strength over time, boxes cut to what is seen, and the finished cause.

T frames.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.core.types import Ghost, IntArray, Kind
from track_persistence.simulation.causes import Cause, Setting
from track_persistence.simulation.ghost_config import CausesConfig, EnvelopeConfig, PresenceConfig
from track_persistence.simulation.motion import Path
from track_persistence.simulation.optics import distort, extents_from_boxes, meeting_points, to_camera
from track_persistence.simulation.painters import Painter, Plane
from track_persistence.simulation.views import NEAREST_M, Window

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Pair = tuple[Array, Array]
# A box that is out of sight still needs a side; this one lies at the image's edge.
UNSEEN_SIDE_PX = 1.0
# How far around the image a body that casts a shadow or a reflection has to stay out of sight.
VIEW_MARGIN = 0.05


class Unpainted:
    """A ghost whose picture its prop paints."""

    def paint(self, canvas: Plane, window: Window, camera: int, index: int) -> None:
        """Leave the canvas as it is."""


@dataclass(frozen=True, eq=False)
class Look:
    """A ghost before it is cut to the image.

    frames (T,); boxes_xywh_px (T, 4) per camera of the whole thing; bounds_xywh_px (4,) per camera: the opening that it
    is seen through, if any; depths_m (T,) per camera: where it is painted, None for where its box centres meet.
    """

    ghost: Ghost
    frames: IntArray
    boxes_xywh_px: Pair
    strength: Array
    painter: Painter
    evidence_frames: IntArray
    depths_m: Pair | None = None
    bounds_xywh_px: Pair | None = None


def envelope(rng: np.random.Generator, config: EnvelopeConfig, count: int) -> Array:
    """Strength (T,) in (0, 1] over `count` frames: rises, flickers slowly, falls; either end may be at full height."""
    time = np.arange(count) + 0.5
    period = rng.uniform(*config.flicker_frames)
    swing = rng.uniform(0, config.flicker) * (1 + np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * time / period)) / 2
    strength: Array = 1 - swing
    for since in (time, time[::-1]):
        length = rng.uniform(*config.onset_frames)
        if rng.random() >= config.standing_share:
            rise = np.sin(np.pi / 2 * np.minimum(since / length, 1))
            strength = strength * (config.faintest + (1 - config.faintest) * rise)
    return strength


def fading(config: EnvelopeConfig, frames: IntArray, strength: Array) -> IntArray:
    """Return the frames in which a ghost comes or goes: its strength (T,) is clearly below its greatest."""
    faded: IntArray = frames[strength < config.faded * strength.max()]
    return faded


def held(setting: Setting, frames: IntArray, strength: Array) -> Array:
    """Strength over all frames of the scene: that of `frames` (T,), and what it is at their ends before and after."""
    last = setting.config.frames_per_sequence - 1
    return np.pad(strength, (int(frames[0]), last - int(frames[-1])), mode="edge")


def warm_colour(rng: np.random.Generator, spread: float) -> Plane:
    """Return the colour (3,) of a light between bluish and reddish."""
    warmth = rng.uniform(-spread, spread)
    return np.array([1 + min(warmth, 0), 1 - 0.4 * abs(warmth), 1 - max(warmth, 0)], np.float32)


def every_frame(setting: Setting) -> IntArray:
    """Return all frames of the scene: the life of a prop that stands there."""
    return np.arange(setting.config.frames_per_sequence, dtype=np.int32)


def standing(position_m: Array, frames: IntArray, heading_rad: float) -> Path:
    """Return the path of a thing that stays at `position_m` (3,)."""
    count = len(frames)
    return Path(frames, np.tile(position_m, (count, 1)), np.full(count, heading_rad), np.zeros(count))


def in_view(setting: Setting, points_m: Array) -> bool:
    """Whether either camera sees one of the world points (N, 3), or would with a little wider view."""
    for camera in setting.rig.cameras:
        local = to_camera(camera, points_m)
        local = local[local[:, 2] > NEAREST_M]
        pixels = local[:, :2] / local[:, 2:] * camera.intrinsics[[0, 1], [0, 1]] + camera.intrinsics[:2, 2]
        size = np.array(camera.image_size_px)
        if ((pixels > -VIEW_MARGIN * size) & (pixels < (1 + VIEW_MARGIN) * size)).all(axis=1).any():
            return True
    return False


def normalised(camera: Camera, points_m: Array) -> Array:
    """Normalised images (..., 2) of world points (..., 3) before the camera."""
    local = to_camera(camera, points_m)
    flat: Array = local[..., :2] / local[..., 2:]
    return flat


def images_of(setting: Setting, points_m: Array) -> Pair | None:
    """Distorted pixels (T, 2) per camera of world points (T, 3); None when one comes too near a camera."""
    found = []
    for camera in setting.rig.cameras:
        local = to_camera(camera, points_m)
        if local[:, 2].min() < NEAREST_M:
            return None
        found.append(distort(camera, local[:, :2] / local[:, 2:]))
    return found[0], found[1]


def mostly_inside(setting: Setting, pixels: Pair, share: float) -> bool:
    """Whether points (T, 2) lie inside either image for `share` of the frames: a cheap test before a costly draw."""
    size = np.array(setting.config.rig.image_size_px)
    return all(((points > 0) & (points < size)).all(axis=1).mean() >= share for points in pixels)


def boxes_around(centres_px: Pair, half_px: Array) -> Pair:
    """Boxes (T, 4) around centres (T, 2) with half sides (T, 2) or (2,)."""
    first, second = (
        np.concatenate([centres - half_px, np.broadcast_to(2 * half_px, centres.shape)], axis=1)
        for centres in centres_px
    )
    return first, second


def middles_and_halves(setting: Setting, boxes_xywh_px: Pair) -> tuple[Pair, Pair]:
    """Centres (T, 2) and half sides (T, 2) of boxes (T, 4), normalised, per camera."""
    first, second = (
        extents_from_boxes(camera, boxes) for camera, boxes in zip(setting.rig.cameras, boxes_xywh_px, strict=True)
    )
    return (
        ((first[:, :2] + first[:, 2:]) / 2, (second[:, :2] + second[:, 2:]) / 2),
        ((first[:, 2:] - first[:, :2]) / 2, (second[:, 2:] - second[:, :2]) / 2),
    )


def clipped(boxes_xywh_px: Array, bounds_xywh_px: Array) -> Array:
    """Boxes (T, 4) cut to `bounds_xywh_px` (4,); of those outside a strip at its edge is left."""
    floor, ceiling = bounds_xywh_px[:2], bounds_xywh_px[:2] + bounds_xywh_px[2:]
    low = np.clip(boxes_xywh_px[:, :2], floor, ceiling - UNSEEN_SIDE_PX)
    high = np.clip(boxes_xywh_px[:, :2] + boxes_xywh_px[:, 2:], low, ceiling)
    return np.concatenate([low, np.maximum(high - low, UNSEEN_SIDE_PX)], axis=1)


def image_bounds(setting: Setting) -> Array:
    """Return the image as a box (4,): pixel centres lie at whole numbers."""
    width, height = setting.config.rig.image_size_px
    return np.array([-0.5, -0.5, width, height])


def seen_through(setting: Setting, config: PresenceConfig, boxes: Array, bounds: Array | None) -> tuple[Array, Flags]:
    """Boxes (T, 4) cut to an opening (4,) and the image, and where (T,) enough of them is left to be reported."""
    image = image_bounds(setting)
    whole = boxes[:, 2:].prod(axis=1)
    if bounds is not None:
        boxes = clipped(boxes, bounds)
    cut = clipped(boxes, image)
    inside = ((boxes[:, :2] < image[:2] + image[2:]) & (boxes[:, :2] + boxes[:, 2:] > image[:2])).all(axis=1)
    enough = cut[:, 2:].prod(axis=1) >= config.smallest_share * whole
    return cut, inside & enough & (cut[:, 2:].min(axis=1) >= config.smallest_side_px)


def finished(setting: Setting, config: CausesConfig, look: Look) -> Cause | None:
    """Cut the ghost to what is seen of it; None when either camera could report it for too little of its life."""
    bounds = look.bounds_xywh_px or (None, None)
    boxes, present = zip(
        *(
            seen_through(setting, config.presence, box, bound)
            for box, bound in zip(look.boxes_xywh_px, bounds, strict=True)
        ),
        strict=True,
    )
    if any(flags.mean() < config.presence.present_share or not flags.any() for flags in present):
        return None
    first, second = (box[:, :2] + box[:, 2:] / 2 for box in look.boxes_xywh_px)
    positions = meeting_points(setting.rig, (first, second))
    depths = look.depths_m
    if depths is None:
        near, far = (to_camera(camera, positions)[:, 2] for camera in setting.rig.cameras)
        depths = near, far
    return Cause(
        kind=Kind.BRIEF,
        ghost=look.ghost,
        frames=look.frames,
        boxes_xywh_px=(boxes[0], boxes[1]),
        depths_m=depths,
        strength=look.strength,
        solidity=0.0,
        painter=look.painter,
        positions_m=positions,
        present=(present[0], present[1]),
        evidence_frames=look.evidence_frames,
    )


def prop(setting: Setting, look: Look, solidity: float) -> Cause:
    """Return a thing that is painted and never reported; `look.depths_m` says where."""
    assert look.depths_m is not None
    first, second = (box[:, :2] + box[:, 2:] / 2 for box in look.boxes_xywh_px)
    return Cause(
        kind=Kind.BRIEF,
        ghost=look.ghost,
        frames=look.frames,
        boxes_xywh_px=look.boxes_xywh_px,
        depths_m=look.depths_m,
        strength=look.strength,
        solidity=solidity,
        painter=look.painter,
        positions_m=meeting_points(setting.rig, (first, second)),
        evidence_frames=look.evidence_frames,
        is_prop=True,
    )


def staying(
    setting: Setting, config: CausesConfig, whole: Look, frames: IntArray, solidity: float
) -> tuple[Cause, Cause] | None:
    """Return what is there for all frames of the scene as the ghost of `frames`, when it is reported, and the prop.

    whole: its look over the scene; without depths it is painted where it is in the first of `frames`.
    """
    (first, second), strength = whole.boxes_xywh_px, whole.strength[frames]
    depths = whole.depths_m
    look = replace(
        whole,
        frames=frames,
        boxes_xywh_px=(first[frames], second[frames]),
        strength=strength,
        painter=Unpainted(),
        evidence_frames=fading(config.envelope, frames, strength),
        depths_m=None if depths is None else (depths[0][frames], depths[1][frames]),
    )
    ghost = finished(setting, config, look)
    if ghost is None:
        return None
    if depths is None:
        near, far = (np.full(len(whole.frames), depth[0]) for depth in ghost.depths_m)
        depths = near, far
    return ghost, prop(setting, replace(whole, depths_m=depths), solidity)
