"""One scene under each method: filter off, each set of witnesses, and two rules in their place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from track_persistence.classifier.baselines import mean_confidence_score, min_hits_score
from track_persistence.core.types import CameraTracks, StereoScene, Track
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.tracking.config import FUSIONS, TrackingConfig
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.results import Reconstructed3DTrack, Verdict
from track_persistence.tracking.tracker import Integrated3DTracker, Judge

OFF = "off"
METHODS = (OFF, *FUSIONS, "min_hits", "mean_confidence")

Counts = dict[str, float]
Views = tuple[CameraTracks[Track], CameraTracks[Track]]


@dataclass(frozen=True, eq=False)
class Judges:
    """Who judges by pixels and who by geometry, and who by statistics and weighs what they say."""

    appearance: Judge
    geometry: GeometryModel
    fusion: FusionModel


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method made of a scene: the kept 2D tracks as (camera, track id), and the 3D tracks."""

    kept: frozenset[tuple[int, int]]
    reconstructed: tuple[Reconstructed3DTrack, ...]


class _Asked:
    """The verdicts on the tracks of one scene, taken once for all fusions."""

    def __init__(self, judge: Judge, views: Views) -> None:
        self.threshold = judge.threshold
        self._verdicts = judge.predict_tracks([track for view in views for track in view])

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        """Return the verdicts; `tracks` are those of the scene."""
        assert len(tracks) == len(self._verdicts)
        return self._verdicts


def outcomes(
    scene: StereoScene, judges: Judges, tracking: TrackingConfig, config: ScenariosConfig
) -> dict[str, Outcome]:
    """Run every one of `METHODS` on the scene.

    A rule judges each track before the association, from its length or detector confidence alone.
    """
    rules: dict[str, Callable[[Track], bool]] = {
        "min_hits": lambda track: min_hits_score(track, None) >= config.min_hits,
        "mean_confidence": lambda track: mean_confidence_score(track, None) >= config.min_mean_confidence,
    }
    views = (scene.camera_tracks(0), scene.camera_tracks(1))
    asked = replace(judges, appearance=_Asked(judges.appearance, views))
    found = {OFF: _tracked(views, None, tracking)}
    for name, witnesses in FUSIONS.items():
        found[name] = _tracked(views, asked, tracking.model_copy(update={"fusion": witnesses}))
    for name, rule in rules.items():
        chosen = [CameraTracks(view.camera, tuple(filter(rule, view.tracks))) for view in views]
        found[name] = _tracked((chosen[0], chosen[1]), None, tracking)
    return found


def _tracked(views: Views, judges: Judges | None, tracking: TrackingConfig) -> Outcome:
    if judges is None:
        tracker = Integrated3DTracker(None, use_filter=False, config=tracking)
    else:
        tracker = Integrated3DTracker(
            judges.appearance, config=tracking, geometry=judges.geometry, fusion=judges.fusion
        )
    reconstructed, decisions = tracker.process_scene(*views)
    kept = frozenset((item.camera, item.track_id) for item in decisions if item.is_persistent)
    return Outcome(kept, tuple(reconstructed))
