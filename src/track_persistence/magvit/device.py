"""The compute device a run asks for."""

import torch

from track_persistence.core.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """Return the torch device called `name` (`cpu` or `cuda`); raises `DeviceError` when it is absent."""
    if name not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r}: expected 'cpu' or 'cuda'")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "device 'cuda': this machine shows PyTorch no GPU; set run.device to cpu (or --device cpu), "
            "or install a CUDA build of PyTorch and its driver"
        )
    return torch.device(name)
