"""Which published checkpoints are known, and how a file is told to be one of them."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from torch import Tensor

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.checkpoint import KNOWN
from track_persistence.magvit.published import magvit2_pytorch, o2_magvit2, open_magvit2
from track_persistence.magvit.published.container import read_tensors
from track_persistence.magvit.published.network import PublishedNetwork

Recognises = Callable[[Collection[str]], bool]
Build = Callable[[Path, Mapping[str, Tensor]], PublishedNetwork]
FAMILIES: tuple[tuple[Recognises, Build], ...] = (
    (open_magvit2.recognises, open_magvit2.build),
    (o2_magvit2.recognises, o2_magvit2.build),
    (magvit2_pytorch.recognises, magvit2_pytorch.build),
)
KEYS_SHOWN = 5


def load_network(path: Path) -> PublishedNetwork:
    """Return the encoder of a published checkpoint; the keys of its tensors tell the family.

    Raises `CheckpointError` when the container cannot be read, no family knows the keys, or a tensor does not fit.
    """
    tensors = read_tensors(path)
    for recognises, build in FAMILIES:
        if recognises(tensors.keys()):
            return build(path, tensors)
    first = ", ".join(sorted(tensors)[:KEYS_SHOWN])
    raise CheckpointError(f"{path}: weights of an unknown network, {len(tensors)} tensors: {first}, ...; {KNOWN}")
