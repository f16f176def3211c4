"""Files of recordings that params name below the folder of footage."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import Section

Source = TypeVar("Source", bound=Section)


def files_of(source: Section) -> dict[str, Path]:
    """Return the files that a source names, by key."""
    return {key: value for key, value in source if isinstance(value, Path)}


def located(sources: Sequence[Source], folder: Path, place: str) -> list[Source]:
    """Return the recordings with their files' paths below `folder`; place: where in params they are listed.

    Raises `ParamsError` for a path that leads out of the folder or that is no file.
    """
    found = []
    for number, source in enumerate(sources):
        for key, path in files_of(source).items():
            name = f"params.yaml: {place}.{number}.{key}: {str(path)!r}"
            if path.is_absolute() or ".." in path.parts:
                raise ParamsError(f"{name} leads out of {folder}; put the file there and give its path below it")
            if not (folder / path).is_file():
                raise ParamsError(f"{name} is no file below {folder}; put it there or correct the name")
        found.append(source.model_copy(update={key: folder / path for key, path in files_of(source).items()}))
    return found
