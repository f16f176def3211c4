"""magvit2-pytorch's `VideoTokenizer` (Phil Wang, version 0.5.1): files of `tokenizer.save()` and of its trainer.

The configuration that the library pickles into its files is never read: names and shapes of the tensors tell the
layers. Pixels are in [0, 1]. Nothing normalises over time: latent j depends on frames 0 .. s j at most, s the time
stride. Where time is strided it depends on less, frames 0 .. s j - (s - 1) (a blur before the stride adds frames up to
s j): the library puts s - 1 black frames before a clip and then never looks ahead, so latent 0 sees no frame of the
clip at all and is the same for every clip.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from track_persistence.magvit.published.magvit2_layers import Blur, CausalConvolution, TimeDownsample, pad_front
from track_persistence.magvit.published.magvit2_shapes import LayerTensors, layers_of
from track_persistence.magvit.published.network import LATENT, PRE_OUT, PublishedNetwork
from track_persistence.magvit.published.weights import fill, prefix_of

MARK = re.compile(r"((?:.*?\.)?)(?:conv_in\.conv\.weight|encoder_layers\.\d+\..+)$")
AVERAGED = "ema_model."
COLOURS = 3


class VideoEncoder(nn.Module):
    """The encoder of the library: a convolution, then the other layers."""

    def __init__(
        self, first: CausalConvolution, first_frame: nn.Conv2d | None, layers: Sequence[nn.Module], time_stride: int
    ) -> None:
        """Take the first convolution, that of the first frame where it has its own, and the layers after them."""
        super().__init__()
        self.first = first
        self.first_frame = first_frame
        self.layers = nn.Sequential(*layers)
        self.history = time_stride - 1

    def forward(self, video: Tensor) -> dict[str, Tensor]:
        """Encode (B, 3, T, H, W) in [0, 1], T = 1 + s k; the values are (B, C, 1 + k, h, w).

        The library's encoder ends without a projection (its quantizer brings one): both taps are its output.
        """
        if self.first_frame is None:
            x = self.first(pad_front(video, self.history))
        else:
            x = pad_front(self._apart(video, self.first_frame), self.history)
        x = self.layers(x)
        return {PRE_OUT: x, LATENT: x}

    def _apart(self, video: Tensor, first_frame: nn.Conv2d) -> Tensor:
        start: Tensor = first_frame(video[:, :, 0]).unsqueeze(2)  # (B, C, 1, H, W)
        if video.shape[2] == 1:
            return start
        return torch.cat([start, self.first(video[:, :, 1:])], dim=2)


def recognises(keys: Collection[str]) -> bool:
    """Return whether a file with these keys holds a tokenizer of magvit2-pytorch."""
    found = {key.removeprefix(match[1]).split(".")[0] for key in keys if (match := MARK.match(key))}
    return found == {"conv_in", "encoder_layers"}


def build(path: Path, weights: Mapping[str, Tensor]) -> PublishedNetwork:
    """Build the encoder whose tensors are among `weights`, the running average of them where a trainer's file has one.

    Raises `CheckpointError` naming `path` and key.
    """
    averaged = [key for key in weights if (match := MARK.match(key)) and match[1].endswith(AVERAGED)]
    prefix = prefix_of(path, averaged or weights, MARK)
    stem = LayerTensors(path, prefix, weights)
    channels = stem.shape("conv_in.conv.weight", 5)[0]
    with torch.device("meta"):
        layers = layers_of(path, weights, f"{prefix}encoder_layers.", channels)
        time_stride = 2 ** sum(layer.kind == "compress_time" for layer in layers)
        module = VideoEncoder(*_first_convolutions(stem), [layer.module for layer in layers], time_stride)
    key_of = {f"first.{name}": f"{prefix}conv_in.conv.{name}" for name in ("weight", "bias")}
    key_of |= {f"first_frame.{name}": f"{prefix}conv_in_first_frame.{name}" for name in ("weight", "bias")}
    for number, layer in enumerate(layers):
        key_of |= {f"layers.{number}.{name}": key for name, key in layer.key_of.items()}
    fill(path, module, _used(weights, prefix, len(layers)), key_of)
    width = layers[-1].channels if layers else channels
    blurred = any(isinstance(layer.module, TimeDownsample) and isinstance(layer.module.blur, Blur) for layer in layers)
    return PublishedNetwork(
        family="magvit2_pytorch",
        module=module.eval().requires_grad_(False),
        pixel_range=(0.0, 1.0),
        time_stride=time_stride,
        taps={PRE_OUT: width, LATENT: width},
        ema=bool(averaged),
        is_causal=True,
        lag=0 if blurred else time_stride - 1,
    )


def _first_convolutions(stem: LayerTensors) -> tuple[CausalConvolution, nn.Conv2d | None]:
    channels = (COLOURS, stem.shape("conv_in.conv.weight", 5)[0])
    first = CausalConvolution(channels, stem.kernel("conv_in.conv.weight", 3))
    if "conv_in_first_frame.weight" not in stem:
        return first, None
    height, width = stem.kernel("conv_in_first_frame.weight", 2)
    return first, nn.Conv2d(*channels, (height, width), padding=(height // 2, width // 2))


def _used(weights: Mapping[str, Tensor], prefix: str, layers: int) -> dict[str, Tensor]:
    """Return the encoder's tensors without the normalisation at its end, which the library never calls."""
    parts = tuple(prefix + part for part in ("conv_in.", "conv_in_first_frame.", "encoder_layers."))
    unused = {f"{prefix}encoder_layers.{layers}.1.{name}" for name in ("weight", "bias")}
    return {key: value for key, value in weights.items() if key.startswith(parts) and key not in unused}
