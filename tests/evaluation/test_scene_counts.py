from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.params import load_section
from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.consistency import cramer_rao
from track_persistence.evaluation.outcomes import METHODS, Judges, Outcome, outcomes
from track_persistence.evaluation.scene_counts import SceneCounts, count_outcome, errors_of, frames_of
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
TRACKING = load_section(PARAMS, "tracking", TrackingConfig)
STEREO = TRACKING.stereo


@pytest.fixture
def found(scene: StereoScene, judges: Judges, scoring: ScenariosConfig) -> dict[str, Outcome]:
    return outcomes(scene, judges, TRACKING, scoring)


@pytest.fixture
def counts(scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig) -> dict[str, SceneCounts]:
    return {name: count_outcome(scene, outcome, scoring, STEREO) for name, outcome in found.items()}


def test_points_are_counted_against_the_truth(counts: dict[str, SceneCounts]) -> None:
    got = counts["off"].points
    assert [got[name] for name in ("tracks", "kept", "persistent", "persistent_kept")] == [5, 5, 2, 2]
    # 10 points of the object, one of them where the right camera should not see it, and 3 of the ghost
    assert [got[name] for name in ("points", "matched", "ignored", "spurious", "missed")] == [13, 9, 1, 3, 0]
    assert got["truth"] == 9
    assert got["squared_error_m2"] < 9 * 0.02**2  # pixels without noise; the smoother draws the speed towards 0
    # c = 2: each ghost point costs 2^2 / 2 = 2
    assert got["gospa_false_m2"] == 3 * 2
    assert got["gospa_missed_m2"] == 0


def test_ospa_divides_by_the_larger_set(counts: dict[str, SceneCounts]) -> None:
    # in three frames two points stand against one true point: (0 + c^2) / 2 = 2 square metres each
    assert counts["off"].points["ospa_m2"] == pytest.approx(3 * 2, abs=0.01)
    assert counts["appearance"].points["ospa_m2"] == pytest.approx(0, abs=0.01)


def test_every_method_is_scored_on_the_same_frames(counts: dict[str, SceneCounts]) -> None:
    # frames 0 to 9 of the object and frame 12 of the false alarm, kept or not
    assert {name: got.points["frames"] for name, got in counts.items()} == dict.fromkeys(METHODS, 11)


def test_matches_are_counted_at_each_distance(
    scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig
) -> None:
    shift_m = np.array([0.5, 0, 0])
    moved = [replace(track, positions_m=track.positions_m + shift_m) for track in found["off"].reconstructed]
    got = count_outcome(scene, Outcome(found["off"].kept, tuple(moved)), scoring, STEREO)
    # within 10 cm none of the 9 true points is found and all 13 points are wrong; within 1 m as without the shift
    assert got.distances.reshape(3, 2).tolist() == [[0, 9], [13, 3], [9, 0]]


def test_whole_tracks_are_counted(counts: dict[str, SceneCounts]) -> None:
    off, on = counts["off"].tracks, counts["appearance"].tracks
    assert (off.matched, off.missed, off.spurious, off.id_switches) == (9, 0, 3, 0)
    assert (on.matched, on.missed, on.spurious, on.id_matched) == (9, 0, 0, 9)


def test_an_object_tracked_in_two_pieces_switches_its_name(
    scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig
) -> None:
    (track,) = found["appearance"].reconstructed
    pieces = []
    for part in (slice(0, 4), slice(4, None)):
        arrays = ("frames", "positions_m", "velocities_mps", "covariances_m2", "views", "reprojection_px", "status")
        pieces.append(replace(track, **{name: getattr(track, name)[part] for name in (*arrays, "confidence")}))
    got = count_outcome(scene, Outcome(found["appearance"].kept, tuple(pieces)), scoring, STEREO).tracks
    assert (got.id_switches, got.matched) == (1, 9)
    assert got.id_matched == 5  # the longer piece, but for its frame 9, in which one camera cannot see the object


def test_only_tracks_that_show_an_object_count_for_its_errors(counts: dict[str, SceneCounts]) -> None:
    for method in ("off", "appearance"):
        assert (counts[method].paths.nees_paths, counts[method].paths.nees_points) == (1, 10)
        # the object is at 10 m, in the first of two bins, and both cameras see 9 of its points
        assert counts[method].paths.bins[0].tolist() == [9, 0]


def test_a_3d_track_of_two_different_objects_shows_none(scene: StereoScene, found: dict[str, Outcome]) -> None:
    (track,) = found["appearance"].reconstructed
    assert len(errors_of(scene, [track], STEREO)) == 1
    assert errors_of(scene, [replace(track, track_ids=(5, 8))], STEREO) == []  # the object's and the ghost's


def test_a_large_error_is_not_cut_off(scene: StereoScene, found: dict[str, Outcome]) -> None:
    (track,) = found["appearance"].reconstructed
    far = np.array([50.0, 0, 0])
    (errors,) = errors_of(scene, [replace(track, positions_m=track.positions_m + far)], STEREO)
    assert errors.estimate_m[:, 0] - errors.truth_m[:, 0] == pytest.approx(np.full(10, 50.0), abs=0.02)


def test_the_bound_is_that_of_the_noise_of_the_boxes(scene: StereoScene, found: dict[str, Outcome]) -> None:
    (errors,) = errors_of(scene, found["appearance"].reconstructed, STEREO)
    side_px = 40.0
    sigma_px = np.hypot(STEREO.pixel_sigma_px, STEREO.size_sigma * side_px)
    expected = cramer_rao(scene.rig, scene.trajectories[0].positions_m[:9], sigma_px)
    assert errors.bounds_m2[:9] == pytest.approx(expected)
    assert np.isnan(errors.bounds_m2[9]).all()  # the right camera does not see it


def test_rejected_ghosts_are_counted_by_kind(counts: dict[str, SceneCounts]) -> None:
    # the reflection is a track of each camera, the false alarm one of the left camera in a single frame
    assert counts["off"].ghosts == {"reflection": (2, 0), "noise": (1, 0)}
    assert counts["min_hits"].ghosts == {"reflection": (2, 0), "noise": (1, 1)}
    assert counts["appearance"].ghosts == {"reflection": (2, 2), "noise": (1, 1)}


def cut(scene: StereoScene, camera: int, track_id: int, after: int) -> StereoScene:
    """Return the scene with a track cut in two `after` that many frames; the second part is number 100 higher."""
    tracks = []
    for item in scene.tracks[camera]:
        if item.track.track_id == track_id:
            arrays = ("frames", "boxes_xywh_px", "confidences", "crops")
            for part, number in ((slice(0, after), track_id), (slice(after, None), track_id + 100)):
                values = {name: getattr(item.track, name)[part] for name in arrays}
                tracks.append(replace(item, track=replace(item.track, track_id=number, **values)))
        else:
            tracks.append(item)
    both = [*scene.tracks]
    both[camera] = tuple(tracks)
    return replace(scene, tracks=(both[0], both[1]))


def test_an_object_in_fragments_is_several_2d_tracks_and_one_object(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    fragments = cut(cut(scene, 0, 5, 4), 1, 6, 4)
    off = outcomes(fragments, judges, TRACKING, scoring)["off"]
    assert {(5, 6), (105, 106)} < {track.track_ids for track in off.reconstructed}
    got = count_outcome(fragments, off, scoring, STEREO)
    assert (got.points["tracks"], got.points["persistent"], got.points["persistent_kept"]) == (7, 4, 4)
    assert (got.tracks.objects, got.tracks.id_switches, got.points["missed"]) == (1, 1, 0)
    assert (got.paths.nees_paths, got.paths.nees_points) == (2, 10)  # both 3D tracks show the object


def test_a_fragment_of_one_camera_has_a_partner_of_the_same_object(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    fragments = cut(scene, 1, 6, 4)
    off = outcomes(fragments, judges, TRACKING, scoring)["off"]
    got = count_outcome(fragments, off, scoring, STEREO)
    assert (got.points["tracks"], got.points["persistent"]) == (6, 3)
    # a track has one partner: the longer fragment; the 3D track shows the object and no point of it is wrong
    assert [track.track_ids for track in off.reconstructed if 5 in track.track_ids] == [(5, 106)]
    assert (got.paths.nees_paths, got.tracks.objects, got.points["spurious"]) == (1, 1, 3)
    assert got.points["truth"] == got.points["matched"] + got.points["missed"] == 9


def test_frames_come_in_order_with_their_numbers(scene: StereoScene, found: dict[str, Outcome]) -> None:
    frames = dict(frames_of(scene, found["off"].reconstructed))
    assert list(frames) == [*range(10), 12]
    assert [len(frames[number].truth_m) for number in (0, 9, 12)] == [1, 0, 0]
    assert [len(frames[number].unseen_m) for number in (0, 9)] == [0, 1]
    assert [len(frames[number].estimate_m) for number in (0, 2, 12)] == [1, 2, 0]


def test_counts_survive_json(counts: dict[str, SceneCounts]) -> None:
    one = counts["off"]
    again = SceneCounts.from_json(one.to_json())
    assert again.to_json() == one.to_json()
    assert again.columns == one.columns
    assert again.columns["tracks.spurious"] == again.columns["spurious"] == 3
    assert "paths.nees" in again.columns


def test_a_scene_without_objects_or_tracks_counts_nothing(
    scene: StereoScene, judges: Judges, scoring: ScenariosConfig
) -> None:
    empty = replace(scene, tracks=((), ()), trajectories=())
    got = count_outcome(empty, outcomes(empty, judges, TRACKING, scoring)["off"], scoring, STEREO)
    assert {name: value for name, value in got.columns.items() if value} == {"tracks.scenes": 1}
    assert not got.distances.any()
