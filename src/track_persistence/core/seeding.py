"""Named random generators and the split of scenes, each a function of its own key alone."""

import zlib

import numpy as np

from track_persistence.core.params import SplitConfig

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def seed_sequence(seed: int, *key: str | int) -> np.random.SeedSequence:
    """Return the child of `seed` named by `key`; the same as `SeedSequence.spawn` with that spawn key.

    Scene i's generator therefore does not depend on how many scenes there are.
    """
    spawn_key = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    return np.random.SeedSequence(seed, spawn_key=spawn_key)


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """Return the random generator named by `key`, such as `generator(seed, "generate", scene_id)`."""
    return np.random.default_rng(seed_sequence(seed, *key))


def torch_seed(seed: int, *key: str | int) -> int:
    """Return a 63-bit seed for `torch.Generator.manual_seed`."""
    return int(seed_sequence(seed, *key).generate_state(1, np.uint64)[0] >> 1)


def split_of(scene_id: int, seed: int, config: SplitConfig) -> str:
    """Return `train`, `validation` or `test` for a scene; never splits a scene's tracks."""
    draw = generator(seed, "split", scene_id).random()
    if draw < config.test:
        return TEST
    return VALIDATION if draw < config.test + config.validation else TRAIN
