"""Atomic writes, digests and metrics files."""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from track_persistence.core.errors import StorageError

SIGNIFICANT_DIGITS = 6


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary file is removed when the block fails, so readers never see half a file.
    Raises `StorageError` when the disk is full or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix=path.suffix)
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error}; free some space or choose another folder, "
            "then run the same command again"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a program's output folder before any work, so that a wrong path costs nothing; raises `StorageError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made a folder: {error.strerror}; pass another --output-dir") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode())


def rounded(value: Any) -> Any:
    """Return `value` with floats cut to six significant digits and NaN as None, for files kept in git."""
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as sorted, rounded, indented JSON, atomically."""
    write_text(path, json.dumps(rounded(content), indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises `StorageError` that names the file and the position."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError(f"{path}: no such file; run the stage that writes it") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StorageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise StorageError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def digest_of(*parts: object) -> str:
    """SHA-256 (first 32 hex digits) of the sorted JSON of `parts`; bytes are hashed as they are."""
    sha = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        sha.update(len(content).to_bytes(8, "big"))
        sha.update(content)
    return sha.hexdigest()[:32]


def file_digest(path: Path) -> str:
    """SHA-256 (first 32 hex digits) of a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except FileNotFoundError as error:
        raise StorageError(f"{path}: no such file; run the stage that writes it") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; pass a readable file") from error


def code_digest(*packages: str) -> str:
    """Digest of every source file of the named sub-packages of `track_persistence`, for cache keys."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(file for package in packages for file in (root / package).rglob("*.py"))
    return digest_of(*[part for file in files for part in (file.name, file.read_bytes())])
