"""The layers of magvit2-pytorch's encoder, told by the names and shapes of their tensors.

Shapes tell all widths, kernels and, through the learned keys, the heads of ordinary attention. They do not tell the
heads of linear attention: the library's defaults are taken, 16 heads of width 8, and other widths are refused. Nor
do they tell the padding mode of the convolutions: zeros, the library's default, are taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published.magvit2_attention import (
    AttendSpace,
    AttendTime,
    FeedForward,
    GateLoop,
    MemoryAttention,
    TaylorAttention,
)
from track_persistence.magvit.published.magvit2_layers import ResidualUnit, SpaceDownsample, TimeDownsample
from track_persistence.magvit.published.weights import count, renamed

LINEAR_HEADS = 16
LINEAR_HEAD_WIDTH = 8
BLUR = "maybe_blur.f"
CONDITIONED = (".to_gamma.", ".to_cond.")
Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LayerTensors:
    """The tensors of a file below one layer."""

    path: Path
    prefix: str
    """What stands before the layer's own names, the last dot included."""
    tensors: Mapping[str, Tensor]
    """All tensors of the file."""

    def __contains__(self, name: str) -> bool:
        """Return whether the layer has a tensor of that name."""
        return self.prefix + name in self.tensors

    def below(self, name: str) -> "LayerTensors":
        """Return the tensors of a part of the layer."""
        return LayerTensors(self.path, f"{self.prefix}{name}.", self.tensors)

    def shape(self, name: str, dims: int) -> tuple[int, ...]:
        """Return the shape of a tensor.

        Raises `CheckpointError` naming file and key when it is missing, empty or has other than `dims` dimensions.
        """
        key = self.prefix + name
        if key not in self.tensors:
            raise CheckpointError(f"{self.path}: {key}: tensor is missing; the file is incomplete, save it again")
        shape = tuple(self.tensors[key].shape)
        if len(shape) != dims or 0 in shape:
            raise CheckpointError(f"{self.path}: {key}: expected {dims} dimensions, none of them 0, got {shape}")
        return shape

    def kernel(self, name: str, dims: int) -> tuple[int, ...]:
        """Return the kernel of the convolution `name` over `dims` dimensions.

        Raises `CheckpointError` as `shape` does, and when the kernel's edge is even in space.
        """
        kernel = self.shape(name, dims + 2)[2:]
        if any(size % 2 == 0 for size in kernel[-2:]) and dims > 1:
            raise CheckpointError(f"{self.path}: {self.prefix}{name}: expected a kernel odd in space, got {kernel}")
        return kernel


@dataclass(frozen=True)
class Kind:
    """One of the library's layer types."""

    name: str
    """What the library's `layers` argument calls it."""
    mark: str
    """A tensor that layers of this kind alone have, one of `dims` dimensions."""
    dims: int
    build: Callable[[LayerTensors, int], nn.Module]
    """From the tensors and the channels that come in to the module, its parameters not filled."""
    names: Rules
    """(pattern, replacement) pairs from the names of the module's parameters to those in the file."""


@dataclass(frozen=True)
class EncoderLayer:
    """One layer of the encoder, its parameters not filled."""

    kind: str
    module: nn.Module
    channels: int
    """Channels that it hands on."""
    key_of: Mapping[str, str]
    """From the names of the module's state to keys in the file."""


def layers_of(path: Path, tensors: Mapping[str, Tensor], prefix: str, channels: int) -> list[EncoderLayer]:
    """Return the layers below `prefix`, `channels` channels coming in, without the normalisation at the end.

    The library builds that normalisation and never calls it: its loop over the layers stops one short.
    Raises `CheckpointError` naming file and key for layers that are conditioned, unknown, or of shapes that contradict
    each other, and when the normalisation is missing, as it is in half a file.
    """
    last = count(path, tensors, prefix) - 1
    final = LayerTensors(path, f"{prefix}{last}.1.", tensors)
    final.shape("bias", 1)
    normed = final.shape("weight", 1)
    found = []
    for number in range(last):
        layer = _layer(LayerTensors(path, f"{prefix}{number}.", tensors), channels)
        found.append(layer)
        channels = layer.channels
    if normed != (channels,):
        raise CheckpointError(f"{path}: {final.prefix}weight: expected shape {(channels,)}, got {normed}")
    return found


def _layer(tensors: LayerTensors, channels: int) -> EncoderLayer:
    names = sorted(key for key in tensors.tensors if key.startswith(tensors.prefix))
    for name in names:
        if any(mark in name for mark in CONDITIONED):
            raise CheckpointError(
                f"{tensors.path}: {name}: a conditioned layer (cond_residual, cond_attend_*); its condition is not in "
                "a video, pass a checkpoint without such layers"
            )
    for kind in KINDS:
        if kind.mark in tensors and tensors.tensors[tensors.prefix + kind.mark].ndim == kind.dims:
            module = kind.build(tensors, channels)
            key_of = {name: tensors.prefix + renamed(name, kind.names) for name in module.state_dict()}
            if isinstance(module, SpaceDownsample | TimeDownsample):
                channels = module.conv.out_channels
            return EncoderLayer(kind.name, module, channels, key_of)
    known = ", ".join(kind.name for kind in KINDS)
    raise CheckpointError(
        f"{tensors.path}: {names[0]}: belongs to no known layer type of magvit2-pytorch; known: {known}; pass "
        "a checkpoint of these"
    )


def _residual_unit(tensors: LayerTensors, channels: int) -> ResidualUnit:
    hidden = tensors.shape("fn.4.net.0.weight", 4)[0]
    return ResidualUnit(channels, tensors.kernel("fn.0.conv.weight", 3), hidden)


def _residual_units(tensors: LayerTensors, channels: int) -> nn.Sequential:
    units = range(count(tensors.path, tensors.tensors, tensors.prefix))
    return nn.Sequential(*(_residual_unit(tensors.below(str(unit)), channels) for unit in units))


def _compress_space(tensors: LayerTensors, channels: int) -> SpaceDownsample:
    kernel = tensors.kernel("conv.weight", 2)
    return SpaceDownsample((channels, tensors.shape("conv.weight", 4)[0]), kernel, BLUR in tensors)


def _compress_time(tensors: LayerTensors, channels: int) -> TimeDownsample:
    (kernel,) = tensors.kernel("conv.weight", 1)
    return TimeDownsample((channels, tensors.shape("conv.weight", 3)[0]), kernel, BLUR in tensors)


def _attend_space(tensors: LayerTensors, channels: int) -> AttendSpace:
    attention = _memory_attention(tensors.below("0.fn"), channels, causal=False)
    return AttendSpace(attention, _feed_forward(tensors.below("1.fn"), channels))


def _linear_attend_space(tensors: LayerTensors, channels: int) -> AttendSpace:
    width, _ = tensors.shape("0.fn.attn.to_q.0.weight", 2)
    if width != LINEAR_HEADS * LINEAR_HEAD_WIDTH:
        raise CheckpointError(
            f"{tensors.path}: {tensors.prefix}0.fn.attn.to_q.0.weight: expected {LINEAR_HEADS} heads of width "
            f"{LINEAR_HEAD_WIDTH}, {LINEAR_HEADS * LINEAR_HEAD_WIDTH} rows, got {width}; the file does not tell how "
            "these divide into heads, pass a checkpoint with the library's defaults"
        )
    attention = TaylorAttention(channels, LINEAR_HEADS, LINEAR_HEAD_WIDTH)
    return AttendSpace(attention, _feed_forward(tensors.below("1.fn"), channels))


def _attend_time(tensors: LayerTensors, channels: int) -> AttendTime:
    attention = _memory_attention(tensors.below("0.fn.fn"), channels, causal=True)
    return AttendTime(attention, _feed_forward(tensors.below("1.fn.fn"), channels))


def _memory_attention(tensors: LayerTensors, channels: int, causal: bool) -> MemoryAttention:
    _, heads, entries, head_width = tensors.shape("mem_kv", 4)
    return MemoryAttention(channels, (heads, entries, head_width), causal)


def _feed_forward(tensors: LayerTensors, channels: int) -> FeedForward:
    return FeedForward(channels, tensors.shape("net.2.weight", 5)[1])


def _gate_loop(tensors: LayerTensors, channels: int) -> GateLoop:
    return GateLoop(channels)


_RESIDUAL: Rules = (
    (r"\bconv\.", "fn.0.conv."),
    (r"\bmix\.", "fn.2."),
    (r"\bgate\.key\.", "fn.4.to_k."),
    (r"\bgate\.narrow\.", "fn.4.net.0."),
    (r"\bgate\.widen\.", "fn.4.net.2."),
)
_DOWN: Rules = ((r"^blur\.taps$", BLUR),)
_SPACE: Rules = (
    (r"^attention\.", "0.fn."),
    (r"^feed_forward\.", "1.fn."),
    (r"\bnorm\.gain$", "norm.gamma"),
    (r"\bmemory$", "mem_kv"),
    (r"\bqkv\.", "to_qkv.0."),
    (r"\bout\.", "to_out.1."),
    (r"\bwiden\.", "net.0."),
    (r"\bnarrow\.", "net.2."),
)
_TIME: Rules = (*_SPACE, (r"^(\d)\.fn\.", r"\1.fn.fn."))
_LINEAR: Rules = (
    (r"\bquery\.", "attn.to_q.0."),
    (r"\bkey_value\.", "attn.to_kv.0."),
    (r"\bout\.", "attn.to_out.0."),
    *_SPACE,
)
_LOOP: Rules = ((r"^norm\.gain$", "fn.fn.norm.gamma"), (r"^project\.", "fn.fn.to_qkva.0."))
KINDS = (
    Kind("residual", "fn.0.conv.weight", 5, _residual_unit, _RESIDUAL),
    Kind("consecutive_residual", "0.fn.0.conv.weight", 5, _residual_units, _RESIDUAL),
    Kind("compress_space", "conv.weight", 4, _compress_space, _DOWN),
    Kind("compress_time", "conv.weight", 3, _compress_time, _DOWN),
    Kind("attend_space", "0.fn.mem_kv", 4, _attend_space, _SPACE),
    Kind("linear_attend_space", "0.fn.attn.to_q.0.weight", 2, _linear_attend_space, _LINEAR),
    Kind("attend_time", "0.fn.fn.mem_kv", 4, _attend_time, _TIME),
    Kind("gateloop_time", "fn.fn.to_qkva.0.weight", 2, _gate_loop, _LOOP),
)
