import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import track_persistence
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.dataset import Batch, collate
from track_persistence.classifier.fit import fit
from track_persistence.classifier.model import PersistenceTransformer, create_model
from track_persistence.classifier.trainer import PersistenceTrainer, torch_device
from track_persistence.core.errors import CheckpointError, DataError, DeviceError, ParamsError, TrackPersistenceError


def make_model() -> PersistenceTransformer:
    model = create_model(16, 32, 2, 4, 32, 0.2)
    model.initialise(torch.Generator().manual_seed(0))
    return model


def make_batches(seed: int) -> list[Batch]:
    rng = np.random.default_rng(seed)
    direction = np.where(np.arange(16) % 2, 0.5, -0.5)
    batches = []
    for _ in range(6):
        labels = rng.random(16) < 0.5
        signs = np.where(labels, 1.0, -1.0)
        tracks = [sign * direction + rng.normal(size=(int(rng.integers(1, 9)), 16)) for sign in signs]
        batches.append(collate(tracks, labels))
    return batches


@pytest.fixture
def trainer(config: TrainConfig) -> PersistenceTrainer:
    return PersistenceTrainer(make_model(), config.model_copy(update={"num_epochs": 6}), 1.0, 7)


def test_training_learns_what_separates_the_classes(trainer: PersistenceTrainer) -> None:
    losses = [trainer.train_epoch(make_batches(epoch))["loss"] for epoch in range(6)]
    loss, accuracy, metrics = trainer.validate(make_batches(100))
    assert losses[-1] < 0.7 * losses[0]
    assert accuracy > 0.85
    assert metrics["auc"] > 0.9
    assert (metrics["loss"], metrics["accuracy"]) == (loss, accuracy)


def test_validation_counts_decisions_at_even_odds(trainer: PersistenceTrainer) -> None:
    with torch.no_grad():
        trainer.model.head.weight.zero_()
        trainer.model.head.bias.fill_(float(np.log(3)))  # probability 3/4 for every track: all are kept
    batch = collate([np.ones((2, 16))] * 4, [True, True, True, False])
    loss, accuracy, metrics = trainer.validate([batch])
    assert loss == pytest.approx(-(3 * np.log(3 / 4) + np.log(1 / 4)) / 4, rel=1e-5)
    assert (accuracy, metrics["precision"], metrics["recall"], metrics["auc"]) == (3 / 4, 3 / 4, 1, 1 / 2)


def test_the_positive_weight_multiplies_the_loss_of_persistent_tracks(config: TrainConfig) -> None:
    trainer = PersistenceTrainer(make_model(), config, 0.5, 7)
    with torch.no_grad():
        trainer.model.head.weight.zero_()
    batch = collate([np.ones((2, 16))] * 2, [True, False])
    assert trainer.validate([batch])[0] == pytest.approx((0.5 * np.log(2) + np.log(2)) / 2, rel=1e-5)


def test_validation_changes_nothing(trainer: PersistenceTrainer) -> None:
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    once, again = trainer.validate(make_batches(1)), trainer.validate(make_batches(1))
    np.testing.assert_equal(once, again)  # also where no track is kept and the precision is NaN
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_the_step_size_warms_up_and_decays_to_zero(trainer: PersistenceTrainer) -> None:
    peak = trainer.config.learning_rate
    assert trainer.step_size(0) == pytest.approx(peak * 0.01 / 1.01)
    assert trainer.step_size(0.5) == pytest.approx(peak)  # warmup_epochs: 0.5 of 6
    assert trainer.step_size(0.5 + 5.5 / 2) == pytest.approx(peak / 2)
    assert trainer.step_size(6) == pytest.approx(0, abs=1e-12)


def test_dropout_does_not_touch_torchs_own_generator(trainer: PersistenceTrainer) -> None:
    before = torch.random.get_rng_state()
    trainer.train_epoch(make_batches(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_loss_that_is_not_finite_stops_the_run(trainer: PersistenceTrainer) -> None:
    with torch.no_grad():
        trainer.model.head.bias.fill_(torch.inf)
    with pytest.raises(TrackPersistenceError, match=r"epoch 1, batch 1; lower train\.learning_rate"):
        trainer.train_epoch(make_batches(0))


def test_an_empty_loader_is_refused(trainer: PersistenceTrainer) -> None:
    with pytest.raises(DataError, match="holds no batch"):
        trainer.train_epoch([])
    with pytest.raises(DataError, match="holds no batch"):
        trainer.validate([])


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="cuda was asked for"):
        torch_device("cuda")


def test_the_trainer_reads_params_yaml_when_given_no_section(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = {"seed": 7, "train": config.model_dump(mode="json")}
    (tmp_path / "params.yaml").write_text(json.dumps(content))  # JSON is YAML
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    trainer = track_persistence.PersistenceTrainer(track_persistence.create_model())
    assert (trainer.config, trainer.seed) == (config, 7)
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ParamsError, match=r"params\.yaml: no such file"):
        PersistenceTrainer(make_model())


def weights_after(trainer: PersistenceTrainer, state: Path, epochs: Callable[[int], list[Batch]]) -> list[bytes]:
    fit(trainer, epochs, [make_batches(50)], state)
    return [value.numpy().tobytes() for value in trainer.model.state_dict().values()]


@pytest.mark.parametrize("killed_in_epoch", [1, 2])
def test_a_run_killed_in_any_epoch_ends_with_the_same_weights(
    config: TrainConfig, tmp_path: Path, killed_in_epoch: int
) -> None:
    def killed(epoch: int) -> list[Batch]:
        if epoch == killed_in_epoch:
            raise KeyboardInterrupt
        return make_batches(epoch)

    whole = weights_after(PersistenceTrainer(make_model(), config, 1.0, 7), tmp_path / "whole.pt", make_batches)
    with pytest.raises(KeyboardInterrupt):
        weights_after(PersistenceTrainer(make_model(), config, 1.0, 7), tmp_path / "cut.pt", killed)
    resumed = PersistenceTrainer(make_model(), config, 1.0, 7)
    assert weights_after(resumed, tmp_path / "cut.pt", make_batches) == whole
    assert resumed.epoch == config.num_epochs


def test_dropout_depends_on_the_seed(config: TrainConfig, tmp_path: Path) -> None:
    runs = [
        weights_after(PersistenceTrainer(make_model(), config, 1.0, seed), tmp_path / f"{seed}.pt", make_batches)
        for seed in (1, 2)
    ]
    assert runs[0] != runs[1]


def test_training_stops_when_validation_no_longer_improves(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, 0.3, 0.4, 0.35, 0.1])
    trainer = PersistenceTrainer(make_model(), config.model_copy(update={"num_epochs": 5, "patience": 2}), 1.0, 7)
    at_epoch = {}

    def validate(_: object) -> tuple[float, float, dict[str, float]]:
        at_epoch[trainer.epoch] = trainer.model.head.weight.detach().clone()
        return next(losses), 0.5, {}

    monkeypatch.setattr(trainer, "validate", validate)
    progress = fit(trainer, make_batches, [make_batches(50)], tmp_path / "state.pt")
    assert len(progress.history) == 4  # epochs 3 and 4 were no better than epoch 2
    assert progress.best_epoch == 2
    assert torch.equal(trainer.model.head.weight, at_epoch[2])


def test_a_broken_training_state_is_named(trainer: PersistenceTrainer, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"not a state")
    with pytest.raises(CheckpointError, match=r"state\.pt: not a usable training state.*delete it"):
        fit(trainer, make_batches, [make_batches(50)], tmp_path / "state.pt")
