"""The native checkpoint: safetensors with the architecture in its header. Nothing is ever unpickled."""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError

from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import write_bytes
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.tokenizer import TrackTokenizer

SCHEMA = "track_persistence.magvit"
SCHEMA_VERSION = 1
# One key only: safetensors writes several in an order that changes from process to process.
HEADER_KEY = "track_persistence"
KNOWN = (
    f"known: native safetensors ({SCHEMA} version {SCHEMA_VERSION}) as the tokenizer stage writes it and, for "
    "extraction alone, the video checkpoints of Open-MAGVIT2, O2-MAGVIT2 and magvit2-pytorch"
)
NEEDS_NATIVE = "only what the tokenizer stage writes can run frame by frame"
FOREIGN = {
    b"PK\x03\x04": "a PyTorch zip archive (.pt, .pth, .ckpt or TorchScript)",
    b"\x80\x02": "a Python pickle (an old .pt or .pth file)",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
}


def save_tokenizer(path: Path, tokenizer: TrackTokenizer) -> None:
    """Write weights and architecture to `path` atomically; the same weights give the same bytes."""
    header = {
        "architecture": tokenizer.config.model_dump(mode="json"),
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
    }
    weights = {name: value.detach().cpu().contiguous() for name, value in sorted(tokenizer.state_dict().items())}
    write_bytes(path, safetensors.torch.save(weights, {HEADER_KEY: json.dumps(header, sort_keys=True)}))


def is_native(path: Path) -> bool:
    """Return whether `path` is a safetensors file with a header of ours; False also where nothing can be read."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return HEADER_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_tokenizer(path: Path) -> TrackTokenizer:
    """Read a native checkpoint into a tokenizer in evaluation mode, on the CPU, in float32.

    Published checkpoints are for `encoders.load_encoder`: they keep no state from frame to frame.
    Raises `CheckpointError` naming what the file is when it is anything else: a pickle, another schema or
    architecture, truncated, weights missing, of another shape or dtype, or not finite.
    """
    _refuse_foreign(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file, truncated perhaps: {error}; run `dvc pull` or the tokenizer "
            f"stage again; {KNOWN}"
        ) from error
    config = _architecture(path, header, weights)
    with torch.device("meta"):
        tokenizer = TrackTokenizer(config)
    _check_weights(path, tokenizer, weights)
    tokenizer.load_state_dict(weights, strict=True, assign=True)
    tokenizer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return tokenizer.eval()


def _refuse_foreign(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; run the tokenizer stage or `dvc pull`") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}; {KNOWN}") from error
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise CheckpointError(f"{path}: {what}; {NEEDS_NATIVE}; {KNOWN}")


def _architecture(path: Path, header: dict[str, str], weights: dict[str, Any]) -> ArchitectureConfig:
    if HEADER_KEY not in header:
        first = ", ".join(sorted(weights)[:3]) or "no tensors"
        raise CheckpointError(
            f"{path}: a safetensors file of another project (first keys: {first}); {NEEDS_NATIVE}; {KNOWN}"
        )
    try:
        content = json.loads(header[HEADER_KEY])
        found = content["schema"], content["schema_version"]
        if found != (SCHEMA, SCHEMA_VERSION):
            raise CheckpointError(f"{path}: holds {found[0]} version {found[1]}; {KNOWN}")
        return ArchitectureConfig.model_validate(content["architecture"])
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: the header's architecture cannot be read: {reason}; {KNOWN}") from error


def _check_weights(path: Path, tokenizer: TrackTokenizer, weights: dict[str, torch.Tensor]) -> None:
    expected = tokenizer.state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights:
            raise CheckpointError(f"{path}: {name}: tensor is missing for the architecture in the header; {KNOWN}")
        if name not in expected:
            raise CheckpointError(f"{path}: {name}: tensor does not belong to the architecture in the header; {KNOWN}")
        want, got = expected[name], weights[name]
        if want.shape != got.shape or want.dtype != got.dtype:
            raise CheckpointError(
                f"{path}: {name}: expected {tuple(want.shape)} {want.dtype}, got {tuple(got.shape)} {got.dtype}"
            )
        if not torch.isfinite(got).all():
            raise CheckpointError(f"{path}: {name}: holds NaN or infinity; train the tokenizer again")
