"""What moves the weights: Muon for the kernels of convolutions, AdamW for everything else."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from track_persistence.magvit.config import OptimizerConfig

KERNEL_DIMENSIONS = 5  # (out, in, time, height, width)


class KernelOptimizer:
    """Muon (Jordan et al. 2024) takes the step that turns a kernel's outputs by the same amount in every direction.

    torch has it for matrices. A kernel is seen as the matrix (out, time * height * width * in) of its own memory, so
    that what Muon writes there is in the kernel. Convolutions of a single voxel, norms, biases and the layers of the
    losses go to AdamW.
    """

    def __init__(self, weights: Iterable[nn.Parameter], config: OptimizerConfig) -> None:
        """Take over `weights`, which must stay where they are in memory: move modules before, not after.

        Kernels must lie in channels_last_3d order, for in another one the matrix would be a copy that Muon moves alone.
        """
        self._weights = tuple(weights)
        self._clip = config.gradient_norm
        self._kernels = [w for w in self._weights if w.ndim == KERNEL_DIMENSIONS and w.shape[2:].numel() > 1]
        self._matrices = [nn.Parameter(_as_matrix(kernel.detach())) for kernel in self._kernels]
        taken = {id(kernel) for kernel in self._kernels}
        others = [weight for weight in self._weights if id(weight) not in taken]
        self._peaks = (config.kernel_learning_rate, config.learning_rate)
        self._optimizers: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(
                self._matrices,
                lr=config.kernel_learning_rate,
                weight_decay=config.weight_decay,
                momentum=config.momentum,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(
                others, lr=config.learning_rate, betas=config.adam_betas, weight_decay=config.weight_decay
            ),
        )

    def step(self, loss: Tensor, share: float) -> Tensor:
        """Go down the gradient of `loss` with `share` of the peak step sizes; returns the gradient's norm.

        The gradient is scaled down to the global norm of the config; where it is not finite nothing moves.
        """
        for weight in self._weights:
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._clip)
        if not torch.isfinite(norm):
            return norm
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _as_matrix(kernel.grad)
        for optimizer, peak in zip(self._optimizers, self._peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
            optimizer.step()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return all that `load_state_dict` needs to go on."""
        return {"kernels": self._optimizers[0].state_dict(), "others": self._optimizers[1].state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a `state_dict`."""
        for optimizer, name in zip(self._optimizers, ("kernels", "others"), strict=True):
            optimizer.load_state_dict(state[name])


def _as_matrix(kernel: Tensor) -> Tensor:
    """Return a view of (out, in, time, height, width) as (out, time * height * width * in)."""
    return kernel.permute(0, 2, 3, 4, 1).view(len(kernel), -1)
