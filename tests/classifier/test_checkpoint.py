import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.made_classifier import classifier_metadata, profile_entry

from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.channels import ConfidenceScale
from track_persistence.classifier.checkpoint import (
    FittedProfile,
    Metadata,
    load_classifier,
    profile_entries,
    save_classifier,
)
from track_persistence.classifier.decision import DecisionRule
from track_persistence.classifier.model import Architecture, PersistenceTransformer, create_model
from track_persistence.core.errors import CheckpointError

METADATA: Metadata = classifier_metadata("abc", profiles={"matched": profile_entry(1.7), "nominal": profile_entry(0.5)})


@pytest.fixture
def model() -> PersistenceTransformer:
    model = create_model(16, 32, 2, 4, 32, 0.1)
    model.initialise(torch.Generator().manual_seed(0))
    return model


@pytest.fixture
def path(model: PersistenceTransformer, tmp_path: Path) -> Path:
    path = tmp_path / "persistence.safetensors"
    save_classifier(path, model, METADATA)
    return path


def header_of(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"]


def test_a_saved_model_comes_back_with_its_metadata(path: Path, model: PersistenceTransformer) -> None:
    loaded = load_classifier(path, "cpu")
    assert loaded.metadata == METADATA
    assert loaded.profile(None).calibration == loaded.model.calibration == Calibration.constant(1.7)
    assert (loaded.inputs, loaded.profiles, loaded.path) == ("pixels", ["matched", "nominal"], path)
    assert loaded.model.architecture == model.architecture
    assert not loaded.model.training
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    model.calibration = Calibration.constant(1.7)
    assert loaded.model.predict(features) == model.predict(features)


def test_the_same_model_has_the_same_bytes(path: Path, model: PersistenceTransformer, tmp_path: Path) -> None:
    for number in range(5):
        again = tmp_path / f"{number}.safetensors"
        save_classifier(again, model, dict(reversed(METADATA.items())))
        assert again.read_bytes() == path.read_bytes()


def test_a_truncated_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated perhaps"):
        load_classifier(path, "cpu")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_classifier(tmp_path / "none.safetensors", "cpu")


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="format None version None"):
        load_classifier(tmp_path / "other.safetensors", "cpu")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_classifier(tmp_path / "model.safetensors", "cpu")


@pytest.mark.parametrize("change", ["missing", "extra", "reshaped"])
def test_weights_that_do_not_fit_their_architecture_are_refused(path: Path, change: str) -> None:
    weights, header = load_file(path), header_of(path)
    if change == "missing":
        del weights["head.bias"]
    elif change == "extra":
        weights["layers.2.out.bias"] = torch.zeros(32)
    else:
        weights["head.weight"] = torch.zeros(1, 33)
    save_file(weights, path, metadata=header)
    with pytest.raises(CheckpointError, match="the architecture in its header wants") as caught:
        load_classifier(path, "cpu")
    assert "\n" not in str(caught.value)


def test_an_architecture_that_cannot_be_built_is_refused(path: Path) -> None:
    header = {key: value.replace('"num_heads": 4', '"num_heads": 5') for key, value in header_of(path).items()}
    save_file(load_file(path), path, metadata=header)
    with pytest.raises(CheckpointError, match="cannot be built"):
        load_classifier(path, "cpu")


def test_nan_weights_are_neither_written_nor_read(path: Path, model: PersistenceTransformer) -> None:
    weights = load_file(path)
    weights["head.weight"][0, 3] = torch.nan
    save_file(weights, path, metadata=header_of(path))
    with pytest.raises(CheckpointError, match=r"'head\.weight' holds NaN"):
        load_classifier(path, "cpu")
    model.load_state_dict(weights)
    with pytest.raises(CheckpointError, match=r"'head\.weight' holds NaN"):
        save_classifier(path, model, METADATA)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_frames", 0),
        ("threshold", float("nan")),
        ("threshold", 1.0),
        ("precision", 3),
        ("inputs", "sound"),
        ("shipped_profile", "foggy"),
    ],
)
def test_impossible_metadata_is_refused(path: Path, model: PersistenceTransformer, key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=key):
        save_classifier(path, model, METADATA | {key: value})  # type: ignore[dict-item]


def test_incomplete_metadata_is_refused(path: Path, model: PersistenceTransformer) -> None:
    with pytest.raises(CheckpointError, match="expected exactly the keys"):
        save_classifier(path, model, {"encoder_digest": "abc"})


def test_what_was_fitted_on_each_profile_comes_back(tmp_path: Path) -> None:
    model = PersistenceTransformer(Architecture(16, 32, 2, 4, 32, 0.1, 6))
    rule = DecisionRule(0.02, (3.0, 2.0), (-3.0, -2.5), 0.5)
    fitted = {
        "matched": FittedProfile(Calibration((1, 10), (0.5, 2.0), (0.25, -1.0)), rule, ConfidenceScale(0.5, 1.5)),
        "nominal": FittedProfile(
            Calibration.constant(3.0), DecisionRule(0.1, (1.0,), (-1.0,), 0.0), ConfidenceScale(-0.5, 1.0)
        ),
    }
    more = {"profiles": profile_entries(fitted), "shipped_profile": "nominal", "inputs": "both"}
    save_classifier(tmp_path / "full.safetensors", model, METADATA | more)
    loaded = load_classifier(tmp_path / "full.safetensors", "cpu")
    assert {name: loaded.profile(name) for name in loaded.profiles} == fitted
    assert loaded.profile(None) == fitted["nominal"]
    assert (loaded.inputs, loaded.model.calibration) == ("both", fitted["nominal"].calibration)
    assert loaded.model.architecture.frame_dim == 22


def test_an_unknown_profile_names_those_that_are_there(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"persistence\.safetensors: holds no profile 'foggy'.*matched, nominal"):
        load_classifier(path, "cpu").profile("foggy")


def test_a_file_of_the_earlier_version_is_refused(path: Path) -> None:
    header = {key: value.replace('"version": 3', '"version": 2') for key, value in header_of(path).items()}
    save_file(load_file(path), path, metadata=header)
    with pytest.raises(CheckpointError, match=r"version 2; expected .* version 3; .*run it again"):
        load_classifier(path, "cpu")


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": {"ages": [1], "temperatures": [0.0], "biases": [0.0]}},
        {"calibration": {"ages": [2, 1], "temperatures": [1.0, 1.0], "biases": [0.0, 0.0]}},
        {"calibration": {"ages": [1]}},
        {"decision": {"error_budget": 0.1, "keep_from": [1.0], "drop_to": [], "forced": 0.0}},
        {"decision": None},
        {"confidence_scale": {"mean": 0.0, "std": 0.0}},
    ],
)
def test_an_unusable_profile_is_named(tmp_path: Path, model: PersistenceTransformer, change: dict[str, object]) -> None:
    profiles = {"matched": profile_entry(), "nominal": profile_entry() | change}
    with pytest.raises(CheckpointError, match=r"profile nominal cannot be used: .*train stage wrote"):
        save_classifier(tmp_path / "bad.safetensors", model, METADATA | {"profiles": profiles})
