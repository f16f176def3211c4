"""The figures of the report in two dimensions, each from the numbers of one stage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from track_persistence.report.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, drawing
from track_persistence.report.early_tables import CHANCE, least_frames
from track_persistence.report.tables import (
    FILTER,
    METHOD_NAMES,
    METHODS,
    SCENARIO_NAMES,
    age_titles,
    ages_of,
    state_name,
    states_of,
)
from track_persistence.report.values import Value, lookup, value_of

Columns = Mapping[str, Sequence[str]]
# Colour, marker, line; the methods that are not named here are grey.
STYLES = {
    FILTER: (BLUE, "o", "-"),
    "sprt": (PURPLE, "^", "--"),
    "no_pixels": (GREEN, "D", "--"),
    "min_hits": (ORANGE, "s", "--"),
}
OTHERS = (":", "--", "-.", (0, (5, 1)), (0, (1, 3)), (0, (7, 2, 1, 2)))


def by_frames_figure(part: Mapping[str, Any], origin: str, profile: str) -> Markup:
    """Draw AUC against the frames seen, of the filter and all baselines, and what the filter decides, with intervals.

    profile: what the title calls it.
    """
    ages = ages_of(part, origin)
    with drawing(f"by_frames_{profile}", 2, 3.9, f"{profile}: AUC and decisions by number of frames seen") as made:
        for shift, method in enumerate(METHODS):
            values = [value_of(lookup(part, origin, "by_frames", age, method, "auc")) for age in ages]
            _ages_line(made.axes[0], values, 0.05 * (shift - 4.5), METHOD_NAMES[method], _style(method))
        measures = {"precision": GREEN, "recall": ORANGE, "accuracy": BLUE, "calibration_error": PURPLE}
        for shift, (measure, colour) in enumerate(measures.items()):
            values = [value_of(lookup(part, origin, "by_frames", age, FILTER, measure)) for age in ages]
            style = {"color": colour, "marker": "osD^"[shift], "linestyle": "-", "linewidth": 1.6}
            _ages_line(made.axes[1], values, 0.05 * (shift - 1.5), _plain(measure), style)
        for axes in made.axes:
            axes.set_xticks(range(len(ages)), ages)
            axes.set_xlabel("frames seen")
        made.axes[0].set_title("area under the ROC curve")
        made.axes[1].set_title("the learned filter at its threshold")
        made.axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        made.axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return made.svg


def _style(method: str) -> dict[str, Any]:
    if method in STYLES:
        colour, marker, line = STYLES[method]
        return {"color": colour, "marker": marker, "linestyle": line, "linewidth": 2.4 if method == FILTER else 1.4}
    others = [name for name in METHODS if name not in STYLES]
    return {"color": GREY, "marker": ".", "linestyle": OTHERS[others.index(method)], "linewidth": 1.1}


def _ages_line(axes: Axes, values: Sequence[Value], shift: float, label: str, style: Mapping[str, Any]) -> None:
    middle = np.array([value.value for value in values])
    ends = np.array([[v.low if v.has_interval else v.value for v in values],
                     [v.high if v.has_interval else v.value for v in values]])  # fmt: skip
    where = np.arange(len(values)) + shift
    axes.errorbar(where, middle, yerr=np.abs(ends - middle), markersize=4.5, capsize=2, label=label, **style)


def reliability_figure(calibration: Columns, profile: str) -> Markup:
    """Draw the share of real objects against the probability, a panel for every number of frames seen.

    calibration: `bin`, `mean_predicted`, `fraction_positive`, `count` and `frames_seen` of one profile, a line per bin.
    Bars below show how many tracks each bin holds.
    """
    ages = list(dict.fromkeys(calibration["frames_seen"]))
    with drawing(f"reliability_{profile}", len(ages), 2.6, f"{profile}: reliability by number of frames seen") as made:
        for axes, age, title in zip(made.axes, ages, age_titles(ages), strict=True):
            chosen = [row for row, cell in enumerate(calibration["frames_seen"]) if cell == age]
            names = ("mean_predicted", "fraction_positive", "count")
            predicted, true, count = (np.array(_numbers([calibration[name][row] for row in chosen])) for name in names)
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
            axes.bar(predicted, 0.25 * count / count.max(), width=0.07, color=GREY, alpha=0.35)
            axes.plot(predicted, true, color=BLUE, linewidth=1.8, marker="o", markersize=3.5)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="mean probability", title=title)
            axes.set_xticks([0, 0.5, 1])
        made.axes[0].set_ylabel("share that is real")
    return made.svg


def delays_figure(curves: Mapping[str, Sequence[Mapping[str, Any]]], profile: str) -> Markup:
    """Draw the mean frames until decided against the error: the points of each method, and the least up to an error.

    curves: method to points with `error` and `frames`.
    """
    with drawing(f"delays_{profile}", 1, 3.4, f"{profile}: frames until decided against error") as made:
        axes = made.axes[0]
        for method in (name for name in METHODS if name in curves):
            curve = curves[method]
            errors = sorted(float(point["error"]) for point in curve)
            steps = [(error, least_frames(curve, error)) for error in errors]
            ends = [*steps, (max(CHANCE, errors[-1]), steps[-1][1])]
            style = _style(method)
            marker = style.pop("marker")
            axes.step(*zip(*ends, strict=True), where="post", label=METHOD_NAMES[method], **style)
            axes.plot(*zip(*steps, strict=True), color=style["color"], marker=marker, linestyle="", markersize=4)
        axes.set(xlabel="error: mean of ghosts kept and real objects dropped", ylabel="mean frames until decided")
        axes.set(xlim=(0, CHANCE), ylim=(0, None), title="least delay that reaches an error; lower left is better")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made.svg


def training_figure(curves: Columns) -> Markup:
    """Draw loss and accuracy against the epoch; `curves` has `epoch` and columns named after what they hold."""
    epochs = _numbers(curves["epoch"])
    with drawing("training", 2, 3.0, "Loss and accuracy during training") as made:
        for axes, measure in zip(made.axes, ("loss", "accuracy"), strict=True):
            names = [name for name in curves if measure in name]
            for name, colour in zip(names, (BLUE, ORANGE, GREEN, PURPLE), strict=False):
                axes.plot(epochs, _numbers(curves[name]), color=colour, marker=".", label=_plain(name))
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(measure)
            if names:
                axes.legend()
    return made.svg


def curves_figure(roc: Columns, precision_recall: Columns, profile: str) -> Markup:
    """Draw ROC and precision-recall curves, one for every number of frames seen."""
    with drawing(f"curves_{profile}", 2, 3.5, f"{profile}: ROC, precision and recall") as made:
        _by_age(made.axes[0], roc, "fpr", "tpr")
        made.axes[0].plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        made.axes[0].set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
        if len(made.axes[0].lines) > 1:
            made.axes[0].legend(title="frames seen", loc="lower right", fontsize=8)
        _by_age(made.axes[1], precision_recall, "recall", "precision")
        made.axes[1].set(xlabel="recall", ylabel="precision", title="precision and recall")
        for axes in made.axes:
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return made.svg


def _by_age(axes: Axes, columns: Columns, x: str, y: str) -> None:
    ages = list(dict.fromkeys(columns["frames_seen"]))
    for strength, age in zip(np.linspace(0.3, 1, len(ages)), ages, strict=True):
        chosen = [row for row, name in enumerate(columns["frames_seen"]) if name == age]
        points = [_numbers([columns[name][row] for row in chosen]) for name in (x, y)]
        axes.plot(*points, color=BLUE, alpha=float(strength), linewidth=1.6, label=age)


def gospa_figure(scenarios: Mapping[str, Any], origin: str) -> Markup:
    """Draw the parts of GOSPA, which add up in squares, for every scenario and every filter."""
    parts = (("localisation", BLUE), ("missed", PURPLE), ("false", ORANGE))
    bars = [(number, state) for number in scenarios for state in states_of(scenarios[number])]
    with drawing("gospa", 1, 0.4 + 0.26 * len(bars), "GOSPA parts by scenario and filter") as made:
        axes = made.axes[0]
        left = np.zeros(len(bars))
        rows = np.arange(len(bars))[::-1]
        for part, colour in parts:
            sizes_m = [value_of(lookup(scenarios, origin, n, s, f"gospa_{part}_m")).value for n, s in bars]
            widths = np.nan_to_num(np.square(sizes_m))
            axes.barh(rows, widths, left=left, color=colour, height=0.62, label=part)
            left += widths
        axes.set_yticks(rows, [f"{SCENARIO_NAMES.get(n, n)}, {state_name(state)}" for n, state in bars])
        axes.set(xlabel="square metres; smaller is better", title="squared GOSPA by part")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made.svg


def _numbers(cells: Sequence[str]) -> list[float]:
    return [float(cell) if cell else math.nan for cell in cells]


def _plain(name: str) -> str:
    return name.replace("_", " ")
