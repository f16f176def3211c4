"""The `extract` stage: every track's features, one shard of them for each shard of scenes."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from track_persistence.core.files import code_digest, digest_of, file_digest
from track_persistence.core.params import RunConfig
from track_persistence.core.storage import profile_of, read_scenes, shard_paths, verify_features, write_features
from track_persistence.core.types import FloatArray, LabelledFeatures, LabelledTrack
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.encoders import TrackEncoder, load_encoder

T = TypeVar("T")


@dataclass(frozen=True)
class _Shard:
    """What a worker needs to make one shard of features."""

    scenes: Path
    checkpoint: Path
    config: ExtractConfig
    device: str


def run(config: ExtractConfig, run_config: RunConfig, data_dir: Path, checkpoint: Path, output: Path) -> None:
    """Write the features of every scene shard in `data_dir` to a shard of the same name in `output`.

    Raises `DeviceError`, `CheckpointError` or `StorageError` before any shard is begun when the device, the checkpoint
    or the scenes are not there, and `StorageError` when a shard from the store is not what was put there. Finished
    shards stay in the store, so a killed run goes on where it was.
    """
    encoder = load_encoder(checkpoint, config, run_config.device)
    code = code_digest("magvit", "core")
    settings = config.model_dump(mode="json")
    jobs = [
        ShardJob(
            path.name,
            digest_of("extract", file_digest(path), encoder.digest, settings, run_config.device, code),
            _Shard(path, checkpoint, config, run_config.device),
        )
        for path in shard_paths(data_dir)
    ]
    workers = 1 if run_config.device == "cuda" else run_config.workers
    run_shards(make_shard, jobs, output, run_config.store / "extract", workers, "extracting features")
    for job in jobs:
        verify_features(output / job.name)


def make_shard(shard: _Shard, path: Path) -> None:
    """Write the features of one scene shard to `path`; two scenes are in memory at a time."""
    torch.set_num_threads(1)
    encoder = load_encoder(shard.checkpoint, shard.config, shard.device)
    provenance = {**encoder_provenance(encoder, shard.config), "profile": profile_of(shard.scenes)}
    tracks = encode_shard(encoder, shard.scenes, shard.config.dtype)
    write_features(path, tracks, encoder.dimension, shard.config.dtype, provenance)


def encoder_provenance(encoder: TrackEncoder, config: ExtractConfig) -> dict[str, str]:
    """Return what is recorded with features of who made them and how.

    `encoder` is all of its provenance and `published` the settings of that name, each as one JSON text.
    """
    return {
        "architecture_digest": encoder.architecture_digest,
        "encoder": json.dumps(encoder.provenance, sort_keys=True),
        "encoder_digest": encoder.digest,
        "precision": encoder.precision,
        "published": json.dumps(config.published.model_dump(mode="json"), sort_keys=True),
    }


def encode_shard(encoder: TrackEncoder, scenes: Path, dtype: str) -> Iterator[LabelledFeatures]:
    """Yield the features of every track of a scene shard, as `dtype`; a batch never mixes scenes."""
    for scene in read_ahead(read_scenes(scenes)):
        labelled = [*scene.tracks[0], *scene.tracks[1]]
        features = encoder.encode([item.track.crops for item in labelled])
        for item, values in zip(labelled, features, strict=True):
            yield labelled_features(scene.scene_id, item, values, dtype)


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield `items` in their order; while one is worked on, a thread fetches the next.

    Waiting for the disk costs a worker nothing then, nor does decompression where a GPU encodes.
    """
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item


def labelled_features(scene_id: int, labelled: LabelledTrack, features: FloatArray, dtype: str) -> LabelledFeatures:
    """Return what is stored of a track: its features (T, D) as `dtype` in place of its crops, and all else it has."""
    track = labelled.track
    with np.errstate(over="ignore"):  # an overflow becomes infinity, which LabelledFeatures refuses by name
        stored = features.astype(dtype)
    return LabelledFeatures(
        scene_id=scene_id,
        camera=track.camera,
        track_id=track.track_id,
        frames=track.frames,
        boxes_xywh_px=track.boxes_xywh_px,
        confidences=track.confidences,
        features=stored,
        kind=labelled.kind,
        ghost=labelled.ghost,
        object_id=labelled.object_id,
    )
