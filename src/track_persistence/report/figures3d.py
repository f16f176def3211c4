"""The figures of the 3D side: a scene from above and from the side, error against depth, GOSPA over time.

F points of a path, B depth bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Polygon
from numpy.typing import NDArray

from track_persistence.core.rig import CameraRig
from track_persistence.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Drawing, drawing
from track_persistence.report.views3d import View, field_of_view, plan_and_side

Floats = NDArray[np.float64]

# Half axes of an ellipse in standard deviations; in two dimensions it holds 86 % of a Gaussian.
SIGMAS = 2.0
# Height of a picture of the world over its width, and what it shows beyond the outermost points on each side.
SHAPES = (0.4, 1.0)
MARGIN = 0.06
# More ellipses or points than this hide each other and make the page heavy.
ELLIPSES_PER_PATH = 5
POINTS_PER_METHOD = 600
COLOURS = (ORANGE, BLUE, GREEN)
MARKERS = "sod"
PARTS = (("localisation", BLUE), ("missed", PURPLE), ("false", ORANGE))


@dataclass(frozen=True, eq=False)
class DrawnPath:
    """A 3D track: positions_m (F, 3), covariances_m2 (F, 3, 3), and whether the filter kept it; all finite."""

    positions_m: Floats
    covariances_m2: Floats
    kept: bool


@dataclass(frozen=True, eq=False)
class DepthErrors:
    """The errors of one method.

    depths_m, errors_m: (N,) true depth and length of the error of each point. rmse_m: (B,) of the bins with the ends
    of its interval, low_m and high_m; NaN where a bin is empty.
    """

    name: str
    depths_m: Floats
    errors_m: Floats
    rmse_m: Floats
    low_m: Floats
    high_m: Floats


@dataclass(frozen=True, eq=False)
class GospaOverTime:
    """The parts of squared GOSPA of one method: times_s (F,) of the frames, and each part in m^2 (F,)."""

    name: str
    times_s: Floats
    localisation: Floats
    missed: Floats
    false: Floats

    @property
    def root_mean_square_m(self) -> float:
        """GOSPA over all frames in metres, as the pooled metric has it."""
        return float(np.sqrt(np.mean(self.localisation + self.missed + self.false)))


def scene_figure(rig: CameraRig, truth_m: Sequence[Floats], paths: Sequence[DrawnPath], name: str) -> Markup:
    """Draw one scene from above and from the side, in one scale.

    truth_m: the true paths, (T, 3) each. Ellipses stand at some points of each track and show two standard deviations.
    """
    cameras_m = np.stack([camera.centre_m for camera in rig.cameras])
    everything = np.concatenate([cameras_m, *truth_m, *[path.positions_m for path in paths]])
    views = plan_and_side(rig)
    width_m, height_m = (1 + 2 * MARGIN) * np.max([np.ptp(view.flat(everything), axis=0) for view in views], axis=0)
    shape = float(np.clip(height_m / width_m, *SHAPES))
    size_m = max(width_m, height_m / shape) * np.array([1, shape])
    with drawing(f"scene_{name}", 2, 1.2 + 4.9 * shape, f"{name}: 3D tracks from above and from the side") as made:
        for axes, view in zip(made.axes, views, strict=True):
            _frame(axes, view, view.flat(everything), size_m)
            _cameras(axes, view, rig)
            for path_m in truth_m:
                axes.plot(*view.flat(path_m).T, color=GREY, linewidth=5, alpha=0.5, label="truth")
            for path in paths:
                _track(axes, view, path)
        _legend_below(made)
    return made.svg


def _frame(axes: Axes, view: View, points: Floats, size_m: Floats) -> None:
    """Show `size_m` of the world about the points, in equal scale, with the axes' directions."""
    low = (points.min(axis=0) + points.max(axis=0) - size_m) / 2
    axes.set(xlim=(low[0], low[0] + size_m[0]), ylim=(low[1], low[1] + size_m[1]))
    axes.set_box_aspect(size_m[1] / size_m[0])
    axes.set(xlabel=view.labels[0], ylabel=view.labels[1], title=view.title)
    axes.xaxis.set_inverted(view.backwards[0])
    axes.yaxis.set_inverted(view.backwards[1])


def _cameras(axes: Axes, view: View, rig: CameraRig) -> None:
    reach_m = 4 * max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))  # past the border of the picture
    for camera in rig.cameras:
        place, directions = field_of_view(camera, view)
        if len(directions):
            corners = [place, *(place + reach_m * directions)]
            axes.add_patch(Polygon(corners, facecolor=GREEN, alpha=0.1, label="field of view"))
        axes.plot(*place, color=INK, marker="o", markersize=4, linestyle="", label="camera", zorder=5)


def _track(axes: Axes, view: View, path: DrawnPath) -> None:
    colour, line, label = (BLUE, "-", "kept track") if path.kept else (ORANGE, "--", "dropped track")
    points = view.flat(path.positions_m)
    axes.plot(*points.T, color=colour, linewidth=1.5, linestyle=line, label=f"{label} with 2-sigma ellipses")
    chosen = np.unique(np.linspace(0, len(points) - 1, ELLIPSES_PER_PATH).round().astype(int))
    for point, covariance in zip(points[chosen], view.flat_covariance(path.covariances_m2[chosen]), strict=True):
        variances, directions = np.linalg.eigh(covariance)
        angle_deg = float(np.degrees(np.arctan2(directions[1, 0], directions[0, 0])))
        width, height = 2 * SIGMAS * np.sqrt(variances)
        axes.add_patch(
            Ellipse(tuple(point), width, height, angle=angle_deg, facecolor=colour, edgecolor=colour, alpha=0.3)
        )


def depth_error_figure(methods: Sequence[DepthErrors], edges_m: Floats, bound_m: Floats, name: str) -> Markup:
    """Draw the errors of up to three methods against the true depth, with the bound of one frame.

    edges_m: (B + 1,) of the bins. bound_m: (B,) root of the mean trace of `consistency.cramer_rao` of the points of
    each bin, which is `bound_m_0` and so on of `consistency.consistency_metrics`.
    """
    assert len(methods) <= len(COLOURS)
    with drawing(f"depth_error_{name}", 1, 4.0, f"{name}: 3D error against depth with the Cramér-Rao bound") as made:
        axes = made.axes[0]
        for method, colour, marker in zip(methods, COLOURS, MARKERS, strict=False):
            _errors(axes, method, edges_m, colour, marker)
        axes.stairs(
            bound_m,
            edges_m,
            baseline=None,
            color=INK,
            linewidth=1.6,
            linestyle="--",
            label="Cramér-Rao bound, one frame",
        )
        axes.set(xlabel="true depth in metres", ylabel="3D error in metres", yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor=INK)
    return made.svg


def _errors(axes: Axes, method: DepthErrors, edges_m: Floats, colour: str, marker: str) -> None:
    every = max(1, -(-len(method.depths_m) // POINTS_PER_METHOD))
    dots: dict[str, Any] = {"color": colour, "linestyle": "", "marker": ".", "alpha": 0.45, "markeredgewidth": 0}
    axes.plot(method.depths_m[::every], method.errors_m[::every], markersize=5, **dots)
    axes.errorbar(
        (edges_m[1:] + edges_m[:-1]) / 2,
        method.rmse_m,
        yerr=np.maximum(0, [method.rmse_m - method.low_m, method.high_m - method.rmse_m]),
        color=colour,
        marker=marker,
        markersize=6,
        linestyle="",
        linewidth=1.8,
        capsize=3,
        label=f"{method.name}: RMSE, 95 % interval",
    )


def gospa_time_figure(methods: Sequence[GospaOverTime], name: str) -> Markup:
    """Draw the parts of squared GOSPA over time, stacked, one panel a method, in one scale."""
    with drawing(f"gospa_time_{name}", len(methods), 3.2, f"{name}: GOSPA over time by part") as made:
        top = max(float((each.localisation + each.missed + each.false).max(initial=0)) for each in methods)
        for axes, method in zip(made.axes, methods, strict=True):
            stacks: list[Any] = [getattr(method, part) for part, _ in PARTS]
            axes.stackplot(
                method.times_s, *stacks, labels=[part for part, _ in PARTS], colors=[c for _, c in PARTS], step="mid"
            )
            axes.set(xlabel="time in seconds", ylim=(0, 1.05 * top or 1), title=_headline(method))
            axes.margins(x=0)
        made.axes[0].set_ylabel("GOSPA squared in m²\n(squares of the parts add up)")
        _legend_below(made)
    return made.svg


def _headline(method: GospaOverTime) -> str:
    return f"{method.name}: root mean square {method.root_mean_square_m:.2f} m"


def _legend_below(made: Drawing) -> None:
    """Put one legend for all panels below them, each entry once."""
    unique: dict[str, Any] = {}
    for axes in made.axes:
        handles, labels = axes.get_legend_handles_labels()
        unique |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in unique}
    made.figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique), labelcolor=INK)
