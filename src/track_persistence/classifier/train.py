"""The train stage: features to a calibrated classifier, its metrics beside the baselines', and its plots."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.classifier.calibration import calibrated, fit_temperature
from track_persistence.classifier.checkpoint import Metadata, save_classifier
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import reliability
from track_persistence.classifier.dataset import TrackLoader, evaluation_loader, training_loader
from track_persistence.classifier.evaluate import fit_baselines, judge, split_metrics
from track_persistence.classifier.fit import Progress, fit
from track_persistence.classifier.model import create_model
from track_persistence.classifier.plots import (
    write_by_frames,
    write_calibration,
    write_curves,
    write_loss,
    write_predictions,
)
from track_persistence.classifier.table import TrackTable, open_table
from track_persistence.classifier.trainer import PersistenceTrainer, torch_device
from track_persistence.core.files import code_digest, digest_of, file_digest, write_json
from track_persistence.core.params import RunConfig, SplitConfig
from track_persistence.core.progress import log
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, torch_seed
from track_persistence.core.storage import shard_paths

Floats = NDArray[np.float64]


def run(
    config: TrainConfig, run_config: RunConfig, split: SplitConfig, seed: int, features: Path, output: Path
) -> None:
    """Fit the classifier on the training scenes of `features` and write weights, metrics, plots and predictions.

    After a kill the same call goes on from the last finished epoch, kept in `run_config.store`. Raises
    `StorageError`, `DataError` or `DeviceError` before any training.
    """
    device = torch_device(run_config.device)
    with _threads(config.num_threads), open_table(features, config.frames_seen, seed, split, run_config.store) as table:
        parts = {name: table.rows_of(name) for name in (TRAIN, VALIDATION, TEST)}
        log("train: " + ", ".join(f"{len(rows)} {name} tracks" for name, rows in parts.items()))
        key = _state_key(config, run_config, split, seed, features)
        trainer = _trainer(config, seed, table, device)
        progress = fit(
            trainer,
            lambda epoch: training_loader(table, parts[TRAIN], config, seed, epoch),
            _loaders(table, parts[VALIDATION], config),
            run_config.store / f"{key}.train.pt",
        )
        _undo_class_weight(trainer)
        _finish(trainer, progress, table, parts, output)


def _finish(
    trainer: PersistenceTrainer,
    progress: Progress,
    table: TrackTable,
    parts: dict[str, NDArray[np.int64]],
    output: Path,
) -> None:
    """Calibrate on the validation split, evaluate both held-back splits, and write everything."""
    config, plots = trainer.config, output / "plots"
    logits = {name: _logits(trainer, table, parts[name]) for name in (VALIDATION, TEST)}
    repeated = {name: _pooled_labels(table, parts[name], logits[name]) for name in logits}
    temperature = fit_temperature(logits[VALIDATION].ravel(), repeated[VALIDATION])
    baselines = fit_baselines(table)
    judged = {
        name: judge(table, parts[name], calibrated(logits[name], temperature), baselines, config) for name in logits
    }
    metrics: dict[str, Any] = {name: split_metrics(found, name, config, trainer.seed) for name, found in judged.items()}
    metrics["calibration"] = _calibration(logits, repeated, temperature)
    metrics["training"] = {"epochs": len(progress.history), "best_epoch": progress.best_epoch}
    metadata: Metadata = {
        "dtype": table.dtype.name,
        "encoder_digest": table.encoder.digest,
        "precision": table.encoder.precision,
        "temperature": temperature,
        "threshold": config.threshold,
    }
    save_classifier(output / "persistence.safetensors", trainer.model, metadata)
    write_json(output / "metrics.json", metrics)
    write_loss(plots / "loss.csv", progress.history)
    write_curves(plots, judged[TEST], config)
    write_by_frames(plots / "by_frames.csv", metrics[TEST]["by_frames"])
    write_calibration(
        plots / "calibration.csv", reliability(judged[TEST].scores["transformer"].ravel(), repeated[TEST])
    )
    write_predictions(output / "predictions.csv", table, judged)
    _log_result(metrics)


def _trainer(config: TrainConfig, seed: int, table: TrackTable, device: torch.device) -> PersistenceTrainer:
    model = create_model(
        table.encoder.dimension,
        config.hidden_dim,
        config.num_layers,
        config.num_heads,
        config.feedforward_dim,
        config.dropout,
    )
    model.initialise(torch.Generator().manual_seed(torch_seed(seed, "train-weights")))
    labels = table.labels[table.rows_of(TRAIN)]
    positive_weight = float((~labels).sum() / labels.sum())
    return PersistenceTrainer(model.to(device), config, positive_weight, seed)


def _undo_class_weight(trainer: PersistenceTrainer) -> None:
    """Shift the logits back to the true mix of classes.

    Cross-entropy with positives weighted by w is least where the odds are w times the true odds; temperature scaling
    cannot undo a factor on the odds.
    """
    with torch.no_grad():
        trainer.model.head.bias.sub_(math.log(float(trainer.positive_weight)))


def _loaders(table: TrackTable, rows: NDArray[np.int64], config: TrainConfig) -> list[TrackLoader]:
    return [evaluation_loader(table, rows, age, config) for age in (*config.frames_seen, None)]


def _logits(trainer: PersistenceTrainer, table: TrackTable, rows: NDArray[np.int64]) -> Floats:
    """Return the logits (N, A) of the tracks at every age."""
    loaders = _loaders(table, rows, trainer.config)
    logits = np.empty((len(rows), len(loaders)))
    for age, loader in enumerate(loaders):
        logits[np.concatenate(loader.batches), age] = trainer.score(loader)[0]
    return logits


def _pooled_labels(table: TrackTable, rows: NDArray[np.int64], logits: Floats) -> NDArray[np.bool_]:
    return np.repeat(table.labels[rows], logits.shape[1])


def _calibration(
    logits: dict[str, Floats], labels: dict[str, NDArray[np.bool_]], temperature: float
) -> dict[str, float]:
    """Return the temperature and the expected calibration error over all ages, before and after.

    `ece_*` is that of the validation split, on which the temperature was fitted; `test_ece_*` is the one to believe.
    """
    errors = {"temperature": temperature}
    for split, prefix in ((VALIDATION, ""), (TEST, "test_")):
        for name, divisor in (("before", 1.0), ("after", temperature)):
            found = reliability(calibrated(logits[split].ravel(), divisor), labels[split])
            errors[f"{prefix}ece_{name}"] = found.expected_calibration_error
    return errors


def _state_key(config: TrainConfig, run_config: RunConfig, split: SplitConfig, seed: int, features: Path) -> str:
    """Digest of all that the weights depend on, so that a state file is never used for another run."""
    shards = [file_digest(path) for path in shard_paths(features)]
    sections = [config.model_dump(mode="json"), split.model_dump(mode="json")]
    return digest_of(
        "train", *sections, seed, run_config.device, str(torch.__version__), code_digest("classifier", "core"), shards
    )


def _log_result(metrics: dict[str, Any]) -> None:
    whole = metrics[VALIDATION]["by_frames"]["whole"]
    log(
        f"train: validation accuracy on whole tracks {whole['transformer']['accuracy']['value']:.4f}; "
        f"the duration rule alone reaches {whole['min_hits']['accuracy']['value']:.4f}"
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
