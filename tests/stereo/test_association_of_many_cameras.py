"""Groups of more than two cameras; pairs are in test_association.py."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

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


def three_in_a_row(parallel_rig: StereoRig) -> CameraRig:
    """Cameras at x = 0, 2 and 1 m: each image is 100 / 10 px per metre to the side for things 10 m away."""
    first, second = parallel_rig.cameras
    far = type(first)(
        "far", first.intrinsics, first.distortion, np.column_stack([np.eye(3), [-2.0, 0, 0]]), (101, 101), 25.0
    )
    return CameraRig((first, far, second))


def test_three_cameras_agree_on_groups_of_two_and_three(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    rig = three_in_a_row(parallel_rig)
    one, two, three = views(rig, track_of, [path((0, -2, 10)), path((1, 0, 12)), path((0, 2, 9))])
    association = associate(rig, [[one[1], one[0]], [two[0], two[2]], three], config)
    assert partners(association) == {(1, 0, 0), (0, None, 1), (None, 1, 2)}
    assert association.unpaired == ((), (), ())
    (full,) = [group for group in association.groups if None not in group.members]
    ratios = association.log_likelihood_ratios
    assert full.log_likelihood_ratio == pytest.approx(ratios[0, 1][1, 0] + ratios[0, 2][1, 0] + ratios[1, 2][0, 0])
    assert association.explain(2, 0).startswith("paired with track 0 of camera 1 and track 0 of camera 2: ")


def test_two_tracks_that_hardly_met_are_one_thing_by_way_of_a_third(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    rig = three_in_a_row(parallel_rig)
    points = path((1, 0, 12))
    early, middle, late = (
        [track_of(rig.cameras[camera], camera, 0, points[rows], FRAMES[rows])]
        for camera, rows in enumerate((slice(0, 6), slice(0, 10), slice(5, 10)))
    )
    # Frame 5 alone is too little to say anything of the first and the third.
    several = config.model_copy(update={"min_joint_frames": 2})
    association = associate(rig, [early, middle, late], several)
    assert association.log_likelihood_ratios[0, 2][0, 0] == -np.inf
    (group,) = association.groups
    assert group.members == (0, 0, 0) and group.joint_frames == 10
    assert np.isfinite(group.log_likelihood_ratio)


def test_a_third_camera_that_contradicts_loses_its_weaker_edge(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    rig = three_in_a_row(parallel_rig)
    # Camera 1 and the far one agree: x1 = 80 and x2 = 60 px. A track at 90 px in the camera between them meets the far
    # one's 60 px at 100 / 30 m, but lies to the right of camera 1's 80 px, hence 100 / 10 m behind.
    one, two, _ = views(rig, track_of, [path((3, 0, 10), STILL)])
    wrong = track_of(rig.cameras[2], 2, 6, path((5, 0, 10), STILL)[:8], FRAMES[:8])
    association = associate(rig, [one, two, [wrong]], config)
    ratios = association.log_likelihood_ratios
    assert config.null_partner_cost < ratios[1, 2][0, 0] < ratios[0, 1][0, 0] and ratios[0, 2][0, 0] == -np.inf
    assert partners(association) == {(0, 0, None)}
    assert association.unpaired == ((), (), (0,))
    assert association.explain(2, 0).endswith(
        "but it is paired with track 0 of camera 1, which contradicts: its rays and those of track 0 of camera 1 meet "
        "10.0 m behind a camera (median), within 1 to 200 m in only 0% of 8 joint frames"
    )


def test_four_cameras_group_everything_they_see(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    left, right = rig.cameras
    raised = [
        type(camera)(
            f"{camera.name} above",
            camera.intrinsics,
            camera.distortion,
            np.column_stack([camera.rotation, -camera.rotation @ (camera.centre_m + np.array([0, -0.6, 0.1]))]),
            camera.image_size_px,
            camera.frame_rate_hz,
        )
        for camera in (left, right)
    ]
    four = CameraRig((left, right, *raised))
    rng = np.random.default_rng(11)
    seen = views(four, track_of, random_paths(rng, 12))
    noisy: list[Sequence[BoxTrack]] = [[moved(track, rng.normal(0, 1, (10, 2))) for track in own] for own in seen]
    # Camera 3 missed the first three things, and camera 4 saw something else instead of the last one.
    noisy[2] = noisy[2][3:]
    strange = track_of(four.cameras[3], 3, 11, path((2.5, -1.8, 7), (-0.2, 0.15, 0)), FRAMES)
    noisy[3] = [*noisy[3][:11], strange]
    found = partners(associate(four, noisy, config))
    expected = {(i, i, i - 3 if i >= 3 else None, i if i < 11 else None) for i in range(12)}
    assert found == expected
