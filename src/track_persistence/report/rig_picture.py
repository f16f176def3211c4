"""The picture of a rig's self-check: residuals by region, what was measured, the mark of yaw, the time offset.

K pairs of partners, J joint frames.
"""

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from track_persistence.core.files import atomic_path
from track_persistence.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, STYLE
from track_persistence.stereo.self_check import Region, SelfCheck
from track_persistence.stereo.self_check_verdict import INTERVAL_SIGMAS, Quantity, State

COLOURS = {State.SOUND: GREEN, State.UNDECIDED: GREY, State.WRONG: ORANGE}
# Residuals reach full colour here, or at the largest one; those that may be 0 are this opaque.
LEAST_SCALE_PX = 2.0
PALE = 0.35
# Means of neighbouring pairs, of so many pairs at least.
YAW_BINS = 8
PAIRS_PER_BIN = 5
# Quantities farther off than this, in tolerated errors, are drawn at the border.
MOST_TOLERATED = 5.0


def write_picture(path: Path, found: SelfCheck) -> None:
    """Draw the answer as PNG, the same bytes every time."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 8.5), layout="constrained", facecolor="white")
        figure.suptitle(
            "\n".join(textwrap.wrap(found.verdict[0], 110)), color=_title_colour(found), fontsize=12, weight="bold"
        )
        panels = figure.subplots(2, 2, gridspec_kw={"width_ratios": (1.15, 1)})
        _regions(panels[0, 0], found)
        _quantities(panels[0, 1], list(found.quantities.values()))
        _yaw(panels[1, 0], found)
        _offsets(panels[1, 1], found)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _title_colour(found: SelfCheck) -> str:
    return INK if found.state is State.UNDECIDED else COLOURS[found.state]


def _regions(axes: Axes, found: SelfCheck) -> None:
    """Mean residual by region of the first image, with its interval and what was seen there."""
    sizes = [abs(region.residual_px.value) for region in found.regions if region.pairs]
    scale_px = max(LEAST_SCALE_PX, *sizes, 0.0)
    for region in found.regions:
        _region(axes, region, scale_px)
    first, last = found.regions[0].edges_px, found.regions[-1].edges_px
    axes.set(xlim=(first[0], last[2]), ylim=(last[3], first[1]), aspect="equal")
    axes.grid(visible=False)
    axes.set(xlabel="column in the first camera, pixels", ylabel="row, pixels")
    axes.set_title(
        "Signed distance of partners from their epipolar lines\n(mean and 95 % interval; pale where it may be 0)"
    )


def _region(axes: Axes, region: Region, scale_px: float) -> None:
    left, top, right, bottom = region.edges_px
    corners = ([left, right, right, left], [top, top, bottom, bottom])
    value, interval = region.residual_px.value, INTERVAL_SIGMAS * region.residual_px.sigma
    sure = bool(region.pairs) and abs(value) > interval
    if region.pairs:
        colour = matplotlib.colormaps["RdBu_r"](0.5 + 0.5 * value / scale_px)
        axes.fill(*corners, facecolor=colour, alpha=1.0 if sure else PALE, linewidth=0)
    axes.fill(*corners, facecolor="none", edgecolor=GREY)
    text = f"{value:+.2f} px\n± {interval:.2f}\n{_counted(region.pairs, 'pair')}\n{_counted(region.frames, 'frame')}"
    ink = "white" if sure and abs(value) > 0.6 * scale_px else INK if region.pairs else GREY
    centre = ((left + right) / 2, (top + bottom) / 2)
    axes.text(*centre, text if region.pairs else "no partners", ha="center", va="center", fontsize=8.5, color=ink)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _quantities(axes: Axes, quantities: Sequence[Quantity]) -> None:
    """Each quantity in units of its tolerated error."""
    axes.set_title("What the partners say of the rig")
    if not quantities:
        _nothing(axes, "too few partners")
        return
    axes.axvspan(-1, 1, color=GREEN, alpha=0.12)
    for side in (-2, 2):
        axes.axvline(side, color=GREY, linewidth=1, linestyle="--")
    for row, each in enumerate(quantities):
        colour = COLOURS[each.state]
        value, interval = each.value / each.tolerated, INTERVAL_SIGMAS * each.sigma / each.tolerated
        axes.plot([value - interval, value + interval], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        shown = float(np.clip(value, -MOST_TOLERATED, MOST_TOLERATED))
        marker = "o" if shown == value else "<>"[value > 0]
        axes.plot(shown, row, color=colour, marker=marker, markersize=8, clip_on=False)
    axes.set_yticks(range(len(quantities)), ["\n".join((*each.words, each.state.value)) for each in quantities])
    axes.grid(visible=False, axis="y")
    axes.set(xlim=(-MOST_TOLERATED, MOST_TOLERATED), ylim=(len(quantities) - 0.5, -0.5))
    axes.set_xlabel("in tolerated errors, 95 % interval (green: tolerated;\nbeyond a dashed line: has to be excluded)")


def _yaw(axes: Axes, found: SelfCheck) -> None:
    """Residuals, without what the other corrections explain, against what a degree of yaw does there."""
    axes.set_title("The mark of a yaw error")
    if "yaw" not in found.quantities:
        _nothing(axes, "too few partners")
        return
    axes.set(xlabel="change of the residual by one degree of yaw, pixels")
    axes.set(ylabel="residual without pitch, roll\nand offset, pixels")
    rows, values = found.rows, {name: each.value for name, each in found.quantities.items()}
    offset = values["offset"] - found.best_offset
    others = np.array([np.radians(values["pitch"]), 0.0, np.radians(values["roll"]), offset])
    counts = rows.sums(np.ones(len(rows.pairs)))
    levers = rows.sums(rows.slopes[:, 1] * np.radians(1)) / counts
    left = rows.sums(rows.residuals_px + rows.slopes @ others) / counts
    axes.plot(levers, left, ".", color=GREY, alpha=0.5, label="a pair of partners")
    for low, high in pairwise(np.quantile(levers, np.linspace(0, 1, 1 + min(YAW_BINS, len(levers) // PAIRS_PER_BIN)))):
        inside = left[(levers >= low) & (levers <= high)]
        interval = INTERVAL_SIGMAS * inside.std(ddof=1) / np.sqrt(len(inside))
        style: Any = {"color": BLUE, "marker": "o", "capsize": 3, "label": "mean of neighbours, 95 % interval"}
        axes.errorbar(levers[(levers >= low) & (levers <= high)].mean(), inside.mean(), yerr=interval, **style)
    yaw = found.quantities["yaw"]
    ends = np.array([levers.min(), levers.max()])
    axes.plot(ends, -yaw.value * ends, color=COLOURS[yaw.state], linewidth=2, label=f"fitted: {yaw.text}")
    for side in (-1, 1):
        axes.plot(ends, -(yaw.value + side * INTERVAL_SIGMAS * yaw.sigma) * ends, ":", color=COLOURS[yaw.state])
    # A few pairs lie far off; the middle of the cloud is what is looked at.
    reach = 1.5 * float(np.quantile(np.abs(left), 0.9)) + 0.1
    axes.set_ylim(-reach, reach)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), loc="upper right", labelcolor=INK, fontsize=8, frameon=True)


def _offsets(axes: Axes, found: SelfCheck) -> None:
    """How well partners agree at every offset."""
    axes.set_title("Which time offset suits the partners")
    frames, ratios = (np.array(column, np.float64) for column in zip(*found.offset_curve, strict=True))
    if not ratios.any():
        _nothing(axes, "no partners at any offset")
        return
    axes.plot(frames, ratios - ratios.max(), color=BLUE, marker="o", markersize=4)
    axes.axvline(0, color=GREY, linewidth=1, linestyle="--", label="as recorded")
    if "offset" in found.quantities:
        offset = found.quantities["offset"]
        interval = INTERVAL_SIGMAS * offset.sigma
        axes.axvspan(offset.value - interval, offset.value + interval, color=COLOURS[offset.state], alpha=0.25)
        axes.axvline(offset.value, color=COLOURS[offset.state], linewidth=2, label=offset.text)
    axes.legend(loc="best", labelcolor=INK, fontsize=8, frameon=True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="frames added to the second camera's frame numbers")
    axes.set(ylabel="log-likelihood ratio of all partners,\nagainst the best")


def _nothing(axes: Axes, why: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)
