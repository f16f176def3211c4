"""A trained encoder made ready to run: on its device, in its precision, its kernels in the order of the processor."""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from track_persistence.magvit.config import Precision
from track_persistence.magvit.encoder import Encoder
from track_persistence.magvit.layers import CausalConv3d, still_weight

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# The order that oneDNN chooses for a pass of so many frames also serves any other number of them.
TYPICAL_FRAMES = 16
TYPICAL_SIDE = 16


class PackedConv3d(nn.Module):
    """A convolution on the CPU whose weights oneDNN has brought into its own order once, instead of on every call.

    That order depends on nothing but the layer, and making it costs as much as the convolution of several frames. The
    operator is the one `torch.compile` puts in place of convolutions with frozen weights; it has no gradient. It also
    spares float32 the kernel that `F.conv3d` takes for a lone short clip, which is two to three times slower.
    """

    def __init__(self, conv: nn.Conv3d, weight: Tensor, stride: tuple[int, ...]) -> None:
        """Convolve as `conv` does, but with `weight` (O, I, t, h, w) and `stride` in place of its own."""
        super().__init__()
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._geometry = (list(conv.padding), list(stride), list(conv.dilation), conv.groups)
        typical = [1, weight.shape[1], TYPICAL_FRAMES, TYPICAL_SIDE, TYPICAL_SIDE]
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight.detach(), *self._geometry, typical)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, I, T, H, W) to (B, O, T', H', W'), both in channels_last_3d order."""
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._geometry, "none", [], ""
        )
        return y


def ready_encoder(encoder: Encoder, precision: Precision, device: torch.device) -> Encoder:
    """Return a copy of `encoder` that is in evaluation mode and takes no gradient; `encoder` is left as it is."""
    ready = deepcopy(encoder).to(device, DTYPES[precision]).eval().requires_grad_(False)
    ready.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if device.type == "cpu" and _packs(precision):
        for layer in [module for module in ready.modules() if isinstance(module, CausalConv3d)]:
            conv = cast(nn.Conv3d, layer.conv)
            layer.still = PackedConv3d(conv, still_weight(conv), (1, *conv.stride[1:]))
            layer.conv = PackedConv3d(conv, conv.weight, conv.stride)
        conv = cast(nn.Conv3d, ready.latents)
        ready.latents = PackedConv3d(conv, conv.weight, conv.stride)
    return ready


def _packs(precision: Precision) -> bool:
    """Whether this build of PyTorch and this processor have the operator in this precision."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return precision == "float32" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
