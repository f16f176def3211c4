"""What the other stages wrote, read and held together."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from track_persistence.core.errors import StorageError
from track_persistence.core.files import read_json
from track_persistence.report.profiles import Columns

PLOTS = ("loss", "roc", "pr", "calibration", "confusion")


@dataclass(frozen=True)
class Folders:
    """Where each stage left its results."""

    tokenizer: Path
    model: Path
    geometry: Path
    fusion: Path
    ablation: Path
    scenarios: Path
    evidence: Path
    analysis: Path
    scenes: Path
    contact_sheets: Path


@dataclass(frozen=True)
class Results:
    """Every number, curve and picture of a run; `origins` names the file of each for error messages.

    contact_sheets_png: by file name without its end, `<profile>-<kind>`.
    """

    tokenizer: dict[str, Any]
    train: dict[str, Any]
    geometry: dict[str, Any]
    fuse: dict[str, Any]
    ablate: dict[str, Any]
    scenarios: dict[str, Any]
    scenario_examples: dict[str, Any]
    evidence: dict[str, Any]
    examples: dict[str, Any]
    analysis: dict[str, Any]
    plots: dict[str, Columns]
    reconstructions_png: bytes
    contact_sheets_png: dict[str, bytes]
    origins: dict[str, str]

    @property
    def summary(self) -> dict[str, Any]:
        """The evidence about groups of tracks: without single cases, and without what other metrics files hold."""
        return {key: item for key, item in self.evidence.items() if key not in ("cases", "scenarios", "schema")}


def read_results(folders: Folders) -> Results:
    """Read what the stages wrote; raises `StorageError` naming the missing file or key."""
    files = {
        "tokenizer": folders.tokenizer / "metrics.json",
        "train": folders.model / "metrics.json",
        "geometry": folders.geometry / "metrics.json",
        "fuse": folders.fusion / "metrics.json",
        "ablate": folders.ablation / "metrics.json",
        "scenarios": folders.scenarios / "metrics.json",
        "scenario_examples": folders.scenarios / "examples.json",
        "evidence": folders.evidence / "evidence.json",
        "examples": folders.evidence / "examples.json",
        "analysis": folders.analysis / "analysis.json",
    }
    return Results(
        **{name: read_json(path) for name, path in files.items()},
        plots={name: read_columns(folders.model / "plots" / f"{name}.csv") for name in PLOTS},
        reconstructions_png=_read_png(folders.tokenizer / "reconstructions.png"),
        contact_sheets_png={path.stem: _read_png(path) for path in sorted(folders.contact_sheets.glob("*.png"))},
        origins={name: str(path) for name, path in files.items()},
    )


def read_columns(path: Path) -> Columns:
    """Read a CSV with a header line as its columns of text."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            lines = list(reader)
    except FileNotFoundError as error:
        raise StorageError(f"{path}: no such file; run the stage that writes it") from error
    if header is None or any(len(line) != len(header) for line in lines):
        raise StorageError(f"{path}: not a CSV with a header and lines of equal length; run the stage that writes it")
    return {name: [line[at] for line in lines] for at, name in enumerate(header)}


def _read_png(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StorageError(f"{path}: no such file; run the stage that writes it") from error
    if not content.startswith(b"\x89PNG"):
        raise StorageError(f"{path}: not a PNG image; run the stage that writes it again")
    return content
