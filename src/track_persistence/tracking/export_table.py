"""3D tracks as one table: a row per track and frame, in the order that every export format keeps.

N rows, V cameras.
"""

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.stereo.triangulation import Status
from track_persistence.tracking.results import Reconstructed3DTrack

Floats = NDArray[np.float64]
Columns = dict[str, Floats | NDArray[np.int32]]
COVARIANCE_ENTRIES = {"xx": (0, 0), "xy": (0, 1), "xz": (0, 2), "yy": (1, 1), "yz": (1, 2), "zz": (2, 2)}
# Steps of the golden section around the colour wheel keep the colours of any number of tracks apart.
HUE_STEP = (5**0.5 - 1) / 2


def columns_of(tracks: Sequence[Reconstructed3DTrack], rig: CameraRig) -> Columns:
    """Return the table of `tracks`, each column (N,), integers as int32 and measurements as float64.

    track: position in `tracks`. frame, and time_s = frame over the frame rate. x_m .. z_m, vx_mps .. vz_mps,
    cov_xx_m2 .. cov_zz_m2: world axes. views: cameras that saw it. reprojection_px: mean over the cameras that were
    triangulated. persistence: probability. status: `stereo.triangulation.Status`. What is not known is NaN.
    Raises `DataError` when a track was made with another number of cameras.
    """
    for index, track in enumerate(tracks):
        if track.reprojection_px.shape[1:] != (len(rig.cameras),):
            raise DataError(
                f"3D track {index}: reprojection errors of shape {track.reprojection_px.shape}, but the rig has "
                f"{len(rig.cameras)} cameras; export with the rig that the tracks were made with"
            )
    counts = [len(track) for track in tracks]
    frames = whole([track.frames for track in tracks])
    positions = measured([track.positions_m for track in tracks], (3,))
    velocities = measured([track.velocities_mps for track in tracks], (3,))
    covariances = measured([track.covariances_m2 for track in tracks], (3, 3))
    reprojection = measured([track.reprojection_px for track in tracks], (len(rig.cameras),))
    persistence = [np.nan if track.persistence is None else track.persistence for track in tracks]
    axes = dict(enumerate("xyz"))
    return {
        "track": np.repeat(np.arange(len(tracks), dtype=np.int32), counts),
        "frame": frames,
        "time_s": frames / rig.cameras[0].frame_rate_hz,
        **{f"{axis}_m": positions[:, i] for i, axis in axes.items()},
        **{f"v{axis}_mps": velocities[:, i] for i, axis in axes.items()},
        **{f"cov_{name}_m2": covariances[:, i, j] for name, (i, j) in COVARIANCE_ENTRIES.items()},
        "views": whole([track.views for track in tracks]),
        "reprojection_px": _mean_known(reprojection),
        "persistence": np.repeat(np.array(persistence, np.float64), counts),
        "status": whole([track.status for track in tracks]),
    }


def readable(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return the table with the status as the word of `Status`, in small letters, for readers that know no codes."""
    words = [Status(code).name.lower() for code in columns["status"].tolist()]
    return {**columns, "status": np.array(words, np.str_)}


def colours_of(count: int) -> NDArray[np.uint8]:
    """Return a colour for each of `count` tracks, (count, 3) uint8 RGB."""
    wheel = [colorsys.hsv_to_rgb(index * HUE_STEP % 1, 0.75, 0.95) for index in range(count)]
    return np.round(np.array(wheel).reshape(-1, 3) * 255).astype(np.uint8)


def measured(arrays: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    """Return arrays of rows of `shape` end to end, (N, *shape); there may be none."""
    return np.concatenate([np.empty((0, *shape)), *arrays])


def whole(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int32]:
    """Return arrays of whole numbers end to end, (N,); there may be none."""
    return np.concatenate([np.empty(0, np.int32), *arrays]).astype(np.int32)


def _mean_known(values: Floats) -> Floats:
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    total = np.where(known, values, 0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
