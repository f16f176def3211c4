"""The candidates' tokenizers: one training each, in one-thread worker processes, and how well each reconstructs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from track_persistence.core.files import code_digest, digest_of, file_digest, read_json, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.storage import shard_paths
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.evaluation.objectives_config import RANDOM_WEIGHTS, ObjectivesConfig
from track_persistence.magvit.checkpoint import load_tokenizer, save_tokenizer
from track_persistence.magvit.clips import Clip, PairSampler, draw_pools
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.evaluate import evaluate
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.magvit.train import train

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class TrainingSetup:
    """What all candidates share: the section `tokenizer`, the split, the seed and the folder of scene shards."""

    tokenizer: TokenizerConfig
    split: SplitConfig
    seed: int
    scenes: Path


@dataclass(frozen=True)
class TrainingJob:
    """What a worker needs to train one candidate. state: where it keeps its last state."""

    setup: TrainingSetup
    state: Path


@dataclass(frozen=True)
class QualityJob:
    """What a worker needs to measure one tokenizer on validation clips."""

    checkpoint: Path
    clips: tuple[Clip, ...]
    tokenizer: TokenizerConfig
    seed: int


def train_candidates(config: ObjectivesConfig, setup: TrainingSetup, run: RunConfig, folder: Path) -> dict[str, Path]:
    """Write a checkpoint of every candidate and of the untrained network into `folder`; return their paths by name.

    Pool, steps, draws and first weights are the same for all. A run that was killed goes on from the last saved steps.
    """
    store = run.store / "objectives"
    inputs = [file_digest(path) for path in shard_paths(setup.scenes)]
    code = code_digest("core", "magvit")
    jobs = []
    for name in config.candidates:
        update = {"loss": config.loss_of(name, setup.tokenizer.loss), "steps": config.steps, "num_threads": 1}
        own = TrainingSetup(setup.tokenizer.model_copy(update=update), setup.split, setup.seed, setup.scenes)
        sections = [section.model_dump(mode="json") for section in (own.tokenizer, own.split)]
        key = digest_of("objective-training-1", code, str(torch.__version__), own.seed, *sections, inputs)
        jobs.append(ShardJob(f"{name}{SUFFIX}", key, TrainingJob(own, store / f"{key}.pt")))
    run_shards(make_checkpoint, jobs, folder, store, run.workers, "objectives: training")
    untrained = folder / f"{RANDOM_WEIGHTS}{SUFFIX}"
    save_tokenizer(untrained, fresh_tokenizer(setup.tokenizer.architecture, setup.seed))
    return {name: folder / f"{name}{SUFFIX}" for name in config.candidates} | {RANDOM_WEIGHTS: untrained}


def make_checkpoint(job: TrainingJob, path: Path) -> None:
    """Train one candidate as the tokenizer stage would, on one thread, and write its checkpoint."""
    torch.set_num_threads(1)
    own = job.setup
    pool, _, _ = draw_pools(own.tokenizer, own.split, own.seed, own.scenes)
    sampler = PairSampler(pool, own.tokenizer, own.seed)
    save_tokenizer(path, train(own.tokenizer, sampler, own.seed, torch.device("cpu"), job.state))


def measure_quality(
    checkpoints: Mapping[str, Path], setup: TrainingSetup, pool_shards: int, run: RunConfig, folder: Path
) -> dict[str, dict[str, object]]:
    """Return PSNR, use of the codes and track recognition of every checkpoint, as `magvit.evaluate` measures them.

    All are measured on the same validation clips, drawn from `pool_shards` shards. folder: for the workers' files.
    """
    drawn = setup.tokenizer.model_copy(update={"pool_shards": pool_shards, "pool_tracks": {}})
    _, clips, shards = draw_pools(drawn, setup.split, setup.seed, setup.scenes)
    shared = (
        "objective-quality-1",
        code_digest("core", "magvit"),
        [section.model_dump(mode="json") for section in (drawn, setup.split)],
        setup.seed,
        [file_digest(path) for path in shards],
    )
    jobs = [
        ShardJob(
            f"{name}.json",
            digest_of(*shared, file_digest(path)),
            QualityJob(path, tuple(clips), setup.tokenizer, setup.seed),
        )
        for name, path in checkpoints.items()
    ]
    run_shards(make_quality, jobs, folder, run.store / "objectives", run.workers, "objectives: reconstructing")
    return {name: read_json(folder / f"{name}.json") for name in checkpoints}


def make_quality(job: QualityJob, path: Path) -> None:
    """Write what one tokenizer is worth on the clips as JSON."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(job.checkpoint)
    untrained = fresh_tokenizer(tokenizer.config, job.seed).eval()
    write_json(path, evaluate(tokenizer, untrained, job.clips, job.tokenizer, job.seed))
