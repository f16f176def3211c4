"""The classifier's weights file: safetensors with everything needed to use it in the header.

The header holds one entry whose value is sorted JSON: with several entries safetensors writes them in random order,
and the same weights would not have the same bytes.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.channels import ConfidenceScale, Inputs
from track_persistence.classifier.decision import DecisionRule
from track_persistence.classifier.model import Architecture, PersistenceTransformer
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.files import write_bytes

HEADER = "track_persistence"
FORMAT = "track_persistence.classifier"
VERSION = 1
ADAPTER_PREFIX = "adapter."
"""Tensors of a site's adapter, which `adapter_file` reads and writes."""
REMEDY = "give the persistence.safetensors that the train stage wrote, or run it again"

Metadata = dict[str, Any]
REQUIRED: dict[str, type] = {
    "dtype": str,
    "encoder_digest": str,
    "precision": str,
    "temperature": float,
    "threshold": float,
}
OPTIONAL = ("calibration", "confidence_scales", "decision", "inputs")


@dataclass(frozen=True)
class LoadedClassifier:
    """A model in evaluation mode with its calibration set, and what it was trained on.

    metadata: `encoder_digest`, `precision` and `dtype` (str) of the features, `temperature` and `threshold` (float);
    and perhaps the raw entries behind the properties.
    """

    model: PersistenceTransformer
    metadata: Metadata

    @property
    def inputs(self) -> Inputs:
        """What the model takes of a frame; a checkpoint that does not say takes pixels."""
        inputs: Inputs = self.metadata.get("inputs", "pixels")
        return inputs

    @property
    def calibration(self) -> Calibration:
        """Logits to log-odds; a checkpoint without it has one temperature for every number of frames seen."""
        return _calibration(self.metadata)

    @property
    def decision(self) -> DecisionRule | None:
        """The rule on calibrated log-odds that keeps, drops or waits, when the checkpoint holds one."""
        entry = self.metadata.get("decision")
        return None if entry is None else DecisionRule(**{key: _hashable(value) for key, value in entry.items()})

    @property
    def confidence_scales(self) -> dict[str, ConfidenceScale]:
        """Scales of the detector confidences of the training tracks, by profile."""
        return {name: ConfidenceScale(*scale) for name, scale in self.metadata.get("confidence_scales", {}).items()}


def metadata_entries(
    calibration: Calibration, decision: DecisionRule, scales: dict[str, ConfidenceScale]
) -> dict[str, Any]:
    """Return the raw metadata entries behind the properties of `LoadedClassifier`."""
    return {
        "calibration": {key: list(value) for key, value in asdict(calibration).items()},
        "confidence_scales": {name: [scale.mean, scale.std] for name, scale in scales.items()},
        "decision": {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(decision).items()},
    }


def save_classifier(path: Path, model: PersistenceTransformer, metadata: Metadata) -> None:
    """Write weights, architecture and metadata to `path`; the same content gives the same bytes.

    metadata: what `LoadedClassifier` holds. Raises `CheckpointError` for NaN weights or incomplete metadata.
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
    model.calibration = _calibration(metadata)
    return LoadedClassifier(model.to(device).eval(), metadata)


def _calibration(metadata: Metadata) -> Calibration:
    entry = metadata.get("calibration")
    if entry is None:
        return Calibration.constant(float(metadata["temperature"]))
    return Calibration(**{key: _hashable(value) for key, value in entry.items()})


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run the train stage or `dvc pull`")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            own = [name for name in file.keys() if not name.startswith(ADAPTER_PREFIX)]
            weights = {name: file.get_tensor(name) for name in own}
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
    if not isinstance(metadata, dict) or not REQUIRED.keys() <= metadata.keys() <= REQUIRED.keys() | set(OPTIONAL):
        raise CheckpointError(
            f"{path}: metadata {metadata!r}; expected exactly the keys {sorted(REQUIRED)}, perhaps {OPTIONAL}; {REMEDY}"
        )
    for key, kind in REQUIRED.items():
        value = metadata[key]
        if not isinstance(value, kind):
            raise CheckpointError(f"{path}: metadata {key}: expected {kind.__name__}, got {value!r}; {REMEDY}")
    temperature, threshold = metadata["temperature"], metadata["threshold"]
    if not (math.isfinite(temperature) and temperature > 0 and 0 < threshold < 1):
        raise CheckpointError(
            f"{path}: temperature {temperature}, threshold {threshold}; expected above 0 and in (0, 1); {REMEDY}"
        )
    _check_optional(path, metadata)
    return dict(metadata)


def _check_optional(path: Path, metadata: Metadata) -> None:
    if metadata.get("inputs", "pixels") not in get_args(Inputs):
        raise CheckpointError(f"{path}: inputs {metadata['inputs']!r}; expected one of {get_args(Inputs)}; {REMEDY}")
    parsed = LoadedClassifier(None, metadata)  # type: ignore[arg-type]  # the entries alone are looked at
    try:
        _ = parsed.calibration, parsed.decision, parsed.confidence_scales
    except (DataError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path}: metadata cannot be used: {error}; {REMEDY}") from error
