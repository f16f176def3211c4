"""One scene under each method: filter off, filter on, and two rules; its counts and its 3D paths.

J joint frames of a 3D track, n true and m estimated points of a frame.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from track_persistence.classifier.baselines import mean_confidence_score, min_hits_score
from track_persistence.core.types import CameraTracks, StereoScene, Track
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.metrics3d import Frame, count_points
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.tracking.tracker import Integrated3DTracker, Judge

OFF, ON = "off", "on"
METHODS = (OFF, ON, "min_hits", "mean_confidence")

Counts = dict[str, float]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method made of a scene: the kept 2D tracks as (camera, track id), and the 3D tracks."""

    kept: frozenset[tuple[int, int]]
    reconstructed: tuple[Reconstructed3DTrack, ...]


def outcomes(scene: StereoScene, judge: Judge, tracking: TrackingConfig, config: ScenariosConfig) -> dict[str, Outcome]:
    """Run every one of `METHODS` on the scene.

    A rule judges each track before the association, from its length or detector confidence alone.
    """
    rules: dict[str, Callable[[Track], bool]] = {
        "min_hits": lambda track: min_hits_score(track, None) >= config.min_hits,
        "mean_confidence": lambda track: mean_confidence_score(track, None) >= config.min_mean_confidence,
    }
    views = (scene.camera_tracks(0), scene.camera_tracks(1))
    found = {OFF: _tracked(views, None, tracking), ON: _tracked(views, judge, tracking)}
    for name, rule in rules.items():
        chosen = [CameraTracks(view.camera, tuple(filter(rule, view.tracks))) for view in views]
        found[name] = _tracked((chosen[0], chosen[1]), None, tracking)
    return found


def _tracked(views: tuple[CameraTracks, CameraTracks], judge: Judge | None, tracking: TrackingConfig) -> Outcome:
    tracker = Integrated3DTracker(judge, use_filter=judge is not None, config=tracking)
    reconstructed, decisions = tracker.process_scene(*views)
    kept = frozenset((item.camera, item.track_id) for item in decisions if item.is_persistent)
    return Outcome(kept, tuple(reconstructed))


def count_outcome(scene: StereoScene, outcome: Outcome, config: ScenariosConfig) -> Counts:
    """Return the counts of one method on one scene: 2D tracks against their labels, then 3D points."""
    labels = {
        (item.track.camera, item.track.track_id): item.is_persistent for camera in scene.tracks for item in camera
    }
    counts = count_points(_frames(scene, outcome.reconstructed), config.gate_m, config.gospa_cutoff_m)
    return {
        "tracks": len(labels),
        "kept": len(outcome.kept),
        "persistent": sum(labels.values()),
        "persistent_kept": sum(labels[key] for key in outcome.kept),
        **asdict(counts),
    }


def _frames(scene: StereoScene, reconstructed: Sequence[Reconstructed3DTrack]) -> Iterator[Frame]:
    """Yield every frame in which an object or a 2D track is there, whatever the method made of it."""
    seen = [item.track.frames for camera in scene.tracks for item in camera]
    true_frames = _joined([item.frames for item in scene.trajectories], np.empty(0, np.int32))
    true_m = _joined([item.positions_m for item in scene.trajectories], np.empty((0, 3)))
    both = _joined([item.visible.all(axis=1) for item in scene.trajectories], np.empty(0, np.bool_))
    point_frames = _joined([item.frames[item.ok] for item in reconstructed], np.empty(0, np.int32))
    points_m = _joined([item.positions_m[item.ok] for item in reconstructed], np.empty((0, 3)))
    for frame in np.unique(np.concatenate([*seen, true_frames])):
        now = true_frames == frame
        yield Frame(true_m[now & both], true_m[now & ~both], points_m[point_frames == frame])


def _joined(arrays: list[Any], empty: Any) -> Any:
    return np.concatenate([empty, *arrays])


def example_of(scene: StereoScene, found: dict[str, Outcome]) -> dict[str, Any]:
    """Return the true and the reconstructed 3D paths, filter off and on, for drawing; metres.

    A 3D track is `real` when both its 2D tracks show one real object.
    """
    objects = {
        (item.track.camera, item.track.track_id): item.object_id
        for camera in scene.tracks
        for item in camera
        if item.is_persistent
    }

    def path(track: Reconstructed3DTrack) -> dict[str, Any]:
        first, second = (objects.get((camera, track.track_ids[camera])) for camera in (0, 1))
        real = first is not None and first == second
        return {"real": real, "kept": True, "positions_m": track.positions_m[track.ok].tolist()}

    truth = [item.positions_m[item.visible.all(axis=1)].tolist() for item in scene.trajectories]
    return {"truth": truth} | {name: [path(track) for track in found[name].reconstructed] for name in (OFF, ON)}
