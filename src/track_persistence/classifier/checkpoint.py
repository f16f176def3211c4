"""The classifier's weights file: safetensors with everything needed to use it in the header.

The header holds one entry whose value is sorted JSON: with several entries safetensors writes them in random order,
and the same weights would not have the same bytes.
"""

import json
from collections.abc import Mapping
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
VERSION = 3
ADAPTER_PREFIX = "adapter."
"""Tensors of a site's adapter, which `adapter_file` reads and writes."""
REMEDY = "give the persistence.safetensors that the train stage wrote, or run it again"

Metadata = dict[str, Any]
REQUIRED: dict[str, type] = {
    "dtype": str,
    "encoder_digest": str,
    "inputs": str,
    "max_frames": int,
    "precision": str,
    "profiles": dict,
    "published": dict,
    "shipped_profile": str,
    "threshold": float,
}


@dataclass(frozen=True)
class FittedProfile:
    """What was fitted on the validation tracks of one profile of scenes, for all scenes like them.

    calibration: logits to log-odds. decision: the rule on these that keeps, drops or waits. confidence_scale: of the
    detector's confidences.
    """

    calibration: Calibration
    decision: DecisionRule
    confidence_scale: ConfidenceScale


@dataclass(frozen=True)
class LoadedClassifier:
    """A model in evaluation mode, calibrated for the shipped profile, and what it was trained on.

    metadata: `encoder_digest`, `precision` and `dtype` (str) of the features, `published` (dict) with the settings of a
    published encoder, `max_frames` (int) of the longest tracks in training, `threshold` (float) on probabilities, and
    the raw entries behind the properties.
    """

    path: Path
    model: PersistenceTransformer
    metadata: Metadata

    @property
    def inputs(self) -> Inputs:
        """What the model takes of a frame."""
        inputs: Inputs = self.metadata["inputs"]
        return inputs

    @property
    def profiles(self) -> list[str]:
        """The profiles that the checkpoint holds fits of, sorted."""
        return sorted(self.metadata["profiles"])

    def profile(self, name: str | None) -> FittedProfile:
        """Return what was fitted on a profile, the shipped one for None; raises `CheckpointError` on an unknown one."""
        entries = self.metadata["profiles"]
        chosen = self.metadata["shipped_profile"] if name is None else name
        if chosen not in entries:
            raise CheckpointError(
                f"{self.path}: holds no profile {chosen!r}; choose one of {', '.join(self.profiles)}, or run train on "
                "scenes of it"
            )
        return _fitted(entries[chosen])


def profile_entries(profiles: Mapping[str, FittedProfile]) -> dict[str, Any]:
    """Return the metadata entry `profiles` that `LoadedClassifier.profile` reads."""
    return {name: asdict(fitted) for name, fitted in profiles.items()}


def rule_of(entry: Mapping[str, Any]) -> DecisionRule:
    """Return the decision rule that was stored by its fields; raises `DataError` or `TypeError` on an unusable one."""
    return DecisionRule(**_with_tuples(entry))


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
    loaded = LoadedClassifier(path, model.to(device).eval(), metadata)
    model.calibration = loaded.profile(None).calibration
    return loaded


def _fitted(entry: Mapping[str, Any]) -> FittedProfile:
    return FittedProfile(
        Calibration(**_with_tuples(entry["calibration"])),
        rule_of(entry["decision"]),
        ConfidenceScale(**entry["confidence_scale"]),
    )


def _with_tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry as it was before JSON made lists of its tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


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
    if not isinstance(metadata, dict) or metadata.keys() != REQUIRED.keys():
        raise CheckpointError(f"{path}: metadata {metadata!r}; expected exactly the keys {sorted(REQUIRED)}; {REMEDY}")
    for key, kind in REQUIRED.items():
        value = metadata[key]
        if not isinstance(value, kind):
            raise CheckpointError(f"{path}: metadata {key}: expected {kind.__name__}, got {value!r}; {REMEDY}")
    threshold, longest = metadata["threshold"], metadata["max_frames"]
    if not (0 < threshold < 1 and longest > 0):
        raise CheckpointError(
            f"{path}: threshold {threshold}, max_frames {longest}; expected in (0, 1) and above 0; {REMEDY}"
        )
    if metadata["inputs"] not in get_args(Inputs):
        raise CheckpointError(f"{path}: inputs {metadata['inputs']!r}; expected one of {get_args(Inputs)}; {REMEDY}")
    _check_profiles(path, metadata)
    return dict(metadata)


def _check_profiles(path: Path, metadata: Metadata) -> None:
    for name, entry in metadata["profiles"].items():
        try:
            _fitted(entry)
        except (DataError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise CheckpointError(f"{path}: profile {name} cannot be used: {error!r}; {REMEDY}") from error
    if metadata["shipped_profile"] not in metadata["profiles"]:
        raise CheckpointError(
            f"{path}: shipped_profile {metadata['shipped_profile']!r} is none of {sorted(metadata['profiles'])}; "
            f"{REMEDY}"
        )
