"""One PNG of a rig's people: every camera's view of one frame, and their paths from above and from the side."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Polygon, Rectangle
from numpy.typing import NDArray

from track_persistence.core.files import atomic_path
from track_persistence.core.rig import CameraRig
from track_persistence.report.drawing import GREY, INK, STYLE
from track_persistence.report.multicamera_people import Person
from track_persistence.report.views3d import View, field_of_view, plan_and_side
from track_persistence.tracking.export_table import colours_of
from track_persistence.video.mot import MotTable
from track_persistence.video.reader import Video

Floats = NDArray[np.float64]
Colour = tuple[float, ...]
WIDTH_IN, PLAN_HEIGHT_IN = 15.0, 6.4
DPI = 110
# Images are shrunk to this height; more is not seen.
VIEW_HEIGHT_PX = 900
# Half axes of an ellipse in standard deviations; in two dimensions it holds 86 % of a Gaussian.
SIGMAS = 2.0
ELLIPSES_PER_PATH = 5
MARGIN_M = 0.5
# Wedges of what cameras see end so far away; it is past the border of the picture.
REACH_M = 1e3


def write_picture(
    path: Path, rig: CameraRig, videos: Sequence[Video], tables: Sequence[MotTable], people: Sequence[Person]
) -> None:
    """Write the PNG atomically; tables: the tracks of each camera. Grey boxes belong to tracks without a partner."""
    number = busiest_frame(people, tables)
    colours = [tuple(colour / 255) for colour in colours_of(len(people))]
    with matplotlib.rc_context(STYLE):
        views_in = WIDTH_IN / len(videos) * max(video.size_px[1] / video.size_px[0] for video in videos)
        figure = Figure(figsize=(WIDTH_IN, views_in + PLAN_HEIGHT_IN), dpi=DPI, layout="constrained")
        figure.set_facecolor("white")
        grid = figure.add_gridspec(2, 1, height_ratios=(views_in, PLAN_HEIGHT_IN))
        top, bottom = figure.add_subfigure(grid[0, 0]), figure.add_subfigure(grid[1, 0])
        panels = zip(top.subplots(1, len(videos), squeeze=False)[0], videos, tables, strict=True)
        for camera, (axes, video, table) in enumerate(panels):
            owners = {
                member.track_id: index
                for index, person in enumerate(people)
                if (member := person.members[camera]) is not None
            }
            _image(axes, video, number)
            _boxes(axes, table, number, owners, colours)
            axes.set_title(f"{rig.cameras[camera].name}, frame {number}")
        for axes, view in zip(bottom.subplots(1, 2), plan_and_side(rig), strict=True):
            _world(axes, view, rig, people, colours)
        bottom.legend(*_entries(people, colours), loc="outside lower center", ncols=max(1, len(people)))
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def busiest_frame(people: Sequence[Person], tables: Sequence[MotTable]) -> int:
    """Return the first frame in which most boxes belong to a person; the first with most boxes when there is nobody."""
    members = [track.frames for person in people for track in person.members if track is not None]
    frames = np.concatenate(members or [table.frames for table in tables])
    return int(np.argmax(np.bincount(frames)))


def _image(axes: Axes, video: Video, number: int) -> None:
    *_, image = video.frames(number)
    width, height = video.size_px
    scale = min(1.0, VIEW_HEIGHT_PX / height)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    axes.imshow(small, extent=(0, width, height, 0))
    axes.set_axis_off()


def _boxes(axes: Axes, table: MotTable, number: int, owners: dict[int, int], colours: Sequence[Colour]) -> None:
    """Draw the boxes of one frame, those of people last; owners: the person of each track id that has one."""
    rows = np.flatnonzero(table.frames == number)
    ordered = sorted(rows, key=lambda row: int(table.ids[row]) in owners)
    for row in ordered:
        x, y, width, height = (float(value) for value in table.boxes_xywh_px[row])
        person = owners.get(int(table.ids[row]))
        colour: Any = GREY if person is None else colours[person]
        axes.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=1.2 if person is None else 2.5)
        )
        if person is not None:
            axes.text(x, y, f" {person} ", color="white", backgroundcolor=colour, fontsize=8, va="bottom", clip_on=True)


def _world(axes: Axes, view: View, rig: CameraRig, people: Sequence[Person], colours: Sequence[Colour]) -> None:
    """Draw the cameras and everybody's path along one direction, in equal scale."""
    side = view == plan_and_side(rig)[1]
    shown = [camera.centre_m[None] for camera in rig.cameras]
    for person, colour in zip(people, colours, strict=True):
        located = person.path.located
        positions_m = person.path.positions_m[located]
        shown.append(positions_m)
        _path(axes, view.flat(positions_m), view.flat_covariance(person.path.covariances_m2[located]), colour)
        if side:
            _stature(axes, view.flat(positions_m), person.height_m, colour)
            shown.append(positions_m - 0.5 * person.height_m * _unit(view.axes[1]))
    for camera in rig.cameras:
        place, directions = field_of_view(camera, view)
        if len(directions):
            axes.add_patch(Polygon([place, *(place + REACH_M * directions)], facecolor=GREY, alpha=0.08))
        axes.plot(*place, color=INK, marker="o", markersize=5)
        axes.annotate(
            camera.name, (float(place[0]), float(place[1])), xytext=(5, 5), textcoords="offset points", color=INK
        )
    points = view.flat(np.concatenate(shown))
    low, high = points.min(axis=0) - MARGIN_M, points.max(axis=0) + MARGIN_M
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set(xlabel=view.labels[0], ylabel=view.labels[1], title=f"{view.title}, ellipses of {SIGMAS:g} sigma")
    axes.xaxis.set_inverted(view.backwards[0])
    axes.yaxis.set_inverted(view.backwards[1])


def _path(axes: Axes, points: Floats, covariances_m2: Floats, colour: Colour) -> None:
    axes.plot(*points.T, color=colour, linewidth=1.5)
    axes.plot(*points[0], color=colour, marker="o", markersize=4)
    chosen = np.unique(np.linspace(0, len(points) - 1, ELLIPSES_PER_PATH).round().astype(int))
    for point, covariance in zip(points[chosen], covariances_m2[chosen], strict=True):
        variances, directions = np.linalg.eigh(covariance)
        angle_deg = float(np.degrees(np.arctan2(directions[1, 0], directions[0, 0])))
        width, height = 2 * SIGMAS * np.sqrt(variances)
        axes.add_patch(Ellipse(tuple(point), width, height, angle=angle_deg, facecolor=colour, alpha=0.3))


def _stature(axes: Axes, points: Floats, height_m: float, colour: Colour) -> None:
    """Draw a person's height about the middle of the path, from the feet to the head."""
    across, up = np.median(points, axis=0)
    axes.plot([across, across], [up - height_m / 2, up + height_m / 2], color=colour, linewidth=1, linestyle=":")


def _unit(axis: int) -> Floats:
    unit: Floats = np.eye(3)[axis]
    return unit


def _entries(people: Sequence[Person], colours: Sequence[Colour]) -> tuple[list[Any], list[str]]:
    handles: list[Any] = [Rectangle((0, 0), 1, 1, color=colour) for colour in colours]
    labels = [
        f"{index}: {person.cameras} cameras, frames {person.path.frames[0]} to {person.path.frames[-1]}, "
        f"{person.height_m:.2f} m tall (dotted)"
        for index, person in enumerate(people)
    ]
    grey = Rectangle((0, 0), 1, 1, fill=False, edgecolor=GREY)
    return [*chain(handles, [grey])], [*labels, "no partner"]
