from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, Lens, StereoRig
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


def test_undistortion_of_an_action_camera_is_exact_where_opencvs_default_is_pixels_off() -> None:
    """The radius solves r (1 - 0.26 r^2 + 0.08 r^4 - 0.01 r^6) = |(x, y)|, a root that scipy finds."""
    k1, k2, k3 = -0.26, 0.08, -0.01
    intrinsics = np.array([[960.0, 0, 959.5], [0, 960, 539.5], [0, 0, 1]])
    camera = Camera("action", intrinsics, np.array([k1, k2, 0, 0, k3]), np.eye(3, 4), (1920, 1080), 25.0)
    bent = (grid(camera) - intrinsics[:2, 2]) / 960
    radii = np.linalg.norm(bent, axis=1)

    def excess(r: float, wanted: float) -> float:
        return r * (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) - wanted

    # The left side grows up to r = 1.93, where it is 1.2.
    exact = np.array([brentq(excess, 0, 1.93, args=(radius,), xtol=1e-14) for radius in radii])
    rays = bent * (exact / np.maximum(radii, 1e-300))[:, None]
    ours = geometry.undistort_normalised(camera, grid(camera))
    default = cv2.undistortPoints(grid(camera)[:, None], intrinsics, camera.distortion).reshape(-1, 2)
    np.testing.assert_allclose(ours, rays, atol=1e-10)
    assert np.linalg.norm(geometry.distort(camera, ours) - grid(camera), axis=1).max() < 1e-6
    assert np.linalg.norm(geometry.distort(camera, default) - grid(camera), axis=1).max() > 1.6
    assert 960 * np.linalg.norm(default - rays, axis=1).max() > 1.6


@pytest.fixture
def fisheye(rig: StereoRig) -> Camera:
    """A lens whose corners see 61 degrees off its axis."""
    bends = np.array([0.05, -0.02, 0.01, -0.003])
    return replace(rig.cameras[0], intrinsics=np.array([[700.0, 0, 639.5], [0, 705, 359.5], [0, 0, 1]]),
                   distortion=bends, lens=Lens.FISHEYE)  # fmt: skip


def test_a_fisheye_projects_as_opencvs_does_and_every_pixel_comes_back(fisheye: Camera) -> None:
    points = np.random.default_rng(0).uniform((-4, -2, 3), (4, 2, 30), (50, 3))
    turn = cv2.Rodrigues(fisheye.rotation)[0]
    expected, _ = cv2.fisheye.projectPoints(
        points[:, None], turn, fisheye.translation_m, fisheye.intrinsics, fisheye.distortion
    )
    np.testing.assert_allclose(geometry.project(fisheye, points), expected[:, 0], atol=1e-9)
    back = geometry.distort(fisheye, geometry.undistort_normalised(fisheye, grid(fisheye)))
    np.testing.assert_allclose(back, grid(fisheye), atol=1e-6)


def test_a_fisheye_without_coefficients_is_equidistant(fisheye: Camera) -> None:
    # A pixel f theta from the centre is a ray theta off the axis: 700 px times pi / 4 is 45 degrees, tan = 1.
    plain = replace(fisheye, distortion=np.zeros(4))
    seen = geometry.undistort_normalised(plain, np.array([[639.5 + 700 * np.pi / 4, 359.5], [639.5, 359.5]]))
    np.testing.assert_allclose(seen, [[1, 0], [0, 0]], atol=1e-12)


def test_a_fisheye_ray_at_a_right_angle_or_beyond_is_refused(fisheye: Camera) -> None:
    plain = replace(fisheye, distortion=np.zeros(4))
    with pytest.raises(DataError, match=r"camera left: pixel .* has no undistorted position .*the fisheye coeff"):
        geometry.undistort_normalised(plain, np.array([[639.5 + 700 * 1.6, 359.5]]))


@pytest.mark.parametrize("kind", ["plain", "rational", "fisheye"])
def test_the_derivative_of_a_projection_agrees_with_differences(rig: StereoRig, fisheye: Camera, kind: str) -> None:
    rational = replace(rig.cameras[0], distortion=np.array([0.1, 0.05, 0.001, 0.002, 0.01, 0.2, 0.1, 0.02]))
    camera = {"plain": rig.cameras[1], "rational": rational, "fisheye": fisheye}[kind]
    points, step = np.random.default_rng(4).uniform((-3, -2, 5), (3, 2, 20), (20, 3)), 1e-5
    pixels, jacobian = geometry.project_with_jacobian(camera, points)
    np.testing.assert_allclose(pixels, geometry.project(camera, points), atol=1e-9)
    for axis in range(3):
        move = np.eye(3)[axis] * step
        slope = (geometry.project(camera, points + move) - geometry.project(camera, points - move)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, axis], slope, atol=1e-4)


def test_exactly_parallel_rays_meet_nowhere(parallel_rig: StereoRig) -> None:
    rays = np.array([[0.1, 0.2]])
    first, second, angle = geometry.meeting_depths(parallel_rig, rays, rays)
    assert np.isnan([first[0], second[0]]).all() and angle[0] == 0


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
