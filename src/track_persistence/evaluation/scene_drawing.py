"""What the report draws of a scene: its cameras, its true and estimated 3D paths, GOSPA over time, errors by depth.

F frames of a 3D track, N points.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from track_persistence.core.rig import Camera
from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import PathErrors
from track_persistence.evaluation.metrics3d import count_points
from track_persistence.evaluation.outcomes import OFF, Outcome
from track_persistence.evaluation.scene_counts import frames_of, object_of, shown_objects
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.reconstruction import reconstruct
from track_persistence.tracking.results import Reconstructed3DTrack

GOSPA_PARTS = ("localisation", "missed", "false")
# Neighbouring frames have nearly the same error: a point every so many frames shows as much as all of them.
FRAMES_PER_POINT = 10


def example_of(scene: StereoScene, found: dict[str, Outcome], fusion: str, config: ScenariosConfig) -> dict[str, Any]:
    """Return one scene for drawing: metres, seconds, square metres.

    tracks: the 3D tracks of all groups; `kept` says whether the filter with `fusion` keeps them, `real` whether both
    2D tracks show one real object. gospa: per method the parts of squared GOSPA of every frame.
    """
    shown = shown_objects(scene)

    def drawn(track: Reconstructed3DTrack) -> dict[str, Any]:
        members = [(camera, number) for camera, number in enumerate(track.track_ids) if number is not None]
        return {
            "real": object_of(shown, track) is not None,
            "kept": all(member in found[fusion].kept for member in members),
            "positions_m": track.positions_m[track.located].tolist(),
            "covariances_m2": track.covariances_m2[track.located].tolist(),
        }

    return {
        "cameras": [_camera(camera) for camera in scene.rig.cameras],
        "truth": [item.positions_m[item.visible.all(axis=1)].tolist() for item in scene.trajectories],
        "tracks": [drawn(track) for track in found[OFF].reconstructed],
        "gospa": {name: _gospa_over_time(scene, found[name], config) for name in (OFF, fusion)},
    }


def frame_by_frame(scene: StereoScene, outcome: Outcome, tracking: TrackingConfig) -> list[Reconstructed3DTrack]:
    """Return the 3D tracks of an outcome as plain triangulation has them, frame by frame and without a smoother."""
    tracks = [{item.track.track_id: item.track for item in own} for own in scene.tracks]
    groups = [
        [None if number is None else own[number] for own, number in zip(tracks, track.track_ids, strict=True)]
        for track in outcome.reconstructed
    ]
    smoothing = tracking.smoothing.model_copy(update={"motion": "off"})
    return reconstruct(scene.rig, groups, [None] * len(groups), tracking.model_copy(update={"smoothing": smoothing}))


def depth_points(paths: Sequence[PathErrors]) -> dict[str, list[float]]:
    """Return the true depth and the length of the error (N,) of some points of the paths that every camera sees."""
    depths_m, errors_m = [], []
    for path in paths:
        seen = np.flatnonzero(np.isfinite(path.bounds_m2[:, 0, 0]))[::FRAMES_PER_POINT]
        depths_m += path.depths_m[seen].tolist()
        errors_m += np.linalg.norm(path.estimate_m[seen] - path.truth_m[seen], axis=1).tolist()
    return {"depths_m": depths_m, "errors_m": errors_m}


def _camera(camera: Camera) -> dict[str, Any]:
    return {
        "name": camera.name,
        "intrinsics": camera.intrinsics.tolist(),
        "distortion": camera.distortion.tolist(),
        "cam_from_world": camera.cam_from_world.tolist(),
        "image_size_px": list(camera.image_size_px),
        "frame_rate_hz": camera.frame_rate_hz,
        "lens": camera.lens.value,
    }


def _gospa_over_time(scene: StereoScene, outcome: Outcome, config: ScenariosConfig) -> dict[str, list[float]]:
    rate_hz = scene.rig.cameras[0].frame_rate_hz
    drawn: dict[str, list[float]] = {name: [] for name in ("times_s", *GOSPA_PARTS)}
    for number, frame in frames_of(scene, outcome.reconstructed):
        counts = count_points([frame], config.gate_m, config.gospa_cutoff_m)
        drawn["times_s"].append(number / rate_hz)
        for part in GOSPA_PARTS:
            drawn[part].append(getattr(counts, f"gospa_{part}_m2"))
    return drawn
