"""What every encoder says about the tracks of a scene shard, frame by frame, side by side in one feature shard.

T frames of a track, cut to the last age that is evaluated; the widths of the encoders lie one after another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.files import digest_of
from track_persistence.core.storage import read_features, read_provenance, read_scenes, write_features
from track_persistence.core.types import LabelledFeatures
from track_persistence.magvit.config import ArchitectureConfig, Precision
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.video.descriptors import FRAME_SIZE, frame_descriptors

DTYPE = "float16"
DEVICE = "cpu"


@dataclass(frozen=True)
class SampleShard:
    """What a worker needs: a shard of scenes and the features that extract made of it.

    architecture, precision, seed: of the encoder with random weights. longest_frames: tracks are cut to their first so
    many.
    """

    scenes: Path
    features: Path
    architecture: ArchitectureConfig
    precision: Precision
    seed: int
    longest_frames: int


def make_samples(shard: SampleShard, path: Path) -> None:
    """Write extract's features, as many of the network with random weights, and the frame descriptors, as float16.

    The random weights are those from which the tokenizer's training began. Raises `DataError` when the two shards
    do not hold the same tracks.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    features = list(read_features(shard.features))
    config = shard.architecture.model_copy(update={"latent_dim": features[0].features.shape[1]})
    digest = digest_of("random", config.model_dump(mode="json"), shard.seed)
    encoder = MagvitEncoder(fresh_tokenizer(config, shard.seed), digest, shard.precision, DEVICE)
    provenance = {"encoder_digest": digest, "profile": read_provenance(shard.scenes)["profile"]}
    write_features(path, _samples(shard, features, encoder), 2 * encoder.dimension + FRAME_SIZE, DTYPE, provenance)


def _samples(
    shard: SampleShard, features: Sequence[LabelledFeatures], encoder: MagvitEncoder
) -> Iterator[LabelledFeatures]:
    place = 0
    for scene in read_scenes(shard.scenes):
        items = [*scene.tracks[0], *scene.tracks[1]]
        own, place = features[place : place + len(items)], place + len(items)
        wanted = [(scene.scene_id, item.track.camera, item.track.track_id, len(item.track)) for item in items]
        if [(track.scene_id, track.camera, track.track_id, len(track)) for track in own] != wanted:
            raise DataError(
                f"{shard.features}: does not hold the tracks of scene {scene.scene_id} of {shard.scenes}; "
                "run extract again"
            )
        crops = [item.track.crops[: shard.longest_frames] for item in items]
        for track, seen, untrained in zip(own, crops, encoder.encode(crops), strict=True):
            yield _cut(track, [untrained, frame_descriptors(seen)])


def _cut(track: LabelledFeatures, others: Sequence[NDArray[Any]]) -> LabelledFeatures:
    """Return the track's first frames, as many as `others` (T, ...) describe, with their values beside its own."""
    count = len(others[0])
    return LabelledFeatures(
        scene_id=track.scene_id,
        camera=track.camera,
        track_id=track.track_id,
        frames=track.frames[:count],
        boxes_xywh_px=track.boxes_xywh_px[:count],
        confidences=track.confidences[:count],
        features=np.hstack([track.features[:count], *others]).astype(DTYPE),
        kind=track.kind,
        ghost=track.ghost,
        object_id=track.object_id,
    )
