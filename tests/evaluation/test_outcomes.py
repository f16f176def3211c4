from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from track_persistence.core.params import load_section
from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.outcomes import METHODS, Judges, Outcome, outcomes
from track_persistence.tracking.config import FUSIONS, TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
TRACKING = load_section(PARAMS, "tracking", TrackingConfig)
REAL, GHOST, ALARM = {(0, 5), (1, 6)}, {(0, 8), (1, 8)}, {(0, 9)}


class CountingJudge:
    """Counts how often it is asked."""

    def __init__(self, judge: Any) -> None:
        self.judge, self.threshold, self.asked = judge, judge.threshold, 0

    def predict_tracks(self, tracks: Any) -> Any:
        self.asked += 1
        return self.judge.predict_tracks(tracks)


def made(scene: StereoScene, judges: Judges, config: ScenariosConfig) -> dict[str, Outcome]:
    found = outcomes(scene, judges, TRACKING, config)
    assert tuple(found) == METHODS == ("off", *FUSIONS, "min_hits", "mean_confidence")
    return found


def test_without_a_filter_every_track_is_kept_and_the_ghost_becomes_3d(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    off = made(scene, judges, scoring)["off"]
    assert off.kept == REAL | GHOST | ALARM
    assert sorted(track.track_ids for track in off.reconstructed) == [(5, 6), (8, 8)]


def test_each_fusion_keeps_what_its_judges_call_real(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    found = made(scene, judges, scoring)
    assert len(FUSIONS) == 7  # of three witnesses
    for fusion in FUSIONS:
        assert found[fusion].kept == REAL
        assert [track.track_ids for track in found[fusion].reconstructed] == [(5, 6)]


def test_the_fusions_differ_where_the_judges_do(scene: StereoScene, judges: Judges, scoring: ScenariosConfig) -> None:
    black = tuple(
        tuple(
            replace(item, track=replace(item.track, crops=np.zeros_like(item.track.crops))) for item in scene.tracks[i]
        )
        for i in (0, 1)
    )
    found = made(replace(scene, tracks=black), judges, scoring)
    assert found["appearance"].kept == frozenset()
    assert found["geometry"].kept == found["statistics"].kept == REAL
    # log-odds -2.2 of the pixels, log 3 = 1.1 of the geometry, 2.5 of the statistics
    assert found["appearance_geometry"].kept == frozenset()
    assert found["appearance_statistics"].kept == found["appearance_statistics_geometry"].kept == REAL


def test_the_pixels_are_judged_once_for_all_fusions(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    judge = CountingJudge(judges.appearance)
    made(scene, replace(judges, appearance=judge), scoring)
    assert judge.asked == 1


def test_the_rules_judge_by_length_and_by_confidence(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    found = made(scene, judges, scoring)
    assert found["min_hits"].kept == REAL | GHOST  # the ghost's three frames are enough
    assert found["mean_confidence"].kept == REAL


def test_a_scene_without_tracks_has_no_outcome(scene: StereoScene, judges: Judges, scoring: ScenariosConfig) -> None:
    for outcome in made(replace(scene, tracks=((), ())), judges, scoring).values():
        assert (outcome.kept, outcome.reconstructed) == (frozenset(), ())
