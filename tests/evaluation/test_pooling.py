import math
from fractions import Fraction

import numpy as np
import pytest

from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import ConsistencyCounts
from track_persistence.evaluation.pooling import pool, ratio
from track_persistence.evaluation.scene_counts import SceneCounts
from track_persistence.evaluation.track_metrics3d import TrackCounts

ROW = {
    "tracks": 15,
    "kept": 15,
    "persistent": 5,
    "persistent_kept": 5,
    "points": 130,
    "ignored": 0,
    "truth": 105,
    "matched": 100,
    "spurious": 30,
    "missed": 5,
    "squared_error_m2": 4.0,
    "frames": 50,
    "gospa_localisation_m2": 8.0,
    "gospa_missed_m2": 10.0,
    "gospa_false_m2": 60.0,
    "ospa_m2": 50.0,
}
# a scene with 100 of 130 points right within 1 m and 50 within 10 cm, one switch and 12 of 10 m^2 of the bound
DISTANCES = (50, 100, 80, 30, 55, 5)
TRACKS = TrackCounts(
    **dict.fromkeys(("scenes", "id_switches", "fragmentations"), 1.0),
    matched=100.0,
    missed=5.0,
    spurious=30.0,
    distance_m=20.0,
    objects=5.0,
    mostly_tracked=4.0,
    mostly_lost=0.0,
    id_matched=90.0,
    id_missed=15.0,
    id_spurious=40.0,
    hota=np.ones((4, 19)),
)
PATHS = ConsistencyCounts(
    nees=300.0,
    nees_points=100.0,
    inside_50=50.0,
    inside_95=94.0,
    path_nees=12.0,
    nees_paths=5.0,
    jerk_m2ps6=16.0,
    true_jerk_m2ps6=4.0,
    jerk_points=80.0,
    bins=np.array([[60.0, 40.0], [2.0, 10.0], [4.0, 6.0]]),
)
ON = ROW | {"kept": 6, "persistent_kept": 4, "points": 91, "spurious": 1, "gospa_false_m2": 2.0}
OTHER_ON = ON | {"kept": 5, "persistent_kept": 5}


def scene_of(points: dict, ghosts: dict | None = None) -> SceneCounts:
    return SceneCounts(points, ghosts or {}, np.array(DISTANCES, np.float64), TRACKS, PATHS)


@pytest.fixture
def pooled(scoring: ScenariosConfig) -> dict:
    return pool_of(scoring, {"off": [ROW, ROW], "appearance": [ON, OTHER_ON], "min_hits": [ROW, ON]})


def pool_of(config: ScenariosConfig, points: dict[str, list[dict]]) -> dict:
    scenes = {method: [scene_of(row) for row in rows] for method, rows in points.items()}
    return pool(scenes, "appearance", 0.667, config.model_copy(update={"replicates": 50}), np.random.default_rng(1))


def test_ratios_are_taken_over_all_scenes_at_once(pooled: dict) -> None:
    got = pooled
    assert got["appearance"]["precision"]["value"] == pytest.approx(
        Fraction(4 + 5, 6 + 5)
    )  # not the mean of 4/6 and 5/5
    assert got["appearance"]["recall"]["value"] == pytest.approx(Fraction(9, 10))
    assert got["off"]["precision"]["value"] == pytest.approx(Fraction(1, 3))


def test_the_reductions_compare_with_the_filter_off(pooled: dict) -> None:
    got = pooled
    assert got["track_reduction"]["value"] == pytest.approx(1 - Fraction(11, 30))
    assert got["point_reduction"]["value"] == pytest.approx(1 - Fraction(91, 130))
    assert got["appearance"]["track_reduction"] == got["track_reduction"]
    assert got["min_hits"]["track_reduction"]["value"] == pytest.approx(1 - Fraction(21, 30))
    assert got["off"]["track_reduction"]["value"] == 0


def test_spurious_and_missed_points_are_means_per_scene(pooled: dict) -> None:
    got = pooled
    assert got["min_hits"]["spurious_points"]["value"] == pytest.approx(Fraction(31, 2))
    assert got["appearance"]["missed_points"]["value"] == 5


def test_errors_are_root_mean_squares_and_the_parts_of_gospa_add_up_in_squares(pooled: dict) -> None:
    got = pooled["off"]
    assert got["ospa_m"]["value"] == 1  # sqrt(100 / 100)
    assert got["rmse_m"]["value"] == pytest.approx(Fraction(1, 5))  # sqrt(4 / 100)
    assert got["gospa_localisation_m"]["value"] == pytest.approx(Fraction(2, 5))  # sqrt(8 / 50)
    parts = [got[f"gospa_{part}_m"]["value"] ** 2 for part in ("localisation", "missed", "false")]
    assert got["gospa_m"]["value"] ** 2 == pytest.approx(sum(parts)) == pytest.approx(Fraction(78, 50))


def test_counts_stand_beside_the_ratios(pooled: dict) -> None:
    got = pooled
    assert (got["seeds"], got["expected_filtered"]) == (2, 0.667)
    assert got["appearance"]["counts"]["kept"] == 11


def test_an_interval_holds_its_value_and_comes_from_whole_scenes(pooled: dict) -> None:
    precision = pooled["appearance"]["precision"]
    # resampling two scenes yields 4/6, 9/11 or 5/5, each often enough to be within 95 %
    assert precision["low"] == pytest.approx(Fraction(4, 6))
    assert precision["high"] == 1
    same = pooled["off"]["recall"]
    assert (same["low"], same["value"], same["high"]) == (1, 1, 1)


def test_the_same_generator_gives_the_same_intervals(scoring: ScenariosConfig) -> None:
    points = {"off": [ROW, ROW], "appearance": [ON, OTHER_ON]}
    assert pool_of(scoring, points) == pool_of(scoring, points)


def test_gospa_is_compared_with_the_filter_off_on_the_same_scenes(pooled: dict) -> None:
    # per frame 78 / 50 m^2 without and 20 / 50 with the filter, in every scene, so the difference has no spread
    change_m = float(np.sqrt(20 / 50) - np.sqrt(78 / 50))
    assert pooled["appearance"]["gospa_change_m"] == {
        name: pytest.approx(change_m) for name in ("value", "low", "high")
    }
    assert pooled["off"]["gospa_change_m"]["value"] == 0


def test_points_tracks_and_paths_have_their_metrics(pooled: dict) -> None:
    got = pooled["appearance"]
    assert {name: value["value"] for name, value in got["distances"].items()} == {
        "precision_at_10cm": pytest.approx(Fraction(50, 130)),
        "precision_at_100cm": pytest.approx(Fraction(100, 130)),
        "recall_at_10cm": pytest.approx(Fraction(50, 105)),
        "recall_at_100cm": pytest.approx(Fraction(100, 105)),
    }
    assert got["tracks"]["mota"]["value"] == pytest.approx(1 - Fraction(5 + 30 + 1, 105))
    assert got["tracks"]["id_switches"] == {"value": 1, "low": 1, "high": 1}
    assert got["paths"]["nees"]["value"] == 3
    assert got["paths"]["bound_ratio"]["value"] == pytest.approx(float(Fraction(12, 10)) ** 0.5)
    assert got["paths"]["bound_ratio_1"]["value"] == pytest.approx(float(Fraction(10, 6)) ** 0.5)
    assert got["paths"]["jerk_ratio"]["value"] == 2
    assert got["paths"]["nees_one_frame_a_path"]["value"] == pytest.approx(Fraction(12, 5))


def test_a_ratio_over_nothing_is_undefined(scoring: ScenariosConfig) -> None:
    nothing = ROW | {"kept": 0, "persistent_kept": 0, "matched": 0, "squared_error_m2": 0.0}
    got = pool_of(scoring, {"off": [ROW, ROW], "appearance": [nothing, nothing]})
    assert math.isnan(got["appearance"]["precision"]["value"])
    assert math.isnan(got["appearance"]["rmse_m"]["low"])
    assert got["appearance"]["track_reduction"]["value"] == 1
    assert math.isnan(ratio(1, 0))


def test_the_rejected_share_of_each_kind_of_ghost_is_taken_over_all_scenes(scoring: ScenariosConfig) -> None:
    kinds = [{"reflection": (4, 1)}, {"reflection": (2, 2), "glare": (1, 0)}]
    none = [{kind: (tracks, 0) for kind, (tracks, _) in own.items()} for own in kinds]
    scenes = {name: [scene_of(ROW, own) for own in ghosts] for name, ghosts in (("off", none), ("appearance", kinds))}
    got = pool(scenes, "appearance", None, scoring.model_copy(update={"replicates": 50}), np.random.default_rng(1))
    assert got["expected_filtered"] is None
    assert got["ghost_tracks"] == {"glare": 1, "reflection": 6}
    rejected = got["appearance"]["rejected"]
    assert rejected["reflection"]["value"] == pytest.approx(Fraction(1 + 2, 4 + 2))
    # two scenes resample to 1 of 4, 3 of 6 or 2 of 2; scenes without any glare say nothing of it
    assert (rejected["reflection"]["low"], rejected["reflection"]["high"]) == (pytest.approx(1 / 4), 1)
    assert rejected["glare"] == {"value": 0, "low": 0, "high": 0}
    assert got["off"]["rejected"]["reflection"] == {"value": 0, "low": 0, "high": 0}


def test_scenes_without_ghosts_reject_none(pooled: dict) -> None:
    assert (pooled["ghost_tracks"], pooled["off"]["rejected"]) == ({}, {})
