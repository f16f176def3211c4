"""Patches of sun on the wall or the ground, as it falls through an opening with panes.

T frames.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import Ghost, IntArray
from track_persistence.simulation.causes import Cause, Setting, ray_between
from track_persistence.simulation.draws import log_uniform
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.glow_painters import SunPatchPainter
from track_persistence.simulation.lasting import Look, envelope, every_frame, held, normalised, staying, warm_colour
from track_persistence.simulation.optics import boxes_from_extents

Array = NDArray[np.float64]
WALL_GAP_M = 0.03
NEAREST_PATCH_M = 1.0
# Width of the soft edge as a share of the patch's half sides: the sun is no point.
EDGE_BLUR = (0.02, 0.15)


def try_sun_patch(
    rng: np.random.Generator, setting: Setting, config: CausesConfig, frames: IntArray
) -> tuple[Cause, ...] | None:
    """The sun through panes: slanted quadrangles of light, there before and after a detector reports them."""
    glare = config.static_glare
    laid = _lay_out(rng, setting, log_uniform(rng, glare.size_px))
    if laid is None:
        return None
    middle, across, along = laid
    life = every_frame(setting)
    panes, boxes, halves = [], [], []
    grid = _panes(rng)
    for camera in setting.rig.cameras:
        corners = [normalised(camera, middle + pane[:, :1] * across + pane[:, 1:] * along) for pane in grid]
        together = np.concatenate(corners)
        low, high = together.min(axis=0), together.max(axis=0)
        panes.append(tuple(corners))
        halves.append((high - low) / 2)
        boxes.append(boxes_from_extents(camera, np.concatenate([low, high])[None]).repeat(len(life), axis=0))
    strength = held(setting, frames, envelope(rng, config.envelope, len(frames)))
    gain, blur = strength * log_uniform(rng, glare.patch_gain), rng.uniform(*EDGE_BLUR)
    painter = SunPatchPainter((panes[0], panes[1]), gain, blur, (halves[0], halves[1]), warm_colour(rng, 0.15))
    look = Look(Ghost.STATIC_GLARE, life, (boxes[0], boxes[1]), strength, painter, life[:0])
    return staying(setting, config, look, frames, 0.0)


def _lay_out(rng: np.random.Generator, setting: Setting, size_px: float) -> tuple[Array, Array, Array] | None:
    """Middle (3,) and half sides (3,) across and along of a patch on the ground or the wall; None without room."""
    place = setting.place
    ray = ray_between(setting.rig, rng.uniform((0, 0), setting.config.rig.image_size_px))
    on_ground = ray[1] * place.wall_m > place.ground_m
    middle = ray * (place.ground_m / ray[1] if on_ground else place.wall_m - WALL_GAP_M)
    half_m = size_px / 2 * middle[2] / setting.config.rig.focal_px
    # The ground is seen at a slant: a patch has to reach farther away there to look as high.
    along = np.array([0.0, 0.0, middle[2] / place.ground_m] if on_ground else [0.0, 1.0, 0.0]) * half_m
    across = np.array([half_m, 0.0, 0.0]) * rng.uniform(0.4, 1.0)
    along = along * rng.uniform(0.6, 1.0) + across * rng.uniform(-0.7, 0.7)
    if middle[2] + along[2] > place.wall_m or middle[2] - along[2] < NEAREST_PATCH_M:
        return None
    return middle, across, along


def _panes(rng: np.random.Generator) -> list[Array]:
    """Corners (4, 2) of each pane of a window in -1..1: one to two columns and one to three rows."""
    columns, rows, bar = int(rng.integers(1, 3)), int(rng.integers(1, 4)), rng.uniform(0.05, 0.15)
    panes = []
    for column in range(columns):
        for row in range(rows):
            left, right = -1 + 2 * column / columns + bar, -1 + 2 * (column + 1) / columns - bar
            top, low = -1 + 2 * row / rows + bar, -1 + 2 * (row + 1) / rows - bar
            panes.append(np.array([[left, top], [right, top], [right, low], [left, low]]))
    return panes
