"""The report as one HTML page that loads nothing from outside."""

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from track_persistence.report import figures, geometry_tables, scenario_figures, scenario_tables, tables
from track_persistence.report.analysis import analysis_of
from track_persistence.report.config import ReportConfig
from track_persistence.report.sources import Results
from track_persistence.report.strips import Strip, data_uri
from track_persistence.report.values import lookup
from track_persistence.report.verdicts import verdicts_of

OUTCOMES = {
    "true_positive": "Kept, and real",
    "false_positive": "Kept, but not real",
    "true_negative": "Filtered out, and not real",
    "false_negative": "Filtered out, but real",
}


def render(config: ReportConfig, results: Results, strips: list[Strip]) -> str:
    """Return the whole page; every text from data is escaped."""
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined
    )
    verdicts = verdicts_of(
        config, results.train, results.scenarios, (results.origins["train"], results.origins["scenarios"])
    )
    content = {
        "css": (folder / "page.css").read_text(encoding="utf-8"),
        "verdicts": verdicts,
        "counts": {"met": 0, "missed": 0, "open": 0} | Counter(verdict.status for verdict in verdicts),
        "strips_by_outcome": _by_outcome(strips),
        "analyses": analysis_of(results.analysis, results.origins["analysis"]),
        "evidence": tables.plain_table(results.summary, "Groups of tracks"),
        "reconstructions": data_uri(results.reconstructions_png),
        "contact_sheets": [(name, data_uri(png)) for name, png in results.contact_sheets_png.items()],
    }
    return environment.get_template("page.html.j2").render(**content, **_tables(results), **_figures(results))


def _tables(results: Results) -> dict[str, Any]:
    origin, scenarios = results.origins["train"], results.origins["scenarios"]
    content: dict[str, Any] = {
        "confusion": tables.confusion_table(results.plots["confusion"]),
        "training_facts": tables.plain_table(
            {"calibration": results.train.get("calibration"), "training": results.train.get("training")},
            "Training and calibration",
        ),
        "reduction": scenario_tables.reduction_table(results.scenarios, scenarios),
        "fusions": scenario_tables.fusion_table(results.scenarios, scenarios),
        "tokenizer": tables.plain_table(results.tokenizer, "Tokenizer on held-back crops"),
        "geometry_tables": _geometry(results),
    }
    for name in ("validation", "test"):
        part = lookup(results.train, origin, name)
        content[f"{name}_tables"] = [
            tables.quality_table(part, origin, "auc", f"Area under the ROC curve, {name} scenes"),
            tables.quality_table(part, origin, "accuracy", f"Accuracy, {name} scenes"),
            tables.threshold_table(part, origin, f"The learned filter at its threshold, {name} scenes"),
        ]
    return content


def _geometry(results: Results) -> list[tables.Table]:
    origin = results.origins["geometry"]
    part = lookup(results.geometry, origin, "test")
    return [
        geometry_tables.quality_table(part, origin, "Area under the ROC curve without pixels, test scenes"),
        geometry_tables.rejected_table(part, origin, "Share of tracks that geometry alone rejects, test scenes"),
    ]


def _figures(results: Results) -> dict[str, Any]:
    origin = results.origins["train"]
    return {
        "by_frames_figure": figures.by_frames_figure(lookup(results.train, origin, "test"), origin),
        "training_figure": figures.training_figure(results.plots["loss"]),
        "curves_figure": figures.curves_figure(results.plots["roc"], results.plots["pr"], results.plots["calibration"]),
        "gospa_figure": figures.gospa_figure(results.scenarios, results.origins["scenarios"]),
        "scenarios": [_scenario(results, number) for number in sorted(results.scenarios)],
    }


def _scenario(results: Results, number: str) -> dict[str, Any]:
    """Return the tables and figures of one scenario."""
    name = tables.SCENARIO_NAMES.get(number, number)
    drawn, measured = results.origins["scenario_examples"], results.origins["scenarios"]
    example, metrics = lookup(results.scenario_examples, drawn, number), results.scenarios[number]
    return {
        "name": name,
        "method": tables.state_name(lookup(metrics, measured, "fusion")),
        "table": scenario_tables.scenario_table(metrics, measured, name),
        "errors": scenario_tables.error_table(metrics, measured, name),
        "distances": scenario_tables.distance_table(metrics, measured, name),
        "scene": scenario_figures.example_figure(example, f"{drawn}: {number}", name),
        "time": scenario_figures.time_figure(example, f"{drawn}: {number}", name),
        "depth": scenario_figures.depth_figure(example, metrics, (f"{drawn}: {number}", measured), name),
    }


def _by_outcome(strips: list[Strip]) -> list[tuple[str, list[Strip]]]:
    present = dict.fromkeys([*OUTCOMES, *sorted({strip.outcome for strip in strips})])
    groups = [(name, [strip for strip in strips if strip.outcome == name]) for name in present]
    return [(OUTCOMES.get(name, name), group) for name, group in groups if group]
