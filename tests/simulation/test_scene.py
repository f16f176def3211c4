import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.seeding import generator
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.optics import meeting_points, project
from track_persistence.simulation.scene import TrackCounts, draw_counts, simulate_scene


def pairs(scene: StereoScene) -> list[tuple[LabelledTrack, LabelledTrack]]:
    partners = {one.object_id: one for one in scene.tracks[1] if one.object_id is not None}
    return [(one, partners[one.object_id]) for one in scene.tracks[0] if one.object_id is not None]


def reprojection_px(scene: StereoScene, pair: tuple[LabelledTrack, LabelledTrack]) -> float:
    """Largest distance of a box centre from the image of the point where both rays come closest."""
    first, second = (one.track for one in pair)
    _, here, there = np.intersect1d(first.frames, second.frames, return_indices=True)
    centres = first.centres_px[here].astype(np.float64), second.centres_px[there].astype(np.float64)
    points = meeting_points(scene.rig, centres)
    return max(
        float(np.linalg.norm(project(camera, points) - centre, axis=1).max())
        for camera, centre in zip(scene.rig.cameras, centres, strict=True)
    )


def test_each_camera_gets_the_asked_number_of_tracks_of_each_kind(scene: StereoScene) -> None:
    for tracks in scene.tracks:
        kinds = [one.kind for one in tracks]
        assert [kinds.count(kind) for kind in (Kind.PERSISTENT, Kind.BRIEF, Kind.NOISE)] == [3, 12, 4]


def test_lengths_follow_the_nominal_profile(scene: StereoScene) -> None:
    limits = {Kind.PERSISTENT: (20, 50), Kind.BRIEF: (2, 5), Kind.NOISE: (1, 1)}
    for one in (*scene.tracks[0], *scene.tracks[1]):
        low, high = limits[one.kind]
        assert low <= len(one.track) <= high
        assert one.track.frames.min() >= 0
        assert one.track.frames.max() < 100


def test_track_numbers_and_order_say_nothing_about_the_kind(scene: StereoScene) -> None:
    for tracks in scene.tracks:
        numbers = [one.track.track_id for one in tracks]
        assert numbers == list(range(1, 20))
        kinds = [int(one.kind) for one in tracks]
        assert kinds != sorted(kinds)
    assert [one.kind for one in scene.tracks[0]] != [one.kind for one in scene.tracks[1]]


def test_the_truth_is_the_point_of_the_box_centres_in_both_cameras(scene: StereoScene) -> None:
    truth = {trajectory.object_id: trajectory for trajectory in scene.trajectories}
    assert len(truth) == 3
    for pair in pairs(scene):
        if pair[0].object_id not in truth:
            assert not pair[0].is_persistent
            continue
        trajectory = truth[pair[0].object_id]
        for camera, one in zip(scene.rig.cameras, pair, strict=True):
            rows = np.searchsorted(trajectory.frames, one.track.frames)
            expected = project(camera, trajectory.positions_m[rows])
            # Limbs swing the box about the smooth truth, by a small share of its size.
            error_px = np.abs(expected - one.track.centres_px)
            assert (error_px < 0.08 * one.track.boxes_xywh_px[:, 2:].max()).all()
            assert np.median(error_px) < 0.02 * one.track.boxes_xywh_px[:, 2:].max()


def test_objects_move_smoothly_within_the_depth_range(scene: StereoScene) -> None:
    for trajectory in scene.trajectories:
        assert trajectory.positions_m[:, 2].min() > 2
        assert trajectory.positions_m[:, 2].max() < 31
        steps_m = np.diff(trajectory.positions_m, axis=0)
        # 10 m/s^2 at 25 Hz is 10 / 25^2 = 0.016 m per frame and frame.
        assert np.abs(np.diff(steps_m, axis=0)).max() < 0.016


@pytest.mark.parametrize("ghost", [Ghost.REFLECTION, Ghost.GLARE, Ghost.SHADOW])
def test_both_views_of_a_ghost_come_from_one_3d_cause(scene: StereoScene, ghost: Ghost) -> None:
    found = [pair for pair in pairs(scene) if pair[0].ghost is ghost]
    assert found
    for pair in found:
        assert pair[1].ghost is ghost
        assert reprojection_px(scene, pair) < 1.5


def test_a_ghost_shows_its_truth_where_it_appears_and_goes(scene: StereoScene) -> None:
    for one in (*scene.tracks[0], *scene.tracks[1]):
        frames = one.track.frames
        if one.kind is Kind.PERSISTENT:
            assert len(one.evidence_frames) == 0
        else:
            assert one.evidence_frames.tolist() == sorted({int(frames[0]), int(frames[-1])})


def test_false_alarms_are_less_confident_than_objects(config: GenerateConfig) -> None:
    scene = simulate_scene(config, 0, TrackCounts(2, 0, 20), generator(5, "test", 1))
    alarms, objects = [], []
    for one in (*scene.tracks[0], *scene.tracks[1]):
        (objects if one.is_persistent else alarms).append(float(one.track.confidences.mean()))
    assert np.mean(alarms) < 0.35 < np.mean(objects)


def test_the_kinds_are_mixed_as_the_params_say(config: GenerateConfig) -> None:
    drawn = [draw_counts(config, generator(1, "counts", number)) for number in range(1000)]
    totals = np.array([(c.persistent, c.brief, c.noise) for c in drawn], np.float64)
    assert totals[:, 0].min() >= 1
    # About 7000 tracks: two standard errors of a share of 0.6 are 0.012; the limits cost a little more.
    np.testing.assert_allclose(totals.sum(axis=0) / totals.sum(), config.tracks.mix, atol=0.02)
    assert totals.sum(axis=1).mean() == pytest.approx(config.tracks.mean, abs=0.3)


def test_a_scene_is_a_function_of_its_generator(config: GenerateConfig) -> None:
    counts = TrackCounts(1, 1, 1)
    first, again, other = (simulate_scene(config, 0, counts, generator(9, "test", n)) for n in (4, 4, 5))
    for one, two in zip(first.tracks[1], again.tracks[1], strict=True):
        np.testing.assert_array_equal(one.track.crops, two.track.crops)
        np.testing.assert_array_equal(one.track.boxes_xywh_px, two.track.boxes_xywh_px)
    assert other.trajectories[0].positions_m[0].tolist() != first.trajectories[0].positions_m[0].tolist()


def test_a_scenario_without_ghosts_and_noise_has_objects_only(config: GenerateConfig) -> None:
    scene = simulate_scene(config, 0, TrackCounts(2, 0, 0), generator(2, "test", 0))
    assert all(one.is_persistent for tracks in scene.tracks for one in tracks)
    assert len(scene.trajectories) == 2


def test_crops_of_an_object_look_alike_and_change(config: GenerateConfig) -> None:
    scene = simulate_scene(config, 0, TrackCounts(1, 0, 0), generator(3, "test", 2))
    crops = scene.tracks[0][0].track.crops.astype(np.float64)
    step = np.abs(np.diff(crops, axis=0)).mean()
    assert 0.3 < step < 25
    assert crops.std(axis=(1, 2, 3)).min() > 3


def test_settings_that_leave_no_room_are_refused_with_a_remedy(config: GenerateConfig) -> None:
    objects = config.objects.model_copy(update={"minimum_size_px": 2000.0, "attempts": 30})
    impossible = config.model_copy(update={"objects": objects})
    with pytest.raises(DataError, match=r"generate\.objects: no trajectory out of 30 .* lower speed_mps"):
        simulate_scene(impossible, 0, TrackCounts(1, 0, 0), generator(0, "test", 0))


def test_ghosts_that_fit_nowhere_are_refused_with_a_remedy(config: GenerateConfig) -> None:
    ghosts = config.ghosts.model_copy(update={"kinds": {"glare": 1.0}, "glare_radius_m": (50.0, 60.0)})
    objects = config.objects.model_copy(update={"attempts": 30})
    impossible = config.model_copy(update={"ghosts": ghosts, "objects": objects})
    with pytest.raises(DataError, match=r"generate\.ghosts: no glare out of 30"):
        simulate_scene(impossible, 0, TrackCounts(0, 1, 0), generator(0, "test", 0))
