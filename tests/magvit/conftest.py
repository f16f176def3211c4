"""Tiny architectures, scenes with moving textured patches, and the params that train on them in a second."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.storage import write_scenes
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Track
from track_persistence.magvit.config import (
    ArchitectureConfig,
    LossConfig,
    OptimizerConfig,
    TokenizerConfig,
    UnlabelledConfig,
)
from track_persistence.magvit.tokenizer import TrackTokenizer, fresh_tokenizer

SEED = 7


def make_architecture(**fields: object) -> ArchitectureConfig:
    values: dict = {
        "encoder_widths": (4, 8, 8),
        "decoder_widths": (4, 4, 8),
        "blocks_per_level": 1,
        "latent_dim": 16,
        "time_stride": 1,
        "code_bits": 6,
        "code_groups": 2,
    }
    return ArchitectureConfig(**(values | fields))


def make_optimizer(**fields: object) -> OptimizerConfig:
    values: dict = {
        "kernel_learning_rate": 3e-3,
        "momentum": 0.95,
        "learning_rate": 3e-3,
        "adam_betas": (0.9, 0.99),
        "weight_decay": 0.01,
        "gradient_norm": 1.0,
    }
    return OptimizerConfig(**(values | fields))


def make_config(**fields: object) -> TokenizerConfig:
    loss = LossConfig(
        reconstruction=1,
        reconstructed_share=1,
        code_certainty=0.02,
        code_diversity=0.05,
        commitment=0.02,
        contrastive=0.2,
        contrastive_temperature=0.1,
        cause=0.5,
        cause_smoothing=0.1,
    )
    values: dict = {
        "architecture": make_architecture(),
        "loss": loss,
        "pool_shards": 4,
        "pool_tracks": {"nominal": 12},
        "pool_frames": 6,
        "unlabelled": UnlabelledConfig(sources=(), tracks=100),
        "validation_tracks": 8,
        "clip_lengths": (1, 2, 4),
        "bootstrap_replicates": 200,
        "recolouring": 0.3,
        "shift_px": 2,
        "frames_per_step": 8,
        "steps": 6,
        "warmup_steps": 2,
        "optimizer": make_optimizer(),
        "precision": "float32",
        "num_threads": 1,
    }
    return TokenizerConfig(**(values | fields))


def make_crops(frames: int, rng: np.random.Generator) -> np.ndarray:
    """A coloured stripe pattern that drifts by one pixel a frame, with sensor noise."""
    colour, phase, angle = rng.uniform(60, 190, 3), rng.uniform(0, 6), rng.uniform(0, 3)
    rows, columns = np.mgrid[:64, :64]
    drift = np.arange(frames)[:, None, None]
    wave = np.sin((np.cos(angle) * columns + np.sin(angle) * rows + drift) / 4 + phase)  # (T, 64, 64)
    crops = colour + 40 * wave[..., None] + rng.normal(0, 3, (frames, 64, 64, 3))
    return crops.clip(0, 255).astype(np.uint8)


def make_track(camera: int, track_id: int, frames: int, rng: np.random.Generator) -> Track:
    return Track(
        camera,
        track_id,
        np.arange(frames, dtype=np.int32),
        np.tile(np.float32([5, 6, 20, 30]), (frames, 1)),
        np.full(frames, 0.5, np.float32),
        make_crops(frames, rng),
    )


def make_scene(scene_id: int) -> StereoScene:
    rng = np.random.default_rng(scene_id)
    cameras = tuple(
        Camera(
            name,
            np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]),
            np.zeros(5),
            np.hstack([np.eye(3), [[-x_m], [0], [0]]]),
            (640, 480),
            30.0,
        )
        for name, x_m in (("left", 0.0), ("right", 0.5))
    )
    tracks = tuple(
        (
            LabelledTrack(make_track(camera, 0, 9, rng), Kind.PERSISTENT, object_id=1),
            LabelledTrack(make_track(camera, 1, 3, rng), Kind.BRIEF, Ghost.GLARE, 2),
            LabelledTrack(make_track(camera, 2, 1, rng), Kind.NOISE, Ghost.NOISE),
        )
        for camera in range(2)
    )
    return StereoScene(scene_id, StereoRig(cameras), tracks, ())


def write_shards(folder: Path, shards: int, scenes_per_shard: int) -> Path:
    for shard in range(shards):
        ids = range(shard * scenes_per_shard, (shard + 1) * scenes_per_shard)
        write_scenes(
            folder / f"scenes-{shard:03d}.h5", map(make_scene, ids), {"generator_digest": "test", "profile": "nominal"}
        )
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> TrackTokenizer:
    return fresh_tokenizer(make_architecture(), SEED).eval()


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of four scenes; with seed 7 some of the scenes are training ones and some validation ones."""
    return write_shards(tmp_path_factory.mktemp("scenes"), shards=3, scenes_per_shard=4)


@pytest.fixture
def split() -> SplitConfig:
    return SplitConfig(validation=0.3, test=0.15)


@pytest.fixture
def run_config(tmp_path: Path) -> RunConfig:
    return RunConfig(engine="local", device="cpu", workers=1, store=tmp_path / "store")


@pytest.fixture
def architecture() -> Callable[..., ArchitectureConfig]:
    return make_architecture


@pytest.fixture
def tokenizer_config() -> Callable[..., TokenizerConfig]:
    return make_config


@pytest.fixture
def crops_of() -> Callable[[int], np.ndarray]:
    return lambda frames: make_crops(frames, np.random.default_rng(frames))
