"""Checkpoints of O2-MAGVIT2's video tokenizer (Fang et al. 2024; cofe-ai/O2-MAGVIT2, `modeling/magvit2.py`).

It normalises frame by frame, so latent j depends on frames up to s j only. No running average lies beside the weights:
the trainer writes it to a file of its own, whose keys begin with `module.`.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from track_persistence.magvit.published.network import PublishedNetwork
from track_persistence.magvit.published.residual_encoder import ResidualArchitecture, empty_encoder, published_network
from track_persistence.magvit.published.weights import count, fill, prefix_of, renamed, width

MARK = re.compile(
    r"((?:.*?\.)?)encoder\.(?:conv_first|conv_last|(?:res_blocks|conv_downsample_blocks)\..*)\.conv\.weight$"
)
AVERAGED = "module."
# From the names of `ResidualEncoder` to those in the files, in this order. All blocks of a level but its first are
# called res_block_0_<number>, whatever the level.
NAMES = (
    (r"^steps\.first\.", "conv_first.conv."),
    (r"^steps\.level(\d+)_block0\.", r"res_blocks.res_block_\1.res_block_\1_0."),
    (r"^steps\.level(\d+)_block(\d+)\.", r"res_blocks.res_block_\1.res_block_0_\2."),
    (r"^steps\.level(\d+)_down\.", r"conv_downsample_blocks.conv_downsample_\1.conv."),
    (r"^steps\.middle_block(\d+)\.", r"res_blocks.res_block_final.res_block_final_\1."),
    (r"^norm\.", "final_norm.norm_fn."),
    (r"^last\.", "conv_last.conv."),
    (r"\bnorms\.(\d)\.", r"norm_\1.norm_fn."),
    (r"\bconvs\.(\d)\.", r"conv_\1.conv."),
    (r"\bshortcut\.", "conv_shortcut.conv."),
)

PUBLISHED = ResidualArchitecture(
    first_width=128,
    widths=(128, 128, 256, 256, 512),
    blocks=(4, 4, 4, 4, 4),
    middle_blocks=4,
    latent_dim=18,
    first_bias=True,
    frame_norm=True,
    epsilon=1e-5,
)
"""The size of the published preview: 18 latents, 128 channels times (1, 1, 2, 2, 4), 4 blocks a level."""


def recognises(keys: Collection[str]) -> bool:
    """Return whether a file with these keys is a video checkpoint of O2-MAGVIT2."""
    return any(MARK.match(key) for key in keys)


def build(path: Path, weights: Mapping[str, Tensor]) -> PublishedNetwork:
    """Build the encoder whose tensors are among `weights`.

    Number and width of the levels are read from names and shapes. Which levels halve time is in no tensor: as in both
    of its configurations, those wider than the first do. Raises `CheckpointError` naming `path` and key.
    """
    prefix = prefix_of(path, weights, MARK)
    encoder = f"{prefix}encoder."
    own = {key: value for key, value in weights.items() if key.startswith(encoder)}
    architecture = _architecture(path, own, encoder)
    module = empty_encoder(path, architecture)
    fill(path, module, own, {name: encoder + renamed(name, NAMES) for name in module.state_dict()})
    return published_network("o2_magvit2", module, architecture, ema=prefix.endswith(AVERAGED))


def _architecture(path: Path, tensors: Mapping[str, Tensor], encoder: str) -> ResidualArchitecture:
    blocks, first = f"{encoder}res_blocks.res_block_", "conv_0.conv.weight"
    levels = range(count(path, tensors, blocks))
    return ResidualArchitecture(
        first_width=width(path, tensors, f"{encoder}conv_first.conv.weight"),
        widths=tuple(width(path, tensors, f"{blocks}{level}.res_block_{level}_0.{first}") for level in levels),
        blocks=tuple(_blocks(path, tensors, f"{blocks}{level}.res_block_", level) for level in levels),
        middle_blocks=count(path, tensors, f"{blocks}final.res_block_final_"),
        latent_dim=width(path, tensors, f"{encoder}conv_last.conv.weight"),
        first_bias=PUBLISHED.first_bias,
        frame_norm=PUBLISHED.frame_norm,
        epsilon=PUBLISHED.epsilon,
    )


def _blocks(path: Path, tensors: Mapping[str, Tensor], prefix: str, level: int) -> int:
    """Return the number of blocks of a level, whose first has the level's number in its name and the others 0."""
    if level == 0:
        return count(path, tensors, f"{prefix}0_")
    first = f"{prefix}{level}_0."
    return count(path, {key.replace(first, f"{prefix}0_0."): value for key, value in tensors.items()}, f"{prefix}0_")
