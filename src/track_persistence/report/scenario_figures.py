"""The 3D figures of one scenario, from the example scene and the metrics that stage `scenarios` wrote."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, CameraRig, Lens
from track_persistence.report.figures3d import (
    DepthErrors,
    DrawnPath,
    GospaOverTime,
    depth_error_figure,
    gospa_time_figure,
    scene_figure,
)
from track_persistence.report.tables import state_name
from track_persistence.report.values import lookup, value_of

Floats = NDArray[np.float64]


def example_figure(example: Mapping[str, Any], origin: str, name: str) -> Markup:
    """Draw the example scene from above and from the side."""
    rig = CameraRig(tuple(_camera(camera, f"{origin}: cameras") for camera in lookup(example, origin, "cameras")))
    paths = []
    for track in lookup(example, origin, "tracks"):
        values = [lookup(track, f"{origin}: tracks", key) for key in ("positions_m", "covariances_m2", "kept")]
        paths.append(DrawnPath(_array(values[0], 3), _array(values[1], 3, 3), bool(values[2])))
    truth_m = [_array(path, 3) for path in lookup(example, origin, "truth")]
    return scene_figure(rig, truth_m, paths, name)


def time_figure(example: Mapping[str, Any], origin: str, name: str) -> Markup:
    """Draw GOSPA of the example scene over time, without a filter and with it."""
    found = lookup(example, origin, "gospa")
    parts = ("times_s", "localisation", "missed", "false")
    methods = [
        GospaOverTime(state_name(method), *(_array(lookup(found, origin, method, part)) for part in parts))
        for method in sorted(found, key=lambda method: (method != "off", method))
    ]
    return gospa_time_figure(methods, name)


def depth_figure(
    example: Mapping[str, Any], scenario: Mapping[str, Any], origins: tuple[str, str], name: str
) -> Markup:
    """Draw the errors of plain triangulation and of the tracker's result against depth, with the bound.

    origins: names of the file of `example` and of that of the metrics `scenario`.
    """
    drawn = lookup(example, origins[0], "depth")
    edges_m = _array(lookup(drawn, origins[0], "edges_m"))
    result = lookup(scenario, origins[1], lookup(scenario, origins[1], "fusion"), "paths")
    plain = lookup(scenario, origins[1], "frame_by_frame")
    methods = []
    for title, key, metrics in (("frame by frame", "frame_by_frame", plain), ("3D result", "result", result)):
        points = [_array(lookup(drawn, origins[0], key, part)) for part in ("depths_m", "errors_m")]
        rmse = [value_of(lookup(metrics, origins[1], f"rmse_m_{number}")) for number in range(len(edges_m) - 1)]
        ends = [np.array([getattr(value, end) for value in rmse]) for end in ("value", "low", "high")]
        methods.append(DepthErrors(title, *points, *ends))
    bound_m = [value_of(lookup(result, origins[1], f"bound_m_{number}")).value for number in range(len(edges_m) - 1)]
    return depth_error_figure(methods, edges_m, np.array(bound_m), name)


def _camera(content: Mapping[str, Any], origin: str) -> Camera:
    intrinsics, distortion, pose = (
        np.array(lookup(content, origin, key), np.float64) for key in ("intrinsics", "distortion", "cam_from_world")
    )
    name, (width, height), rate_hz, lens = (
        lookup(content, origin, key) for key in ("name", "image_size_px", "frame_rate_hz", "lens")
    )
    return Camera(name, intrinsics, distortion, pose, (width, height), rate_hz, Lens(lens))


def _array(content: Any, *shape: int) -> Floats:
    """Return numbers as (N, *shape), empty ones too."""
    return np.array(content, np.float64).reshape(-1, *shape)
