from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.made_classifier import classifier_metadata

from track_persistence.classifier.adapter import Adapter, SumCalibration, Witness
from track_persistence.classifier.adapter_file import load_adapter, save_adapted
from track_persistence.classifier.checkpoint import load_classifier, save_classifier
from track_persistence.classifier.decision import DecisionRule
from track_persistence.classifier.model import create_model
from track_persistence.core.errors import CheckpointError

ADAPTER = Adapter(
    {"looks": Witness(np.array([0.1, -0.25, 3.0]), 0.5, 6.0), "confidence": Witness(np.array([1.0]), 0.0, 4.0)},
    {"all": ("looks", "confidence"), "pixels": ("looks",)},
    {"all": SumCalibration(0.4, -0.1), "pixels": SumCalibration(0.8, 0.2)},
    {"all": DecisionRule(0.02, (3.0, 2.0), (-3.0, -2.5), 0.5), "pixels": DecisionRule(0.02, (4.0,), (-4.0,), 0.0)},
)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "persistence.safetensors"
    network = create_model(input_dim=16, hidden_dim=16, num_layers=1, num_heads=2, feedforward_dim=16)
    save_classifier(path, network, classifier_metadata("abc"))
    return path


def test_an_adapter_comes_back_as_it_was_saved(checkpoint, tmp_path):
    save_adapted(checkpoint, tmp_path / "a.safetensors", ADAPTER)
    loaded = load_adapter(tmp_path / "a.safetensors")
    evidence = {"looks": np.array([[1.0, 2.0, 0.5]]), "confidence": np.array([[9.0]])}
    for name in ADAPTER.sets:
        assert loaded.log_odds(evidence, name).tolist() == ADAPTER.log_odds(evidence, name).tolist()
    assert loaded.rules == ADAPTER.rules


def test_the_classifier_in_the_file_is_unchanged(checkpoint, tmp_path):
    save_adapted(checkpoint, tmp_path / "a.safetensors", ADAPTER)
    before, after = (load_classifier(path, "cpu") for path in (checkpoint, tmp_path / "a.safetensors"))
    assert before.metadata == after.metadata
    weights = after.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in before.model.state_dict().items())


def test_a_file_without_adapter_has_none(checkpoint):
    assert load_adapter(checkpoint) is None


def test_adapting_again_replaces_the_adapter_and_gives_the_same_bytes(checkpoint, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    other = Adapter(
        {"looks": Witness(np.ones(2), 0.0, 6.0)},
        {"all": ("looks",)},
        {"all": SumCalibration(1.0, 0.0)},
        {"all": ADAPTER.rules["all"]},
    )
    save_adapted(checkpoint, first, other)
    save_adapted(first, second, ADAPTER)
    save_adapted(checkpoint, first, ADAPTER)
    assert first.read_bytes() == second.read_bytes()


def test_weights_that_are_no_numbers_are_refused(checkpoint, tmp_path):
    broken = replace(ADAPTER, witnesses={"looks": Witness(np.array([np.nan]), 0.0, 6.0)})
    with pytest.raises(CheckpointError, match="witness 'looks' holds NaN"):
        save_adapted(checkpoint, tmp_path / "a.safetensors", broken)


def test_a_damaged_or_foreign_file_is_named(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_adapter(tmp_path / "none")
    cut = tmp_path / "cut"
    cut.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_adapter(cut)
    lost = replace(ADAPTER, witnesses={"looks": ADAPTER.witnesses["looks"]})
    save_adapted(checkpoint, tmp_path / "lost", lost)
    with pytest.raises(CheckpointError, match=r"adapter names \['confidence'\]"):
        load_adapter(tmp_path / "lost")
    save_adapted(checkpoint, tmp_path / "unruly", replace(ADAPTER, rules={"all": ADAPTER.rules["all"]}))
    with pytest.raises(CheckpointError, match="sets without calibration or rule"):
        load_adapter(tmp_path / "unruly")
