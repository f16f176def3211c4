"""The tables and figures of the page that are of one profile."""

from typing import Any

from track_persistence.report import early_tables, figures, fusion_tables, geometry_tables, ghost_tables, tables
from track_persistence.report.profiles import NAMES, TEXTS, profiles_of, rows_where
from track_persistence.report.robustness_tables import checks_table, leans_on, spread_table, variants_table
from track_persistence.report.sources import Results
from track_persistence.report.tables import Table, seen
from track_persistence.report.values import lookup


def sections_of(results: Results, age: str) -> list[dict[str, Any]]:
    """Return what the page says of each profile, the matched one first; age: at which ghosts are told apart."""
    return [_section(results, profile, age) for profile in profiles_of(results.train, results.origins["train"])]


def leaning(results: Results) -> list[str]:
    """Return on which profile the model leans on what, for each profile whose length battery failed."""
    origin = results.origins["train"]
    found = {profile: leans_on(results.train[profile], origin) for profile in profiles_of(results.train, origin)}
    return [f"{NAMES[profile]}: on {leaning}" for profile, leaning in found.items() if leaning]


def _section(results: Results, profile: str, age: str) -> dict[str, Any]:
    origin = results.origins["train"]
    found = lookup(results.train, origin, profile)
    test, validation = (lookup(found, origin, part) for part in ("test", "validation"))
    own = {"profile": profile}
    curves = {name: rows_where(results.plots[name], own) for name in ("roc", "pr", "calibration", "confusion")}
    name = NAMES[profile]
    return {
        "name": name,
        "text": TEXTS[profile],
        "by_frames_figure": figures.by_frames_figure(test, origin, name),
        "areas": tables.quality_table(test, origin, "auc", "Area under the ROC curve, test scenes"),
        "accuracies": tables.quality_table(test, origin, "accuracy", "Accuracy, test scenes"),
        "decisions": tables.threshold_table(test, origin, "The learned filter at its threshold, test scenes"),
        "validation_tables": [
            tables.quality_table(validation, origin, "auc", "Area under the ROC curve, validation scenes"),
            tables.quality_table(validation, origin, "accuracy", "Accuracy, validation scenes"),
            tables.threshold_table(validation, origin, "The learned filter at its threshold, validation scenes"),
        ],
        "reliability_figure": figures.reliability_figure(curves["calibration"], name),
        "curves_figure": figures.curves_figure(curves["roc"], curves["pr"], name),
        "confusion": tables.confusion_table(curves["confusion"], "Whole tracks by truth (line) and decision (column)"),
        "ghosts": _ghosts(results, profile, age),
        "delays_figure": figures.delays_figure(lookup(found, origin, "early", "curves"), name),
        "delays": early_tables.delay_table(found, origin, "Frames until decided at equal error, test scenes"),
        "errors": early_tables.error_table(
            found,
            origin,
            "Least error within so many mean frames until decided, by each method's best rule on the test scenes",
        ),
        "shipped": early_tables.shipped_table(found, origin, "The rule in the checkpoint, test scenes"),
        "leans": leans_on(found, origin),
        "checks": checks_table(found, origin, "Limits on what length may do"),
        "variants": variants_table(found, origin, "test", "The same test tracks, changed"),
        "spread": spread_table(found, origin, _spread_caption(results)),
        "witnesses": _witnesses(results, profile, age),
        "geometry": _geometry(results, profile),
    }


def _spread_caption(results: Results) -> str:
    seeds = lookup(results.train, results.origins["train"], "training", "seeds")
    return f"Mean over {seeds} training seeds, with the least and the greatest in brackets, test scenes"


def _ghosts(results: Results, profile: str, age: str) -> list[Table]:
    origin = results.origins["train"]
    found = lookup(results.train, origin, profile)
    return [
        ghost_tables.rejected_table(found, origin, age, f"Share of tracks rejected {seen(age)}, test scenes"),
        ghost_tables.area_table(found, origin, age, f"AUC of real objects against one kind {seen(age)}, test scenes"),
    ]


def _witnesses(results: Results, profile: str, age: str) -> list[Table]:
    """Return the tables of stage `fuse`; none when it had no test track of the profile."""
    if profile not in results.fuse:
        return []
    origin = results.origins["fuse"]
    part = lookup(results.fuse, origin, profile, "test")
    return [
        fusion_tables.sets_table(part, origin, "Area under the ROC curve by set of witnesses, test scenes"),
        fusion_tables.calibration_table(part, origin, "Expected calibration error by set of witnesses, test scenes"),
        ghost_tables.witness_table(part, origin, age, f"Share of tracks rejected {seen(age)} by witness, test scenes"),
    ]


def _geometry(results: Results, profile: str) -> list[Table]:
    """Return the tables of stage `geometry`; none when it had no test track of the profile."""
    if profile not in results.geometry:
        return []
    origin = results.origins["geometry"]
    part = lookup(results.geometry, origin, profile, "test")
    return [
        geometry_tables.quality_table(part, origin, "Area under the ROC curve without pixels, test scenes"),
        geometry_tables.rejected_table(part, origin, "Share of tracks that geometry alone rejects, test scenes"),
    ]
