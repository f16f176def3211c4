"""3D tracks as a recording for the rerun viewer: cameras, paths, and every frame's points with their ellipsoids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from track_persistence.core.errors import StorageError
from track_persistence.core.files import atomic_path
from track_persistence.core.rig import CameraRig
from track_persistence.tracking.export_table import Floats, colours_of, columns_of, measured
from track_persistence.tracking.results import Reconstructed3DTrack

APPLICATION = "track_persistence"
ELLIPSOID_SIGMAS = 2.0


def write_rerun(path: Path, tracks: Sequence[Reconstructed3DTrack], rig: CameraRig) -> None:
    """Write a `.rrd` with the timelines `frame` and `time`.

    `world/cameras/<name>`: pinholes; rerun knows no lens distortion, so it is left out. `world/paths`: the whole path
    of every track. `world/points` and `world/ellipsoids` (two standard deviations): the tracks of the frame. Raises
    `StorageError` when rerun is not installed, `DataError` when the tracks do not fit the rig.
    """
    try:
        import rerun
    except ImportError as error:
        raise StorageError(
            f"{path}: a recording needs the package {error.name!r}; run `pip install track-persistence[rerun]`"
        ) from error
    with atomic_path(path) as temporary:
        recording = rerun.RecordingStream(APPLICATION, recording_id=path.stem)
        recording.save(temporary)
        _log_cameras(rerun, recording, rig)
        _log_paths(rerun, recording, tracks)
        _log_frames(rerun, recording, tracks, rig)
        recording.flush()
        recording.disconnect()


def _log_cameras(rerun: Any, recording: Any, rig: CameraRig) -> None:
    recording.log("world", getattr(rerun.ViewCoordinates, _upright(rig)), static=True)
    for camera in rig.cameras:
        entity = ["world", "cameras", camera.name]
        placed = rerun.Transform3D(translation=camera.centre_m, mat3x3=camera.rotation.T)
        recording.log(entity, placed, static=True)
        pinhole = rerun.Pinhole(
            image_from_camera=camera.intrinsics,
            resolution=camera.image_size_px,
            camera_xyz=rerun.ViewCoordinates.RDF,
        )
        recording.log(entity, pinhole, static=True)


def _upright(rig: CameraRig) -> str:
    """Name the world axis that is nearest to the cameras' mean up or down, so that the viewer does not tilt."""
    down = np.mean([camera.rotation[1] for camera in rig.cameras], axis=0)
    axis = int(np.argmax(np.abs(down)))
    return f"RIGHT_HAND_{'XYZ'[axis]}_{'DOWN' if down[axis] > 0 else 'UP'}"


def _log_paths(rerun: Any, recording: Any, tracks: Sequence[Reconstructed3DTrack]) -> None:
    strips = [track.positions_m[track.located] for track in tracks]
    archetype = rerun.LineStrips3D(strips, colors=colours_of(len(tracks)), labels=_labels(tracks), show_labels=False)
    recording.log("world/paths", archetype, static=True)


def _log_frames(rerun: Any, recording: Any, tracks: Sequence[Reconstructed3DTrack], rig: CameraRig) -> None:
    columns = columns_of(tracks, rig)
    located = np.isfinite(columns["x_m"])
    positions = np.column_stack([columns["x_m"], columns["y_m"], columns["z_m"]])
    colours, labels = colours_of(len(tracks)), np.array(_labels(tracks), object)
    half_sizes, quaternions = _ellipsoids(tracks)
    # The viewer shows what was logged last, so the frame after a track's end is logged as well, without it.
    for frame in np.unique(np.concatenate([columns["frame"], columns["frame"] + 1])).tolist():
        rows = np.flatnonzero((columns["frame"] == frame) & located)
        own = columns["track"][rows]
        recording.set_time("frame", sequence=frame)
        recording.set_time("time", duration=frame / rig.cameras[0].frame_rate_hz)
        shown = {"colors": colours[own], "labels": labels[own].tolist(), "show_labels": False}
        recording.log("world/points", rerun.Points3D(positions[rows], **shown))
        sure = rows[np.isfinite(half_sizes[rows]).all(axis=1)]
        shape = {"half_sizes": half_sizes[sure], "quaternions": quaternions[sure]}
        colour = colours[columns["track"][sure]]
        recording.log("world/ellipsoids", rerun.Ellipsoids3D(centers=positions[sure], colors=colour, **shape))


def _labels(tracks: Sequence[Reconstructed3DTrack]) -> list[str]:
    return [
        f"track {index}" if track.persistence is None else f"track {index}, persistence {track.persistence:.2f}"
        for index, track in enumerate(tracks)
    ]


def _ellipsoids(tracks: Sequence[Reconstructed3DTrack]) -> tuple[Floats, Floats]:
    """Return half axes (N, 3) in metres, NaN without a covariance, and orientations (N, 4) as x y z w."""
    covariances = measured([track.covariances_m2 for track in tracks], (3, 3))
    half_sizes, quaternions = np.full((len(covariances), 3), np.nan), np.zeros((len(covariances), 4))
    known = np.isfinite(covariances).all(axis=(1, 2))
    variances, axes = np.linalg.eigh(covariances[known])
    axes[:, :, 0] *= np.linalg.det(axes)[:, None]  # a rotation, not a reflection
    half_sizes[known] = ELLIPSOID_SIGMAS * np.sqrt(np.maximum(variances, 0))
    if known.any():
        quaternions[known] = Rotation.from_matrix(axes).as_quat()
    return half_sizes, quaternions
