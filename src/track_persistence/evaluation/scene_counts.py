"""What one method's 3D result on one scene adds up to: counts of points, of whole tracks, and of their errors.

F frames of a 3D track, V cameras, D distances.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import ConsistencyCounts, PathErrors, count_consistency, path_errors
from track_persistence.evaluation.metrics3d import (
    GOSPA_ORDER,
    Frame,
    Points,
    assign_within,
    count_at_distances,
    count_points,
    counted_points,
)
from track_persistence.evaluation.ospa import ospa
from track_persistence.evaluation.outcomes import Counts, Outcome
from track_persistence.evaluation.paths3d import EstimatedPath, TruePath
from track_persistence.evaluation.resampling import Row
from track_persistence.evaluation.track_metrics3d import TrackCounts, count_tracks
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.observations import box_sigma_px
from track_persistence.tracking.results import Reconstructed3DTrack


@dataclass(frozen=True, eq=False)
class SceneCounts:
    """One method on one scene; every number adds up over scenes.

    points: by name, 2D tracks against their labels and 3D points against the truth. ghosts: by kind, how many 2D tracks
    are such a ghost and how many of them were rejected. distances: (3 * D,) matched, spurious and missed points at each
    distance. tracks: whole 3D tracks. paths: errors of the 3D tracks that show an object (`errors_of`).
    """

    points: Counts
    ghosts: Mapping[str, tuple[int, int]]
    distances: Row
    tracks: TrackCounts
    paths: ConsistencyCounts

    @property
    def columns(self) -> Counts:
        """All counts that have a name of their own, for a table with one line a scene."""
        named = dict(self.points)
        for part in ("tracks", "paths"):
            counts = getattr(self, part)
            values = {field.name: getattr(counts, field.name) for field in fields(counts)}
            named |= {f"{part}.{name}": value for name, value in values.items() if not isinstance(value, np.ndarray)}
        return named

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        rows = {"distances": self.distances, "tracks": self.tracks.row, "paths": self.paths.row}
        ghosts = {kind: list(counts) for kind, counts in self.ghosts.items()}
        return {"points": self.points, "ghosts": ghosts, **{name: row.tolist() for name, row in rows.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SceneCounts":
        """Return what `to_json` wrote."""
        rows = {name: np.asarray(content[name], np.float64) for name in ("distances", "tracks", "paths")}
        return cls(
            dict(content["points"]),
            {kind: (int(tracks), int(rejected)) for kind, (tracks, rejected) in content["ghosts"].items()},
            rows["distances"],
            TrackCounts.from_row(rows["tracks"]),
            ConsistencyCounts.from_row(rows["paths"]),
        )


def count_outcome(scene: StereoScene, outcome: Outcome, config: ScenariosConfig, stereo: StereoConfig) -> SceneCounts:
    """Count one method on one scene; `stereo` says how noisy a box is, for the bound."""
    frames = [frame for _, frame in frames_of(scene, outcome.reconstructed)]
    hits = count_at_distances(frames, [distance_cm / 100 for distance_cm in config.distances_cm])
    estimates = [estimated_path(number, track) for number, track in enumerate(outcome.reconstructed)]
    return SceneCounts(
        {
            **_labels(scene, outcome),
            **asdict(count_points(frames, config.gate_m, config.gospa_cutoff_m)),
            "ospa_m2": sum(_squared_ospa(frame, config) for frame in frames),
        },
        _ghosts(scene, outcome),
        np.concatenate([hits.matched, hits.spurious, hits.missed]).astype(np.float64),
        count_tracks(true_paths(scene), estimates, config.gate_m, config.hota_zero_distance_m),
        count_paths(scene, errors_of(scene, outcome.reconstructed, stereo), config),
    )


def count_paths(scene: StereoScene, paths: Sequence[PathErrors], config: ScenariosConfig) -> ConsistencyCounts:
    """Add up the errors of 3D tracks."""
    return count_consistency(paths, config.depth_edges_m, scene.rig.cameras[0].frame_rate_hz)


def frames_of(scene: StereoScene, reconstructed: Sequence[Reconstructed3DTrack]) -> Iterator[tuple[int, Frame]]:
    """Yield the number and the points of every frame in which an object or a 2D track is there, kept or not."""
    seen = [item.track.frames for camera in scene.tracks for item in camera]
    true_frames = _joined([item.frames for item in scene.trajectories], np.empty(0, np.int32))
    true_m = _joined([item.positions_m for item in scene.trajectories], np.empty((0, 3)))
    both = _joined([item.visible.all(axis=1) for item in scene.trajectories], np.empty(0, np.bool_))
    point_frames = _joined([item.frames[item.located] for item in reconstructed], np.empty(0, np.int32))
    points_m = _joined([item.positions_m[item.located] for item in reconstructed], np.empty((0, 3)))
    for frame in np.unique(np.concatenate([*seen, true_frames])):
        now = true_frames == frame
        yield int(frame), Frame(true_m[now & both], true_m[now & ~both], points_m[point_frames == frame])


def true_paths(scene: StereoScene) -> list[TruePath]:
    """Return the true paths; a point counts as seen where both cameras see it."""
    return [
        TruePath(item.object_id, item.frames, item.positions_m, np.asarray(item.visible.all(axis=1)))
        for item in scene.trajectories
    ]


def estimated_path(number: int, track: Reconstructed3DTrack) -> EstimatedPath:
    """Return a 3D track in the frames in which it has a position."""
    there = track.located
    return EstimatedPath(number, track.frames[there], track.positions_m[there], track.covariances_m2[there])


def errors_of(
    scene: StereoScene, reconstructed: Sequence[Reconstructed3DTrack], stereo: StereoConfig
) -> list[PathErrors]:
    """Return every 3D track whose 2D tracks all show one real object beside the path of that object.

    The labels say so, not the distance, so that large errors are not cut off and what is false does not count as one.
    The bound is that of the noise which `stereo` states for the boxes of the track, straight between its frames.
    """
    truth = {path.object_id: path for path in true_paths(scene)}
    shown = shown_objects(scene)
    found = []
    for number, track in enumerate(reconstructed):
        object_id = object_of(shown, track)
        if object_id is not None:
            estimate = estimated_path(number, track)
            sigmas_px = _sigmas_px(scene, track, estimate, stereo)
            found.append(path_errors(scene.rig, truth[object_id], estimate, sigmas_px))
    return found


def shown_objects(scene: StereoScene) -> dict[tuple[int, int], int | None]:
    """Return the object that each 2D track of a real object shows, by camera and track id."""
    return {
        (item.track.camera, item.track.track_id): item.object_id
        for camera in scene.tracks
        for item in camera
        if item.is_persistent
    }


def object_of(shown: Mapping[tuple[int, int], int | None], track: Reconstructed3DTrack) -> int | None:
    """Return the one real object that all 2D tracks of a 3D track show, None if there is none."""
    objects = {shown.get((camera, number)) for camera, number in enumerate(track.track_ids) if number is not None}
    return objects.pop() if len(objects) == 1 else None


def _sigmas_px(
    scene: StereoScene, track: Reconstructed3DTrack, estimate: EstimatedPath, stereo: StereoConfig
) -> Points:
    """Return the deviation of the boxes (V, F) in pixels, NaN of a camera that has no track of it."""
    sigmas = np.full((len(scene.tracks), len(estimate.frames)), np.nan)
    for camera, own in enumerate(scene.tracks):
        for item in own:
            if item.track.track_id == track.track_ids[camera]:
                boxes = item.track
                of_boxes = box_sigma_px(boxes.boxes_xywh_px, boxes.confidences, stereo)
                sigmas[camera] = np.interp(estimate.frames, boxes.frames, of_boxes)
    return sigmas


def _labels(scene: StereoScene, outcome: Outcome) -> Counts:
    labels = {
        (item.track.camera, item.track.track_id): item.is_persistent for camera in scene.tracks for item in camera
    }
    return {
        "tracks": len(labels),
        "kept": len(outcome.kept),
        "persistent": sum(labels.values()),
        "persistent_kept": sum(labels[key] for key in outcome.kept),
    }


def _ghosts(scene: StereoScene, outcome: Outcome) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for item in (item for camera in scene.tracks for item in camera if not item.is_persistent):
        tracks, rejected = found.get(item.ghost.value, (0, 0))
        is_rejected = (item.track.camera, item.track.track_id) not in outcome.kept
        found[item.ghost.value] = tracks + 1, rejected + is_rejected
    return found


def _squared_ospa(frame: Frame, config: ScenariosConfig) -> float:
    pairs, _ = assign_within(frame.truth_m, frame.estimate_m, config.gate_m)
    counted = frame.estimate_m[counted_points(frame, pairs, config.gate_m)]
    parts = ospa(frame.truth_m, counted, config.gospa_cutoff_m, GOSPA_ORDER)
    return parts.localisation + parts.cardinality


def _joined(arrays: list[Any], empty: Any) -> Any:
    return np.concatenate([empty, *arrays])
