"""Tiny checkpoints under the names that Open-MAGVIT2 and O2-MAGVIT2 write, and their networks computed key by key."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from track_persistence.magvit.config import ExtractConfig, PublishedConfig

LATENTS = 6
# Space is halved after every level but the last, time where the level is wider than 32.
WIDTHS = (32, 64, 64)
TIME_STRIDES = (1, 2)
GROUPS = 32
SIDE_PX = 32


@dataclass(frozen=True)
class Names:
    """How a repository calls the parts of the encoder, and where its arithmetic differs."""

    first: str
    block: Callable[[int, int], str]
    down: Callable[[int], str]
    middle: Callable[[int], str]
    norms: tuple[str, str]
    convs: tuple[str, str]
    shortcut: str
    norm: str
    last: str
    first_bias: bool
    frame_norm: bool
    epsilon: float


OPEN = Names(
    first="encoder.conv_in.conv_1",
    block=lambda level, block: f"encoder.down.{level}.block.{block}.",
    down=lambda level: f"encoder.down.{level}.downsample.conv_1",
    middle=lambda block: f"encoder.mid_block.{block}.",
    norms=("norm1", "norm2"),
    convs=("conv1.conv_1", "conv2.conv_1"),
    shortcut="nin_shortcut.conv_1",
    norm="encoder.norm_out",
    last="encoder.conv_out.conv_1",
    first_bias=False,
    frame_norm=False,
    epsilon=1e-6,
)
O2 = Names(
    first="encoder.conv_first.conv",
    # The repository names all but the first block of every level after level 0.
    block=lambda level, block: f"encoder.res_blocks.res_block_{level}.res_block_{level if block == 0 else 0}_{block}.",
    down=lambda level: f"encoder.conv_downsample_blocks.conv_downsample_{level}.conv",
    middle=lambda block: f"encoder.res_blocks.res_block_final.res_block_final_{block}.",
    norms=("norm_0.norm_fn", "norm_1.norm_fn"),
    convs=("conv_0.conv", "conv_1.conv"),
    shortcut="conv_shortcut.conv",
    norm="encoder.final_norm.norm_fn",
    last="encoder.conv_last.conv",
    first_bias=True,
    frame_norm=True,
    epsilon=1e-5,
)


Shapes = dict[str, tuple[int, ...]]


def conv_shapes(key: str, channels: tuple[int, int], kernel: int, bias: bool) -> Shapes:
    shapes: Shapes = {f"{key}.weight": (channels[1], channels[0], kernel, kernel, kernel)}
    return shapes | ({f"{key}.bias": (channels[1],)} if bias else {})


def norm_shapes(key: str, channels: int) -> Shapes:
    return {f"{key}.weight": (channels,), f"{key}.bias": (channels,)}


def block_shapes(names: Names, key: str, channels: tuple[int, int]) -> Shapes:
    shapes: Shapes = {}
    for norm, conv, width in zip(names.norms, names.convs, channels, strict=True):
        shapes |= norm_shapes(key + norm, width) | conv_shapes(key + conv, (width, channels[1]), 3, bias=False)
    same = channels[0] == channels[1]
    return shapes if same else shapes | conv_shapes(key + names.shortcut, channels, 1, bias=False)


def encoder_shapes(names: Names, blocks: int) -> Shapes:
    """Every key of an encoder with `blocks` blocks a level."""
    width = WIDTHS[0]
    shapes = conv_shapes(names.first, (3, width), 3, names.first_bias)
    for level, wider in enumerate(WIDTHS):
        for block in range(blocks):
            shapes |= block_shapes(names, names.block(level, block), (width, wider))
            width = wider
        if level < len(TIME_STRIDES):
            shapes |= conv_shapes(names.down(level), (width, width), 3, bias=True)
    for block in range(blocks):
        shapes |= block_shapes(names, names.middle(block), (width, width))
    return shapes | norm_shapes(names.norm, width) | conv_shapes(names.last, (width, LATENTS), 1, bias=True)


def make_weights(names: Names, seed: int, blocks: int) -> dict[str, Tensor]:
    """Random weights that keep the size of what goes through them."""
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for key, shape in encoder_shapes(names, blocks).items():
        values = torch.randn(shape, generator=generator)
        kernel = len(shape) == 5
        gain = key.endswith("weight") and not kernel
        weights[key] = values * values[0].numel() ** -0.5 if kernel else gain + 0.1 * values
    return weights


def reference(names: Names, weights: dict[str, Tensor], video: Tensor, blocks: int) -> Tensor:
    """The latents (B, 6, T', 8, 8) of a video (B, 3, T, 32, 32), one operation of PyTorch for each key."""

    def conv(key: str, x: Tensor, stride: tuple[int, int] = (1, 1)) -> Tensor:
        kernel, side = weights[f"{key}.weight"], weights[f"{key}.weight"].shape[-1] // 2
        padded = F.pad(x, (side, side, side, side, 2 * side, 0))
        return F.conv3d(padded, kernel, weights.get(f"{key}.bias"), (stride[0], stride[1], stride[1]))

    def norm(key: str, x: Tensor) -> Tensor:
        affine = weights[f"{key}.weight"], weights[f"{key}.bias"]
        if not names.frame_norm:
            return F.group_norm(x, GROUPS, *affine, names.epsilon)
        return torch.stack([F.group_norm(frame, GROUPS, *affine, names.epsilon) for frame in x.unbind(2)], dim=2)

    def residual(key: str, x: Tensor) -> Tensor:
        y = x
        for normed, convolved in zip(names.norms, names.convs, strict=True):
            y = conv(key + convolved, F.silu(norm(key + normed, y)))
        return y + (conv(key + names.shortcut, x) if f"{key}{names.shortcut}.weight" in weights else x)

    x = conv(names.first, video)
    for level in range(len(WIDTHS)):
        for block in range(blocks):
            x = residual(names.block(level, block), x)
        if level < len(TIME_STRIDES):
            x = conv(names.down(level), x, (TIME_STRIDES[level], 2))
    for block in range(blocks):
        x = residual(names.middle(block), x)
    return conv(names.last, F.silu(norm(names.norm, x)))


def make_video(frames: int, clips: int = 1) -> Tensor:
    return 2 * torch.rand(clips, 3, frames, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(frames)) - 1


def make_config(**fields: object) -> ExtractConfig:
    values: dict = {
        "tap": "latent",
        "projection": "none",
        "dimension": 4,
        "projection_seed": 7,
        "clip_frames": 5,
    }
    return ExtractConfig(precision="float32", dtype="float32", published=PublishedConfig(**(values | fields)))
