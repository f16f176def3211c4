"""The native checkpoint comes back whole; everything else is refused by name and never unpickled."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.checkpoint import HEADER_KEY, is_native, load_tokenizer, save_tokenizer


class Bomb:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@pytest.fixture
def saved(tmp_path: Path, tiny) -> Path:
    path = tmp_path / "magvit.safetensors"
    save_tokenizer(path, tiny)
    return path


def rewrite(path: Path, change) -> Path:
    """Apply `change(weights, header)` to a checkpoint."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER_KEY])
        weights = {name: file.get_tensor(name) for name in file.keys()}
    change(weights, header)
    path.write_bytes(safetensors.torch.save(weights, {HEADER_KEY: json.dumps(header)}))
    return path


def test_weights_and_architecture_come_back_exactly(saved, tiny):
    loaded = load_tokenizer(saved)
    assert loaded.config == tiny.config
    assert not loaded.training
    for name, value in tiny.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_saving_what_was_loaded_gives_the_same_bytes_in_another_process(saved, tmp_path):
    code = (
        "import sys; from pathlib import Path; from track_persistence.magvit.checkpoint import *;"
        "save_tokenizer(Path(sys.argv[2]), load_tokenizer(Path(sys.argv[1])))"
    )
    again = tmp_path / "again" / "other_name.safetensors"
    subprocess.run([sys.executable, "-c", code, saved, again], check=True)
    assert again.read_bytes() == saved.read_bytes()


def test_a_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(CheckpointError, match="no such file; run the tokenizer stage"):
        load_tokenizer(tmp_path / "magvit.safetensors")


@pytest.mark.parametrize("name", ["magvit.pth", "magvit.ckpt", "magvit.safetensors"])
def test_a_torch_file_is_refused_by_content_whatever_its_name(tmp_path, name):
    torch.save({"state_dict": {}, "bomb": Bomb()}, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"PyTorch zip archive .* frame by frame; known: native safetensors"):
        load_tokenizer(tmp_path / name)


def test_a_bare_pickle_is_refused_without_running_it(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="a Python pickle"):
        load_tokenizer(path)


def test_another_projects_safetensors_are_refused_with_their_first_keys(tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save({"vit.patch.weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"another project \(first keys: vit.patch.weight\)"):
        load_tokenizer(path)


@pytest.mark.parametrize("keep", [0, 5, 100, -4])
def test_a_truncated_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated perhaps"):
        load_tokenizer(saved)


def test_a_file_is_native_by_its_header_alone(saved, tmp_path):
    assert is_native(saved)
    others = {
        "other.safetensors": safetensors.torch.save({"vit.patch.weight": torch.zeros(2)}),
        "cut.safetensors": saved.read_bytes()[:100],
        "old.pt": pickle.dumps(Bomb()),
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
        assert not is_native(tmp_path / name)
    assert not is_native(tmp_path / "none.safetensors")
    assert not is_native(tmp_path)


def drop(weights, header):
    del weights["encoder.latents.weight"]


def add(weights, header):
    weights["extra"] = torch.zeros(1)


def reshape(weights, header):
    weights["encoder.latents.weight"] = torch.zeros(16, 9, 1, 1, 1)


def halve(weights, header):
    weights["encoder.latents.weight"] = weights["encoder.latents.weight"].half()


def poison(weights, header):
    weights["encoder.latents.bias"][3] = torch.nan


def widen(weights, header):
    header["architecture"]["latent_dim"] = 32


def forget(weights, header):
    del header["architecture"]["latent_dim"]


def age(weights, header):
    header["schema_version"] = 2


def rename(weights, header):
    header["schema"] = "track_persistence.persistence"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "encoder.latents.weight: tensor is missing"),
        (add, "extra: tensor does not belong"),
        (reshape, r"encoder.latents.weight: expected \(16, 8, 1, 1, 1\) torch.float32, got \(16, 9, 1, 1, 1\)"),
        (halve, "got .* torch.float16"),
        (poison, "encoder.latents.bias: holds NaN"),
        (widen, r"encoder.latents.bias: expected \(32,\)"),
        (forget, "architecture cannot be read: .*latent_dim"),
        (age, "holds track_persistence.magvit version 2; known"),
        (rename, "holds track_persistence.persistence version 1; known"),
    ],
)
def test_a_checkpoint_that_breaks_its_own_description_is_refused_in_one_line(saved, change, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tokenizer(rewrite(saved, change))
    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)
