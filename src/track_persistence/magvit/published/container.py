"""The tensors of a checkpoint file, whatever its container. Nothing is ever unpickled."""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor

from track_persistence.core.errors import CheckpointError

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
# A safetensors file starts with the length of its header, eight bytes, then the header, a JSON object.
JSON_AT = 8
UNREADABLE = (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return every tensor of a torch or safetensors file, on the CPU, its key the dotted path to it in the file.

    The container is told by its first bytes, not by its suffix. Torch files go through the loader that builds tensors
    and plain containers only (`weights_only`) and stay on disk until a tensor is used. Entries that are no tensors,
    and those below keys that are no strings (an optimiser's state), are left out.
    Raises `CheckpointError` when the file is missing, truncated, a TorchScript archive, holds other pickled objects or
    no tensor at all.
    """
    start = _first_bytes(path)
    zipped = start.startswith(ZIP)
    if start[JSON_AT:] != b"{" and (zipped or start.startswith(PICKLE)):
        tensors = dict(_flattened(_read_torch(path, zipped), ""))
    else:
        tensors = _read_safetensors(path)
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensor; pass the file that holds the weights")
    return tensors


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(JSON_AT + 1)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: no such file; run the tokenizer stage, `dvc pull`, or pass a checkpoint that is there"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}; pass a readable file") from error


def _read_torch(path: Path, zipped: bool) -> Any:
    try:
        if zipped:
            _refuse_script(path)
        # By name, PyTorch would give a file called .safetensors to safetensors; only a name can be mapped into memory.
        if zipped and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split(". ")[0]
        raise CheckpointError(
            f"{path}: holds pickled objects beside its tensors, or is cut off ({' '.join(reason.split())}); objects "
            "are never loaded: where you trust the file, save its state_dict alone, "
            "`torch.save({'state_dict': ...}, path)`"
        ) from error
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path}: not a whole PyTorch file, truncated perhaps: {' '.join(str(error).split())[:200]}; "
            "download it again"
        ) from error


def _refuse_script(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise CheckpointError(
                f"{path}: a TorchScript archive, which is a program; pass the weights it was traced with"
            )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: neither a PyTorch file nor a whole safetensors file, truncated perhaps: {error}; run `dvc pull` "
            "or download it again"
        ) from error


def _flattened(content: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested mappings under their dotted paths."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        if isinstance(value, Tensor):
            yield prefix + key, value
        else:
            yield from _flattened(value, f"{prefix}{key}.")
