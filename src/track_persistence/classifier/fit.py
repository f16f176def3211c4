"""The training run: epochs, early stopping, and a state file from which a killed run goes on.

A ages (the ages of `frames_seen`, then the whole track).
"""

import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from track_persistence.classifier.dataset import Loader
from track_persistence.classifier.trainer import PersistenceTrainer
from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import write_bytes
from track_persistence.core.progress import log


@dataclass(frozen=True)
class EpochResult:
    """Mean loss and accuracy of one epoch, 1-based: training on its random prefixes, validation over all ages."""

    epoch: int
    train_loss: float
    validation_loss: float
    train_accuracy: float
    validation_accuracy: float


@dataclass
class Progress:
    """The epochs so far and the weights of the best one."""

    history: list[EpochResult] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The first epoch of least validation loss, 1-based."""
        return min(self.history, key=lambda result: result.validation_loss).epoch

    def is_finished(self, num_epochs: int, patience: int) -> bool:
        """Whether all epochs are done or the last `patience` brought no lower validation loss."""
        done = len(self.history)
        return done >= num_epochs or (done > 0 and done - self.best_epoch >= patience)


def fit(
    trainer: PersistenceTrainer, train: Callable[[int], Loader], validation: Sequence[Loader], state_path: Path
) -> Progress:
    """Train until done or no longer better, leave the best epoch's weights in the model, and return the course.

    train: epoch number from 0 to that epoch's batches. validation: one loader per age; the validation loss is the mean
    over ages, since the filter answers at every age. state_path: written after each epoch and read at the start, so
    that the same call after a kill ends with the same weights; raises `CheckpointError` when it cannot be used.
    """
    progress = _resume(trainer, state_path)
    while not progress.is_finished(trainer.config.num_epochs, trainer.config.patience):
        trained = trainer.train_epoch(train(trainer.epoch))
        validated = [trainer.validate(loader) for loader in validation]
        result = EpochResult(
            epoch=trainer.epoch,
            train_loss=trained["loss"],
            validation_loss=sum(loss for loss, _, _ in validated) / len(validated),
            train_accuracy=trained["accuracy"],
            validation_accuracy=sum(accuracy for _, accuracy, _ in validated) / len(validated),
        )
        progress.history.append(result)
        if progress.best_epoch == result.epoch:
            progress.best_weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        log(
            f"train: epoch {result.epoch}/{trainer.config.num_epochs}: loss {result.train_loss:.4f}, "
            f"validation loss {result.validation_loss:.4f}, accuracy {result.validation_accuracy:.4f}"
        )
        _save(trainer, progress, state_path)
    trainer.model.load_state_dict(progress.best_weights)
    return progress


def _save(trainer: PersistenceTrainer, progress: Progress, path: Path) -> None:
    content = io.BytesIO()
    history = [asdict(result) for result in progress.history]
    torch.save({"trainer": trainer.state(), "history": history, "best_weights": progress.best_weights}, content)
    write_bytes(path, content.getvalue())


def _resume(trainer: PersistenceTrainer, path: Path) -> Progress:
    if not path.is_file():
        return Progress()
    try:
        state: dict[str, Any] = torch.load(path, map_location=trainer.device, weights_only=True)
        progress = Progress([EpochResult(**result) for result in state["history"]], state["best_weights"])
        trainer.restore(state["trainer"])
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, OSError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: not a usable training state: {reason}; delete it to train anew") from error
    log(f"train: going on after epoch {trainer.epoch}, found in {path}")
    return progress
