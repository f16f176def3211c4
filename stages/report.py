"""Stage `report`: git-tracked metrics and plots, and the HTML page."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import load_section
from track_persistence.report.config import ReportConfig
from track_persistence.report.report import Targets, run
from track_persistence.report.sources import Folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="the params file")
    for name in ("tokenizer-dir", "model-dir", "geometry-dir", "fusion-dir", "ablation-dir", "scenarios-dir"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="folder a stage wrote")
    for name in ("evidence-dir", "analysis-dir", "scenes-dir"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="folder a stage wrote")
    parser.add_argument("--contact-sheets", type=Path, required=True, help="folder of contact sheets")
    for name in ("metrics-dir", "plots-dir", "output-dir"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="folder to write to")
    flags = parser.parse_args()
    folders = Folders(
        flags.tokenizer_dir,
        flags.model_dir,
        flags.geometry_dir,
        flags.fusion_dir,
        flags.ablation_dir,
        flags.scenarios_dir,
        flags.evidence_dir,
        flags.analysis_dir,
        flags.scenes_dir,
        flags.contact_sheets,
    )
    targets = Targets(flags.metrics_dir, flags.plots_dir, flags.output_dir)
    run(load_section(flags.params, "report", ReportConfig), folders, targets)


if __name__ == "__main__":
    run_command(main)
