"""The classifier's weights file: safetensors with everything needed to use it in the header.

The header holds one entry whose value is sorted JSON: with several entries safetensors writes them in random order,
and the same weights would not have the same bytes.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from track_persistence.classifier.model import Architecture, PersistenceTransformer
from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import write_bytes

HEADER = "track_persistence"
FORMAT = "track_persistence.classifier"
VERSION = 1
REMEDY = "give the persistence.safetensors that the train stage wrote, or run it again"

Metadata = dict[str, str | float]


@dataclass(frozen=True)
class LoadedClassifier:
    """A model in evaluation mode with its temperature set, and what it was trained on.

    metadata: `encoder_digest`, `precision` and `dtype` (str) of the features, `temperature` and `threshold` (float).
    """

    model: PersistenceTransformer
    metadata: Metadata


def save_classifier(path: Path, model: PersistenceTransformer, metadata: Metadata) -> None:
    """Write weights, architecture and metadata to `path`; the same content gives the same bytes.

    metadata: the keys of `LoadedClassifier`. Raises `CheckpointError` for NaN weights or incomplete metadata.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    _check_finite(path, weights)
    header = {
        "architecture": asdict(model.architecture),
        "format": FORMAT,
        "metadata": _checked_metadata(path, metadata),
        "version": VERSION,
    }
    write_bytes(path, save(weights, metadata={HEADER: json.dumps(header, sort_keys=True, allow_nan=False)}))


def load_classifier(path: Path, device: torch.device | str) -> LoadedClassifier:
    """Read a classifier; raises `CheckpointError` when it is missing, truncated, of another model or holds NaN."""
    header, weights = _read(path)
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: format {header.get('format')!r} version {header.get('version')!r}; "
            f"expected {FORMAT!r} version {VERSION}; {REMEDY}"
        )
    metadata = _checked_metadata(path, header.get("metadata"))
    model = _build(path, header.get("architecture"))
    _check_shapes(path, model.state_dict(), weights)
    _check_finite(path, weights)
    model.load_state_dict(weights)
    model.temperature = float(metadata["temperature"])
    return LoadedClassifier(model.to(device).eval(), metadata)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run the train stage or `dvc pull`")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file, truncated perhaps: {error}; {REMEDY}"
        ) from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: header {HEADER!r} is no JSON object; {REMEDY}")
    return header, weights


def _build(path: Path, fields: Any) -> PersistenceTransformer:
    try:
        return PersistenceTransformer(Architecture(**fields))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: architecture {fields!r} cannot be built: {reason}; {REMEDY}") from error


def _check_shapes(path: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    for name in sorted(expected.keys() | found.keys()):
        want = tuple(expected[name].shape) if name in expected else None
        got = tuple(found[name].shape) if name in found else None
        if want != got:
            raise CheckpointError(
                f"{path}: tensor {name!r} has shape {got}, the architecture in its header wants {want}; {REMEDY}"
            )


def _check_finite(path: Path, weights: dict[str, Tensor]) -> None:
    for name, value in sorted(weights.items()):
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{path}: tensor {name!r} holds NaN or infinity; train again with a lower step size")


def _checked_metadata(path: Path, metadata: Any) -> Metadata:
    wanted: dict[str, type] = {
        "dtype": str,
        "encoder_digest": str,
        "precision": str,
        "temperature": float,
        "threshold": float,
    }
    if not isinstance(metadata, dict) or metadata.keys() != wanted.keys():
        raise CheckpointError(f"{path}: metadata {metadata!r}; expected exactly the keys {sorted(wanted)}; {REMEDY}")
    for key, kind in wanted.items():
        value = metadata[key]
        if not isinstance(value, kind):
            raise CheckpointError(f"{path}: metadata {key}: expected {kind.__name__}, got {value!r}; {REMEDY}")
    temperature, threshold = metadata["temperature"], metadata["threshold"]
    if not (math.isfinite(temperature) and temperature > 0 and 0 < threshold < 1):
        raise CheckpointError(
            f"{path}: temperature {temperature}, threshold {threshold}; expected above 0 and in (0, 1); {REMEDY}"
        )
    return dict(metadata)
