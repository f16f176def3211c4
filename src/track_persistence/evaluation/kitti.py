"""KITTI tracking in 3D with a second view derived from the first: no filter, simple rules, and geometry alone.

`python -m track_persistence.evaluation.kitti --help` says how to call it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from track_persistence.classifier.curves import area_under_roc
from track_persistence.classifier.intervals import bootstrap_intervals
from track_persistence.core.command import run_command
from track_persistence.core.files import make_folder, write_json, write_text
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.progress import log
from track_persistence.core.seeding import generator
from track_persistence.evaluation.kitti_config import Category, KittiConfig
from track_persistence.evaluation.kitti_data import Sequence3D, load_sequence
from track_persistence.evaluation.kitti_methods import Groups, Results, Setup, run_methods
from track_persistence.evaluation.kitti_metrics import CHANGE, pool_sequences
from track_persistence.evaluation.kitti_truth import reference_offsets_m
from track_persistence.evaluation.outcomes import OFF
from track_persistence.evaluation.resampling import with_intervals
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.geometry_config import GeometryConfig

SECOND_VIEW = (
    "derived: the detector's 3D boxes projected through P3, with noise of its own on every edge; no detector saw the "
    "right image"
)
COLUMNS = {
    "gospa_m": "GOSPA, m",
    "gospa_localisation_m": "localisation, m",
    "gospa_missed_m": "missed, m",
    "gospa_false_m": "false, m",
    CHANGE: "change of GOSPA, m",
    "precision": "precision",
    "recall": "recall",
    "rmse_m": "RMSE, m",
}


@dataclass(frozen=True)
class Settings:
    """All the program takes from params: sections, and the seed of every random generator."""

    kitti: KittiConfig
    tracking: TrackingConfig
    geometry: GeometryConfig
    seed: int


def run(settings: Settings, data: Path, model: GeometryModel, output: Path) -> dict[str, Any]:
    """Write metrics.json and table.md to `output`, log the table, and return the metrics.

    data: folder with label_02, calib and pointrcnn. model: the judge by geometry that was fitted on simulated scenes.
    Raises `VideoError` or `StorageError` naming the file that is missing or wrong.
    """
    make_folder(output)
    classes: dict[str, Any] = {}
    for category in settings.kitti.categories:
        sequences = [
            load_sequence(data, name, category, settings.kitti, generator(settings.seed, "kitti", category, name))
            for name in settings.kitti.sequences
        ]
        log(f"{category}: {sum(each.frames for each in sequences)} frames in {len(sequences)} sequences")
        setup = Setup.of(category, settings.kitti, settings.tracking, settings.geometry)
        results = run_methods(sequences, setup, model)
        classes[category] = _measured(results, sequences, setup, settings.seed)
    metrics = {"second_view": SECOND_VIEW, "classes": classes}
    write_json(output / "metrics.json", metrics)
    lines = table_lines(metrics)
    write_text(output / "table.md", "\n".join(lines) + "\n")
    for line in lines:
        log(line)
    return metrics


def _measured(results: Results, sequences: Sequence[Sequence3D], setup: Setup, seed: int) -> dict[str, Any]:
    replicates = setup.kitti.bootstrap_replicates
    rng = generator(seed, "kitti-intervals", setup.category)
    return {
        "methods": pool_sequences(results.counts, rng, replicates),
        "gospa_cutoff_m": setup.gate_m,
        "min_mean_confidence_by_sequence": results.min_mean_confidence,
        "groups": _group_quality(results.groups, rng, replicates),
        "systematic": systematic_error(sequences, setup.category, rng, replicates),
    }


def _group_quality(groups: Groups, rng: np.random.Generator, replicates: int) -> dict[str, Any]:
    """Return how many groups are real and false, and each score's area under the ROC curve over them."""
    names = list(groups.scores)
    arrays = [groups.is_real, *groups.scores.values()]

    def areas(is_real: Any, *scores: Any) -> list[float]:
        return [area_under_roc(each, is_real) for each in scores]

    ends = bootstrap_intervals(areas, arrays, groups.sequences, rng, replicates).tolist()
    real = int(groups.is_real.sum())
    return {
        "real": real,
        "false": len(groups.is_real) - real,
        "auc": {
            name: {"value": value, "low": low, "high": high}
            for name, value, (low, high) in zip(names, areas(*arrays), ends, strict=True)
        },
    }


def systematic_error(
    sequences: Sequence[Sequence3D], category: Category, rng: np.random.Generator, replicates: int
) -> dict[str, Any]:
    """Return how far from the centre of a labelled box two box centres without noise meet: RMSE and mean along z."""
    rows = []
    for sequence in sequences:
        offsets_m = reference_offsets_m(sequence.labels, sequence.rig, category)
        rows.append([len(offsets_m), (offsets_m**2).sum(), offsets_m[:, 2].sum()])

    def ratios(row: Any) -> dict[str, float]:
        boxes, squares_m2, along_m = row.tolist()
        return {
            "rmse_m": (squares_m2 / boxes) ** 0.5 if boxes else np.nan,
            "mean_depth_error_m": along_m / boxes if boxes else np.nan,
        }

    table = np.array(rows, np.float64)
    return {"boxes": int(table[:, 0].sum()), **with_intervals(ratios, table, rng, replicates)}


def table_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Return the metrics as Markdown: a table per class, and below it what it rests on."""
    lines = [f"Second view {metrics['second_view']}. In brackets: 95 % bootstrap intervals over sequences."]
    for category, found in metrics["classes"].items():
        off = found["methods"][OFF]["counts"]
        rows = [
            f"| {method} | " + " | ".join(_cell(values[key]) for key in COLUMNS) + " |"
            for method, values in found["methods"].items()
        ]
        lines += [
            "",
            f"**{category}**: {off['truth']} true points in {off['frames']} frames, GOSPA cut off at "
            f"{found['gospa_cutoff_m']:g} m",
            "",
            "| method | " + " | ".join(COLUMNS.values()) + " |",
            "|---" * (len(COLUMNS) + 1) + "|",
            *rows,
            "",
            *_notes(found),
        ]
    return lines


def _notes(found: Mapping[str, Any]) -> list[str]:
    systematic, groups = found["systematic"], found["groups"]
    chosen = sorted(set(found["min_mean_confidence_by_sequence"].values()))
    areas = ", ".join(f"{name} {_cell(area)}" for name, area in groups["auc"].items())
    return [
        f"- mean_confidence keeps tracks from {' or '.join(f'{value:g}' for value in chosen)} on, chosen for each "
        "sequence on all the others; geometry_kitti is fitted on them.",
        f"- Area under the ROC curve over {groups['real']} real and {groups['false']} false groups: {areas}.",
        f"- Box centres alone give an RMSE of {_cell(systematic['rmse_m'])} m: without any noise, those of "
        f"{systematic['boxes']} labelled boxes meet off the centre of the 3D box, on average by "
        f"{_cell(systematic['mean_depth_error_m'])} m along z.",
    ]


def _cell(value: Mapping[str, float]) -> str:
    if np.isnan(value["value"]):
        return "-"
    interval = "-" if np.isnan(value["low"]) else f"{value['low']:.2f}, {value['high']:.2f}"
    return f"{value['value']:.2f} [{interval}]"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="3D quality on KITTI tracking, the second view derived.")
    parser.add_argument("--data", type=Path, required=True, help="folder with label_02, calib and pointrcnn")
    parser.add_argument("--geometry-model", type=Path, required=True, help="model.json of the stage `geometry`")
    parser.add_argument("--output-dir", type=Path, required=True, help="for metrics.json and table.md")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    return parser.parse_args()


def main() -> None:
    """Parse the command line and run."""
    arguments = _parse_arguments()
    settings = Settings(
        load_section(arguments.params, "kitti", KittiConfig),
        load_section(arguments.params, "tracking", TrackingConfig),
        load_section(arguments.params, "geometry", GeometryConfig),
        load_seed(arguments.params),
    )
    run(settings, arguments.data, GeometryModel.load(arguments.geometry_model), arguments.output_dir)


if __name__ == "__main__":
    run_command(main)
