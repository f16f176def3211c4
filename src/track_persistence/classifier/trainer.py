"""One epoch of training and one pass of validation of the persistence classifier.

B tracks in a batch.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import area_under_roc, decision_quality
from track_persistence.classifier.dataset import Batch, Loader
from track_persistence.classifier.model import PersistenceTransformer
from track_persistence.core.errors import DataError, DeviceError, TrackPersistenceError
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.seeding import torch_seed

PARAMS = Path("params.yaml")
EVEN_ODDS_LOGIT = 0.0


def torch_device(name: str) -> torch.device:
    """Return the device called `cpu` or `cuda`; raises `DeviceError` when this machine lacks it."""
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "run.device: cuda was asked for, but torch sees no GPU here; set it to cpu or pass --device cpu"
        )
    return torch.device(name)


class PersistenceTrainer:
    """Fits a model with AdamW, linear warm-up, cosine decay and gradient clipping.

    config, seed: None reads section `train` and `seed` of params.yaml in the working directory. positive_weight: factor
    on the loss of persistent tracks, transient / persistent of the training tracks to balance the classes, 1 to leave
    them. The step size and the dropout are functions of (seed, epoch, batch), so a run resumed after any epoch goes
    on as if never stopped. `epoch` counts the epochs done.
    """

    def __init__(
        self,
        model: PersistenceTransformer,
        config: TrainConfig | None = None,
        positive_weight: float = 1.0,
        seed: int | None = None,
    ) -> None:
        """Prepare the optimiser for `model`, on whichever device it is."""
        self.model = model
        self.config = load_section(PARAMS, "train", TrainConfig) if config is None else config
        self.seed = load_seed(PARAMS) if seed is None else seed
        self.device = model.head.weight.device
        self.positive_weight = torch.tensor(positive_weight, device=self.device)
        self.epoch = 0
        matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": self.config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.config.learning_rate,
        )

    def train_epoch(self, loader: Loader) -> dict[str, float]:
        """Take one step per batch and return the mean `loss` and the `accuracy` of the epoch as it went.

        Raises `TrackPersistenceError` when the loss stops being finite, `DataError` on an empty loader.
        """
        self.model.train()
        total, right, count = 0.0, 0, 0
        for number, batch in enumerate(self._on_device(loader)):
            loss, logits = self._step(batch, number, number / len(loader))
            total += loss * len(logits)
            right += int(((logits > EVEN_ODDS_LOGIT) == (batch.labels > 0)).sum())
            count += len(logits)
        self.epoch += 1
        return {"loss": total / count, "accuracy": right / count}

    def validate(self, loader: Loader) -> tuple[float, float, dict[str, float]]:
        """Return loss, accuracy and metrics (`loss`, `accuracy`, `precision`, `recall`, `auc`) at even odds.

        Metrics that are undefined, such as `auc` for one class, are NaN. The loss is weighted as in training.
        """
        logits, labels = self.score(loader)
        loss = float(self._loss(torch.from_numpy(logits).to(self.device), torch.from_numpy(labels).to(self.device)))
        accuracy, precision, recall = decision_quality(logits > EVEN_ODDS_LOGIT, labels > 0)
        auc = area_under_roc(logits.astype(np.float64), labels > 0)
        metrics = {"loss": loss, "accuracy": accuracy, "precision": precision, "recall": recall, "auc": auc}
        return loss, accuracy, metrics

    def score(self, loader: Loader) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits and labels of all batches, in their order, as float32 arrays."""
        self.model.eval()
        with torch.inference_mode():
            scored = [(self.model.logits(b.features, b.valid).cpu(), b.labels.cpu()) for b in self._on_device(loader)]
        return torch.cat([logits for logits, _ in scored]).numpy(), torch.cat([labels for _, labels in scored]).numpy()

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs: weights, optimiser and epoch."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": self.epoch}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = int(state["epoch"])

    def step_size(self, progress: float) -> float:
        """Return the step size after `progress` epochs, a fraction within one."""
        warmup, end = self.config.warmup_epochs, self.config.num_epochs
        if progress < warmup:
            return self.config.learning_rate * (progress + 0.01 * warmup) / (1.01 * warmup)
        decayed = min(1.0, (progress - warmup) / max(end - warmup, 1e-9))
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * decayed))

    def _step(self, batch: Batch, number: int, share: float) -> tuple[float, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.step_size(self.epoch + share)
        with torch.random.fork_rng():
            torch.manual_seed(torch_seed(self.seed, "train-dropout", self.epoch, number))
            logits = self.model.logits(batch.features, batch.valid)
        loss = self._loss(logits, batch.labels)
        if not bool(torch.isfinite(loss)):
            raise TrackPersistenceError(
                f"train: loss {float(loss.detach())} in epoch {self.epoch + 1}, batch {number + 1}; "
                "lower train.learning_rate"
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        return float(loss.detach()), logits.detach()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=self.positive_weight)

    def _on_device(self, loader: Loader) -> Iterator[Batch]:
        if len(loader) == 0:
            raise DataError("loader: holds no batch; give it at least one track")
        for features, valid, labels in loader:
            yield Batch(features.to(self.device), valid.to(self.device), labels.to(self.device))
