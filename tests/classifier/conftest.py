"""Small configurations and synthetic features whose class shows in their mean."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from track_persistence.classifier import train
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.table import FeatureFolders
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.storage import write_features
from track_persistence.core.types import Ghost, Kind, LabelledFeatures

DIMENSION = 16
PROVENANCE = {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}"}
PROFILES = ("matched", "nominal")

SEED = 7

MakeTrack = Callable[..., LabelledFeatures]


@dataclass(frozen=True)
class Trained:
    """One finished run of the stage; tests leave its files alone."""

    run_config: RunConfig
    features: Path
    output: Path

    @property
    def folders(self) -> FeatureFolders:
        return FeatureFolders(self.features, None)


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
    """A shard of 24 scenes of 6 tracks for each profile.

    nominal: 3 persistent tracks of 8-12 frames, 2 brief of 2-5, 1 noise of 1. matched: all of 1-12 frames.
    """
    kinds = [Kind.PERSISTENT] * 3 + [Kind.BRIEF] * 2 + [Kind.NOISE]
    nominal = {Kind.PERSISTENT: (8, 13), Kind.BRIEF: (2, 6), Kind.NOISE: (1, 2)}
    for number, profile in enumerate(PROFILES):
        rng = np.random.default_rng(number)
        tracks = [
            make_track(scene, at, kind, int(rng.integers(*(nominal[kind] if profile == "nominal" else (1, 13)))), rng)
            for scene in range(24 * number, 24 * number + 24)
            for at, kind in enumerate(kinds)
        ]
        provenance = PROVENANCE | {"profile": profile}
        write_features(folder / f"{profile}-{number}.h5", tracks, DIMENSION, "float16", provenance)
    return folder


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "source": "simulation",
            "inputs": "pixels",
            "hidden_dim": 32,
            "num_layers": 2,
            "num_heads": 4,
            "feedforward_dim": 32,
            "dropout": 0.1,
            "seeds": 2,
            "num_epochs": 3,
            "patience": 3,
            "batch_tracks": 16,
            "max_frames": 64,
            "prefix_share": 1.0,
            "prefix_lengths": "log_uniform",
            "shuffled_share": 0.0,
            "balance_lengths": "within_profile",
            "learning_rate": 3e-3,
            "warmup_epochs": 0.5,
            "weight_decay": 0.05,
            "gradient_clip": 1.0,
            "frames_seen": [1, 2, 3, 5, 10],
            "shipped_profile": "matched",
            "calibration_ages": [1, 3, 10],
            "threshold": 0.5,
            "bootstrap_replicates": 20,
            "rules": {"min_hits": 6, "n_init": 3, "bytetrack_birth": 0.6, "norfair_delay": 7},
            "decision": {"error_budget": 0.05, "longest_wait_frames": 6, "compared_budgets": [0.02, 0.1]},
            "battery": {
                "tracks": 20,
                "truncated_frames": [1, 3],
                "tiled_frames": [10],
                "checked_truncation": 3,
                "largest_recall_loss": 0.1,
                "largest_ghost_gain": 0.05,
                "largest_shuffle_loss": 0.03,
            },
        }
    )


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
    run_config = RunConfig(engine="local", device="cpu", workers=2, store=folder / "store")
    found = Trained(run_config, shards, folder / "out")
    train.run(config, run_config, split, SEED, found.folders, found.output)
    return found
