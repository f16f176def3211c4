import itertools

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.seeding import generator
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.matched_scene import Plan, draw_plan, simulate_matched_scene
from track_persistence.simulation.optics import meeting_points, project

GHOSTS = tuple(ghost for ghost in Ghost if ghost is not Ghost.NONE)
# One 3D cause that stays where it is seen: flares sit in the lens, glints and highlights differ by the view.
ONE_POINT = (Ghost.CLUTTER, Ghost.STATIC_GLARE, Ghost.REFLECTION, Ghost.WINDOW)


@pytest.fixture(scope="session")
def calm(config: GenerateConfig) -> GenerateConfig:
    """The matched profile with exact boxes and cameras in step, and without gaps: what is left is what there is."""
    matched = config.matched
    clock = matched.nuisances.clock.model_copy(
        update={"dropped": (0.0, 0.0), "duplicated": (0.0, 0.0), "desync_share": 0.0}
    )
    boxes = matched.nuisances.boxes.model_copy(update={"offset": 0.0, "scale": 0.0, "partial_share": 0.0})
    shake = matched.nuisances.shake.model_copy(update={"scene_share": 0.0})
    nuisances = matched.nuisances.model_copy(update={"clock": clock, "boxes": boxes, "shake": shake})
    detector = config.detector.model_copy(update={"jitter_px": 0.0, "jitter_share": 0.0})
    lives = matched.lives.model_copy(update={"length_frames": (4, 30), "one_camera_share": 0.0})
    crowd = matched.crowd.model_copy(update={"occluders": (0, 0)})
    calm = matched.model_copy(update={"nuisances": nuisances, "lives": lives, "crowd": crowd})
    return config.model_copy(update={"matched": calm, "detector": detector})


@pytest.fixture(scope="session")
def matched_scenes(calm: GenerateConfig) -> list[StereoScene]:
    return [
        simulate_matched_scene(calm, 1_000_000 + number, Plan(1, GHOSTS), generator(21, "test", number))
        for number in range(2)
    ]


def all_tracks(*scenes: StereoScene) -> list[LabelledTrack]:
    return [one for scene in scenes for camera in scene.tracks for one in camera]


def test_every_kind_of_ghost_is_there_and_is_no_object(matched_scenes: list[StereoScene]) -> None:
    found = {one.ghost for one in all_tracks(*matched_scenes)}
    assert found == set(Ghost)
    for one in all_tracks(*matched_scenes):
        expected = {Ghost.NONE: Kind.PERSISTENT, Ghost.NOISE: Kind.NOISE}.get(one.ghost, Kind.BRIEF)
        assert one.kind is expected


def test_every_ghost_has_its_evidence_within_its_track_and_objects_have_none(matched_scenes: list[StereoScene]) -> None:
    for one in all_tracks(*matched_scenes):
        assert np.isin(one.evidence_frames, one.track.frames).all()
        if one.ghost is Ghost.NONE:
            assert len(one.evidence_frames) == 0
        elif one.ghost in (Ghost.NOISE, Ghost.DUPLICATE, Ghost.MERGED):
            np.testing.assert_array_equal(one.evidence_frames, one.track.frames)

    switches = [one for one in all_tracks(*matched_scenes) if one.ghost is Ghost.ID_SWITCH]
    for one in switches:
        # Less than half of an ID switch shows its object, and never its end.
        assert len(one.evidence_frames) >= len(one.track) / 2
        assert one.evidence_frames[-1] == one.track.frames[-1]
    assert any(one.evidence_frames[0] > one.track.frames[0] for one in switches)


def test_fragments_of_one_object_share_its_number_and_do_not_meet(calm: GenerateConfig) -> None:
    lives = calm.matched.lives.model_copy(update={"fragments": (0.0, 1.0), "length_frames": (4, 15)})
    twice = calm.model_copy(update={"matched": calm.matched.model_copy(update={"lives": lives})})
    scene = simulate_matched_scene(twice, 0, Plan(3, ()), generator(22, "test", 0))
    most = 0
    for camera in scene.tracks:
        by_object: dict[int | None, list[LabelledTrack]] = {}
        for one in camera:
            by_object.setdefault(one.object_id, []).append(one)
        for fragments in by_object.values():
            most = max(most, len(fragments))
            fragments.sort(key=lambda one: int(one.track.frames[0]))
            for before, after in itertools.pairwise(fragments):
                assert before.track.frames[-1] < after.track.frames[0]
    assert most == 2
    assert {one.object_id for one in all_tracks(scene)} <= {path.object_id for path in scene.trajectories}


def test_boxes_in_full_view_are_centred_on_the_true_path(matched_scenes: list[StereoScene]) -> None:
    checked = 0
    for scene in matched_scenes:
        truth = {path.object_id: path for path in scene.trajectories}
        for one in (item for item in all_tracks(scene) if item.is_persistent):
            assert one.object_id is not None
            camera, path, boxes = scene.rig.cameras[one.track.camera], truth[one.object_id], one.track.boxes_xywh_px
            rows = np.searchsorted(path.frames, one.track.frames)
            high = boxes[:, :2] + boxes[:, 2:]
            inside = (boxes[:, :2] > 1).all(axis=1) & (high < np.array(camera.image_size_px) - 2).all(axis=1)
            error_px = np.abs(project(camera, path.positions_m[rows]) - one.track.centres_px)[inside]
            checked += int(inside.sum())
            assert (error_px < 0.1 * boxes[inside, 2:].max(axis=1, keepdims=True)).all()
    assert checked > 50


def _with_tracker(config: GenerateConfig, **changes: float) -> GenerateConfig:
    tracker = config.matched.tracker.model_copy(update=changes)
    return config.model_copy(update={"matched": config.matched.model_copy(update={"tracker": tracker})})


def test_objects_of_false_boxes_belong_to_the_truth_even_if_no_track_shows_them(calm: GenerateConfig) -> None:
    silent = _with_tracker(calm, merged_own_share=0.0, duplicate_own_share=0.0)
    ghosts = (Ghost.MERGED, Ghost.DUPLICATE, Ghost.ID_SWITCH)
    crowd = silent.matched.crowd.model_copy(update={"company_share": 0.0, "occluders": (2, 2)})
    silent = silent.model_copy(update={"matched": silent.matched.model_copy(update={"crowd": crowd})})
    scene = simulate_matched_scene(silent, 0, Plan(1, ghosts), generator(31, "test", 0))
    # The object, two merged ones, that of the duplicate and that of the switch; posts are no objects.
    assert len(scene.trajectories) == 5
    assert len({path.object_id for path in scene.trajectories}) == 5
    assert all(path.visible.all(axis=1).any() for path in scene.trajectories)
    shown = {one.object_id for one in all_tracks(scene) if one.is_persistent}
    assert len(shown) == 1 and shown <= {path.object_id for path in scene.trajectories}
    # No label of a false box names an object of the truth.
    assert not {one.object_id for one in all_tracks(scene) if not one.is_persistent} & {
        path.object_id for path in scene.trajectories
    }


@pytest.mark.parametrize(("ghost", "key", "objects"), [(Ghost.DUPLICATE, "duplicate", 1), (Ghost.MERGED, "merged", 2)])
def test_the_objects_of_a_false_box_are_reported_as_often_as_its_own_share_says(
    calm: GenerateConfig, ghost: Ghost, key: str, objects: int
) -> None:
    for share, expected in ((0.0, 0), (1.0, objects)):
        other = "merged" if key == "duplicate" else "duplicate"
        config = _with_tracker(calm, **{f"{key}_own_share": share, f"{other}_own_share": 1 - share})
        scene = simulate_matched_scene(config, 0, Plan(0, (ghost,)), generator(32, "test", 1))
        assert len({one.object_id for one in all_tracks(scene) if one.is_persistent}) == expected


def test_an_id_switch_that_was_missed_after_it_left_its_object_is_no_track(calm: GenerateConfig) -> None:
    lives = calm.matched.lives.model_copy(update={"length_frames": (3, 4), "miss_share": (0.6, 0.6)})
    config = calm.model_copy(update={"matched": calm.matched.model_copy(update={"lives": lives})})
    scene = simulate_matched_scene(config, 0, Plan(0, (Ghost.ID_SWITCH,) * 16), generator(34, "test", 0))
    assert len(all_tracks(scene)) > 10
    assert all(len(one.evidence_frames) > 0 for one in all_tracks(scene))


def test_what_hides_an_object_does_not_lower_the_confidences_of_a_track_that_has_left_it(calm: GenerateConfig) -> None:
    """Confidences depend on what hides the thing alone here, so that on the free background they are the median."""
    detector = calm.detector.model_copy(update={"size_slope": 0.0, "hidden_slope": 30.0})
    crowd = calm.matched.crowd.model_copy(update={"occluders": (8, 8), "least_visible_share": 0.0})
    scores = calm.matched.detector.model_copy(update={"track_spread": 0.0, "frame_spread": 0.0})
    matched = calm.matched.model_copy(update={"crowd": crowd, "detector": scores})
    config = calm.model_copy(update={"detector": detector, "matched": matched})
    scene = simulate_matched_scene(config, 0, Plan(0, (Ghost.ID_SWITCH,) * 8), generator(33, "test", 0))
    before, after = [], []
    for one in all_tracks(scene):
        left = np.isin(one.track.frames, one.evidence_frames)
        before += one.track.confidences[~left].tolist()
        after += one.track.confidences[left].tolist()
    assert min(before) < 0.9 * scores.confidence["ghost"]
    np.testing.assert_allclose(after, scores.confidence["ghost"], rtol=1e-5)


@pytest.fixture(scope="session")
def ghost_scenes(calm: GenerateConfig) -> list[StereoScene]:
    """Scenes without objects, which would hide ghosts."""
    return [simulate_matched_scene(calm, 0, Plan(0, ONE_POINT * 2), generator(23, "test", number)) for number in (0, 1)]


@pytest.mark.parametrize("ghost", ONE_POINT)
def test_both_views_of_a_ghost_meet_in_one_point_of_the_world(ghost_scenes: list[StereoScene], ghost: Ghost) -> None:
    errors = []
    for scene in ghost_scenes:
        first, second = ([one for one in camera if one.ghost is ghost] for camera in scene.tracks)
        for one, two in ((one, two) for one in first for two in second if one.object_id == two.object_id):
            _, here, there = np.intersect1d(one.track.frames, two.track.frames, return_indices=True)
            centres = one.track.centres_px[here].astype(np.float64), two.track.centres_px[there].astype(np.float64)
            if len(here) == 0:
                continue
            points = meeting_points(scene.rig, centres)
            side_px = one.track.boxes_xywh_px[here, 2:].max(axis=1)
            errors += (np.abs(project(scene.rig.cameras[0], points) - centres[0])[:, 1] / side_px).tolist()
    assert errors
    # Cut boxes at a pane's or the image's edge are off, so the median is what tells.
    assert np.median(errors) < 0.1


def test_a_matched_scene_is_a_function_of_its_generator(calm: GenerateConfig) -> None:
    plan = Plan(1, (Ghost.GLARE, Ghost.DUPLICATE, Ghost.NOISE))
    first, again = (simulate_matched_scene(calm, 0, plan, generator(9, "test", 4)) for _ in range(2))
    for one, two in zip(all_tracks(first), all_tracks(again), strict=True):
        np.testing.assert_array_equal(one.track.crops, two.track.crops)
        np.testing.assert_array_equal(one.track.boxes_xywh_px, two.track.boxes_xywh_px)
        np.testing.assert_array_equal(one.evidence_frames, two.evidence_frames)


def test_plans_hold_to_their_limits_and_mix_the_kinds(config: GenerateConfig) -> None:
    plans = [draw_plan(config.matched, generator(1, "plans", number)) for number in range(400)]
    low, high = config.matched.objects.limits
    assert {low, high} <= {plan.objects for plan in plans} <= set(range(low, high + 1))
    drawn = [ghost for plan in plans for ghost in plan.ghosts]
    weights = config.matched.kinds
    for ghost in (Ghost.CLUTTER, Ghost.ID_SWITCH):
        share = weights[ghost.value] / sum(weights.values())  # type: ignore[index]
        # About 3500 ghosts: three standard errors of a share of 0.12 are 0.016.
        assert drawn.count(ghost) / len(drawn) == pytest.approx(share, abs=0.02)


def test_ghosts_that_are_never_in_view_are_refused_with_a_remedy(calm: GenerateConfig) -> None:
    glare = calm.matched.causes.glare.model_copy(update={"size_px": (5000.0, 6000.0)})
    causes = calm.matched.causes.model_copy(update={"glare": glare})
    objects = calm.objects.model_copy(update={"attempts": 20})
    matched = calm.matched.model_copy(update={"causes": causes})
    impossible = calm.model_copy(update={"matched": matched, "objects": objects})
    with pytest.raises(DataError, match=r"generate\.matched\.causes\.glare: none out of 20"):
        simulate_matched_scene(impossible, 0, Plan(0, (Ghost.GLARE,)), generator(0, "test", 0))
