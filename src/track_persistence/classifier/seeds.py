"""One training run from one seed, as a shard that a one-thread process computes and the store keeps.

N tracks of a split, A ages (those of the table, then the whole track), M tracks of the length battery.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor

from track_persistence.classifier.battery import battery_rows, variant_loader, variants_of
from track_persistence.classifier.channels import CHANNELS
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.dataset import TrackLoader, evaluation_loader, training_loader
from track_persistence.classifier.fit import EpochResult, fit
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.model import Architecture, PersistenceTransformer
from track_persistence.classifier.table import FeatureFolders, open_table
from track_persistence.classifier.trainer import PersistenceTrainer, torch_device
from track_persistence.core.files import code_digest, digest_of, file_digest, write_bytes
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, torch_seed

Floats = NDArray[np.float64]
HELD_BACK = (VALIDATION, TEST)
EPOCH_FIELDS = ("epoch", "train_loss", "validation_loss", "train_accuracy", "validation_accuracy")


@dataclass(frozen=True)
class SeedJob:
    """What a run depends on, and where it keeps its state; number 0 is the classifier, the others show the spread."""

    config: TrainConfig
    split: SplitConfig
    seed: int
    number: int
    features: FeatureFolders
    device: str
    store: Path

    @property
    def key(self) -> str:
        """Digest of all that the weights depend on, so that a state file is never used for another run."""
        shards = [file_digest(path) for path in self.features.shards()]
        sections = [self.config.model_dump(mode="json", exclude={"seeds"}), self.split.model_dump(mode="json")]
        code = code_digest("classifier", "core")
        return digest_of("train", *sections, self.seed, self.number, self.device, str(torch.__version__), code, shards)

    @property
    def training_seed(self) -> int:
        """The root of this run's random numbers."""
        return self.seed if self.number == 0 else torch_seed(self.seed, "train-seed", self.number)


@dataclass(frozen=True, eq=False)
class SeedResult:
    """A finished run.

    weights: of the best epoch. logits: split to (N, A); the spread needs `frames_seen` and whole tracks alone, so for
    numbers above 0 the other ages are NaN. battery: split to variant to (M,), of number 0 alone.
    """

    weights: dict[str, Tensor]
    history: tuple[EpochResult, ...]
    logits: dict[str, Floats]
    battery: dict[str, dict[str, Floats]]

    @property
    def best_epoch(self) -> int:
        """The first epoch of least validation loss, 1-based."""
        return min(self.history, key=lambda result: result.validation_loss).epoch


def make_seed(job: SeedJob, path: Path) -> None:
    """Train, score the held-back tracks at every age, and write the result to `path`.

    After a kill the same call goes on from the last finished epoch, kept in `job.store`.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # float32 sums depend on it
    try:
        with open_table(job.features, job.config.ages, job.seed, job.split, job.store) as table:
            source = InputSource.of(table, job.config.inputs)
            _train_and_score(job, source, path)
    finally:
        torch.set_num_threads(before)


def _train_and_score(job: SeedJob, source: InputSource, path: Path) -> None:
    config, seed = job.config, job.training_seed
    learned, checked = (source.table.rows_from(name, config.source) for name in (TRAIN, VALIDATION))
    parts = {name: source.table.rows_of(name) for name in HELD_BACK}
    trainer = PersistenceTrainer(new_model(job, source), config, 1.0, seed)
    progress = fit(
        trainer,
        lambda epoch: training_loader(source, learned, config, seed, epoch),
        [evaluation_loader(source, checked, age, config) for age in (*config.frames_seen, None)],
        job.store / f"{job.key}.train.pt",
    )
    tensors = {f"weights.{name}": value for name, value in progress.best_weights.items()}
    history = [[float(getattr(result, name)) for name in EPOCH_FIELDS] for result in progress.history]
    tensors["history"] = torch.tensor(history, dtype=torch.float64)
    for split in HELD_BACK:
        tensors[f"logits.{split}"] = torch.stack(
            [
                _logits(trainer, evaluation_loader(source, parts[split], age, config))
                if job.number == 0 or age in (*config.frames_seen, None)
                else torch.full((len(parts[split]),), torch.nan, dtype=torch.float64)
                for age in (*source.table.ages, None)
            ],
            dim=1,
        )
        if job.number == 0:
            rows = battery_rows(source, parts[split], config.battery)
            for name in variants_of(config.battery):
                loader = variant_loader(source, rows, name, config, seed)
                tensors[f"battery.{split}.{name}"] = _logits(trainer, loader)
    write_bytes(path, save({name: tensors[name].contiguous().cpu() for name in sorted(tensors)}))


def read_result(path: Path) -> SeedResult:
    """Read what `make_seed` wrote."""
    tensors = load_file(path)
    weights = {name.removeprefix("weights."): value for name, value in tensors.items() if name.startswith("weights.")}
    battery: dict[str, dict[str, Floats]] = {split: {} for split in HELD_BACK}
    for name, value in tensors.items():
        if name.startswith("battery."):
            _, split, variant = name.split(".")
            battery[split][variant] = value.numpy()
    history = [dict(zip(EPOCH_FIELDS, line, strict=True)) for line in tensors["history"].tolist()]
    results = tuple(EpochResult(**line | {"epoch": int(line["epoch"])}) for line in history)
    return SeedResult(weights, results, {split: tensors[f"logits.{split}"].numpy() for split in HELD_BACK}, battery)


def new_model(job: SeedJob, source: InputSource) -> PersistenceTransformer:
    """Return the untrained model of a run, its weights drawn from the run's seed."""
    config = job.config
    architecture = Architecture(
        0 if config.inputs == "no_pixels" else source.table.encoder.dimension,
        config.hidden_dim,
        config.num_layers,
        config.num_heads,
        config.feedforward_dim,
        config.dropout,
        0 if config.inputs == "pixels" else len(CHANNELS),
    )
    model = PersistenceTransformer(architecture)
    model.initialise(torch.Generator().manual_seed(torch_seed(job.training_seed, "train-weights")))
    return model.to(torch_device(job.device))


def seed_jobs(
    config: TrainConfig, run_config: RunConfig, split: SplitConfig, seed: int, features: FeatureFolders
) -> list[SeedJob]:
    """Return the runs of all seeds."""
    return [
        SeedJob(config, split, seed, number, features, run_config.device, run_config.store)
        for number in range(config.seeds)
    ]


def _logits(trainer: PersistenceTrainer, loader: TrackLoader) -> Tensor:
    """Return the logits (tracks,) float64 of a loader's tracks in the order of its rows."""
    logits = np.empty(len(loader.rows))
    logits[np.concatenate(loader.batches)] = trainer.score(loader)[0]
    return torch.from_numpy(logits)
