"""Tensors of a file reach a module only when all of them fit."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published.weights import count, fill, prefix_of, width

FILE = Path("published.ckpt")
KEYS = {"weight": "net.w", "bias": "net.b"}


@pytest.fixture
def empty() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(2, 3)


def tensors(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"net.w": torch.arange(6.0).reshape(3, 2), "net.b": torch.ones(3)} | {
        f"net.{name}": value for name, value in changes.items()
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
def test_tensors_of_any_floating_dtype_become_float32(empty, dtype):
    fill(FILE, empty, {key: value.to(dtype) for key, value in tensors().items()}, KEYS)
    assert empty.weight.dtype == torch.float32
    assert empty(torch.tensor([1.0, 2.0])).tolist() == [0 + 2 + 1, 2 + 6 + 1, 4 + 10 + 1]


def test_the_module_does_not_share_memory_with_the_file(empty):
    given = tensors()
    fill(FILE, empty, given, KEYS)
    given["net.b"].fill_(7)
    assert empty.bias.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": torch.zeros(2, 3)}, r"net.w: expected shape \(3, 2\), got \(2, 3\)"),
        ({"b": torch.zeros(3, dtype=torch.int64)}, r"net.b: expected torch.float32, got torch.int64"),
        ({"b": torch.tensor([0, torch.nan, 0])}, "net.b: holds NaN or infinity"),
        ({"w": torch.full((3, 2), torch.inf)}, "net.w: holds NaN or infinity"),
        ({"w": torch.full((3, 2), 1e300, dtype=torch.float64)}, "net.w: holds NaN or infinity"),
        ({"gate": torch.zeros(1), "more": torch.zeros(1)}, r"net.gate: tensor does not belong .*\(2 such keys\)"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_by_name(empty, change, message):
    with pytest.raises(CheckpointError, match=f"published.ckpt: {message}"):
        fill(FILE, empty, tensors(**change), KEYS)


def test_a_missing_tensor_is_named(empty):
    with pytest.raises(CheckpointError, match=r"net.b: tensor is missing"):
        fill(FILE, empty, {"net.w": torch.zeros(3, 2)}, KEYS)


@pytest.mark.parametrize("numbers", [(), (1,), (0, 2), (0, 10**9)])
def test_numbers_with_gaps_are_no_count(numbers):
    keys = {f"a.{number}.w": torch.zeros(1) for number in numbers}
    with pytest.raises(CheckpointError, match=r"a\.\*: expected numbers from 0"):
        count(FILE, keys, "a.")


def test_numbers_from_zero_are_counted_once_each():
    keys = [f"a.{number}.{name}" for number in range(11) for name in ("w", "b")] + ["a.final.w", "b.11.w"]
    assert count(FILE, dict.fromkeys(keys, torch.zeros(1)), "a.") == 11


def test_a_width_is_that_of_a_convolution_in_three_dimensions():
    assert width(FILE, {"w": torch.zeros(5, 4, 3, 3, 3)}, "w") == 5
    with pytest.raises(CheckpointError, match=r"w: expected the kernel .* got \(5, 4\)"):
        width(FILE, {"w": torch.zeros(5, 4)}, "w")
    with pytest.raises(CheckpointError, match="v: tensor is missing"):
        width(FILE, {"w": torch.zeros(5, 4)}, "v")


def test_the_prefix_of_the_networks_names_is_found():
    mark = re.compile(r"(.*)encoder\.w$")
    assert prefix_of(FILE, ["a.b.encoder.w", "decoder.w"], mark) == "a.b."
    with pytest.raises(CheckpointError, match=r"holds 2 encoders, below '', 'ema.'"):
        prefix_of(FILE, ["encoder.w", "ema.encoder.w"], mark)
