"""The `report` stage: git-tracked metrics and plot data, and the HTML page."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from track_persistence.core.files import rounded, write_json, write_text
from track_persistence.core.progress import log
from track_persistence.report.config import ReportConfig
from track_persistence.report.page import render
from track_persistence.report.sources import Columns, Folders, Results, read_results
from track_persistence.report.strips import strips_of
from track_persistence.report.tables import METHODS, ages_of
from track_persistence.report.values import is_value, lookup, value_of


@dataclass(frozen=True)
class Targets:
    """Folders the report is written to; metrics and plots are kept in git."""

    metrics: Path
    plots: Path
    report: Path


def run(config: ReportConfig, folders: Folders, targets: Targets) -> None:
    """Gather the results of every stage into `metrics/<stage>.json`, `plots/*.csv` and `report.html`."""
    results = read_results(folders)
    write_json(targets.metrics / "tokenizer.json", results.tokenizer)
    write_json(targets.metrics / "train.json", results.train)
    write_json(targets.metrics / "geometry.json", results.geometry)
    write_json(targets.metrics / "scenarios.json", results.scenarios)
    write_json(targets.metrics / "analyze.json", numbers_of(results.summary))
    for name, columns in plots_of(config, results).items():
        write_text(targets.plots / f"{name}.csv", _csv(columns))
    strips = strips_of(config, results.examples, results.origins["examples"], folders.scenes)
    page = targets.report / "report.html"
    write_text(page, render(config, results, strips))
    log(f"report: {page}")


def plots_of(config: ReportConfig, results: Results) -> dict[str, Columns]:
    """Return the plot data by file name, in the shape `dvc plots` draws: one line per point, one column per curve.

    ROC and precision-recall are those after `early_frames`: of whole tracks a glance at the length says as much.
    """
    early = {name: _rows_where(results.plots[name], "frames_seen", str(config.early_frames)) for name in ("roc", "pr")}
    same = {name: results.plots[name] for name in ("loss", "calibration", "confusion")}
    return {**same, **early, "by_frames": _auc_by_frames(results.train, results.origins["train"])}


def _rows_where(columns: Columns, name: str, wanted: str) -> Columns:
    rows = [row for row, cell in enumerate(columns[name]) if cell == wanted]
    return {column: [cells[row] for row in rows] for column, cells in columns.items()}


def _auc_by_frames(train: Mapping[str, Any], origin: str) -> Columns:
    part = lookup(train, origin, "test")
    ages = ages_of(part, origin)
    values = {
        method: [value_of(lookup(part, origin, "by_frames", age, method, "auc")) for age in ages] for method in METHODS
    }
    return {"frames_seen": ages} | {method: [str(value.value) for value in row] for method, row in values.items()}


def numbers_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers below `content` in their nesting; lists and texts, which no diff can compare, are left out."""
    kept: dict[str, Any] = {}
    for key, item in content.items():
        if isinstance(item, Mapping) and not is_value(item):
            inner = numbers_of(item)
            if inner:
                kept[key] = inner
        elif is_value(item) or (isinstance(item, int | float) and not isinstance(item, bool)):
            kept[key] = item
    return kept


def _csv(columns: Columns) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*([_cell(cell) for cell in column] for column in columns.values()), strict=True))
    return buffer.getvalue()


def _cell(cell: str) -> str:
    """Return a number with six significant digits, anything else as it is."""
    try:
        number = rounded(float(cell))
    except ValueError:
        return cell
    return "" if number is None else f"{number:g}" if number == int(number) else repr(number)
