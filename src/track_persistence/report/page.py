"""The report as one HTML page that loads nothing from outside."""

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from track_persistence.report import figures, tables
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
        "reduction": tables.reduction_table(results.scenarios, scenarios),
        "scenario_tables": [
            tables.detection_table(results.scenarios, scenarios),
            tables.error_table(results.scenarios, scenarios),
        ],
        "tokenizer": tables.plain_table(results.tokenizer, "Tokenizer on held-back crops"),
    }
    for name in ("validation", "test"):
        part = lookup(results.train, origin, name)
        content[f"{name}_tables"] = [
            tables.quality_table(part, origin, "auc", f"Area under the ROC curve, {name} scenes"),
            tables.quality_table(part, origin, "accuracy", f"Accuracy, {name} scenes"),
            tables.threshold_table(part, origin, f"The learned filter at its threshold, {name} scenes"),
        ]
    return content


def _figures(results: Results) -> dict[str, Any]:
    origin = results.origins["train"]
    names = tables.SCENARIO_NAMES
    return {
        "by_frames_figure": figures.by_frames_figure(lookup(results.train, origin, "test"), origin),
        "training_figure": figures.training_figure(results.plots["loss"]),
        "curves_figure": figures.curves_figure(results.plots["roc"], results.plots["pr"], results.plots["calibration"]),
        "gospa_figure": figures.gospa_figure(results.scenarios, results.origins["scenarios"]),
        "plans": [
            (names.get(number, number), figures.plan_figure(example, results.origins["scenario_examples"], number))
            for number, example in sorted(results.scenario_examples.items())
        ],
    }


def _by_outcome(strips: list[Strip]) -> list[tuple[str, list[Strip]]]:
    present = dict.fromkeys([*OUTCOMES, *sorted({strip.outcome for strip in strips})])
    groups = [(name, [strip for strip in strips if strip.outcome == name]) for name in present]
    return [(OUTCOMES.get(name, name), group) for name, group in groups if group]
