"""The report as one HTML page that loads nothing from outside."""

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from track_persistence.report import ablation_tables, figures, scenario_figures, scenario_tables, tables
from track_persistence.report.analysis import analysis_of
from track_persistence.report.config import ReportConfig
from track_persistence.report.profile_section import leaning, sections_of
from track_persistence.report.profiles import NAMES, PROFILES, RECORDINGS, SOURCES, profiles_of
from track_persistence.report.sources import Results
from track_persistence.report.strips import Strip, jpeg_uri
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
    metrics = {"train": results.train, "fuse": results.fuse, "ablate": results.ablate, "scenarios": results.scenarios}
    verdicts = verdicts_of(config, metrics, results.origins)
    statuses = Counter(verdict.status for group in verdicts.values() for verdict in group)
    content = {
        "css": (folder / "page.css").read_text(encoding="utf-8"),
        "verdicts": verdicts,
        "counts": {"met": 0, "missed": 0, "open": 0} | statuses,
        "leaning": leaning(results),
        "has_recordings": RECORDINGS in results.train,
        "learned_from": SOURCES[lookup(results.train, results.origins["train"], "training", "source")],
        "profiles": sections_of(results, str(config.early_frames)),
        "strips_by_outcome": _by_outcome(strips),
        "analyses": analysis_of(results.analysis, results.origins["analysis"]),
        "evidence": tables.plain_table(results.summary, "Groups of tracks"),
        "evidence_profile": NAMES.get(results.evidence.get("profile", ""), ""),
        "reconstructions": jpeg_uri("reconstructions.png", results.reconstructions_png, config.picture_quality),
        "contact_sheets": _contact_sheets(config, results),
    }
    return environment.get_template("page.html.j2").render(**content, **_tables(results), **_figures(results))


def _tables(results: Results) -> dict[str, Any]:
    scenarios = results.origins["scenarios"]
    return {
        "training_facts": tables.plain_table(
            {
                "training": results.train.get("training"),
                **{
                    f"calibration, {NAMES[profile]}": results.train[profile].get("calibration")
                    for profile in profiles_of(results.train, results.origins["train"])
                },
            },
            "Training and calibration",
        ),
        "ablation": _ablation(results),
        "reduction": scenario_tables.reduction_table(results.scenarios, scenarios),
        "fusions": scenario_tables.fusion_table(results.scenarios, scenarios),
        "cases": scenario_tables.case_table(results.scenarios, scenarios),
        "rejected_in_cases": scenario_tables.rejected_table(results.scenarios, scenarios),
        "tokenizer": tables.plain_table(results.tokenizer, "Tokenizer on held-back crops"),
    }


def _ablation(results: Results) -> dict[str, Any]:
    origin = results.origins["ablate"]
    part = lookup(results.ablate, origin, "test")
    areas, less = "area under the ROC curve, test scenes", "the same minus the trained encoder under the transformer"
    return {
        "profile": NAMES.get(str(lookup(results.ablate, origin, "profile")), ""),
        "shards": lookup(results.ablate, origin, "shards"),
        "tables": [
            ablation_tables.areas_table(part, origin, ablation_tables.ENCODERS, f"Encoders: {areas}"),
            ablation_tables.differences_table(part, origin, ablation_tables.ENCODERS, f"Encoders: {less}"),
            ablation_tables.areas_table(part, origin, ablation_tables.INPUTS, f"Inputs: {areas}"),
            ablation_tables.differences_table(part, origin, ablation_tables.INPUTS, f"Inputs: {less}"),
        ],
        "ghosts": ablation_tables.ghosts_table(part, origin, "AUC of real objects against one kind, test scenes"),
    }


def _figures(results: Results) -> dict[str, Any]:
    scenarios = results.origins["scenarios"]
    specified = scenario_tables.specified(results.scenarios, scenarios)
    return {
        "training_figure": figures.training_figure(results.plots["loss"]),
        "gospa_figure": figures.gospa_figure(specified, scenarios),
        "scenarios": [_scenario(results, number) for number in specified],
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


def _contact_sheets(config: ReportConfig, results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sheets as (kind, data URI) by heading: each profile, then what is of none."""
    found: dict[str, list[tuple[str, str]]] = {NAMES[profile]: [] for profile in PROFILES}
    for name, png in results.contact_sheets_png.items():
        profile, _, kind = name.rpartition("-")
        heading = NAMES.get(profile, "Other sheets")
        found.setdefault(heading, []).append(
            (kind.replace("_", " "), jpeg_uri(f"{name}.png", png, config.picture_quality))
        )
    return [(heading, sheets) for heading, sheets in found.items() if sheets]


def _by_outcome(strips: list[Strip]) -> list[tuple[str, list[Strip]]]:
    present = dict.fromkeys([*OUTCOMES, *sorted({strip.outcome for strip in strips})])
    groups = [(name, [strip for strip in strips if strip.outcome == name]) for name in present]
    return [(OUTCOMES.get(name, name), group) for name, group in groups if group]
