from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from track_persistence.core.rig import StereoRig
from track_persistence.core.types import Track
from track_persistence.stereo.association import associate, box_sigma_px, joint_rows
from track_persistence.stereo.config import StereoConfig

TrackOf = Callable[..., Track]
FRAMES = np.arange(10)


def path(start: tuple[float, float, float], speed: tuple[float, float, float] = (0.1, 0, 0)) -> np.ndarray:
    return np.array(start) + FRAMES[:, None] * np.array(speed)


def both(rig: StereoRig, track_of: TrackOf, paths: list[np.ndarray]) -> tuple[list[Track], list[Track]]:
    first, second = (
        [track_of(camera, number, index, points, FRAMES) for index, points in enumerate(paths)]
        for number, camera in enumerate(rig.cameras)
    )
    return first, second


def partners(association) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in association.pairs}


def test_tracks_find_their_partners_whatever_their_order(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = both(rig, track_of, [path((-2, -1, 12)), path((0, 0.4, 9)), path((1, 1.2, 20))])
    association = associate(rig, first, [second[2], second[0], second[1]], config)
    assert partners(association) == {(0, 1), (1, 2), (2, 0)}
    assert [pair.joint_frames for pair in association.pairs] == [10, 10, 10]
    assert association.unpaired == ((), ())


def test_a_track_whose_thing_the_other_camera_missed_stays_alone(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = both(rig, track_of, [path((-2, -1, 12)), path((0, 1.2, 9))])
    association = associate(rig, first, second[:1], config)
    assert partners(association) == {(0, 0)}
    assert association.unpaired == ((1,), ())


def test_tracks_without_common_frames_are_no_pair(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    points = path((0, 0, 12))
    early = track_of(rig.cameras[0], 0, 0, points[:5], FRAMES[:5])
    late = track_of(rig.cameras[1], 1, 0, points[5:], FRAMES[5:])
    association = associate(rig, [early], [late], config)
    assert association.pairs == () and association.log_likelihood_ratios[0, 0] == -np.inf


def test_too_few_joint_frames_are_no_pair(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    points = path((0, 0, 12))
    early = track_of(rig.cameras[0], 0, 0, points[:6], FRAMES[:6])
    late = track_of(rig.cameras[1], 1, 0, points[4:], FRAMES[4:])
    assert len(associate(rig, [early], [late], config).pairs) == 1
    assert not associate(rig, [early], [late], config.model_copy(update={"min_joint_frames": 3})).pairs


def test_rays_that_meet_behind_the_cameras_are_no_pair(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # The same height in both images, but the disparity is -30 px.
    first = track_of(parallel_rig.cameras[0], 0, 0, path((-1, 0, 10), (0, 0, 0)), FRAMES)
    second = track_of(parallel_rig.cameras[1], 1, 0, path((3, 0, 10), (0, 0, 0)), FRAMES)
    assert associate(parallel_rig, [first], [second], config).pairs == ()


def test_things_too_far_to_have_a_parallax_are_still_a_pair(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = both(parallel_rig, track_of, [path((0, 0, 1000), (0, 0, 0))])
    assert partners(associate(parallel_rig, first, second, config)) == {(0, 0)}


def test_whole_tracks_decide_where_single_frames_would_swap(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # Two things cross in height: in frame 5 all four boxes lie on one epipolar line.
    down = path((-1, -1, 10), (0, 0.2, 0))
    up = path((1, 1, 10), (0, -0.2, 0))
    first, second = both(parallel_rig, track_of, [down, up])
    assert partners(associate(parallel_rig, first, second, config)) == {(0, 0), (1, 1)}


def test_on_one_epipolar_line_the_metric_size_tells_things_apart(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # Equal height, both pairings in front of the cameras; a small near thing and a large far one.
    small, large = path((0, 0, 8), (0, 0, 0)), path((2.5, 0, 10), (0, 0, 0))
    first, second = (
        [track_of(camera, number, 0, small, FRAMES, 0.5), track_of(camera, number, 1, large, FRAMES, 3.0)]
        for number, camera in enumerate(parallel_rig.cameras)
    )
    assert partners(associate(parallel_rig, first, second, config)) == {(0, 0), (1, 1)}


def test_a_few_boxes_far_off_do_not_cost_a_track_its_partner(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = both(rig, track_of, [path((0, 0, 12))])
    boxes = second[0].boxes_xywh_px.copy()
    boxes[[2, 6, 7], 1] += 80
    spoilt = Track(1, 0, second[0].frames, boxes, second[0].confidences, second[0].crops)
    assert partners(associate(rig, first, [spoilt], config)) == {(0, 0)}


def test_a_track_that_mostly_leaves_the_epipolar_line_is_no_partner(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    first, second = both(rig, track_of, [path((0, 0, 12)), path((0, 0, 12), (0.1, 0.4, 0))])
    assert associate(rig, first[:1], second[1:], config).pairs == ()


def test_a_dear_partner_is_worse_than_none(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    first, second = both(rig, track_of, [path((0, 0, 12))])
    ratio = associate(rig, first, second, config).pairs[0].log_likelihood_ratio
    dear = config.model_copy(update={"null_partner_cost": ratio + 0.01})
    assert associate(rig, first, second, dear).pairs == ()


@pytest.mark.parametrize("sides", [(0, 2), (2, 0), (0, 0)])
def test_a_camera_without_tracks_leaves_all_others_alone(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf, sides: tuple[int, int]
) -> None:
    first, second = both(rig, track_of, [path((0, 0, 12)), path((1, 1, 9))])
    association = associate(rig, first[: sides[0]], second[: sides[1]], config)
    assert association.pairs == ()
    assert association.unpaired == (tuple(range(sides[0])), tuple(range(sides[1])))


def test_noisy_crowds_are_associated_almost_without_error(
    rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    rng = np.random.default_rng(5)
    paths = [path(tuple(rng.uniform((-3, -2, 6), (3, 2, 25))), tuple(rng.normal(0, 0.05, 3))) for _ in range(12)]
    first, second = both(rig, track_of, paths)
    noisy = [
        Track(
            track.camera,
            track.track_id,
            track.frames,
            track.boxes_xywh_px + np.pad(rng.normal(0, 1, (10, 2)), ((0, 0), (0, 2))).astype(np.float32),
            track.confidences,
            track.crops,
        )
        for track in (*first, *second)
    ]
    found = partners(associate(rig, noisy[:12], noisy[12:], config))
    assert len(found & {(i, i) for i in range(12)}) >= 11 and len(found) <= 12


def test_joint_rows_are_the_frames_that_both_tracks_saw(rig: StereoRig, track_of: TrackOf) -> None:
    points = path((0, 0, 12))
    first = track_of(rig.cameras[0], 0, 0, points[:4], [1, 3, 4, 9])
    second = track_of(rig.cameras[1], 1, 0, points[:3], [3, 9, 11])
    frames, rows1, rows2 = joint_rows(first, second)
    assert (frames.tolist(), rows1.tolist(), rows2.tolist()) == ([3, 9], [1, 3], [0, 1])


def test_larger_boxes_are_less_certain(config: StereoConfig) -> None:
    # 3-4-5: hypot(3, 0.1 * mean(30, 50)) = 5.
    noisy = config.model_copy(update={"pixel_sigma_px": 3.0, "size_sigma": 0.1})
    assert box_sigma_px(np.array([[0, 0, 30, 50]], np.float32), noisy).tolist() == [5.0]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"min_depth_m": 300.0}, "must be below max_depth_m"),
        ({"log_size_spread": 0.1}, "must be below log_size_spread"),
    ],
)
def test_contradicting_params_are_refused(config: StereoConfig, change: dict, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        StereoConfig(**(config.model_dump() | change))
