"""What of the results is kept in git: numbers that a diff can compare, and curves for `dvc plots`.

The metrics of a stage are complete in its own folder; here is left out what the curves say too, and of every method but
the one in use what nobody compares.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

from track_persistence.core.files import rounded
from track_persistence.report.config import ReportConfig
from track_persistence.report.early_tables import least_error
from track_persistence.report.profiles import Columns, profiles_of, rows_where
from track_persistence.report.sources import PLOTS, Results
from track_persistence.report.tables import METHODS, ages_of, states_of
from track_persistence.report.values import is_value, lookup, value_of

OFF = "off"
OF_ONE_METHOD = ("paths", "distances")
PROFILE, SEEN = "profile", "frames_seen"


def metrics_of(results: Results) -> dict[str, dict[str, Any]]:
    """Return the contents of the metrics files in git by stage."""
    return {
        "tokenizer": results.tokenizer,
        "train": _without_curves(results.train),
        "geometry": results.geometry,
        "fuse": results.fuse,
        "ablate": results.ablate,
        "scenarios": {name: _chief(scenario, results) for name, scenario in results.scenarios.items()},
        "analyze": numbers_of(results.summary),
    }


def _without_curves(train: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, part in train.items():
        if isinstance(part, Mapping) and "early" in part:
            early = {key: item for key, item in part["early"].items() if key != "curves"}
            kept[name] = {**part, "early": early}
        else:
            kept[name] = part
    return kept


def _chief(scenario: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """Return a scenario without summed counts, and with paths and distances of the filter in use and of no filter."""
    used = (OFF, lookup(scenario, results.origins["scenarios"], "fusion"))
    kept = dict(scenario)
    for state in states_of(scenario):
        dropped = ("counts",) if state in used else ("counts", *OF_ONE_METHOD)
        kept[state] = {key: item for key, item in scenario[state].items() if key not in dropped}
    return kept


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


def plots_of(config: ReportConfig, results: Results) -> dict[str, Columns]:
    """Return the plot data by file name, in the shape `dvc plots` draws: one line per point, one column per curve.

    All are of the first profile, the matched one where there is one. ROC, precision-recall and calibration are those
    after `early_frames`: of whole tracks a glance at the length may say as much.
    """
    profile = profiles_of(results.train, results.origins["train"])[0]
    early = {PROFILE: profile, SEEN: str(config.early_frames)}
    wanted: dict[str, dict[str, str]] = {"loss": {}, "confusion": {PROFILE: profile}}
    found: dict[str, Columns] = {name: rows_where(results.plots[name], wanted.get(name, early)) for name in PLOTS}
    train, origin = lookup(results.train, results.origins["train"], profile), results.origins["train"]
    return found | {"by_frames": _auc_by_frames(train, origin), "delays": _delays(train, origin)}


def _auc_by_frames(train: Mapping[str, Any], origin: str) -> Columns:
    part = lookup(train, origin, "test")
    ages = ages_of(part, origin)
    values = {
        method: [value_of(lookup(part, origin, "by_frames", age, method, "auc")) for age in ages] for method in METHODS
    }
    return {SEEN: ages} | {method: [str(value.value) for value in row] for method, row in values.items()}


def _delays(train: Mapping[str, Any], origin: str) -> Columns:
    """Return the least error that each method reaches within 1, 2, ... mean frames until decided, a column a method."""
    early = lookup(train, origin, "early")
    curves, most = (lookup(early, origin, key) for key in ("curves", "longest_wait_frames"))
    columns = {
        method: [str(least_error(curves[method], frames)) for frames in range(1, most + 1)]
        for method in METHODS
        if method in curves
    }
    return {"frames": [str(frames) for frames in range(1, most + 1)]} | columns


def csv_text(columns: Columns) -> str:
    """Return columns of text as CSV, numbers with six significant digits."""
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
