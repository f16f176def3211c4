"""What a file is, is told by its content; tensors come out under their paths and nothing else is ever loaded."""

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published.container import read_tensors


class Bomb:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


NESTED = {
    "state_dict": {"encoder.weight": torch.arange(6.0).reshape(2, 3)},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}}],
    "ema": {"state": {0: {"exp_avg": torch.zeros(2)}}, "decay": torch.tensor(0.5)},
    "epoch": 3,
    "config": b"\x80\x04N.",
}


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_out_of_torch_files_of_both_formats_under_their_paths(tmp_path, name, zipped):
    torch.save(NESTED, tmp_path / name, _use_new_zipfile_serialization=zipped)
    tensors = read_tensors(tmp_path / name)
    assert set(tensors) == {"state_dict.encoder.weight", "ema.decay"}
    assert torch.equal(tensors["state_dict.encoder.weight"], NESTED["state_dict"]["encoder.weight"])


def test_tensors_come_out_of_safetensors_whatever_the_files_name(tmp_path):
    path = tmp_path / "model.ckpt"
    safetensors.torch.save_file({"encoder.weight": torch.ones(2)}, path)
    assert torch.equal(read_tensors(path)["encoder.weight"], torch.ones(2))


def test_a_safetensors_header_whose_length_reads_like_a_pickle_is_no_pickle(tmp_path):
    path = tmp_path / "model.safetensors"
    for length in range(400):
        content = safetensors.torch.save({"w": torch.ones(2)}, {"note": "x" * length})
        if content.startswith(b"\x80"):
            break
    path.write_bytes(content)
    assert content.startswith(b"\x80")
    assert set(read_tensors(path)) == {"w"}


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_refused_unloaded_with_the_way_out(tmp_path, zipped):
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": {"w": torch.ones(2)}, "bomb": Bomb()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"model.ckpt: holds pickled objects.*save its state_dict alone"):
        read_tensors(path)


def test_a_bare_pickle_is_refused_without_running_it(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(CheckpointError, match=r"old.pt: "):
        read_tensors(path)


def test_a_torchscript_archive_is_refused_as_a_program(tmp_path):
    path = tmp_path / "script.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(CheckpointError, match=r"script.pt: a TorchScript archive, which is a program"):
        read_tensors(path)


@pytest.mark.parametrize("save", [torch.save, safetensors.torch.save_file], ids=["torch", "safetensors"])
@pytest.mark.parametrize("keep", [0, 3, 20, 300, -1])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, save, keep):
    path = tmp_path / "model.bin"
    save({"w": torch.ones(200)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model.bin: .*(truncated perhaps|cut off)") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_of_the_old_format_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(200)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for keep in (2, 15, 60, len(whole) - 100):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match=r"truncated perhaps|cut off"):
            read_tensors(path)


def test_damage_in_the_middle_of_an_archive_is_refused_or_reads_on(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(20)}, path)
    whole = path.read_bytes()
    for start in range(0, len(whole) - 16, 16):
        path.write_bytes(whole[:start] + b"\xff" * 16 + whole[start + 16 :])
        try:
            read_tensors(path)
        except CheckpointError as error:
            assert "model.pt: " in str(error)


@pytest.mark.parametrize("content", [{"epoch": 1}, {}, [torch.ones(2)], torch.ones(2)])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="holds no tensor"):
        read_tensors(tmp_path / "model.pt")


def test_what_is_not_there_or_no_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"model.pt: no such file"):
        read_tensors(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        read_tensors(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    path = tmp_path / "scenes.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(CheckpointError, match="neither a PyTorch file nor a whole safetensors file"):
        read_tensors(path)
