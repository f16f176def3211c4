"""`params.yaml` to frozen, typed sections; each section's model stands beside its owner."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from track_persistence.core.errors import ParamsError


class Section(BaseModel):
    """Base of every params section: frozen, unknown keys are errors, no value is made up."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class SplitConfig(Section):
    """Share of the scenes that is held back; a scene's part depends on its own number alone."""

    validation: Annotated[float, Field(gt=0, lt=1)]
    """Share used for early stopping, calibration and the reported validation metrics."""
    test: Annotated[float, Field(gt=0, lt=1)]
    """Share that nothing is fitted or chosen on."""


class RunConfig(Section):
    """Where and how fast to compute. Changes no result, so it is in no stage's `params`."""

    engine: Literal["local"]
    """Who runs the shards: `local`, a pool of one-thread processes."""
    device: Literal["cpu", "cuda"]
    """Device of the encoder and the classifier; asking for an absent GPU is an error."""
    workers: PositiveInt | Literal["auto"]
    """Worker processes; `auto` is one per core."""
    store: Path
    """Folder of finished shards and training checkpoints, kept between runs."""


S = TypeVar("S", bound=Section)


def read_params(path: Path) -> dict[str, Any]:
    """Read the whole params file; raises `ParamsError` when it is missing or not a YAML mapping."""
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: no such file; run from the repository root or pass --params") from error
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}; pass a file with --params") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: expected a mapping of sections, got {type(content).__name__}")
    return content


def load_section(path: Path, name: str, model: type[S]) -> S:
    """Return section `name` of the params file as `model`.

    Raises `ParamsError` naming file, key, value received and rule.
    """
    content = read_params(path)
    if name not in content:
        raise ParamsError(f"{path}: {name}: section is missing; copy it from the repository's params.yaml")
    try:
        return model.model_validate(content[name])
    except ValidationError as error:
        raise ParamsError("; ".join(_explain(path, name, item) for item in error.errors())) from None


def load_seed(path: Path) -> int:
    """Return the top-level `seed`, a whole number of at least 0."""
    seed = read_params(path).get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ParamsError(f"{path}: seed: expected a whole number of at least 0 (got {seed!r})")
    return seed


def _explain(path: Path, section: str, error: Any) -> str:
    key = ".".join([section, *map(str, error["loc"])])
    if error["type"] == "extra_forbidden":
        return f"{path}: {key}: not a known key (got {error['input']!r})"
    if error["type"] == "missing":
        return f"{path}: {key}: key is missing; copy it from the repository's params.yaml"
    return f"{path}: {key}: {error['msg']} (got {error['input']!r})"
