"""Lightning checkpoints of Open-MAGVIT2's video tokenizer (Luo et al. 2024; TencentARC/SEED-Voken, `video_lfqgan`).

Its group normalisation takes mean and variance over time as well, so every latent depends on the whole clip although
the convolutions are causal: `is_causal` is False.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from track_persistence.magvit.published.network import PublishedNetwork
from track_persistence.magvit.published.residual_encoder import (
    ResidualArchitecture,
    empty_encoder,
    published_network,
    random_encoder,
)
from track_persistence.magvit.published.weights import count, fill, prefix_of, renamed, width

MARK = re.compile(r"((?:.*?\.)?)encoder\.(?:conv_in|conv_out|(?:down|mid_block)\.\d+\..*)\.conv_1\.weight$")
AVERAGED = "model_ema."
# From the names of `ResidualEncoder` to those in the files, in this order.
NAMES = (
    (r"^steps\.first\.", "conv_in.conv_1."),
    (r"^steps\.level(\d+)_block(\d+)\.", r"down.\1.block.\2."),
    (r"^steps\.level(\d+)_down\.", r"down.\1.downsample.conv_1."),
    (r"^steps\.middle_block(\d+)\.", r"mid_block.\1."),
    (r"^norm\.", "norm_out."),
    (r"^last\.", "conv_out.conv_1."),
    (r"\bnorms\.0\.", "norm1."),
    (r"\bnorms\.1\.", "norm2."),
    (r"\bconvs\.0\.", "conv1.conv_1."),
    (r"\bconvs\.1\.", "conv2.conv_1."),
    (r"\bshortcut\.", "nin_shortcut.conv_1."),
)


PUBLISHED = ResidualArchitecture(
    first_width=128,
    widths=(128, 256, 256, 512),
    blocks=(4, 4, 4, 4),
    middle_blocks=4,
    latent_dim=18,
    first_bias=False,
    frame_norm=False,
    epsilon=1e-6,
)
"""The size of the published UCF-101 model: 18 latents, 128 channels times (1, 2, 2, 4), 4 blocks a level."""


def published_size(seed: int) -> PublishedNetwork:
    """Return the network at its published size with the random weights that `seed` names, to measure with."""
    return published_network("open_magvit2", random_encoder(PUBLISHED, seed), PUBLISHED, ema=False)


def recognises(keys: Collection[str]) -> bool:
    """Return whether a file with these keys is a video checkpoint of Open-MAGVIT2."""
    return any(MARK.match(key) for key in keys)


def build(path: Path, weights: Mapping[str, Tensor]) -> PublishedNetwork:
    """Build the encoder whose tensors are among `weights`, the running average of them where the file has one.

    Number and width of the levels are read from names and shapes. Raises `CheckpointError` naming `path` and key.
    """
    prefix = prefix_of(path, weights, MARK)
    last = {key: value for key, value in weights.items() if key.startswith(f"{prefix}encoder.")}
    averaged = {key: value for key, value in weights.items() if key.startswith(f"{prefix}{AVERAGED}encoder")}
    architecture = _architecture(path, last, f"{prefix}encoder.")
    module = empty_encoder(path, architecture)
    keys = {name: f"encoder.{renamed(name, NAMES)}" for name in module.state_dict()}
    if averaged:
        keys = {name: AVERAGED + key.replace(".", "") for name, key in keys.items()}
    fill(path, module, averaged or last, {name: prefix + key for name, key in keys.items()})
    return published_network("open_magvit2", module, architecture, ema=bool(averaged))


def _architecture(path: Path, tensors: Mapping[str, Tensor], encoder: str) -> ResidualArchitecture:
    levels = range(count(path, tensors, f"{encoder}down."))
    return ResidualArchitecture(
        first_width=width(path, tensors, f"{encoder}conv_in.conv_1.weight"),
        widths=tuple(width(path, tensors, f"{encoder}down.{level}.block.0.conv1.conv_1.weight") for level in levels),
        blocks=tuple(count(path, tensors, f"{encoder}down.{level}.block.") for level in levels),
        middle_blocks=count(path, tensors, f"{encoder}mid_block."),
        latent_dim=width(path, tensors, f"{encoder}conv_out.conv_1.weight"),
        first_bias=PUBLISHED.first_bias,
        frame_norm=PUBLISHED.frame_norm,
        epsilon=PUBLISHED.epsilon,
    )
