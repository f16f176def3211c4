import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stereo.conftest import BARREL, make_camera

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.stereo.geometry import project, undistort_normalised
from track_persistence.stereo.triangulation import BLOCK, Points, Status, triangulate


def views(rig: StereoRig, points: np.ndarray, sigma_px: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [project(camera, points) + sigma_px * rng.normal(size=(len(points), 2)) for camera in rig.cameras]


def cloud(count: int, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).uniform((-4, -2, 5), (4, 2, 30), (count, 3))


@settings(deadline=None, max_examples=60)
@given(x=st.floats(-4, 4), y=st.floats(-2, 2), z=st.floats(6, 60))
def test_projecting_and_triangulating_is_the_identity(x: float, y: float, z: float) -> None:
    rig = IDENTITY_RIG
    point = np.array([[x, y, z]])
    found = triangulate(rig, views(rig, point), sigma_px=1.0)
    assert found.status[0] == Status.OK
    np.testing.assert_allclose(found.positions_m, point, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.reprojection_px, 0, atol=1e-6)


def test_the_covariance_of_a_point_straight_ahead_is_the_one_derived_by_hand(parallel_rig: StereoRig) -> None:
    # Midway between the cameras at depth z = 10 with f = 100, b = 1: disparity d = f b / z, so
    # sigma_z = sqrt 2 z^2 / (f b) = sqrt 2, sigma_x = sigma_y = z / (f sqrt 2) = 0.1 / sqrt 2.
    point = np.array([[0.5, 0, 10]])
    found = triangulate(parallel_rig, views(parallel_rig, point), sigma_px=1.0)
    np.testing.assert_allclose(np.diag(found.covariances_m2[0]), [0.005, 0.005, 2], rtol=1e-9)


def test_triangulation_agrees_with_opencv_on_exact_pixels(rig: StereoRig) -> None:
    points = cloud(200)
    pixels = views(rig, points)
    rays = [undistort_normalised(camera, seen).T for camera, seen in zip(rig.cameras, pixels, strict=True)]
    homogeneous = cv2.triangulatePoints(*[camera.cam_from_world for camera in rig.cameras], *rays)
    found = triangulate(rig, pixels, sigma_px=1.0)
    np.testing.assert_allclose(found.positions_m, (homogeneous[:3] / homogeneous[3]).T, rtol=1e-7, atol=1e-7)


def test_noisy_points_are_no_worse_than_opencvs_optimal_correction(rig: StereoRig) -> None:
    points = cloud(3000)
    pixels = views(rig, points, sigma_px=1.0)
    rays = [undistort_normalised(camera, seen).T for camera, seen in zip(rig.cameras, pixels, strict=True)]
    homogeneous = cv2.triangulatePoints(*[camera.cam_from_world for camera in rig.cameras], *rays)
    found = triangulate(rig, pixels, sigma_px=1.0)
    ours = np.sqrt(((found.positions_m - points)[found.ok] ** 2).sum(1).mean())
    theirs = np.sqrt((((homogeneous[:3] / homogeneous[3]).T - points)[found.ok] ** 2).sum(1).mean())
    assert ours < 1.02 * theirs


def test_covariances_are_calibrated(rig: StereoRig) -> None:
    points = cloud(4000)
    found = triangulate(rig, views(rig, points, sigma_px=0.2), sigma_px=0.2)
    errors = (found.positions_m - points)[found.ok]
    squared = np.einsum("ni,nij,nj->n", errors, np.linalg.inv(found.covariances_m2[found.ok]), errors)
    # Chi-square with 3 degrees of freedom: mean 3, variance 6, so four deviations of the mean are 4 sqrt(6 / 4000).
    assert squared.mean() == pytest.approx(3, abs=4 * np.sqrt(6 / 4000))


def test_the_better_camera_weighs_more(rig: StereoRig) -> None:
    exact, off = views(rig, np.array([[0.0, 0, 8]]))[0], views(rig, np.array([[0.0, 0.2, 8]]))[1]
    equal = triangulate(rig, [exact, off], sigma_px=[1.0, 1.0])
    trusted = triangulate(rig, [exact, off], sigma_px=[0.1, 10.0])
    assert trusted.reprojection_px[0, 0] < 0.1 * equal.reprojection_px[0, 0]
    assert trusted.reprojection_px[0, 1] > 1.5 * equal.reprojection_px[0, 1]


def test_rays_that_meet_behind_the_cameras_give_no_point(parallel_rig: StereoRig) -> None:
    # A negative disparity of 20 px: the rays diverge in front.
    found = triangulate(parallel_rig, [np.array([[40.0, 50]]), np.array([[60.0, 50]])], sigma_px=1.0)
    assert found.status[0] == Status.BEHIND
    assert np.isnan(found.positions_m).all() and np.isnan(found.covariances_m2).all()


@pytest.mark.parametrize("disparity_px", [0.0, 2.0, -2.0])
def test_rays_parallel_within_their_noise_give_no_far_away_point(parallel_rig: StereoRig, disparity_px: float) -> None:
    # Two deviations of the ray angle are 2 sqrt 2 / 100 rad, a disparity of 2.83 px.
    pixels = np.array([[50.0 + disparity_px, 50]]), np.array([[50.0, 50]])
    assert triangulate(parallel_rig, pixels, sigma_px=1.0).status[0] == Status.PARALLEL
    if disparity_px > 0:
        assert triangulate(parallel_rig, pixels, sigma_px=0.1).status[0] == Status.OK


def test_a_pair_off_its_epipolar_line_becomes_an_outlier_only_when_asked(parallel_rig: StereoRig) -> None:
    # A vertical offset of 10 px is 10 / sqrt 2 = 7.07 deviations; two steps come within 1 % of it.
    found = triangulate(parallel_rig, [np.array([[60.0, 45]]), np.array([[50.0, 55]])], sigma_px=1.0)
    assert found.status[0] == Status.OK
    assert found.residual_sigmas[0] == pytest.approx(10 / np.sqrt(2), rel=0.01)
    assert found.with_outliers(7.0).status[0] == Status.OUTLIER
    assert found.with_outliers(7.1).status[0] == Status.OK


def test_a_batch_gives_what_each_point_gives_alone(rig: StereoRig) -> None:
    pixels = views(rig, cloud(20), sigma_px=1.0)
    batch = triangulate(rig, pixels, sigma_px=1.0)
    alone = [triangulate(rig, [seen[[i]] for seen in pixels], sigma_px=1.0) for i in range(20)]
    np.testing.assert_allclose(batch.positions_m, np.concatenate([one.positions_m for one in alone]), rtol=1e-9)


def test_no_points_are_no_error(rig: StereoRig) -> None:
    found: Points = triangulate(rig, np.empty((2, 0, 2)), sigma_px=1.0)
    assert len(found) == 0


@pytest.mark.parametrize(
    ("first", "second", "sigma", "reason"),
    [
        ([[1.0, np.nan]], [[1.0, 2.0]], 1.0, "camera left: row 0: pixel .* NaN twice"),
        ([[1.0, np.inf]], [[1.0, 2.0]], 1.0, "camera left: row 0: pixel"),
        ([[1, 2]], [[1.0, 2.0]], 1.0, "camera left: expected floating-point"),
        ([[1.0, 2.0]], [[1.0, 2.0]] * 2, 1.0, r"pixels of shapes \[\(1, 2\), \(2, 2\)\]; expected \(2, N, 2\)"),
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], 1.0, r"expected \(2, N, 2\)"),
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.0, "above 0 pixels"),
        ([[1.0, 2.0]], [[1.0, 2.0]], [1.0, np.nan], "above 0 pixels"),
        ([[1.0, 2.0]], [[1.0, 2.0]], [1.0] * 3, "sigma_px: expected a number"),
    ],
)
def test_bad_input_is_named(rig: StereoRig, first: list, second: list, sigma: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        triangulate(rig, [np.array(first), np.array(second)], sigma)


def test_a_point_that_one_camera_saw_has_no_position(rig: StereoRig) -> None:
    pixels = np.stack(views(rig, cloud(3)))
    pixels[1, 1] = np.nan
    sigmas = np.where(np.isnan(pixels[:, :, 0]), np.nan, 1.0)
    found = triangulate(rig, pixels, sigmas)
    assert found.status.tolist() == [Status.OK, Status.ONE_VIEW, Status.OK]
    assert np.isnan(found.positions_m[1]).all() and np.isnan(found.reprojection_px[1]).all()
    assert found.ray_angles_rad[1] == 0


def trio() -> CameraRig:
    third = make_camera("top", 0.1, 0.0, ())
    return CameraRig((make_camera("left", -0.25, 0.03, BARREL), make_camera("right", 0.25, -0.03, ()), third))


def test_a_third_view_sharpens_the_covariance_by_its_own_information() -> None:
    """Information adds: the inverse covariance of three views is half the sum of those of the three pairs."""
    rig, points = trio(), cloud(50)
    pixels = np.stack([project(camera, points) for camera in rig.cameras])
    all_three = triangulate(rig, pixels, 1.0)
    by_pair = [triangulate(rig.pair(i, j), pixels[[i, j]], 1.0) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert all_three.ok.all()
    np.testing.assert_allclose(all_three.positions_m, points, atol=1e-5)
    usable = np.all([found.ok for found in by_pair], axis=0)
    assert usable.sum() > 10
    total = sum(np.linalg.inv(found.covariances_m2[usable]) for found in by_pair) / 2
    np.testing.assert_allclose(np.linalg.inv(all_three.covariances_m2[usable]), total, rtol=1e-4, atol=1e-6)


def test_a_view_that_is_missing_leaves_what_the_others_say() -> None:
    rig, points = trio(), cloud(40)
    rng = np.random.default_rng(8)
    pixels = np.stack([project(camera, points) + rng.normal(size=(40, 2)) for camera in rig.cameras])
    two = triangulate(rig.pair(0, 1), pixels[:2], 1.0)
    pixels[2] = np.nan
    found = triangulate(rig, pixels, 1.0)
    np.testing.assert_allclose(found.positions_m, two.positions_m, rtol=1e-9)
    np.testing.assert_allclose(found.covariances_m2, two.covariances_m2, rtol=1e-9)
    assert found.status.tolist() == two.status.tolist()
    assert np.isnan(found.reprojection_px[:, 2]).all()


def test_blocks_do_not_show(rig: StereoRig) -> None:
    """A point is the same wherever it stands among more points than fit one block."""
    pixels = np.stack(views(rig, cloud(BLOCK + 10), sigma_px=1.0))
    whole, rest = triangulate(rig, pixels, 1.0), triangulate(rig, pixels[:, BLOCK - 5 :], 1.0)
    np.testing.assert_array_equal(whole.positions_m[BLOCK - 5 :], rest.positions_m)
    np.testing.assert_array_equal(whole.status[BLOCK - 5 :], rest.status)


def _identity_rig() -> StereoRig:
    from track_persistence.core.rig import Camera

    intrinsics = np.array([[800.0, 0, 639.5], [0, 805, 359.5], [0, 0, 1]])
    first, second = (
        Camera(
            f"at {x}",
            intrinsics,
            np.array([-0.1, 0.01, 0.001, 0.0]),
            np.column_stack([np.eye(3), [-x, 0, 0]]),
            (1280, 720),
            25.0,
        )
        for x in (0.0, 0.5)
    )
    return StereoRig((first, second))


IDENTITY_RIG = _identity_rig()
