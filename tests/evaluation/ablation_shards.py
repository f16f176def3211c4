"""Scenes whose real tracks have upright stripes and whose ghosts have level ones, alike in all else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.evaluation.conftest import RIG

from track_persistence.core.files import file_digest
from track_persistence.core.storage import read_scenes, write_features, write_scenes
from track_persistence.core.types import CropArray, Ghost, Kind, LabelledTrack, StereoScene, Track
from track_persistence.magvit.checkpoint import load_tokenizer, save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig, ExtractConfig, PublishedConfig
from track_persistence.magvit.extract import encode_shard
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer

SCENES_PER_SHARD = 6
MATCHED_SHARDS = ("matched-000000.h5", "matched-000006.h5")
ENCODER_SEED = 5
LONGEST_FRAMES = 4
PUBLISHED = PublishedConfig(tap="latent", projection="none", dimension=16, projection_seed=7, clip_frames=5)
EXTRACT = ExtractConfig(precision="float32", dtype="float16", published=PUBLISHED)
ARCHITECTURE = ArchitectureConfig(
    encoder_widths=(4, 8, 8),
    decoder_widths=(4, 4, 4),
    blocks_per_level=1,
    latent_dim=16,
    time_stride=1,
    code_bits=4,
    code_groups=1,
)


@dataclass(frozen=True)
class World:
    """Folders of scene and feature shards, and the encoder's weights."""

    scenes: Path
    features: Path
    checkpoint: Path


def make_world(folder: Path) -> World:
    """Write two shards of the matched profile and one of the nominal profile, and their features."""
    world = World(folder / "scenes", folder / "features", folder / "magvit.safetensors")
    save_tokenizer(world.checkpoint, fresh_tokenizer(ARCHITECTURE, ENCODER_SEED))
    for number, name in enumerate((*MATCHED_SHARDS, "nominal-000012.h5")):
        ids = range(number * SCENES_PER_SHARD, (number + 1) * SCENES_PER_SHARD)
        write_scenes(world.scenes / name, map(make_scene, ids), {"profile": name.split("-")[0]})
        extract(world, name)
    return world


def extract(world: World, name: str) -> None:
    """Write the features of one shard as the extract stage does."""
    encoder = MagvitEncoder(load_tokenizer(world.checkpoint), file_digest(world.checkpoint), EXTRACT.precision, "cpu")
    provenance = {"encoder_digest": encoder.digest, "precision": EXTRACT.precision, "published": "{}"}
    tracks = encode_shard(encoder, world.scenes / name, EXTRACT.dtype)
    write_features(world.features / name, tracks, encoder.dimension, EXTRACT.dtype, provenance)


def all_tracks(path: Path) -> list[LabelledTrack]:
    return [item for scene in read_scenes(path) for item in (*scene.tracks[0], *scene.tracks[1])]


def make_scene(scene_id: int) -> StereoScene:
    rng = np.random.default_rng(scene_id)
    tracks = tuple(
        tuple(_labelled(camera, track_id, track_id < 3, rng) for track_id in range(6)) for camera in range(2)
    )
    return StereoScene(scene_id, RIG, tracks, ())


def _labelled(camera: int, track_id: int, real: bool, rng: np.random.Generator) -> LabelledTrack:
    count = int(rng.integers(1, 7))
    boxes = np.tile(rng.uniform(20, 60, 4), (count, 1)).astype(np.float32)
    confidences = rng.uniform(0.3, 0.9, count).astype(np.float32)
    frames = np.arange(count, dtype=np.int32)
    track = Track(camera, track_id, frames, boxes, confidences, stripes(count, upright=real, rng=rng))
    if real:
        return LabelledTrack(track, Kind.PERSISTENT, object_id=track_id)
    return LabelledTrack(track, Kind.BRIEF, Ghost.GLARE if track_id % 2 else Ghost.CLUTTER, object_id=track_id)


def stripes(count: int, upright: bool, rng: np.random.Generator) -> CropArray:
    """Stripes of a random width, colour and phase that drift by a pixel a frame, with noise."""
    drift = np.arange(count)[:, None, None]
    place = np.mgrid[:64, :64][1 if upright else 0][None] + drift
    wave = np.sin(place / rng.uniform(2, 4) + rng.uniform(0, 6))[..., None]
    crops = rng.uniform(80, 170, 3) + 60 * wave + rng.normal(0, 3, (count, 64, 64, 3))
    return crops.clip(0, 255).astype(np.uint8)
