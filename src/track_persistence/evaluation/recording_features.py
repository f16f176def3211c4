"""The `recordings` stage: features of labelled recordings, a shard for each, to train on beside simulated scenes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from track_persistence.classifier.config import RECORDINGS
from track_persistence.core.files import code_digest, digest_of, file_digest, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.storage import write_features
from track_persistence.core.types import LabelledFeatures
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_files import files_of, located
from track_persistence.evaluation.recording_blocks import Block, blocks_of, deal, scene_ids
from track_persistence.evaluation.recordings import labelled_blocks, read_boxes
from track_persistence.evaluation.recordings_config import RecordingConfig, RecordingsConfig
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.encoders import TrackEncoder, load_encoder
from track_persistence.magvit.extract import encoder_provenance, labelled_features

INDEX = "blocks.json"


@dataclass(frozen=True)
class RecordingsParams:
    """Sections of the params file. crop_margin: share of a box's size added on each side of a crop."""

    recordings: RecordingsConfig
    footage: FootageConfig
    extract: ExtractConfig
    split: SplitConfig
    crop_margin: float
    seed: int


@dataclass(frozen=True)
class _Shard:
    """What a worker needs to make one shard. numbers: scene ids by the first frame of a block."""

    source: RecordingConfig
    params: RecordingsParams
    numbers: dict[int, int]
    checkpoint: Path
    device: str


def run(params: RecordingsParams, run_config: RunConfig, footage_dir: Path, checkpoint: Path, output: Path) -> None:
    """Write `recording-<name>.h5` for every recording in `footage_dir` that params name, and `blocks.json`.

    Shards have the layout of stage `extract`'s, with blocks of time in place of scenes; `blocks.json` says which block
    is which scene and to what part it belongs. Without recordings the index is empty and no shard is written. Raises
    `ParamsError`, `VideoError`, `DataError`, `DeviceError` or `CheckpointError` before any video is decoded.
    """
    sources = located(params.recordings.sources, footage_dir, "recordings.sources")
    blocks = [
        block
        for source in sources
        for block in blocks_of(source.name, read_boxes(source, params.footage), params.recordings.block_frames)
    ]
    parts = deal(blocks, params.seed, params.split) if sources else []
    numbers = scene_ids(parts, params.seed, params.split)
    jobs = _jobs(params, run_config, checkpoint, sources, list(zip(blocks, numbers, strict=True)))
    workers = 1 if run_config.device == "cuda" else run_config.workers
    run_shards(make_shard, jobs, output, run_config.store / "recordings", workers, "recordings")
    entries = [
        {**vars(block), "scene_id": number, "part": part}
        for block, number, part in zip(blocks, numbers, parts, strict=True)
    ]
    write_json(output / INDEX, {"blocks": entries})
    tracks = sum(block.real + block.false for block in blocks)
    log(f"recordings: {tracks} labelled tracks in {len(blocks)} blocks of time of {len(sources)} recordings")


def _jobs(
    params: RecordingsParams,
    run_config: RunConfig,
    checkpoint: Path,
    sources: Sequence[RecordingConfig],
    numbered: Sequence[tuple[Block, int]],
) -> list[ShardJob]:
    if not sources:
        return []
    encoder = load_encoder(checkpoint, params.extract, run_config.device)
    code = code_digest("evaluation", "video", "magvit", "core")
    settings = [
        params.recordings.model_dump(mode="json", exclude={"sources"}),
        params.footage.model_dump(mode="json"),
        params.extract.model_dump(mode="json"),
        params.crop_margin,
    ]
    jobs = []
    for source in sources:
        numbers = {block.first_frame: number for block, number in numbered if block.recording == source.name}
        files = {name: file_digest(path) for name, path in files_of(source).items()}
        own = [source.name, source.confidence, files, sorted(numbers.items())]
        key = digest_of("recordings", *own, *settings, encoder.digest, run_config.device, code)
        payload = _Shard(source, params, numbers, checkpoint, run_config.device)
        jobs.append(ShardJob(f"recording-{source.name}.h5", key, payload))
    return jobs


def make_shard(shard: _Shard, path: Path) -> None:
    """Write the features of one recording to `path`; one block is in memory at a time."""
    torch.set_num_threads(1)
    extract = shard.params.extract
    encoder = load_encoder(shard.checkpoint, extract, shard.device)
    provenance = {**encoder_provenance(encoder, extract), "profile": RECORDINGS, "recording": shard.source.name}
    write_features(path, _encoded(shard, encoder), encoder.dimension, extract.dtype, provenance)


def _encoded(shard: _Shard, encoder: TrackEncoder) -> Iterator[LabelledFeatures]:
    """Yield the features of every track; a batch never mixes blocks."""
    params = shard.params
    blocks = labelled_blocks(shard.source, params.recordings, params.footage, params.crop_margin)
    for first_frame, labelled in blocks:
        features = encoder.encode([item.track.crops for item in labelled])
        for item, values in zip(labelled, features, strict=True):
            yield labelled_features(shard.numbers[first_frame], item, values, params.extract.dtype)
