"""Small configurations and synthetic features whose class shows in their mean."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from track_persistence.classifier import train
from track_persistence.classifier.config import TrainConfig
from track_persistence.core.params import RunConfig, SplitConfig, load_section
from track_persistence.core.storage import write_features
from track_persistence.core.types import Ghost, Kind, LabelledFeatures

PARAMS = Path(__file__).parents[2] / "params.yaml"
DIMENSION = 16
PROVENANCE = {"encoder_digest": "0123abcd", "precision": "float32"}

SEED = 7

MakeTrack = Callable[..., LabelledFeatures]


@dataclass(frozen=True)
class Trained:
    """One finished run of the stage; tests leave its files alone."""

    run_config: RunConfig
    features: Path
    output: Path


def make_track(
    scene_id: int, track_id: int, kind: Kind, length: int, rng: np.random.Generator, dtype: str = "float16"
) -> LabelledFeatures:
    mean = 0.7 if kind is Kind.PERSISTENT else -0.7
    direction = np.where(np.arange(DIMENSION) % 2, mean, -mean)
    boxes_xywh_px = np.column_stack((rng.uniform(0, 100, (length, 2)), rng.uniform(20, 40, (length, 2))))
    ghosts = {Kind.PERSISTENT: Ghost.NONE, Kind.BRIEF: Ghost.GLARE, Kind.NOISE: Ghost.NOISE}
    return LabelledFeatures(
        scene_id=scene_id,
        camera=track_id % 2,
        track_id=track_id,
        frames=np.arange(length, dtype=np.int32),
        boxes_xywh_px=boxes_xywh_px.astype(np.float32),
        confidences=rng.uniform(0.3, 0.9, length).astype(np.float32),
        features=(direction + rng.normal(size=(length, DIMENSION))).astype(dtype),
        kind=kind,
        ghost=ghosts[kind],
        object_id=None if kind is Kind.NOISE else track_id,
    )


def write_shards(folder: Path) -> Path:
    """24 scenes of 6 tracks (3 persistent of 8-12 frames, 2 brief, 1 noise) in two shards."""
    kinds = [Kind.PERSISTENT] * 3 + [Kind.BRIEF] * 2 + [Kind.NOISE]
    lengths = {Kind.PERSISTENT: (8, 13), Kind.BRIEF: (2, 6), Kind.NOISE: (1, 2)}
    for shard in range(2):
        rng = np.random.default_rng(shard)
        tracks = [
            make_track(scene, number, kind, int(rng.integers(*lengths[kind])), rng)
            for scene in range(12 * shard, 12 * shard + 12)
            for number, kind in enumerate(kinds)
        ]
        write_features(folder / f"shard-{shard}.h5", tracks, DIMENSION, "float16", PROVENANCE)
    return folder


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    small = {"hidden_dim": 32, "num_layers": 2, "num_heads": 4, "feedforward_dim": 32, "batch_tracks": 16}
    quick = {"num_epochs": 3, "patience": 3, "learning_rate": 3e-3, "bootstrap_replicates": 20, "num_threads": 1}
    return load_section(PARAMS, "train", TrainConfig).model_copy(update=small | quick)


@pytest.fixture(scope="session")
def split() -> SplitConfig:
    return SplitConfig(validation=0.25, test=0.25)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("features"))


@pytest.fixture
def features(shards: Path, tmp_path: Path) -> Path:
    """A copy of the shards that a test may change."""
    return Path(shutil.copytree(shards, tmp_path / "features"))


@pytest.fixture(name="make_track")
def make_track_fixture() -> MakeTrack:
    return make_track


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, shards: Path, config: TrainConfig, split: SplitConfig) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    run_config = RunConfig(engine="local", device="cpu", workers=1, store=folder / "store")
    found = Trained(run_config, shards, folder / "out")
    train.run(config, run_config, split, SEED, found.features, found.output)
    return found
