from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.stereo.association import BIAS_PX, counts, f1_score, ours

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, Track
from track_persistence.stereo.association import Association, associate
from track_persistence.stereo.config import StereoConfig

TrackOf = Callable[..., Track]
FRAMES = np.arange(10)
STILL = (0, 0, 0)


def path(start: tuple[float, float, float], speed: tuple[float, float, float] = (0.1, 0, 0)) -> np.ndarray:
    return np.array(start) + FRAMES[:, None] * np.array(speed)


def views(rig: CameraRig, track_of: TrackOf, paths: list[np.ndarray]) -> list[list[Track]]:
    return [
        [track_of(camera, number, index, points, FRAMES) for index, points in enumerate(paths)]
        for number, camera in enumerate(rig.cameras)
    ]


def moved(track: BoxTrack, shift_px: np.ndarray) -> BoxTrack:
    boxes = track.boxes_xywh_px.copy()
    boxes[:, :2] += shift_px.astype(np.float32)
    return BoxTrack(track.camera, track.track_id, track.frames, boxes, track.confidences)


def partners(association: Association) -> set[tuple[int | None, ...]]:
    return {group.members for group in association.groups}


def random_paths(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    return [path(tuple(rng.uniform((-3, -2, 6), (3, 2, 25))), tuple(rng.normal(0, 0.05, 3))) for _ in range(count)]


def test_tracks_find_their_partners_whatever_their_order(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, [path((-2, -1, 12)), path((0, 0.4, 9)), path((1, 1.2, 20))])
    association = associate(rig, [first, [second[2], second[0], second[1]]], config)
    assert partners(association) == {(0, 1), (1, 2), (2, 0)}
    assert [group.joint_frames for group in association.groups] == [10, 10, 10]
    assert association.unpaired == ((), ())


def test_the_order_of_the_tracks_changes_nothing_even_among_equal_scores(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    rng = np.random.default_rng(3)
    first, second = views(rig, track_of, random_paths(rng, 5))
    # A second tracker reports the first thing once more: two tracks of camera 1 with equal scores.
    twin = BoxTrack(0, 9, first[0].frames, first[0].boxes_xywh_px, first[0].confidences)
    tracks: list[list[BoxTrack]] = [[*first, twin], [*second]]
    expected = associate(rig, tracks, config)
    for _ in range(5):
        orders = [rng.permutation(len(own)) for own in tracks]
        given = [[own[i] for i in order] for own, order in zip(tracks, orders, strict=True)]
        found = associate(rig, given, config)
        back = {tuple(int(order[i]) for i, order in zip(pair, orders, strict=True)) for pair in partners(found)}
        assert back == partners(expected)
        assert np.array_equal(
            found.log_likelihood_ratios[0, 1], expected.log_likelihood_ratios[0, 1][np.ix_(orders[0], orders[1])]
        )
        for camera, order in enumerate(orders):
            assert [found.explain(camera, i) for i in range(len(order))] == [expected.explain(camera, i) for i in order]


def test_a_track_whose_thing_the_other_camera_missed_stays_alone(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, [path((-2, -1, 12)), path((0, 1.2, 9))])
    association = associate(rig, [first, second[:1]], config)
    assert partners(association) == {(0, 0)}
    assert association.unpaired == ((1,), ())


def test_tracks_without_common_frames_are_no_pair(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    points = path((0, 0, 12))
    early = track_of(rig.cameras[0], 0, 0, points[:5], FRAMES[:5])
    late = track_of(rig.cameras[1], 1, 0, points[5:], FRAMES[5:])
    association = associate(rig, [[early], [late]], config)
    assert association.groups == () and association.log_likelihood_ratios[0, 1][0, 0] == -np.inf
    assert association.explain(0, 0) == "no partner: no track of another camera was seen in the same frames"


def test_too_few_joint_frames_are_no_pair(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    points = path((0, 0, 12))
    early = track_of(rig.cameras[0], 0, 0, points[:6], FRAMES[:6])
    late = track_of(rig.cameras[1], 1, 8, points[4:], FRAMES[4:])
    assert len(associate(rig, [[early], [late]], config).groups) == 1
    association = associate(rig, [[early], [late]], config.model_copy(update={"min_joint_frames": 3}))
    assert not association.groups
    assert association.explain(0, 0) == (
        "no partner: track 8 of camera 2 shares 2 joint frames, fewer than min_joint_frames 3"
    )


def test_tracks_of_unequal_length_are_compared_in_their_joint_frames(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, [path((0, 0.4, 9)), path((1, 1.2, 20))])
    short = track_of(rig.cameras[1], 1, 0, path((0, 0.4, 9))[6:], FRAMES[6:])
    (group, _) = associate(rig, [first, [short, second[1]]], config).groups
    assert group.members == (0, 0) and group.joint_frames == 4


def test_rays_that_meet_behind_the_cameras_are_no_pair(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # The same height in both images, but x1 = 50 - 10 and x2 = 50 + 20: a disparity of -30 px, 100 / 30 m behind.
    first = track_of(parallel_rig.cameras[0], 0, 0, path((-1, 0, 10), STILL), FRAMES)
    second = track_of(parallel_rig.cameras[1], 1, 0, path((3, 0, 10), STILL), FRAMES)
    association = associate(parallel_rig, [[first], [second]], config)
    assert association.groups == ()
    assert association.explain(1, 0) == (
        "no partner: its rays and those of track 0 of camera 1 meet 3.3 m behind a camera (median), "
        "within 1 to 200 m in only 0% of 10 joint frames"
    )


def test_things_too_far_to_have_a_parallax_are_still_a_pair(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    tracks = views(parallel_rig, track_of, [path((0, 0, 1000), STILL)])
    assert partners(associate(parallel_rig, tracks, config)) == {(0, 0)}


def test_whole_tracks_decide_where_single_frames_would_swap(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # Two things cross in height: in frame 5 all four boxes lie on one epipolar line.
    down = path((-1, -1, 10), (0, 0.2, 0))
    up = path((1, 1, 10), (0, -0.2, 0))
    tracks = views(parallel_rig, track_of, [down, up])
    assert partners(associate(parallel_rig, tracks, config)) == {(0, 0), (1, 1)}


def test_on_one_epipolar_line_the_metric_size_tells_things_apart(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # Equal height, both pairings in front of the cameras; a small near thing and a large far one.
    small, large = path((0, 0, 8), STILL), path((2.5, 0, 10), STILL)
    tracks = [
        [track_of(camera, number, 0, small, FRAMES, 0.5), track_of(camera, number, 1, large, FRAMES, 3.0)]
        for number, camera in enumerate(parallel_rig.cameras)
    ]
    assert partners(associate(parallel_rig, tracks, config)) == {(0, 0), (1, 1)}


def test_a_few_boxes_far_off_do_not_cost_a_track_its_partner(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, [path((0, 0, 12))])
    shift = np.zeros((10, 2))
    shift[[2, 6, 7], 1] = 80
    assert partners(associate(rig, [first, [moved(second[0], shift)]], config)) == {(0, 0)}


def test_a_track_that_mostly_leaves_the_epipolar_line_is_no_partner(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, [path((0, 0, 12)), path((0, 0, 12), (0.1, 0.4, 0))])
    association = associate(rig, [first[:1], second[1:]], config)
    assert association.groups == ()
    # 0.4 m a frame is 27 px a frame at 12 m: only one frame is near the median.
    assert "keeps within 4 deviations of one distance from its epipolar lines in only 10% of 10" in association.explain(
        0, 0
    )


def test_a_thing_hidden_in_part_from_one_camera_keeps_its_partner(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # The lower third of a box of 800 / 12 = 67 px is hidden from camera 2: its centre rises by a sixth, 11 px.
    (whole,), (second,) = views(rig, track_of, [path((0, 0, 12))])
    boxes = second.boxes_xywh_px * np.array([1, 1, 1, 2 / 3], np.float32)
    part = BoxTrack(1, 0, second.frames, boxes, second.confidences)
    association = associate(rig, [[whole], [part]], config)
    assert partners(association) == {(0, 0)}
    # A calibration that is 11 px off is not what this says.
    assert abs(association.biases[0, 1].mean_px) < 0.1
    # No part of the box can hide that much: 67 px off.
    assert not associate(rig, [[whole], [moved(second, np.array([[0, 67.0]]))]], config).groups


def test_a_dear_partner_is_worse_than_none(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    tracks = views(rig, track_of, [path((0, 0, 12))])
    ratio = associate(rig, tracks, config).groups[0].log_likelihood_ratio
    association = associate(rig, tracks, config.model_copy(update={"null_partner_cost": ratio + 0.01}))
    assert association.groups == ()
    assert association.explain(0, 0) == (
        "no partner: the best candidate, track 0 of camera 2, lies +0.0 px off its epipolar lines, 0.0 deviations from "
        f"the usual +0.0 px, over 10 joint frames: log-likelihood ratio {ratio:.1f}, not above null_partner_cost "
        f"{ratio + 0.01:g}"
    )


@pytest.mark.parametrize("sides", [(0, 2), (2, 0), (0, 0)])
def test_a_camera_without_tracks_leaves_all_others_alone(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf, sides: tuple[int, int]
) -> None:
    first, second = views(rig, track_of, [path((0, 0, 12)), path((1, 1, 9))])
    association = associate(rig, [first[: sides[0]], second[: sides[1]]], config)
    assert association.groups == ()
    assert association.unpaired == (tuple(range(sides[0])), tuple(range(sides[1])))


def test_tracks_of_another_number_of_cameras_are_refused(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    with pytest.raises(DataError, match="tracks of 1 cameras, but the rig has 2"):
        associate(rig, views(rig, track_of, [path((0, 0, 12))])[:1], config)


def test_boxes_of_an_image_larger_than_the_calibration_is_for_are_refused(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # Boxes of the same scene in images of 2560 x 1440 px, twice what the rig was calibrated for.
    first, second = views(rig, track_of, [path((2, 1, 8))])
    large = BoxTrack(0, 0, FRAMES.astype(np.int32), 2 * first[0].boxes_xywh_px, first[0].confidences)
    with pytest.raises(
        DataError, match=r"track 0 of camera 0: frame 0: box .* outside the 1280 x 720 px that camera left"
    ):
        associate(rig, [[large], second], config)


def test_a_partner_names_its_numbers_and_a_rival_too(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    first, second = views(rig, track_of, [path((0, 0, 12))])
    # The same thing once more, one pixel lower all the time.
    rival = moved(BoxTrack(0, 5, first[0].frames, first[0].boxes_xywh_px, first[0].confidences), np.array([[0, 1.0]]))
    association = associate(rig, [[*first, rival], second], config)
    assert partners(association) == {(0, 0)}
    ratios = association.log_likelihood_ratios[0, 1]
    assert association.explain(1, 0) == (
        f"paired with track 0 of camera 1: log-likelihood ratio {ratios[0, 0]:.1f} over 10 joint frames"
    )
    told = association.explain(0, 1)
    assert told.startswith("no partner: the best candidate, track 0 of camera 2, lies -1.0 px off its epipolar lines")
    assert "but it is better paired with track 0 of camera 1, which lies +0.0 px off" in told
    assert told.endswith(f"log-likelihood ratio {ratios[0, 0]:.1f}")


def test_a_common_bias_is_found_and_one_pair_alone_does_not_prove_it(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = views(rig, track_of, random_paths(np.random.default_rng(7), 12))
    low = [moved(track, np.array([[0, 1.5]])) for track in second]
    many = associate(rig, [first, low], config)
    assert partners(many) == {(i, i) for i in range(12)}
    # Epipolar lines of this rig are almost rows, so the offset is 1.5 px times the cosine of a small slope. The prior's
    # pull and the weights' error are about 1.5 / 12 / 10 px.
    assert many.biases[0, 1].mean_px == pytest.approx(1.5, abs=0.1)
    assert many.biases[0, 1].sigma_px < 0.25
    one = associate(rig, [first[:1], low[:1]], config).biases[0, 1]
    assert partners(associate(rig, [first[:1], low[:1]], config)) == {(0, 0)}
    assert 0 < one.mean_px < 1.4 and one.sigma_px > 0.4


@pytest.mark.parametrize("bias_px", [0.0, BIAS_PX])
def test_twenty_objects_among_twenty_clutter_tracks_are_associated(bias_px: float) -> None:
    # The benchmark's bound on fewer scenes of its development seeds.
    found, _ = counts(ours, range(6), bias_px)
    assert f1_score(found) >= 0.995
