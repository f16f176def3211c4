"""Simulated scenes come from the project's generator without its pictures, which geometry does not look at."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import chi2, norm, t

from track_persistence.core.params import load_section
from track_persistence.core.rig import StereoRig
from track_persistence.core.seeding import generator
from track_persistence.core.types import BoxTrack
from track_persistence.simulation import scene as simulation
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.film import Film
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import project
from track_persistence.stereo.self_check import self_check
from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.stereo.self_check_fit import Measured, fit_rig, mean_residual, offset_of_ends
from track_persistence.stereo.self_check_rows import Rows, joint_rows, moved, shifted
from track_persistence.stereo.self_check_verdict import NAMES, State, judge, overall
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).parents[2] / "params.yaml"
FAULT_RAD = np.radians(0.2)
Views = tuple[list[BoxTrack], list[BoxTrack]]
Recording = tuple[StereoRig, list[Views]]


@pytest.fixture
def check() -> SelfCheckConfig:
    config = load_section(PARAMS, "self_check", SelfCheckConfig)
    return config.model_copy(update={"max_offset_frames": 4})


def simulated(count: int) -> Recording:
    """The generator's rig and the tracks of `count` of its scenes."""
    config = load_section(PARAMS, "generate", GenerateConfig)
    scenes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "render_place", lambda *_: ())
        patch.setattr(Film, "crops", lambda _self, _rng, boxes, *_: np.zeros((len(boxes), 64, 64, 3), np.uint8))
        for number in range(count):
            rng = generator(0, "self_check_test", number)
            scenes.append(simulation.simulate_scene(config, number, simulation.draw_counts(config, rng), rng))
    tracks = [tuple([item.track for item in own] for own in scene.tracks) for scene in scenes]
    return scenes[0].rig, [(first, second) for first, second in tracks]


@pytest.fixture(scope="module")
def measured_noise() -> StereoConfig:
    return load_section(PARAMS, "tracking", TrackingConfig).stereo


def one_after_the_other(scenes: list[Views]) -> Views:
    """The scenes as one long recording; each lasts less than 1000 frames and has fewer than 1000 tracks."""
    joined: Views = ([], [])
    for number, scene in enumerate(scenes):
        for own, tracks in zip(joined, scene, strict=True):
            own += [replace(track, track_id=1000 * number + track.track_id) for track in shifted(tracks, 1000 * number)]
    return joined


def turned(rig: StereoRig, vector_rad: Any) -> StereoRig:
    """The rig with its second camera turned about its own axes."""
    first, second = rig.cameras
    rotation = cv2.Rodrigues(np.asarray(vector_rad, np.float64))[0]
    return StereoRig((first, replace(second, cam_from_world=rotation @ second.cam_from_world)))


def crossing(rig: StereoRig, rng: np.random.Generator, count: int, noise_px: float = 0.0) -> Views:
    """Things that cross the view on straight lines for 30 frames, with boxes of 20 px about their centres."""
    frames = np.arange(30, dtype=np.int32)
    views: Views = ([], [])
    for number in range(count):
        start, end = rng.uniform([-2, -1.5, 6], [2, 1.5, 14], (2, 3))
        path = start + (end - start) * np.linspace(0, 1, len(frames))[:, None]
        for index, camera in enumerate(rig.cameras):
            centres = project(camera, path) + noise_px * rng.standard_normal((len(frames), 2))
            boxes = np.hstack([centres - 10, np.full((len(frames), 2), 20.0)]).astype(np.float32)
            views[index].append(BoxTrack(index, number, frames, boxes, np.full(len(frames), 0.9, np.float32)))
    return views


def rows_of(residuals: list[list[float]], deviation_px: float = 1.0) -> Rows:
    """Pairs with these residuals, their slopes left 0."""
    pairs = np.repeat(np.arange(len(residuals)), [len(own) for own in residuals])
    values = np.concatenate(residuals)
    size = len(values)
    return Rows(
        len(residuals),
        pairs,
        values,
        np.full(size, deviation_px),
        np.zeros((size, 4)),
        np.zeros((size, 2)),
        np.ones(size, np.bool_),
    )


def test_slopes_are_what_turning_the_second_camera_does(
    rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    first, second = crossing(rig, np.random.default_rng(0), 4)
    partners = list(zip(first, second, strict=True))
    rows = joint_rows(rig, partners, config, check)
    for axis in range(3):
        step = 1e-5 * np.eye(3)[axis]
        there, back = (joint_rows(turned(rig, side * step), partners, config, check).residuals_px for side in (1, -1))
        assert rows.slopes[:, axis] == pytest.approx((there - back) / 2e-5, rel=1e-3, abs=0.05)


def test_the_slope_of_time_is_what_another_frame_number_does(
    parallel_rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    # Half a pixel a frame down in both images: with a frame more the second camera sees what is half a pixel higher.
    frames = np.arange(12, dtype=np.int32)
    boxes = np.column_stack([30 + 1.5 * frames, 30 + 0.5 * frames, np.full((12, 2), 10.0)]).astype(np.float32)
    first, second = (BoxTrack(index, 0, frames, boxes, np.ones(12, np.float32)) for index in (0, 1))
    now = joint_rows(parallel_rig, [(first, second)], config, check)
    later = joint_rows(parallel_rig, [(first, shifted([second], 1)[0])], config, check)
    assert now.residuals_px == pytest.approx(np.zeros(12), abs=1e-4)
    assert np.abs(later.residuals_px) == pytest.approx(np.full(11, 0.5), abs=1e-4)
    assert now.slopes[:, 3] == pytest.approx(np.full(12, later.residuals_px[0]), abs=1e-3)


def test_velocities_of_even_motion_are_exact_across_gaps() -> None:
    frames = np.array([3, 4, 7, 8, 30], np.int32)
    values = np.column_stack([5 - 2.0 * frames, 1e4 + 0.25 * frames])
    value, change = moved(frames, values, sigma_frames=2.0)
    assert value == pytest.approx(values)
    # Nothing but frame 30 lies in its own window.
    assert change == pytest.approx(np.array([[-2, 0.25]] * 4 + [[0, 0]]), abs=1e-9)


def test_boxes_that_the_border_cuts_off_are_left_out(
    parallel_rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    # The image spans -0.5 to 100.5; with border_px 2 a box of side 10 has to begin within 1.5 to 88.5.
    left = np.array([1.4, 1.6, 50, 88.4, 88.6])
    boxes = np.column_stack([left, np.full((5, 3), [40.0, 10, 10])]).astype(np.float32)
    pair = [BoxTrack(index, 0, np.arange(5, dtype=np.int32), boxes, np.ones(5, np.float32)) for index in (0, 1)]
    rows = joint_rows(parallel_rig, [(pair[0], pair[1])], config, check)
    assert rows.pixels1[:, 0] == pytest.approx(left[1:4] + 5, abs=1e-4)


def test_the_turn_of_a_camera_is_found_about_every_axis(
    rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    fault = np.radians([0.15, -0.4, 0.25])
    # So vague a prior that it pulls by less than a thousandth.
    check = check.model_copy(update={"angle_spread_deg": 100.0})
    partners = list(zip(*crossing(rig, np.random.default_rng(1), 60), strict=True))
    fit = fit_rig(joint_rows(turned(rig, fault), partners, config, check), Measured(0.0, 10.0), config, check)
    assert np.degrees(fit.parameters[:3]) == pytest.approx(np.degrees(-fault), abs=0.005)
    assert fit.parameters[3] == pytest.approx(0, abs=0.02)


def test_estimates_scatter_as_their_deviations_say(
    rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    known = check.model_copy(update={"own_offset_px": 1e-3, "student_dof": 1e6})
    squares = []
    for seed in range(25):
        partners = list(zip(*crossing(rig, np.random.default_rng(seed), 20, noise_px=1.0), strict=True))
        fit = fit_rig(joint_rows(rig, partners, config, known), Measured(0.0, 10.0), config, known)
        squares.append((fit.parameters / fit.sigmas) ** 2)
    low, high = chi2.ppf([1e-3, 1 - 1e-3], 25)
    assert ((np.sum(squares, axis=0) > low) & (np.sum(squares, axis=0) < high)).all(), np.sum(squares, axis=0)


def test_what_many_pairs_in_one_place_do_not_measure_stays_unknown(
    parallel_rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    # In the middle row a turn about the vertical axis moves points along their epipolar lines.
    frames, rng = np.arange(10, dtype=np.int32), np.random.default_rng(6)
    partners = []
    for number in range(200):
        middles = np.array([55.0, 50]), np.array([45.0, 50])
        boxes = [
            np.hstack([middle - 5 + 0.3 * rng.standard_normal((10, 2)), np.full((10, 2), 10.0)]).astype(np.float32)
            for middle in middles
        ]
        first, second = (BoxTrack(index, number, frames, boxes[index], np.ones(10, np.float32)) for index in (0, 1))
        partners.append((first, second))
    fit = fit_rig(joint_rows(parallel_rig, partners, config, check), Measured(0.0, 4.0), config, check)
    assert np.degrees(fit.sigmas[1]) > 0.9
    assert np.degrees(fit.sigmas[0]) < 0.1


def test_one_pair_far_off_hardly_moves_the_fit(rig: StereoRig, config: StereoConfig, check: SelfCheckConfig) -> None:
    partners = list(zip(*crossing(rig, np.random.default_rng(2), 20, noise_px=0.5), strict=True))
    rows = joint_rows(rig, partners, config, check)
    spoilt = replace(rows, residuals_px=rows.residuals_px + 12.0 * (rows.pairs == 4))
    calm, shaken = (fit_rig(each, Measured(0.0, 10.0), config, check) for each in (rows, spoilt))
    assert shaken.pair_weights[4] < 0.05 < 0.5 < np.delete(shaken.pair_weights, 4).min()
    assert (np.abs(shaken.parameters - calm.parameters) < calm.sigmas).all()


def test_the_ends_of_partners_tell_the_offset(parallel_rig: StereoRig, check: SelfCheckConfig) -> None:
    def track(camera: int, start: int, end: int, left: float = 40.0) -> BoxTrack:
        box = np.array([[left, 40, 10, 10]], np.float32)
        return BoxTrack(camera, 0, np.array([start, end], np.int32), np.repeat(box, 2, axis=0), np.ones(2, np.float32))

    # The recordings last from 0 to 99; the first end of the third pair and both of the fourth one do not count.
    pairs = [
        (track(0, 10, 20), track(1, 8, 18)),
        (track(0, 30, 41), track(1, 28, 38)),
        (track(0, 0, 50), track(1, 3, 48)),
        (track(0, 60, 70), track(1, 66, 99, left=0.0)),
    ]
    views = [[pair[index] for pair in pairs] + [track(index, 0, 99)] for index in (0, 1)]
    # Differences 2, 2, 2, 3, 2: median 2; their median deviation is 0, so half a frame stands for it.
    few = t.ppf(0.995, 4) / norm.ppf(0.995)
    found = offset_of_ends(parallel_rig, pairs, views, check)
    assert found.value == 2
    assert found.sigma == pytest.approx(np.hypot(np.sqrt(np.pi / 2) * 0.5 * few / np.sqrt(5), 0.5))
    assert offset_of_ends(parallel_rig, pairs[2:], views, check) == Measured(0.0, 4.0)


def test_the_mean_residual_weighs_pairs_by_what_is_known_of_them(config: StereoConfig, check: SelfCheckConfig) -> None:
    sure = check.model_copy(update={"own_offset_px": 1.0, "student_dof": 1e9})
    rows = rows_of([[1.0, 3.0, 2.0, 2.0], [4.0]])
    # Variances of the means 1/4 and 1, with their own offsets 5/4 and 2: weights 4/5 and 1/2.
    found = mean_residual(rows, np.ones(5, np.bool_), config, sure)
    mean = (0.8 * 2 + 0.5 * 4) / 1.3
    assert found.value == pytest.approx(mean)
    disagreement = 2 * ((0.8 * (2 - mean)) ** 2 + (0.5 * (4 - mean)) ** 2) / 1.3**2
    assert found.sigma == pytest.approx(np.sqrt(max(1 / 1.3, disagreement)))
    assert np.isnan(mean_residual(rows, np.zeros(5, np.bool_), config, sure).value)


@pytest.mark.parametrize(
    ("value", "sigma", "state"),
    [
        (0.0, 0.1, State.SOUND),  # 0 + 1.645 * 0.1 < 2 * 0.1
        (0.0, 0.13, State.UNDECIDED),  # 1.645 * 0.13 > 0.2
        (0.09, 0.001, State.SOUND),  # sure, but tolerated
        (-0.2, 0.08, State.WRONG),  # 0.2 > 2.3 * 0.08
        (-0.2, 0.09, State.UNDECIDED),  # 0.2 < 2.3 * 0.09
    ],
)
def test_a_quantity_is_wrong_sound_or_undecided(
    check: SelfCheckConfig, value: float, sigma: float, state: State
) -> None:
    assert judge("yaw", Measured(value, sigma), check).state is state


def test_a_rig_is_sound_only_when_everything_was_measured(check: SelfCheckConfig) -> None:
    sound = {name: judge(name, Measured(0.0, 0.01), check) for name in NAMES}
    assert overall(sound) is State.SOUND
    assert overall({name: each for name, each in sound.items() if name != "yaw"}) is State.UNDECIDED
    assert overall(sound | {"roll": judge("roll", Measured(1.0, 0.01), check)}) is State.WRONG
    assert overall({}) is State.UNDECIDED


def test_cameras_that_are_swapped_see_things_meet_behind_them(
    parallel_rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    frames = np.arange(20, dtype=np.int32)
    views: Views = ([], [])
    for number in range(6):
        path = np.column_stack([0.5 + 0.02 * frames, np.full(20, 0.4 * number - 1), np.full(20, 5.0)])
        for index, camera in enumerate(parallel_rig.cameras):
            boxes = np.hstack([project(camera, path) - 2, np.full((20, 2), 4.0)]).astype(np.float32)
            views[index].append(BoxTrack(index, number, frames, boxes, np.ones(20, np.float32)))
    right = self_check(parallel_rig, *views, config, check)
    swapped = self_check(parallel_rig, *views[::-1], config, check)
    assert (right.quantities["behind"].value, swapped.quantities["behind"].value) == (0.0, 1.0)
    assert right.quantities["behind"].state is not State.WRONG
    assert swapped.state is State.WRONG
    assert "swapped" in " ".join(swapped.verdict)


@pytest.mark.parametrize("case", ["an empty camera", "no common frames", "too few tracks"])
def test_tracks_that_do_not_suffice_leave_it_undecided(
    rig: StereoRig, config: StereoConfig, check: SelfCheckConfig, case: str
) -> None:
    first, second = crossing(rig, np.random.default_rng(3), 2 if case == "too few tracks" else 5)
    second = {"an empty camera": [], "no common frames": shifted(second, 1000)}.get(case, second)
    found = self_check(rig, first, second, config, check)
    assert found.state is State.UNDECIDED
    assert found.quantities == {}
    assert found.best_offset == 0
    assert "fewer than fewest_tracks 3 pairs of partners, as hardly any tracks share frames" in found.verdict[0]


def test_a_rig_in_which_nothing_fits_is_not_called_short_of_tracks(
    rig: StereoRig, config: StereoConfig, check: SelfCheckConfig
) -> None:
    found = self_check(turned(rig, [0.35, 0, 0]), *crossing(rig, np.random.default_rng(3), 5), config, check)
    assert found.state is State.UNDECIDED
    assert "the calibration is far off" in found.verdict[0]


def test_regions_hold_the_pairs_seen_there(rig: StereoRig, config: StereoConfig, check: SelfCheckConfig) -> None:
    found = self_check(rig, *crossing(rig, np.random.default_rng(4), 8), config, check)
    assert [region.edges_px for region in found.regions[:2]] == [
        (-0.5, -0.5, 319.5, 239.5),
        (319.5, -0.5, 639.5, 239.5),
    ]
    assert sum(region.frames for region in found.regions) == len(found.rows.pairs)
    at = int(np.argmax([region.frames for region in found.regions]))
    left, top, right, bottom = found.regions[at].edges_px
    x, y = found.rows.pixels1.T
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    assert found.regions[at].frames == inside.sum()
    assert found.regions[at].pairs == len(set(found.rows.pairs[inside].tolist()))


def test_a_wrong_offset_shows_within_a_few_scenes(measured_noise: StereoConfig, check: SelfCheckConfig) -> None:
    rig, scenes = simulated(6)
    first, second = one_after_the_other(scenes)
    late = self_check(rig, first, shifted(second, 3), measured_noise, check)
    assert late.state is State.WRONG
    assert late.best_offset == -3
    assert late.quantities["offset"].value == pytest.approx(-3, abs=1.0)
    assert "add this to the second camera's frame numbers" in " ".join(late.verdict)


@pytest.mark.slow
def test_a_right_rig_is_trusted_and_a_small_yaw_is_found_in_a_long_recording(
    measured_noise: StereoConfig, check: SelfCheckConfig
) -> None:
    rig, scenes = simulated(60)
    views = one_after_the_other(scenes)
    check = check.model_copy(update={"max_offset_frames": 2})
    right = self_check(rig, *views, measured_noise, check)
    assert right.state is State.SOUND, right.verdict
    yawed = self_check(turned(rig, [0, FAULT_RAD, 0]), *views, measured_noise, check)
    assert yawed.state is State.WRONG
    assert {name for name, each in yawed.quantities.items() if each.state is State.WRONG} == {"yaw"}
    yaw = yawed.quantities["yaw"]
    assert yaw.value == pytest.approx(-0.2, abs=3 * yaw.sigma)


def test_one_short_scene_is_called_too_little_rather_than_sound(
    measured_noise: StereoConfig, check: SelfCheckConfig
) -> None:
    rig, scenes = simulated(1)
    found = self_check(rig, *scenes[0], measured_noise, check)
    assert found.state is State.UNDECIDED
    assert found.quantities["yaw"].state is State.UNDECIDED
    assert "pairs would tell" in " ".join(found.verdict)
