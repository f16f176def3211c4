"""Fitted models that are small enough to be read: pydantic models as JSON files."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import write_text

Model = TypeVar("Model", bound=BaseModel)


def load_model(kind: type[Model], path: Path, stage: str, instead: str) -> Model:
    """Read what `save_model` wrote; raises `CheckpointError` naming file, key and rule.

    stage: which writes such files. instead: how to do without one.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror}; run stage `{stage}` or `dvc pull`, or {instead}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise CheckpointError(
            f"{path}: {where}: {first['msg']}; not a model of stage `{stage}`, or of another version of it: run the "
            "stage again"
        ) from error


def save_model(model: BaseModel, path: Path) -> None:
    """Write a model as JSON, atomically; numbers keep all their digits."""
    write_text(path, json.dumps(model.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
