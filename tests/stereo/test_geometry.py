from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.stereo import geometry


def grid(camera: Camera) -> np.ndarray:
    width, height = camera.image_size_px
    return np.stack(np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 7)), -1).reshape(-1, 2)


def test_a_point_on_the_axis_lands_on_the_principal_point_whatever_the_lens(rig: StereoRig) -> None:
    for camera in rig.cameras:
        ahead = camera.centre_m + 7 * camera.rotation[2]
        np.testing.assert_allclose(geometry.project(camera, ahead[None]), [[639.5, 359.5]], atol=1e-9)


def test_projection_agrees_with_opencv(rig: StereoRig) -> None:
    points = np.random.default_rng(0).uniform((-4, -2, 5), (4, 2, 30), (50, 3))
    for camera in rig.cameras:
        rotation = cv2.Rodrigues(camera.rotation)[0]
        expected = cv2.projectPoints(points, rotation, camera.translation_m, camera.intrinsics, camera.distortion)[0]
        np.testing.assert_allclose(geometry.project(camera, points), expected[:, 0], atol=1e-9)


def test_every_pixel_of_the_image_survives_undistortion_and_back(rig: StereoRig) -> None:
    for camera in rig.cameras:
        back = geometry.distort(camera, geometry.undistort_normalised(camera, grid(camera)))
        np.testing.assert_allclose(back, grid(camera), atol=1e-6)


def test_opencvs_default_iterations_would_not_have_converged(rig: StereoRig) -> None:
    camera = rig.cameras[0]
    default = cv2.undistortPoints(grid(camera)[:, None], camera.intrinsics, camera.distortion).reshape(-1, 2)
    assert np.abs(geometry.distort(camera, default) - grid(camera)).max() > 50 * geometry.MAX_UNDISTORT_RESIDUAL_PX


def test_a_pixel_where_the_lens_model_has_no_inverse_is_named(rig: StereoRig) -> None:
    # x (1 - 0.3 x^2) grows up to x = 1.05 only, where it is 0.70: no ray leads farther out than 562 px.
    barrel = replace(rig.cameras[0], distortion=np.array([-0.3, 0, 0, 0]))
    with pytest.raises(DataError, match=r"camera left: pixel \[1239.5, 359.5\] has no undistorted position"):
        geometry.undistort_normalised(barrel, np.array([[1139.5, 359.5], [1239.5, 359.5]]))


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.array([[1.0, 2], [np.nan, 3]]), "row 1: pixel .*; expected finite"),
        (np.array([[1, 2]]), "expected floating-point pixels, got int64; do not round"),
        (np.array([1.0, 2]), r"expected pixels of shape \(N, 2\), got \(2,\)"),
    ],
)
def test_pixels_that_are_none_are_refused(rig: StereoRig, pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        geometry.undistort_normalised(rig.cameras[0], pixels)


def test_no_pixels_are_no_error(rig: StereoRig) -> None:
    assert geometry.undistort_normalised(rig.cameras[0], np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("distortion", [(), (-0.3, 0.1, 0.002, 0.001), (0.1, 0.05, 0.001, 0.002, 0.01, 0.2, 0.1, 0.02)])
def test_the_lens_derivative_agrees_with_differences(rig: StereoRig, distortion: tuple[float, ...]) -> None:
    plain = rig.cameras[0]
    camera = Camera("lens", plain.intrinsics, np.array(distortion), plain.cam_from_world, (1280, 720), 25.0)
    rays, step = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 2)), 1e-6
    jacobian = geometry.pixel_from_normalised(camera, rays)
    for axis in range(2):
        move = np.eye(2)[axis] * step
        slope = (geometry.distort(camera, rays + move) - geometry.distort(camera, rays - move)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, axis], slope, atol=1e-5)


def test_two_views_of_one_point_lie_on_each_others_epipolar_lines(rig: StereoRig) -> None:
    points = np.random.default_rng(2).uniform((-4, -2, 5), (4, 2, 30), (50, 3))
    pixels = [geometry.project(camera, points) for camera in rig.cameras]
    np.testing.assert_allclose(geometry.sampson_px(rig, *pixels), 0, atol=1e-6)


def test_a_vertical_offset_between_parallel_cameras_is_shared_by_both_images(parallel_rig: StereoRig) -> None:
    # The nearest exact pair moves each point by half the offset: |(1/2, 1/2)| = 1 / sqrt 2.
    error = geometry.sampson_px(parallel_rig, np.array([[60.0, 40]]), np.array([[50.0, 41]]))
    np.testing.assert_allclose(np.abs(error), 1 / np.sqrt(2), rtol=1e-12)


def test_the_deviation_of_a_residual_adds_both_views_in_squares(parallel_rig: StereoRig) -> None:
    rays = np.array([[0.1, 0.0]]), np.array([[0.0, 0.07]])
    residual, deviation = geometry.epipolar_residuals(parallel_rig, *rays, sigma1=3.0, sigma2=4.0)
    np.testing.assert_allclose(np.abs(residual), 7.0)
    np.testing.assert_allclose(deviation, 5.0)


def test_unit_noise_gives_unit_standardised_residuals(rig: StereoRig) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform((-4, -2, 10), (4, 2, 30), (20_000, 3))
    noisy = [geometry.project(camera, points) + rng.normal(0, 1, (20_000, 2)) for camera in rig.cameras]
    # The deviation of a sample deviation is 1 / sqrt(2 N) = 0.005; the lens stretches pixels by a few per cent.
    assert geometry.sampson_px(rig, *noisy).std() == pytest.approx(1, abs=0.05)


@settings(deadline=None, max_examples=50)
@given(depth_m=st.floats(2, 100), x_m=st.floats(-1, 1))
def test_rays_meet_at_the_depth_of_disparity(depth_m: float, x_m: float) -> None:
    intrinsics = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    pair = StereoRig(
        tuple(
            Camera(str(x), intrinsics, np.empty(0), np.column_stack([np.eye(3), [-x, 0, 0]]), (101, 101), 25.0)
            for x in (0.0, 1.0)
        )  # type: ignore[arg-type]
    )
    rays = np.array([[x_m / depth_m, 0]]), np.array([[(x_m - 1) / depth_m, 0]])
    first, second, angle = geometry.meeting_depths(pair, *rays)
    np.testing.assert_allclose([first[0], second[0]], depth_m, rtol=1e-6)
    expected = np.arctan(x_m / depth_m) - np.arctan((x_m - 1) / depth_m)
    np.testing.assert_allclose(angle, expected, rtol=1e-6)
