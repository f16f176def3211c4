from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.types.hypothesis import SingleHypothesis
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import KalmanUpdater

from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, Track
from track_persistence.stereo.association import associate
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import GeometryCues, MotionPrior, cues, group_cues
from track_persistence.stereo.geometry import project
from track_persistence.stereo.scoring import Bias
from track_persistence.stereo.triangulation import triangulate

TrackOf = Callable[..., Track]
FRAMES = np.arange(10)
RATE_HZ = 25.0
BEST = -0.5 * np.log(2 * np.pi)
LOOSE = MotionPrior(process_psd=1e3, speed_sigma_mps=1e3)
"""So weak that the likeliest path goes through the points."""


def path(start: tuple[float, float, float], step_m: tuple[float, float, float] = (0.1, 0, 0)) -> np.ndarray:
    return np.array(start) + FRAMES[:, None] * np.array(step_m)


def moved(track: BoxTrack, shift_px: np.ndarray) -> BoxTrack:
    boxes = track.boxes_xywh_px.copy()
    boxes[:, :2] += shift_px.astype(np.float32)
    return BoxTrack(track.camera, track.track_id, track.frames, boxes, track.confidences)


def grown(track: BoxTrack, factors: np.ndarray) -> BoxTrack:
    """Multiply the sides of the boxes about their centres."""
    boxes = track.boxes_xywh_px.astype(np.float64)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    sides = boxes[:, 2:] * factors[:, None]
    boxes = np.hstack([centres - sides / 2, sides]).astype(np.float32)
    return BoxTrack(track.camera, track.track_id, track.frames, boxes, track.confidences)


@pytest.fixture
def pair(parallel_rig: StereoRig, track_of: TrackOf) -> list[Track]:
    """A thing 1 m wide that crosses 10 m ahead with 0.1 m a frame, 2.5 m/s, as both cameras see it."""
    return [
        track_of(camera, number, 7, path((0.05, 0, 10)), FRAMES) for number, camera in enumerate(parallel_rig.cameras)
    ]


def cues_of(
    rig: CameraRig, members: list[BoxTrack], config: StereoConfig, motion: MotionPrior = LOOSE, bias: Bias | None = None
) -> GeometryCues:
    """Cues of the one group that the members make, with the offset of partners set to `bias` where it is given."""
    tracks = [[member] for member in members]
    found = associate(rig, tracks, config)
    if bias is not None:
        found = replace(found, biases=dict.fromkeys(found.biases, bias))
    (group,) = found.groups
    return group_cues(rig, found, group, tracks, config, motion)


def test_two_exact_views_have_the_best_epipolar_log_likelihood(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    found = cues_of(parallel_rig, pair, config)
    assert found.epipolar_log_likelihood == pytest.approx(BEST, abs=1e-9)
    assert found.epipolar_log_likelihood_ratio > config.null_partner_cost


def test_a_residual_counts_from_the_rigs_own_offset_and_with_its_uncertainty(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    # 3.5 px in image 2, 3 of them past the usual 0.5 px. Both points' 1 px and the offset's 2 px: 3^2 / (1 + 1 + 4).
    low = moved(pair[1], np.array([[0, 3.5]]))
    found = cues_of(parallel_rig, [pair[0], low], config, bias=Bias(0.5, 2.0))
    other = cues_of(parallel_rig, [pair[0], low], config, bias=Bias(-0.5, 2.0))
    assert sorted([found.epipolar_log_likelihood, other.epipolar_log_likelihood]) == pytest.approx(
        [BEST - 0.5 * 16 / 6, BEST - 0.5 * 9 / 6], abs=1e-5
    )


def test_a_flare_whose_views_keep_no_common_row_has_a_bad_epipolar_log_likelihood(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    # A flare is made in each lens on its own: here it goes up and down in one, 2.5^2 / (1 + 1) in every frame. That is
    # within the gates of the association, which looks for 5 px less than 4 sqrt 2 px.
    shift = np.column_stack([np.zeros(10), np.where(FRAMES % 2, 2.5, -2.5)])
    found = cues_of(parallel_rig, [pair[0], moved(pair[1], shift)], config, bias=Bias(0.0, 1e-9))
    assert found.epipolar_log_likelihood == pytest.approx(BEST - 0.5 * 6.25 / 2, abs=1e-5)


def test_size_speed_depth_and_angle_are_those_of_the_thing(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    found = cues_of(parallel_rig, pair, config)
    assert found.depth_m == pytest.approx(10, rel=1e-5)
    assert found.speed_mps == pytest.approx(2.5, rel=1e-4)
    assert found.size_m == pytest.approx(1, rel=1e-5)
    assert found.size_disagreement == pytest.approx(0, abs=1e-5)
    assert found.size_change == pytest.approx(0, abs=1e-5)
    assert found.motion_chi_square == pytest.approx(0, abs=1e-4)
    assert (found.joint_frames, found.lost_share) == (10, 0.0)
    # Frame 4 and 5 stand in the middle of the base, at x = 0.45 and 0.55 of 1 m: the angle's median over all frames.
    x = path((0.05, 0, 10))[:, 0]
    assert found.ray_angle_rad == pytest.approx(np.median(np.arctan(x / 10) + np.arctan((1 - x) / 10)), rel=1e-5)


def test_a_thing_that_stands_has_no_speed(parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    still = path((0.5, 0.2, 8), (0, 0, 0))
    members = [track_of(camera, number, 1, still, FRAMES) for number, camera in enumerate(parallel_rig.cameras)]
    assert cues_of(parallel_rig, members, config).speed_mps == pytest.approx(0, abs=1e-3)


def test_the_depth_is_that_from_the_nearest_camera_that_saw_it(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # The second camera stands 2 m farther back, so the thing is 10 m from the first and 12 m from the second.
    first, second = parallel_rig.cameras
    back = replace(second, cam_from_world=np.column_stack([np.eye(3), [-1.0, 0, 2.0]]))
    rig = StereoRig((first, back))
    members = [track_of(camera, number, 1, path((0.05, 0, 10)), FRAMES) for number, camera in enumerate(rig.cameras)]
    found = cues_of(rig, members, config)
    assert found.depth_m == pytest.approx(10, rel=1e-5)
    assert found.size_m == pytest.approx(1, rel=1e-5) and found.size_disagreement == pytest.approx(0, abs=1e-5)
    # A third camera 4 m nearer that saw nothing does not count.
    near = replace(first, name="near", cam_from_world=np.column_stack([np.eye(3), [0.0, 0, -4.0]]))
    three = CameraRig((*rig.cameras, near))
    tracks: list[list[Track]] = [[members[0]], [members[1]], []]
    association = associate(three, tracks, config)
    assert group_cues(three, association, association.groups[0], tracks, config, LOOSE).depth_m == pytest.approx(10)


def test_views_that_disagree_on_the_size_say_by_what_factor(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    found = cues_of(parallel_rig, [pair[0], grown(pair[1], np.full(10, 1.5))], config)
    assert found.size_disagreement == pytest.approx(np.log(1.5), abs=1e-5)
    assert found.size_m == pytest.approx(np.sqrt(1.5), rel=1e-5)


def test_one_leap_in_size_is_spread_over_all_steps(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    # Twice as large from frame 5 on: one of 9 steps changes the logarithm, by log 2.
    factors = np.where(FRAMES < 5, 1.0, 2.0)
    found = cues_of(parallel_rig, [grown(track, factors) for track in pair], config)
    assert found.size_change == pytest.approx(np.log(2) / 3, abs=1e-4)


def test_only_frames_that_two_cameras_saw_count_and_bad_ones_are_lost(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    points = path((0.05, 0, 10))
    first = track_of(parallel_rig.cameras[0], 0, 1, points[:8], FRAMES[:8])
    second = track_of(parallel_rig.cameras[1], 1, 1, points[3:], FRAMES[3:])
    shift = np.zeros((7, 2))
    shift[1, 1] = 50  # frame 4: the rays pass each other
    found = cues_of(parallel_rig, [first, moved(second, shift)], config)
    assert (found.joint_frames, found.lost_share) == (5, pytest.approx(1 / 5))
    # The path still leads from frame 3 to frame 7, over the gap.
    assert found.speed_mps == pytest.approx(2.5, rel=1e-3)


def test_rays_too_parallel_for_a_depth_leave_every_cue_of_points_undefined(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    # 100 px / 1000 m is a disparity of 0.1 px under 1 px of noise a view.
    far = path((0, 0, 1000), (0, 0, 0))
    members = [track_of(camera, number, 1, far, FRAMES) for number, camera in enumerate(parallel_rig.cameras)]
    found = cues_of(parallel_rig, members, config)
    assert found.lost_share == 1
    undefined = (found.depth_m, found.speed_mps, found.size_m, found.size_disagreement, found.size_change)
    assert undefined == (None,) * 5 and found.motion_chi_square is None
    assert found.epipolar_log_likelihood == pytest.approx(BEST, abs=1e-6)
    assert found.ray_angle_rad == pytest.approx(1 / 1000, rel=0.01)


def test_one_joint_frame_has_a_size_and_a_depth_but_no_motion(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    found = cues_of(parallel_rig, [track.first(1) for track in pair], config)
    assert (found.joint_frames, found.motion_chi_square, found.speed_mps, found.size_change) == (1, None, None, None)
    assert found.depth_m == pytest.approx(10, rel=1e-5) and found.size_m == pytest.approx(1, rel=1e-5)


def kalman_chi_square(times_s: np.ndarray, positions: np.ndarray, covariances: np.ndarray, prior: MotionPrior) -> float:
    """Chi-square of Stone Soup's innovations, from the second point on; the first one is where the filter begins."""
    predictor = KalmanPredictor(CombinedLinearGaussianTransitionModel([ConstantVelocity(prior.process_psd)] * 3))
    places = [0, 2, 4]
    mean, covariance = np.zeros((6, 1)), np.eye(6) * prior.speed_sigma_mps**2
    mean[places, 0], covariance[np.ix_(places, places)] = positions[0], covariances[0]
    start = datetime(2024, 1, 1)
    state = GaussianState(mean, covariance, start + timedelta(seconds=times_s[0]))
    total = 0.0
    for time_s, position, spread in zip(times_s[1:], positions[1:], covariances[1:], strict=True):
        moment = start + timedelta(seconds=time_s)
        updater = KalmanUpdater(LinearGaussian(6, places, spread))
        prediction = predictor.predict(state, timestamp=moment)
        expected = updater.predict_measurement(prediction)
        detection = Detection(position[:, None], moment)
        missed = np.asarray(detection.state_vector - expected.state_vector, np.float64)[:, 0]
        total += float(missed @ np.linalg.solve(np.asarray(expected.covar, np.float64), missed))
        state = updater.update(SingleHypothesis(prediction, detection, expected))
    return total


def noisy_views(rig: StereoRig, points: np.ndarray, frames: np.ndarray, rng: np.random.Generator) -> list[BoxTrack]:
    """Boxes of 20 px whose centres have 1 px of noise per axis."""
    found = []
    for number, camera in enumerate(rig.cameras):
        centres = project(camera, points) + rng.standard_normal((len(points), 2))
        boxes = np.hstack([centres - 10, np.full((len(points), 2), 20.0)]).astype(np.float32)
        found.append(BoxTrack(number, 1, frames.astype(np.int32), boxes, np.ones(len(points), np.float32)))
    return found


def test_the_motion_chi_square_is_that_of_a_kalman_filters_innovations(rig: StereoRig, config: StereoConfig) -> None:
    prior = MotionPrior(process_psd=0.3, speed_sigma_mps=2.0)
    frames = np.array([0, 1, 2, 5, 6, 11, 12])
    points = np.array([0.3, -0.2, 8]) + frames[:, None] * np.array([0.05, 0.02, -0.04])
    for seed in range(3):
        members = noisy_views(rig, points, frames, np.random.default_rng(seed))
        pixels = np.array([track.centres_px for track in members])
        found = triangulate(rig, pixels, 1.0)
        assert found.ok.all()
        expected = kalman_chi_square(frames / RATE_HZ, found.positions_m, found.covariances_m2, prior)
        ours = cues_of(rig, members, config, prior).motion_chi_square
        assert ours == pytest.approx(expected / (3 * len(frames) - 3), rel=1e-6)


def test_a_world_far_from_its_origin_loses_no_digits(rig: StereoRig, config: StereoConfig) -> None:
    prior = MotionPrior(process_psd=0.3, speed_sigma_mps=2.0)
    points = path((0.3, -0.2, 8), (0.05, 0.02, -0.04))
    members = noisy_views(rig, points, FRAMES, np.random.default_rng(5))
    here = cues_of(rig, members, config, prior)
    # 500 km east and 5000 km north, as in UTM.
    far_m = np.array([5e5, 5e6, 0])
    moved_cameras = [
        replace(
            camera, cam_from_world=np.column_stack([camera.rotation, camera.translation_m - camera.rotation @ far_m])
        )
        for camera in rig.cameras
    ]
    there = cues_of(StereoRig((moved_cameras[0], moved_cameras[1])), members, config, prior)
    assert there.motion_chi_square == pytest.approx(here.motion_chi_square, rel=1e-4)
    assert there.speed_mps == pytest.approx(here.speed_mps, rel=1e-4)


def test_the_motion_chi_square_of_things_that_move_as_the_prior_says_is_1(rig: StereoRig, config: StereoConfig) -> None:
    prior, rng, step_s = MotionPrior(process_psd=0.5, speed_sigma_mps=1.0), np.random.default_rng(6), 1 / RATE_HZ
    noise = np.linalg.cholesky(0.5 * np.array([[step_s**3 / 3, step_s**2 / 2], [step_s**2 / 2, step_s]]))
    count, length, found = 120, 15, []
    while len(found) < count:
        position, velocity = rng.uniform((-1, -0.6, 5), (1, 0.6, 9)), rng.normal(0, prior.speed_sigma_mps, 3)
        points = [position]
        for _ in range(length - 1):
            kick = noise @ rng.standard_normal((2, 3))
            position, velocity = position + step_s * velocity + kick[0], velocity + kick[1]
            points.append(position)
        members = noisy_views(rig, np.array(points), np.arange(length), rng)
        cue = cues_of(rig, members, config, prior)
        assert cue.lost_share == 0 and cue.motion_chi_square is not None
        found.append(cue.motion_chi_square)
    # A mean of `count` chi-squares over 3 length - 3 degrees: deviation sqrt(2 / (count * 42)) = 0.02.
    assert np.mean(found) == pytest.approx(1, abs=4 * np.sqrt(2 / (count * (3 * length - 3))))


def test_a_thing_that_leaps_does_not_move_as_the_prior_says(
    parallel_rig: StereoRig, config: StereoConfig, pair: list[Track]
) -> None:
    # 20 px to the side in both images at once fits every epipolar line: 2 m within one frame.
    shift = np.zeros((10, 2))
    shift[5:, 0] = 20
    calm = MotionPrior(process_psd=0.1, speed_sigma_mps=5.0)
    found = cues_of(parallel_rig, [moved(track, shift) for track in pair], config, calm)
    assert found.epipolar_log_likelihood == pytest.approx(BEST, abs=1e-6)
    assert found.motion_chi_square is not None and found.motion_chi_square > 5


def test_the_cues_of_a_scene_stand_in_the_order_of_its_association(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    paths = [path((0.2, -2, 10)), path((0.2, 2, 8)), path((0.2, 0.3, 6))]
    first, second = (
        [track_of(camera, number, index, points, FRAMES) for index, points in enumerate(paths)]
        for number, camera in enumerate(parallel_rig.cameras)
    )
    tracks = [[first[2], first[0], first[1]], [second[1], second[2]]]
    association = associate(parallel_rig, tracks, config)
    found = cues(parallel_rig, association, tracks, config, LOOSE)
    depths = {group.members: cue.depth_m for group, cue in zip(association.groups, found.groups, strict=True)}
    assert depths == {(0, 1): pytest.approx(6, rel=1e-5), (2, 0): pytest.approx(8, rel=1e-5)}
    assert [len(own) for own in found.unpaired] == [1, 0]
