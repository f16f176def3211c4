"""What lasting errors add to a covariance: by hand for a still and for a moving thing, and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.stereo.tracks import bench_rig, paths_in_view
from scipy.stats import chi2

from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import BiasConfig, LastingConfig, SmoothingConfig, StereoConfig
from track_persistence.stereo.geometry import project
from track_persistence.stereo.lasting import added_to_paths, added_to_points, bias_sigmas_px, lasting_shifts_px
from track_persistence.stereo.observations import Observations, cut_axes, observe
from track_persistence.stereo.smoothing import SmoothedPath, smooth
from track_persistence.stereo.triangulation import triangulate

NONE = BiasConfig(pixel_sigma_px=0.0, size_sigma=0.0, cut_size_sigma=0.0)
FIFTH = NONE.model_copy(update={"size_sigma": 0.2})
SMOOTHING = SmoothingConfig(
    motion="constant_velocity", process_psd=0.1, speed_sigma_mps=5.0, student_dof=None, iterations=5, max_sigma_m=10.0
)
DEPTH_M, SIDE_PX = 5.0, 20.0  # of a thing of 1 m before the rig of the fixture, whose f is 100 px and baseline 1 m


def lasting(shared: BiasConfig = NONE, own: BiasConfig = NONE, clock: float = 0.0) -> LastingConfig:
    return LastingConfig(shared=shared, own=own, border_px=2.0, clock_sigma_frames=clock)


def members_of(rig: StereoRig, path_m: np.ndarray, side_px: float = SIDE_PX) -> list[BoxTrack]:
    frames = np.arange(len(path_m), dtype=np.int32)
    sides = np.full((len(path_m), 2), side_px)
    return [
        BoxTrack(
            number,
            1,
            frames,
            np.hstack([project(camera, path_m) - sides / 2, sides]).astype(np.float32),
            np.ones(len(frames), np.float32),
        )
        for number, camera in enumerate(rig.cameras)
    ]


def still(frames: int, x_m: float = 0.5) -> np.ndarray:
    return np.tile([x_m, 0.0, DEPTH_M], (frames, 1))


def added(
    rig: StereoRig, path_m: np.ndarray, errors: LastingConfig, config: StereoConfig, motion: SmoothingConfig = SMOOTHING
) -> np.ndarray:
    members = members_of(rig, path_m)
    seen = observe(members, config)
    (found,) = added_to_paths(
        rig, [seen], smooth(rig, [seen], motion), [lasting_shifts_px(rig, members, seen, errors)], (motion, errors)
    )
    return found


@pytest.mark.parametrize("dof", [None, 5.0])
@pytest.mark.parametrize("frames", [5, 40])
def test_an_error_of_all_cameras_moves_a_thing_across_by_its_share_of_the_thing_however_long_it_is_seen(
    parallel_rig: StereoRig, config: StereoConfig, frames: int, dof: float | None
) -> None:
    found = added(
        parallel_rig, still(frames), lasting(FIFTH), config, SMOOTHING.model_copy(update={"student_dof": dof})
    )
    # A fifth of 1 m along x and along y; the disparity, and with it the depth, stays.
    np.testing.assert_allclose(found, np.tile(np.diag([1 / 25, 1 / 25, 0]), (frames, 1, 1)), atol=2e-4)


def test_an_error_of_each_camera_alone_moves_the_depth(parallel_rig: StereoRig, config: StereoConfig) -> None:
    found = added(parallel_rig, still(20), lasting(own=FIFTH), config)
    # Each centre is off by 4 px, so the disparity of 20 px by 4 sqrt(2), and the depth by as large a share of 5 m.
    np.testing.assert_allclose(found[:, 2, 2], 2 * (4 / 20 * DEPTH_M) ** 2, rtol=0.01)
    # The rows agree within their noise in both cameras, and their mean has half the variance.
    np.testing.assert_allclose(found[:, 1, 1], (1 / 5) ** 2 / 2, rtol=0.01)


def test_a_clock_that_is_off_takes_sideways_motion_for_depth(parallel_rig: StereoRig, config: StereoConfig) -> None:
    speed_mps, late = 2.0, 1.5
    path = still(25, 0.0) + np.outer((np.arange(25) - 12) / 25, [speed_mps, 0, 0])
    found = added(parallel_rig, path, lasting(clock=late), config)
    # The second camera's 1.5 frames are 0.12 m of the way, beside a baseline of 1 m.
    np.testing.assert_allclose(found[12, 2, 2], (DEPTH_M * speed_mps * late / 25) ** 2, rtol=0.03)
    np.testing.assert_allclose(added(parallel_rig, still(25), lasting(clock=late), config), 0, atol=1e-12)


def test_only_a_box_that_the_border_cuts_off_has_the_error_of_cut_boxes(
    parallel_rig: StereoRig, config: StereoConfig
) -> None:
    # At x = -2 m the left camera has the box at 0 to 20 px of its 101, the right one outside.
    members = [members_of(parallel_rig, np.array([[-2.0, 0, DEPTH_M], [-1.0, 0, DEPTH_M]]))[0], None]
    cut = NONE.model_copy(update={"cut_size_sigma": 0.25})
    found = bias_sigmas_px(parallel_rig, members, observe(members, config), cut, 2.0)
    assert cut_axes(parallel_rig.cameras[0], members[0], 2.0).tolist() == [[True, False], [False, False]]
    assert found.tolist() == [[[SIDE_PX / 4, 0], [0, 0]], [[0, 0], [0, 0]]]


def test_a_box_of_no_size_still_has_an_error_in_pixels(parallel_rig: StereoRig, config: StereoConfig) -> None:
    members = members_of(parallel_rig, still(3))
    bias = BiasConfig(pixel_sigma_px=3.0, size_sigma=0.2, cut_size_sigma=0.0)
    # 3 px and a fifth of 20 px add up in squares.
    np.testing.assert_allclose(bias_sigmas_px(parallel_rig, members, observe(members, config), bias, 2.0), 5.0)


def test_a_triangulated_point_moves_as_a_still_path_does(parallel_rig: StereoRig, config: StereoConfig) -> None:
    members = members_of(parallel_rig, still(3))
    seen = observe(members, config)
    shifts = lasting_shifts_px(parallel_rig, members, seen, lasting(FIFTH, FIFTH))
    points = triangulate(parallel_rig, seen.pixels, seen.sigmas_px)
    found = added_to_points(parallel_rig, seen, points, shifts)
    np.testing.assert_allclose(
        found, added(parallel_rig, still(3), lasting(FIFTH, FIFTH), config), rtol=0.05, atol=5e-3
    )


def test_groups_of_unlike_length_do_not_touch_each_other(parallel_rig: StereoRig, config: StereoConfig) -> None:
    errors = lasting(FIFTH, FIFTH, 1.0)
    ways = [still(9), still(30, 0.3) + np.outer(np.arange(30) / 25, [0.2, 0.1, 0.3])]
    together = [members_of(parallel_rig, way) for way in ways]
    seen = [observe(members, config) for members in together]
    shifts = [lasting_shifts_px(parallel_rig, *pair, errors) for pair in zip(together, seen, strict=True)]
    found = added_to_paths(parallel_rig, seen, smooth(parallel_rig, seen, SMOOTHING), shifts, (SMOOTHING, errors))
    for way, one in zip(ways, found, strict=True):
        np.testing.assert_allclose(one, added(parallel_rig, way, errors, config), rtol=1e-6, atol=1e-9)


def _nees(truth: np.ndarray, paths: list[SmoothedPath]) -> np.ndarray:
    errors = np.stack([path.positions_m for path in paths]) - truth
    covariances = np.stack([path.covariances_m2 for path in paths])
    return np.einsum("nfi,nfi->nf", errors, np.linalg.solve(covariances, errors[..., None])[..., 0])


def test_paths_with_lasting_errors_are_as_uncertain_as_they_say(config: StereoConfig) -> None:
    rig, rng, count, frames = bench_rig(), np.random.default_rng(1), 200, 40
    shared, own = (NONE.model_copy(update={"pixel_sigma_px": sigma}) for sigma in (6.0, 0.5))
    errors = lasting(shared, own, clock=0.3)
    truth = paths_in_view(rig, count, frames, 0.1, rng)
    velocity = np.gradient(truth, axis=1)
    seen, shifts = [], []
    for path, change in zip(truth, velocity, strict=True):
        members = members_of(rig, path)
        clean = observe(members, config)
        late = path + rng.normal(0, 0.3) * change
        pixels = np.stack([project(rig.cameras[0], path), project(rig.cameras[1], late)])
        pixels += rng.normal(0, 6.0, 2) + rng.normal(0, 0.5, (2, 1, 2)) + rng.standard_normal(pixels.shape)
        seen.append(Observations(clean.frames, pixels, np.ones((2, frames)), clean.confidences))
        shifts.append(lasting_shifts_px(rig, members, seen[-1], errors))
    paths = smooth(rig, seen, SMOOTHING)
    more = added_to_paths(rig, seen, paths, shifts, (SMOOTHING, errors))
    honest = [replace(path, covariances_m2=path.covariances_m2 + each) for path, each in zip(paths, more, strict=True)]
    low, high = chi2.ppf((0.025, 0.975), 3 * count) / count
    assert low < _nees(truth, honest)[:, frames // 2].mean() < high
    assert _nees(truth, paths)[:, frames // 2].mean() > 10 * high
