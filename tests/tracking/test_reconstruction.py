from collections.abc import Callable

import numpy as np
import pytest

from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, Track
from track_persistence.stereo.config import BiasConfig, LastingConfig
from track_persistence.stereo.triangulation import Status
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.reconstruction import reconstruct

StillTrack = Callable[..., Track]
PLACE_M = (0.4, -0.2, 5.0)
FRAMES = list(range(10))


@pytest.fixture
def smoothing(config: TrackingConfig) -> TrackingConfig:
    return config.model_copy(update={"smoothing": config.smoothing.model_copy(update={"motion": "constant_velocity"})})


def pair(still_track: StillTrack, position_m: tuple[float, float, float] = PLACE_M) -> list[Track]:
    return [still_track(camera, 10 + camera, position_m, FRAMES) for camera in (0, 1)]


def shifted(track: BoxTrack, rows: list[int], shift_px: tuple[float, float]) -> BoxTrack:
    boxes = track.boxes_xywh_px.copy()
    boxes[rows, :2] += np.float32(shift_px)
    return BoxTrack(track.camera, track.track_id, track.frames, boxes, track.confidences)


def test_a_pair_becomes_a_path_of_points(rig: StereoRig, config: TrackingConfig, still_track: StillTrack) -> None:
    (track,) = reconstruct(rig, [pair(still_track)], [0.75], config)
    assert (track.track_ids, track.persistence, track.frames.tolist()) == ((10, 11), 0.75, FRAMES)
    np.testing.assert_allclose(track.positions_m, np.tile(PLACE_M, (10, 1)), atol=1e-5)
    assert track.views.tolist() == [2] * 10 and track.status.tolist() == [Status.OK] * 10
    # The two detectors said 0.5 and 0.75; one frame alone knows no velocity.
    assert track.confidence.tolist() == [0.625] * 10 and np.isnan(track.velocities_mps).all()


@pytest.mark.parametrize(
    ("rows", "shift_px", "status"),
    [
        # A disparity of 500 / 5 = 100 px: 150 px more to the right in camera 2 and the rays part in front.
        ([2, 3], (150.0, 0.0), Status.BEHIND),
        ([2, 3], (100.0, 0.0), Status.PARALLEL),
        ([2, 3], (0.0, 40.0), Status.OUTLIER),
    ],
)
def test_a_frame_whose_rays_do_not_meet_has_a_status_and_no_position(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack, rows: list[int], shift_px: tuple[float, float],
    status: Status,
) -> None:  # fmt: skip
    first, second = pair(still_track)
    (track,) = reconstruct(rig, [[first, shifted(second, rows, shift_px)]], [None], config)
    lost = np.isin(FRAMES, rows)
    assert track.status[lost].tolist() == [status] * 2 and (track.status[~lost] == Status.OK).all()
    assert track.located.tolist() == (~lost).tolist()
    assert np.isnan(track.covariances_m2[lost]).all()


def test_a_frame_that_one_camera_saw_has_no_position_of_its_own(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    first, second = pair(still_track)
    (track,) = reconstruct(rig, [[first, second.first(6)]], [None], config)
    assert track.status.tolist() == [Status.OK] * 6 + [Status.ONE_VIEW] * 4
    assert track.views.tolist() == [2] * 6 + [1] * 4 and track.located.sum() == 6


@pytest.mark.parametrize("motion", ["off", "constant_velocity"])
@pytest.mark.parametrize("shift_px", [(150.0, 0.0), (100.0, 0.0), (0.0, 40.0)])
def test_a_group_whose_rays_never_meet_has_no_3d_track(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack, motion: str, shift_px: tuple[float, float]
) -> None:
    chosen = config.model_copy(update={"smoothing": config.smoothing.model_copy(update={"motion": motion})})
    first, second = pair(still_track)
    good = pair(still_track, (1.0, 0.5, 4.0))
    found = reconstruct(rig, [[first, shifted(second, FRAMES, shift_px)], good], [0.1, 0.9], chosen)
    assert [track.persistence for track in found] == [0.9]
    assert reconstruct(rig, [[first, shifted(second, FRAMES, shift_px)]], [0.1], chosen) == []


def test_a_smoothed_path_fills_gaps_and_frames_of_one_camera_and_knows_its_speed(
    rig: StereoRig, smoothing: TrackingConfig, still_track: StillTrack
) -> None:
    seen = [0, 1, 2, 5, 6, 7, 8, 9]
    first, second = (still_track(camera, 10 + camera, PLACE_M, seen) for camera in (0, 1))
    (track,) = reconstruct(rig, [[first, second.first(6)]], [None], smoothing)
    assert track.frames.tolist() == FRAMES and track.located.all()
    assert track.views.tolist() == [2, 2, 2, 0, 0, 2, 2, 2, 1, 1]
    assert track.status[[3, 4, 8, 9]].tolist() == [Status.ONE_VIEW] * 4
    assert np.isnan(track.reprojection_px[[3, 4]]).all() and np.isnan(track.confidence[[3, 4]]).all()
    np.testing.assert_allclose(track.positions_m, np.tile(PLACE_M, (10, 1)), atol=1e-3)
    np.testing.assert_allclose(track.velocities_mps, 0, atol=1e-2)


def test_frames_that_are_too_uncertain_are_left_out_of_a_smoothed_path(
    rig: StereoRig, smoothing: TrackingConfig, still_track: StillTrack
) -> None:
    # Seen by one camera for 200 frames more, its depth drifts away.
    long = still_track(0, 10, PLACE_M, list(range(210)))
    short = still_track(1, 11, PLACE_M, FRAMES)
    (track,) = reconstruct(rig, [[long, short]], [None], smoothing)
    assert 10 < len(track) < 210
    largest = np.sqrt(np.linalg.eigvalsh(track.covariances_m2)[:, -1])
    assert largest.max() <= smoothing.smoothing.max_sigma_m
    strict = smoothing.model_copy(update={"smoothing": smoothing.smoothing.model_copy(update={"max_sigma_m": 1e-9})})
    assert reconstruct(rig, [[long, short]], [None], strict) == []


def test_three_cameras_with_one_that_saw_nothing_locate_the_same(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    left, right = rig.cameras
    above = type(left)(
        "above", left.intrinsics, left.distortion, np.column_stack([np.eye(3), [0, 1.0, 0]]), left.image_size_px, 25.0
    )
    (track,) = reconstruct(CameraRig((left, right, above)), [[*pair(still_track), None]], [None], config)
    (expected,) = reconstruct(rig, [pair(still_track)], [None], config)
    assert track.track_ids == (10, 11, None)
    np.testing.assert_array_equal(track.positions_m, expected.positions_m)
    assert np.isnan(track.reprojection_px[:, 2]).all()


def test_a_thing_that_is_far_within_correlated_noise_has_no_smoothed_path(
    rig: StereoRig, smoothing: TrackingConfig, still_track: StillTrack
) -> None:
    # At 100 m the disparity is 5 px: above 2 sqrt 2 = 2.8 px for one pixel of noise, below 8.5 px for three times that.
    correlated = smoothing.model_copy(update={"stereo": smoothing.stereo.model_copy(update={"correlated_frames": 9.0})})
    far, near = pair(still_track, (0.4, -0.2, 100.0)), pair(still_track)
    assert [track.track_ids for track in reconstruct(rig, [far, near], [None, None], correlated)] == [(10, 11)]
    assert reconstruct(rig, [far], [None], correlated) == []


@pytest.mark.parametrize("motion", ["off", "constant_velocity"])
def test_lasting_errors_widen_the_covariance_and_leave_the_path(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack, motion: str
) -> None:
    chosen = config.model_copy(update={"smoothing": config.smoothing.model_copy(update={"motion": motion})})
    none = BiasConfig(pixel_sigma_px=0.0, size_sigma=0.0, cut_size_sigma=0.0)
    shared = none.model_copy(update={"size_sigma": 0.1})
    errors = LastingConfig(shared=shared, own=none, border_px=0.0, clock_sigma_frames=0.0)
    (before,) = reconstruct(rig, [pair(still_track)], [None], chosen)
    (after,) = reconstruct(rig, [pair(still_track)], [None], chosen.model_copy(update={"lasting": errors}))
    np.testing.assert_array_equal(after.positions_m, before.positions_m)
    added = after.covariances_m2 - before.covariances_m2
    # A tenth of a thing of 1 m, across.
    np.testing.assert_allclose(added, np.tile(np.diag([0.01, 0.01, 0]), (10, 1, 1)), atol=2e-4)


def test_a_frame_that_lasting_errors_make_too_uncertain_is_left_out(
    rig: StereoRig, smoothing: TrackingConfig, still_track: StillTrack
) -> None:
    half = BiasConfig(pixel_sigma_px=0.0, size_sigma=0.5, cut_size_sigma=0.0)
    errors = LastingConfig(shared=half, own=half, border_px=0.0, clock_sigma_frames=0.0)
    # The disparity of 100 px is off by 50 sqrt(2) px, the depth of 5 m by 3.5 m, beyond max_sigma_m 3.
    assert reconstruct(rig, [pair(still_track)], [None], smoothing.model_copy(update={"lasting": errors})) == []
