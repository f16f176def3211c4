"""The `report` stage: git-tracked metrics and plot data, and the HTML page."""

from dataclasses import dataclass
from pathlib import Path

from track_persistence.core.files import write_json, write_text
from track_persistence.core.progress import log
from track_persistence.report.config import ReportConfig
from track_persistence.report.git_files import csv_text, metrics_of, plots_of
from track_persistence.report.page import render
from track_persistence.report.sources import Folders, read_results
from track_persistence.report.strips import strips_of


@dataclass(frozen=True)
class Targets:
    """Folders the report is written to; metrics and plots are kept in git."""

    metrics: Path
    plots: Path
    report: Path


def run(config: ReportConfig, folders: Folders, targets: Targets) -> None:
    """Gather the results of every stage into `metrics/<stage>.json`, `plots/*.csv` and `report.html`."""
    results = read_results(folders)
    for stage, content in metrics_of(results).items():
        write_json(targets.metrics / f"{stage}.json", content)
    for name, columns in plots_of(config, results).items():
        write_text(targets.plots / f"{name}.csv", csv_text(columns))
    strips = strips_of(config, results.examples, results.origins["examples"], folders.scenes)
    page = targets.report / "report.html"
    write_text(page, render(config, results, strips))
    log(f"report: {page}")
