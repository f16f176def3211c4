"""A device that is not there is an error, never a silent CPU run."""

import pytest
import torch

from track_persistence.core.errors import DeviceError
from track_persistence.magvit.device import resolve_device


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


def test_an_absent_gpu_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"set run.device to cpu"):
        resolve_device("cuda")


def test_an_unknown_device_is_named():
    with pytest.raises(DeviceError, match="device 'tpu'"):
        resolve_device("tpu")
