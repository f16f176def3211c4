"""One small setting for the tests of lasting ghosts, and draws of a kind until one works out."""

from collections.abc import Callable

import numpy as np

from track_persistence.core.types import IntArray
from track_persistence.simulation.causes import Cause, Setting
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.optics import build_rig
from track_persistence.simulation.place import draw_place

Maker = Callable[[np.random.Generator, Setting, CausesConfig, IntArray], tuple[Cause, ...] | None]
FRAMES = np.arange(20, 50, dtype=np.int32)


def setting_of(config: GenerateConfig, seed: int) -> tuple[np.random.Generator, Setting]:
    rng = np.random.default_rng(seed)
    return rng, Setting(config, build_rig(config.rig), draw_place(rng, config.place), 0.3)


def drawn(maker: Maker, config: GenerateConfig, seed: int, frames: IntArray = FRAMES) -> tuple[Setting, list[Cause]]:
    """Return the setting, the ghost and its props."""
    rng, setting = setting_of(config, seed)
    for _ in range(3000):
        made = maker(rng, setting, config.matched.causes, frames)
        if made is not None:
            return setting, list(made)
    raise AssertionError("no draw worked out")
