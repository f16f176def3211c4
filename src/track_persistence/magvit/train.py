"""The `tokenizer` stage: training that survives being killed."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from track_persistence.core.errors import StorageError, TrackPersistenceError
from track_persistence.core.files import code_digest, digest_of, file_digest, write_bytes, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log, track_progress
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.clips import PairSampler, TrainingData, draw_pools
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.evaluate import evaluate
from track_persistence.magvit.objective import fresh_cause_head, pair_loss
from track_persistence.magvit.optimizer import KernelOptimizer
from track_persistence.magvit.pictures import reconstruction_sheet
from track_persistence.magvit.tokenizer import TrackTokenizer, fresh_tokenizer

CHECKPOINT = "magvit.safetensors"
METRICS = "metrics.json"
PICTURE = "reconstructions.png"
STEPS_PER_SAVE = 25


@dataclass
class Training:
    """What changes while training, and all that a resumed run needs; each step's draw is named by its number."""

    tokenizer: TrackTokenizer
    cause_head: nn.Linear
    optimizer: KernelOptimizer
    step: int

    def save(self, path: Path) -> None:
        """Write it to a file."""
        buffer = io.BytesIO()
        state = {
            "model": self.tokenizer.state_dict(),
            "cause_head": self.cause_head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, buffer)
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Go back to what `save` wrote; raises `StorageError` on anything else."""
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            self.tokenizer.load_state_dict(state["model"])
            self.cause_head.load_state_dict(state["cause_head"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        except (RuntimeError, KeyError, EOFError, OSError) as error:
            reason = " ".join(str(error).split())
            raise StorageError(f"{path}: not a training state of this run: {reason}; delete it") from error


def run(
    config: TokenizerConfig, split: SplitConfig, run_config: RunConfig, seed: int, data: TrainingData, output: Path
) -> None:
    """Train a tokenizer on `data`; write its checkpoint, metrics and a picture into `output`.

    A run that was killed goes on from its last saved step and ends with the same bytes.
    """
    device = resolve_device(run_config.device)
    with _threads(config.num_threads):
        simulated, validation, shards = draw_pools(config, split, seed, data.scenes)
        pool = [*simulated, *data.recorded]
        inputs = [file_digest(path) for path in (*shards, *data.files)]
        sections = [section.model_dump(mode="json") for section in (config, split)]
        key = digest_of(
            "tokenizer", seed, *sections, inputs, device.type, str(torch.__version__), code_digest("magvit", "core")
        )
        sampler = PairSampler(pool, config, seed)
        tokenizer = train(config, sampler, seed, device, run_config.store / "tokenizer" / f"{key}.pt")
        untrained = fresh_tokenizer(config.architecture, seed).eval()
        metrics = evaluate(tokenizer.cpu(), untrained, validation, config, seed)
        picture = reconstruction_sheet(tokenizer, validation, max(config.clip_lengths))
    training = {
        "steps": config.steps,
        "pool_tracks": len(pool),
        "pool_recorded_tracks": len(data.recorded),
        "pool_frames": sum(len(clip) for clip in pool),
        "pool_shards": len(shards),
        "parameters": sum(weight.numel() for weight in tokenizer.parameters()),
        "encoder_parameters": sum(weight.numel() for weight in tokenizer.encoder.parameters()),
    }
    save_tokenizer(output / CHECKPOINT, tokenizer)
    write_json(output / METRICS, {"training": training, "validation": metrics})
    write_bytes(output / PICTURE, picture)


def train(
    config: TokenizerConfig, sampler: PairSampler, seed: int, device: torch.device, state_path: Path
) -> TrackTokenizer:
    """Train for `config.steps` steps, from `state_path` on where it exists; return the tokenizer, set to evaluate."""
    tokenizer = fresh_tokenizer(config.architecture, seed).to(device).train()
    cause_head = fresh_cause_head(config.architecture, seed).to(device)
    optimizer = KernelOptimizer([*tokenizer.parameters(), *cause_head.parameters()], config.optimizer)
    training = Training(tokenizer, cause_head, optimizer, step=0)
    if state_path.is_file():
        training.restore(state_path)
        log(f"tokenizer: going on after step {training.step} of {config.steps}, from {state_path}")
    steps = range(training.step, config.steps)
    for step in track_progress(steps, len(steps), "training the tokenizer", "steps"):
        terms = take_step(training, config, sampler, step)
        training.step = step + 1
        if training.step % STEPS_PER_SAVE == 0 or training.step == config.steps:
            training.save(state_path)
            log(f"step {training.step}: " + ", ".join(f"{name} {value:.3f}" for name, value in terms.items()))
    return tokenizer.eval()


def take_step(training: Training, config: TokenizerConfig, sampler: PairSampler, step: int) -> dict[str, float]:
    """Make optimiser step number `step`, counted from 0; returns the loss terms by name."""
    tokenizer = training.tokenizer
    device = next(tokenizer.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        terms = pair_loss(tokenizer, training.cause_head, sampler.draw(step), config.loss, device)
    norm = training.optimizer.step(terms["total"], _schedule(step, config))
    if not torch.isfinite(norm):
        raise TrackPersistenceError(
            f"tokenizer: step {step}: the gradient is not finite (loss {terms['total'].item():g}); "
            "lower tokenizer.optimizer.kernel_learning_rate and learning_rate"
        )
    return {name: float(value.detach()) for name, value in terms.items()}


def _schedule(step: int, config: TokenizerConfig) -> float:
    """Share of the peak learning rate: linear warm-up, then half a cosine down to 0."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * progress))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
