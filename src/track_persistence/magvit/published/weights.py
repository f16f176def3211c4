"""Tensors of a file into the parameters of a module: every one of them, each of the right shape and finite."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from track_persistence.core.errors import CheckpointError

MOST_BLOCKS = 64


def fill(path: Path, module: nn.Module, tensors: Mapping[str, Tensor], key_of: Mapping[str, str]) -> None:
    """Put `tensors` into `module`, which may be on the meta device, as float32 on the CPU.

    `key_of` names the key in the file of every entry of the module's state; `tensors` holds the part of the file that
    must be used up. Raises `CheckpointError` naming file and key when a tensor is missing, left over, of another
    shape, no floating point number where one belongs, or not finite.
    """
    expected = module.state_dict()
    taken: dict[str, Tensor] = {}
    for name, want in expected.items():
        key = key_of[name]
        if key not in tensors:
            raise CheckpointError(f"{path}: {key}: tensor is missing; the file is incomplete, download it again")
        taken[name] = _checked(path, key, tensors[key], want)
    left = sorted(tensors.keys() - {key_of[name] for name in expected})
    if left:
        raise CheckpointError(
            f"{path}: {left[0]}: tensor does not belong to the architecture that the other keys tell "
            f"({len(left)} such keys); pass a checkpoint of the published architecture"
        )
    module.load_state_dict(taken, strict=True, assign=True)


def _checked(path: Path, key: str, got: Tensor, want: Tensor) -> Tensor:
    if got.shape != want.shape:
        raise CheckpointError(f"{path}: {key}: expected shape {tuple(want.shape)}, got {tuple(got.shape)}")
    if want.is_floating_point() != got.is_floating_point():
        raise CheckpointError(f"{path}: {key}: expected {want.dtype}, got {got.dtype}")
    # A copy: tensors of a torch file may still lie on the disk, where another program can cut them short.
    taken = got.to(torch.float32 if want.is_floating_point() else want.dtype, copy=True)
    if not torch.isfinite(taken).all():
        raise CheckpointError(f"{path}: {key}: holds NaN or infinity; pass another checkpoint")
    return taken


def prefix_of(path: Path, keys: Collection[str], mark: re.Pattern[str]) -> str:
    """Return what stands before the network's own names, the first group of `mark`, in all keys that match it.

    Raises `CheckpointError` when the file holds two such networks.
    """
    found = sorted({match[1] for key in keys if (match := mark.match(key))})
    if len(found) != 1:
        raise CheckpointError(
            f"{path}: holds {len(found)} encoders, below {', '.join(map(repr, found))}; pass a file with one of them"
        )
    return found[0]


def renamed(name: str, rules: Collection[tuple[str, str]]) -> str:
    """Return `name` after all substitutions of `rules`, (pattern, replacement) pairs, in their order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def count(path: Path, tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return n of the keys `prefix`0..., to `prefix`(n - 1)...; raises `CheckpointError` where one is skipped."""
    heads = {key.removeprefix(prefix).split(".")[0] for key in tensors if key.startswith(prefix)}
    numbers = {int(head) for head in heads if head.isdecimal()}
    if not numbers or numbers != set(range(len(numbers))) or len(numbers) > MOST_BLOCKS:
        raise CheckpointError(f"{path}: {prefix}*: expected numbers from 0 without gaps, got {sorted(numbers)[:9]}")
    return len(numbers)


def width(path: Path, tensors: Mapping[str, Tensor], key: str) -> int:
    """Return the output channels of the 3D convolution at `key`; raises `CheckpointError` when there is none."""
    if key not in tensors:
        raise CheckpointError(f"{path}: {key}: tensor is missing; the file is incomplete, download it again")
    if tensors[key].ndim != 5:
        raise CheckpointError(
            f"{path}: {key}: expected the kernel of a 3D convolution (5 dimensions), got {tuple(tensors[key].shape)}; "
            "pass a checkpoint of the video model, not of the image model"
        )
    return tensors[key].shape[0]
