"""What a scene's recording suffers from, drawn once per scene and camera, and the lasting errors of a track's boxes.

T frames of the sequence. A *camera frame* counts the pictures of one camera, a *world frame* the time of the scene.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import IntArray
from track_persistence.simulation.draws import log_uniform
from track_persistence.simulation.nuisance_config import (
    CameraNuisancesConfig,
    ClockConfig,
    LightNuisances,
    NuisancesConfig,
    ShakeConfig,
    VeilsConfig,
)
from track_persistence.simulation.veils import Veil, VeilKind, draw_veil

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
Flags = NDArray[np.bool_]
WAVES = 3
LARGEST_SLANT = 0.35
# Standard deviation of a point that moves evenly over a way of 1.
EVEN_SPREAD = 12**-0.5
LARGEST_DEVIATION = 2.5
PARTS = ("upper", "upper", "lower", "left", "right")


@dataclass(frozen=True, eq=False)
class Clock:
    """Which moment of the scene each picture of a camera shows.

    shown (T,): world frame of each camera frame; one outside 0..T-1 shows the empty place. dropped (T,): no picture.
    """

    shown: IntArray
    dropped: Flags

    def world_frame(self, frame: int) -> int:
        """Return the world frame that camera frame `frame` shows."""
        return int(self.shown[frame])

    def is_dropped(self, frame: int) -> bool:
        """Whether camera frame `frame` is missing for all tracks."""
        return bool(self.dropped[frame])


@dataclass(frozen=True, eq=False)
class CameraNuisances:
    """What one camera's recording of one scene suffers from. Arrays over time count world frames.

    gains (T, 3): of red, green, blue, drift and light change included. read_noise, shot_noise: extra noise, grey
    levels; amplification: by how much darkness made the camera raise signal and noise. coarse: side of its pixels in
    pixels of the rig's camera, at least 1. way_px (T, 2): of the picture from rest; smear_px (T, 2): blur by shaking.
    """

    clock: Clock
    gains: Plane
    read_noise: float
    shot_noise: float
    amplification: float
    defocus_px: float
    jpeg_loss: int
    coarse: float
    veils: tuple[Veil, ...]
    way_px: Array
    smear_px: Array

    def moment(self, frame: int) -> int:
        """Return the row in the arrays over time of camera frame `frame`."""
        return min(max(self.clock.world_frame(frame), 0), len(self.gains) - 1)

    def shake_px(self, frames: IntArray) -> Array:
        """Way (N, 2) of the whole picture from rest at camera frames (N,), pixels; boxes move with it."""
        moved: Array = self.way_px[np.clip(self.clock.shown[frames], 0, len(self.way_px) - 1)]
        return moved


@dataclass(frozen=True, eq=False)
class SceneNuisances:
    """The nuisances of both cameras."""

    cameras: tuple[CameraNuisances, CameraNuisances]


def draw_nuisances(rng: np.random.Generator, config: NuisancesConfig, frames_total: int) -> SceneNuisances:
    """Draw what both recordings of one scene suffer from; light, weather and shaking are common to them."""
    is_dark = rng.random() < config.light.dark_share
    light = _light_change(rng, config.light, frames_total)
    if is_dark:
        # Darkness and a falling light together would leave nothing to see.
        light = np.ones_like(light)
    weather = _weather(rng, config.veils)
    shakes = rng.random() < config.shake.scene_share
    together = _wander(rng, frames_total, config.shake.period_frames, 2)
    amplitude = rng.uniform(*config.shake.amplitude_px) if shakes else 0.0
    ahead = round(rng.uniform(*config.clock.desync_frames)) if rng.random() < config.clock.desync_share else 0
    first, second = (
        _camera(
            rng,
            config,
            _draw_clock(rng, config.clock, frames_total, offset),
            light * _drift(rng, config.light, frames_total),
            is_dark,
            (weather, _way(rng, config.shake, together, amplitude)),
        )
        for offset in (0, ahead)
    )
    return SceneNuisances((first, second))


def _camera(
    rng: np.random.Generator,
    config: NuisancesConfig,
    clock: Clock,
    gains: Array,
    is_dark: bool,
    around: tuple[dict[VeilKind, float], Array],
) -> CameraNuisances:
    """Draw one camera; `around`: the slant of each veil in the air, and the way of the picture from rest."""
    weather, way = around
    own: CameraNuisancesConfig = config.camera
    amplification = 1.0
    if is_dark:
        amplification = 2 ** rng.uniform(*config.light.dark_stops)
        gains = gains * 2 ** -rng.uniform(*config.light.dark_loss_stops)
    coarse = log_uniform(rng, own.coarse_factor) if rng.random() < own.coarse_share else 1.0
    kinds: list[VeilKind] = [*weather]
    if rng.random() < config.veils.lens_share:
        kinds.append("lens")
    veils = tuple(
        draw_veil(rng, kind, len(gains), rng.uniform(*config.veils.opacity), weather.get(kind, 0.0)) for kind in kinds
    )
    return CameraNuisances(
        clock=clock,
        gains=gains.astype(np.float32),
        read_noise=rng.uniform(*own.read_noise),
        shot_noise=rng.uniform(*own.shot_noise),
        amplification=amplification,
        defocus_px=rng.uniform(*own.defocus_px),
        jpeg_loss=int(rng.integers(own.jpeg_loss[0], own.jpeg_loss[1] + 1)),
        coarse=coarse,
        veils=veils,
        way_px=way,
        smear_px=_smear(way, rng.uniform(*config.shake.shutter_share)),
    )


def _light_change(rng: np.random.Generator, config: LightNuisances, total: int) -> Array:
    """Gain (T, 1) of the scene's light: 1, then a ramp to another level, or the other way round."""
    if rng.random() >= config.change_share:
        return np.ones((total, 1))
    stops = rng.uniform(*config.change_stops) * rng.choice([-1, 1])
    ramp = np.clip((np.arange(total) - rng.uniform(0, total)) / log_uniform(rng, config.change_frames), 0, 1)
    before = float(rng.integers(2))
    gain: Array = 2 ** (stops * (ramp - before))[:, None]
    return gain


def _drift(rng: np.random.Generator, config: LightNuisances, total: int) -> Array:
    """Gains (T, 3) of one camera, whose automatic exposure and white balance wander."""
    waves = _wander(rng, total, (max(total // 3, 2), 3 * total), 3)
    strength = rng.uniform(0, 1, 3) * (config.white_balance_drift, config.exposure_drift, config.white_balance_drift)
    red, all_colours, blue = (1 + waves * strength).T
    return np.stack([red * all_colours, all_colours, blue * all_colours], axis=1)


def _wander(rng: np.random.Generator, total: int, periods: tuple[int, int], count: int) -> Array:
    """Smooth random ways (T, count) within -1..1: sums of waves of different period."""
    shortest, longest = np.log(periods)
    period = np.exp(rng.uniform(shortest, longest, (WAVES, count)))
    phase = rng.uniform(0, 2 * np.pi, (WAVES, count))
    share = rng.dirichlet(np.ones(WAVES), count).T
    waves = np.sin(2 * np.pi * np.arange(total)[:, None, None] / period + phase)  # (T, WAVES, count)
    summed: Array = (share * waves).sum(axis=1)
    return summed


def _way(rng: np.random.Generator, config: ShakeConfig, together: Array, amplitude_px: float) -> Array:
    """Way (T, 2) of one camera's picture from rest, pixels."""
    own = _wander(rng, len(together), config.period_frames, 2)
    way: Array = amplitude_px * (config.rig_share * together + (1 - config.rig_share) * own)
    return way


def _smear(way_px: Array, shutter: float) -> Array:
    """Blur (T, 2) by shaking: standard deviation along x and y of the way while the shutter is open, pixels."""
    if len(way_px) == 1:
        return np.zeros_like(way_px)
    smear: Array = np.abs(np.gradient(way_px, axis=0)) * shutter * EVEN_SPREAD
    return smear


def _weather(rng: np.random.Generator, config: VeilsConfig) -> dict[VeilKind, float]:
    """Draw what is in the air of a scene, each with the slant that the wind gives it."""
    slant = rng.uniform(-LARGEST_SLANT, LARGEST_SLANT)
    rains, is_dusty = rng.random(2) < (config.rain_share, config.dust_share)
    weather: dict[VeilKind, float] = {}
    if rains:
        weather["rain"] = slant
    if is_dusty:
        weather["dust"] = 0.0
    return weather


def _draw_clock(rng: np.random.Generator, config: ClockConfig, total: int, ahead: int) -> Clock:
    repeated = rng.random(total) < rng.uniform(*config.duplicated)
    repeated[0] = False
    dropped = rng.random(total) < rng.uniform(*config.dropped)
    fresh = np.where(repeated, 0, np.arange(total))
    return Clock((np.maximum.accumulate(fresh) + ahead).astype(np.int32), dropped)


def misaligned(rng: np.random.Generator, config: NuisancesConfig, boxes_xywh_px: Array) -> Array:
    """Return boxes (T, 4) with the shift and the error of size that the detector keeps up for a whole track."""
    shift = np.clip(rng.standard_normal(2), -LARGEST_DEVIATION, LARGEST_DEVIATION) * config.boxes.offset
    factor = np.exp(np.clip(rng.standard_normal(2), -LARGEST_DEVIATION, LARGEST_DEVIATION) * config.boxes.scale)
    size = boxes_xywh_px[:, 2:]
    middle = boxes_xywh_px[:, :2] + size * (0.5 + shift)
    return np.concatenate([middle - size * factor / 2, size * factor], axis=1)


def partial(rng: np.random.Generator, config: NuisancesConfig, boxes_xywh_px: Array) -> Array:
    """Return boxes (T, 4) that cover the whole thing or, over a whole track, one and the same part of it."""
    is_part = rng.random() < config.boxes.partial_share
    part = PARTS[int(rng.integers(len(PARTS)))]
    kept = rng.uniform(*config.boxes.partial_kept)
    boxes = boxes_xywh_px.copy()
    if not is_part:
        return boxes
    axis = 1 if part in ("upper", "lower") else 0
    if part in ("lower", "right"):
        boxes[:, axis] += boxes[:, axis + 2] * (1 - kept)
    boxes[:, axis + 2] *= kept
    return boxes
