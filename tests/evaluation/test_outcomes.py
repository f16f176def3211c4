from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from track_persistence.core.params import load_section
from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import MixConfig, ScenariosConfig
from track_persistence.evaluation.outcomes import METHODS, count_outcome, example_of, outcomes
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
TRACKING = load_section(PARAMS, "tracking", TrackingConfig)
MIX = MixConfig(persistent=1, brief=1, noise=1, expected_filtered=0.5)
CONFIG = ScenariosConfig(
    seeds=2,
    mixes={"1": MIX, "2": MIX, "3": MIX},
    gate_m=1.0,
    gospa_cutoff_m=2.0,
    min_hits=3,
    min_mean_confidence=0.5,
    replicates=10,
)


def counts(scene: StereoScene, judge: Any) -> dict[str, dict[str, float]]:
    found = outcomes(scene, judge, TRACKING, CONFIG)
    assert tuple(found) == METHODS
    return {name: count_outcome(scene, outcome, CONFIG) for name, outcome in found.items()}


def test_without_a_filter_every_track_is_kept_and_the_ghost_becomes_3d(scene: StereoScene, crop_judge: Any) -> None:
    got = counts(scene, crop_judge)["off"]
    assert [got[name] for name in ("tracks", "kept", "persistent", "persistent_kept")] == [5, 5, 2, 2]
    # 10 points of the object, one of them where the right camera should not see it, and 3 of the ghost
    assert [got[name] for name in ("points", "matched", "ignored", "spurious", "missed")] == [13, 9, 1, 3, 0]
    assert got["truth"] == 9
    assert got["squared_error_m2"] == pytest.approx(0, abs=1e-6)
    # c = 2: each ghost point costs 2^2 / 2 = 2
    assert got["gospa_false_m2"] == 3 * 2
    assert got["gospa_missed_m2"] == 0


def test_a_right_filter_keeps_the_object_and_drops_the_rest(scene: StereoScene, crop_judge: Any) -> None:
    got = counts(scene, crop_judge)["on"]
    assert [got[name] for name in ("tracks", "kept", "persistent", "persistent_kept")] == [5, 2, 2, 2]
    assert [got[name] for name in ("points", "matched", "spurious", "missed")] == [10, 9, 0, 0]


def test_the_rules_judge_by_length_and_by_confidence(scene: StereoScene, crop_judge: Any) -> None:
    got = counts(scene, crop_judge)
    assert (got["min_hits"]["kept"], got["min_hits"]["spurious"]) == (4, 3)  # the ghost's three frames are enough
    assert (got["mean_confidence"]["kept"], got["mean_confidence"]["spurious"]) == (2, 0)


def test_every_method_is_scored_on_the_same_frames(scene: StereoScene, crop_judge: Any) -> None:
    # frames 0 to 9 of the object and frame 12 of the false alarm, kept or not
    assert {name: got["frames"] for name, got in counts(scene, crop_judge).items()} == dict.fromkeys(METHODS, 11)


def test_a_wrong_filter_misses_every_true_point(scene: StereoScene, crop_judge: Any) -> None:
    black = tuple(
        tuple(
            replace(item, track=replace(item.track, crops=np.zeros_like(item.track.crops))) for item in scene.tracks[i]
        )
        for i in (0, 1)
    )
    got = counts(replace(scene, tracks=black), crop_judge)["on"]
    assert [got[name] for name in ("kept", "points", "missed", "truth")] == [0, 0, 9, 9]
    assert got["gospa_missed_m2"] == 9 * 2


def test_the_example_draws_truth_and_both_twins(scene: StereoScene, crop_judge: Any) -> None:
    example = example_of(scene, outcomes(scene, crop_judge, TRACKING, CONFIG))
    assert sorted(example) == ["off", "on", "truth"]
    assert [len(path) for path in example["truth"]] == [9]  # frame 9 is hidden from the right camera
    assert sorted((item["real"], len(item["positions_m"])) for item in example["off"]) == [(False, 3), (True, 10)]
    assert [(item["real"], item["kept"]) for item in example["on"]] == [(True, True)]
    np.testing.assert_allclose(example["on"][0]["positions_m"][0], [-1, 0, 10], atol=1e-3)


def test_a_scene_without_objects_or_tracks_counts_nothing(scene: StereoScene, crop_judge: Any) -> None:
    got = counts(replace(scene, tracks=((), ()), trajectories=()), crop_judge)
    assert set(got["off"].values()) == {0}
