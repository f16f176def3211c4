"""A site's adapter in the classifier's weights file: a copy of the file with the witnesses' weights beside its own."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from track_persistence.classifier.adapter import Adapter, SumCalibration, Witness
from track_persistence.classifier.checkpoint import ADAPTER_PREFIX, HEADER, rule_of
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.files import write_bytes

ENTRY = "adapter"
REMEDY = "give a file that the adapt command wrote, or adapt again"


def save_adapted(source: Path, path: Path, adapter: Adapter) -> None:
    """Write the classifier of `source` with `adapter` to `path`; an adapter that was there before is replaced.

    The same content gives the same bytes. Raises `CheckpointError` when `source` cannot be read or a weight is NaN.
    """
    header, tensors = _read(source)
    if "format" not in header:
        raise CheckpointError(f"{source}: is no classifier of this project; give the train stage's file")
    tensors = {name: values for name, values in tensors.items() if not name.startswith(ADAPTER_PREFIX)}
    for name, witness in adapter.witnesses.items():
        if not (np.isfinite(witness.weights).all() and np.isfinite(witness.bias)):
            raise CheckpointError(f"{path}: witness {name!r} holds NaN or infinity; check the labelled tracks")
        tensors[ADAPTER_PREFIX + name] = np.ascontiguousarray(witness.weights, np.float64)
    header[ENTRY] = {
        "witnesses": {name: {"bias": found.bias, "limit": found.limit} for name, found in adapter.witnesses.items()},
        "sets": {name: list(members) for name, members in adapter.sets.items()},
        "calibrations": {name: asdict(calibration) for name, calibration in adapter.calibrations.items()},
        "rules": {name: asdict(rule) for name, rule in adapter.rules.items()},
    }
    write_bytes(path, save(tensors, metadata={HEADER: json.dumps(header, sort_keys=True, allow_nan=False)}))


def load_adapter(path: Path) -> Adapter | None:
    """Read the adapter of a classifier's file, None when it has none; raises `CheckpointError` when it is damaged."""
    header, tensors = _read(path)
    if ENTRY not in header:
        return None
    entry = header[ENTRY]
    try:
        witnesses = {
            name: Witness(tensors[ADAPTER_PREFIX + name], float(found["bias"]), float(found["limit"]))
            for name, found in entry["witnesses"].items()
        }
        sets = {name: tuple(members) for name, members in entry["sets"].items()}
        calibrations = {name: SumCalibration(**found) for name, found in entry["calibrations"].items()}
        rules = {name: rule_of(found) for name, found in entry["rules"].items()}
    except (DataError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: adapter cannot be used: {error!r}; {REMEDY}") from error
    unknown = {member for members in sets.values() for member in members} - witnesses.keys()
    if unknown or not (sets.keys() == calibrations.keys() == rules.keys()):
        raise CheckpointError(f"{path}: adapter names {sorted(unknown)}, or sets without calibration or rule; {REMEDY}")
    if not all(np.isfinite(witness.weights).all() for witness in witnesses.values()):
        raise CheckpointError(f"{path}: adapter holds NaN or infinity; {REMEDY}")
    return Adapter(witnesses, sets, calibrations, rules)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run the train stage or `dvc pull`")
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file, truncated perhaps: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: header {HEADER!r} is no JSON object; {REMEDY}")
    return header, tensors
