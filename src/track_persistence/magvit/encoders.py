"""Any known checkpoint as an encoder of tracks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from track_persistence.core.files import file_digest
from track_persistence.core.types import CropArray, FloatArray
from track_persistence.magvit.checkpoint import is_native
from track_persistence.magvit.config import ExtractConfig, Precision
from track_persistence.magvit.device import resolve_device
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.published.families import load_network
from track_persistence.magvit.published.features import PublishedEncoder

NATIVE = "native"
"""Family of the checkpoints that the tokenizer stage writes."""


class TrackEncoder(Protocol):
    """A function from crops to features, and what to record beside its results."""

    @property
    def digest(self) -> str:
        """Names weights and settings: equal digests, equal features."""

    @property
    def architecture_digest(self) -> str:
        """Names the network without its weights."""

    @property
    def precision(self) -> Precision:
        """Arithmetic of the encoder."""

    @property
    def dimension(self) -> int:
        """Width D of the features."""

    @property
    def is_causal(self) -> bool:
        """Whether a frame's feature depends on that frame and those before it only."""

    @property
    def provenance(self) -> dict[str, str | int | bool]:
        """Where the features come from: family, sha256 of the file, ema, tap, pixel_range, dtype and so on."""

    def encode(self, crops: Sequence[CropArray]) -> list[FloatArray]:
        """Return the features (T, D) float32 of each track's crops (T, 64, 64, 3) uint8 RGB, any T >= 1."""


def load_encoder(path: Path, config: ExtractConfig, device: str) -> TrackEncoder:
    """Return the encoder of a checkpoint of the tokenizer stage or of a published one, told apart by content.

    Raises `DeviceError`, `CheckpointError` or `ParamsError` before any work.
    """
    resolve_device(device)
    if is_native(path):
        return MagvitEncoder.from_checkpoint(path, config.precision, device)
    return PublishedEncoder(load_network(path), file_digest(path), config, device)
