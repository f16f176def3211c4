"""One door for all checkpoints: the content of the file says which encoder comes out."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.magvit.published.made_checkpoints import LATENTS, O2, OPEN, make_config, make_weights

from track_persistence.core.errors import CheckpointError, DeviceError
from track_persistence.core.files import file_digest
from track_persistence.magvit.checkpoint import KNOWN, save_tokenizer
from track_persistence.magvit.encoders import TrackEncoder, load_encoder

PROVENANCE_OF_ALL = {"family", "sha256", "ema", "tap", "pixel_range", "dtype"}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """As PyTorch Lightning writes it, running average included."""
    weights = make_weights(OPEN, seed=1, blocks=1)
    averaged = {"model_ema." + key.replace(".", ""): value for key, value in weights.items()}
    path = tmp_path / "video.ckpt"
    torch.save({"epoch": 1, "state_dict": weights | averaged | {"decoder.x": torch.zeros(1)}}, path)
    return path


def check_contract(encoder: TrackEncoder, crops: np.ndarray) -> None:
    features = encoder.encode([crops, crops[:1]])
    assert [item.shape for item in features] == [(len(crops), encoder.dimension), (1, encoder.dimension)]
    assert all(item.dtype == np.float32 and np.isfinite(item).all() for item in features)
    assert set(encoder.provenance) >= PROVENANCE_OF_ALL
    assert encoder.precision == "float32" == encoder.provenance["dtype"]
    assert encoder.digest != encoder.architecture_digest


@pytest.mark.parametrize("name", ["magvit.safetensors", "magvit.ckpt"])
def test_a_checkpoint_of_the_tokenizer_stage_is_known_by_its_header(tmp_path, tiny, crops_of, name):
    save_tokenizer(tmp_path / name, tiny)
    encoder = load_encoder(tmp_path / name, make_config(), "cpu")
    check_contract(encoder, crops_of(3))
    assert encoder.provenance["family"] == "native"
    assert encoder.is_causal
    assert encoder.dimension == 16


@pytest.mark.parametrize("name", ["video.ckpt", "video.safetensors", "video"])
def test_a_lightning_checkpoint_is_known_by_its_keys(published, crops_of, name):
    path = published.rename(published.with_name(name))
    encoder = load_encoder(path, make_config(), "cpu")
    check_contract(encoder, crops_of(3))
    assert encoder.provenance["family"] == "open_magvit2"
    assert encoder.provenance["ema"] is True
    assert encoder.provenance["sha256"] == file_digest(path)
    assert not encoder.is_causal
    assert encoder.dimension == LATENTS


def test_a_safetensors_file_of_another_project_is_known_by_its_keys(tmp_path, crops_of):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(make_weights(O2, seed=1, blocks=2), path)
    encoder = load_encoder(path, make_config(), "cpu")
    check_contract(encoder, crops_of(3))
    assert encoder.provenance["family"] == "o2_magvit2"
    assert encoder.is_causal


def test_an_unknown_file_is_refused_with_its_first_keys_and_what_is_known(tmp_path):
    path = tmp_path / "vit.pt"
    torch.save({f"vit.blocks.{number}.weight": torch.zeros(1) for number in range(9)}, path)
    with pytest.raises(
        CheckpointError, match=r"vit.pt: .* 9 tensors: vit.blocks.0.weight, .*vit.blocks.4.weight"
    ) as caught:
        load_encoder(path, make_config(), "cpu")
    assert KNOWN in str(caught.value)
    assert "Open-MAGVIT2" in KNOWN


@pytest.mark.parametrize("keep", [0, 7, 100, -4])
@pytest.mark.parametrize("native", [True, False])
def test_a_truncated_file_of_either_kind_is_refused(tmp_path, tiny, published, native, keep):
    if native:
        save_tokenizer(published, tiny)
    published.write_bytes(published.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"video.ckpt: .*(truncated perhaps|cut off)"):
        load_encoder(published, make_config(), "cpu")


def test_a_native_file_that_breaks_its_own_header_is_not_tried_as_a_published_one(tmp_path, tiny):
    path = tmp_path / "magvit.safetensors"
    save_tokenizer(path, tiny)
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}
    del weights["encoder.latents.weight"]
    path.write_bytes(safetensors.torch.save(weights, header))
    with pytest.raises(CheckpointError, match=r"encoder.latents.weight: tensor is missing"):
        load_encoder(path, make_config(), "cpu")


def test_a_missing_file_and_a_missing_device_are_named_first(tmp_path, published):
    with pytest.raises(CheckpointError, match="no such file"):
        load_encoder(tmp_path / "none.ckpt", make_config(), "cpu")
    with pytest.raises(DeviceError, match="expected 'cpu' or 'cuda'"):
        load_encoder(published, make_config(), "tpu")
