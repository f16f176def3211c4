"""The figures of the report in two dimensions, each from the numbers of one stage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from track_persistence.report.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, drawing
from track_persistence.report.tables import METHOD_NAMES, METHODS, SCENARIO_NAMES, ages_of, state_name, states_of
from track_persistence.report.values import lookup, value_of

COLOURS = dict(zip(METHODS, (BLUE, ORANGE, GREEN, PURPLE), strict=True))
MARKERS = dict(zip(METHODS, "osD^", strict=True))
Columns = Mapping[str, Sequence[str]]


def by_frames_figure(part: Mapping[str, Any], origin: str) -> Markup:
    """Draw AUC and accuracy against the frames seen, filter and baselines, with 95 % intervals."""
    ages = ages_of(part, origin)
    with drawing("by_frames", 2, 3.6, "AUC and accuracy by number of frames seen") as made:
        for axes, measure in zip(made.axes, ("auc", "accuracy"), strict=True):
            for shift, method in enumerate(METHODS):
                values = [value_of(lookup(part, origin, "by_frames", age, method, measure)) for age in ages]
                middle = np.array([value.value for value in values])
                ends = np.array([[v.low if v.has_interval else v.value for v in values],
                                 [v.high if v.has_interval else v.value for v in values]])  # fmt: skip
                axes.errorbar(
                    np.arange(len(ages)) + 0.07 * (shift - 1.5),
                    middle,
                    yerr=np.abs(ends - middle),
                    color=COLOURS[method],
                    marker=MARKERS[method],
                    markersize=5,
                    linewidth=2.2 if method == METHODS[0] else 1.3,
                    linestyle="-" if method == METHODS[0] else "--",
                    capsize=2,
                    label=METHOD_NAMES[method],
                )
            axes.set_xticks(range(len(ages)), ages)
            axes.set_xlabel("frames seen")
            axes.set_title("area under the ROC curve" if measure == "auc" else "accuracy at the chosen threshold")
        made.axes[0].legend(loc="lower right")
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


def curves_figure(roc: Columns, precision_recall: Columns, calibration: Columns) -> Markup:
    """Draw ROC and precision-recall curves, one for every number of frames seen, and the reliability diagram."""
    with drawing("curves", 3, 3.5, "ROC, precision-recall and calibration") as made:
        _by_age(made.axes[0], roc, "fpr", "tpr")
        made.axes[0].set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
        if made.axes[0].lines:
            made.axes[0].legend(title="frames seen", loc="lower right", fontsize=8)
        _by_age(made.axes[1], precision_recall, "recall", "precision")
        made.axes[1].set(xlabel="recall", ylabel="precision", title="precision and recall")
        predicted, true = (_numbers(calibration[name]) for name in ("mean_predicted", "fraction_positive"))
        made.axes[2].plot(predicted, true, color=BLUE, linewidth=2, marker="o", markersize=4)
        made.axes[2].set(xlabel="mean probability", ylabel="share that is persistent", title="calibration")
        for axes in (made.axes[0], made.axes[2]):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
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
