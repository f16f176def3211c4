"""The matrices of the motion models against fractions worked out by hand for half a second between frames."""

import numpy as np
import pytest

from track_persistence.core.errors import ParamsError
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.motion import UNKNOWN_POSITION_M, MotionModel, motion_model


def model(motion: str, psd: float = 1.0, frame_rate_hz: float = 2.0) -> MotionModel:
    config = SmoothingConfig(
        motion=motion, process_psd=psd, speed_sigma_mps=3.0, student_dof=None, iterations=1, max_sigma_m=1.0
    )
    return motion_model(config, frame_rate_hz)


def test_constant_velocity_is_the_textbook_matrix_in_every_axis() -> None:
    # h = 1/2: the noise is [[h^3 / 3, h^2 / 2], [h^2 / 2, h]] times the density.
    found = model("constant_velocity", psd=6.0)
    np.testing.assert_allclose(found.transition, np.kron([[1, 1 / 2], [0, 1]], np.eye(3)), rtol=1e-15)
    np.testing.assert_allclose(found.noise, 6 * np.kron([[1 / 24, 1 / 8], [1 / 8, 1 / 2]], np.eye(3)), rtol=1e-15)


def test_constant_acceleration_is_the_textbook_matrix_in_every_axis() -> None:
    # h = 1/2: the noise is [[h^5 / 20, h^4 / 8, h^3 / 6], [., h^3 / 3, h^2 / 2], [., ., h]] times the density.
    found = model("constant_acceleration", psd=2.0)
    noise = [[1 / 640, 1 / 128, 1 / 48], [1 / 128, 1 / 24, 1 / 8], [1 / 48, 1 / 8, 1 / 2]]
    steps = [[1, 1 / 2, 1 / 8], [0, 1, 1 / 2], [0, 0, 1]]
    np.testing.assert_allclose(found.transition, np.kron(steps, np.eye(3)), rtol=1e-15)
    np.testing.assert_allclose(found.noise, 2 * np.kron(noise, np.eye(3)), rtol=1e-15)


@pytest.mark.parametrize("motion", ["constant_velocity", "constant_acceleration"])
def test_two_short_steps_are_one_long_step(motion: str) -> None:
    short, long = model(motion, frame_rate_hz=50.0), model(motion, frame_rate_hz=25.0)
    np.testing.assert_allclose(short.transition @ short.transition, long.transition, rtol=1e-12)
    twice = short.transition @ short.noise @ short.transition.T + short.noise
    np.testing.assert_allclose(twice, long.noise, rtol=1e-12)


@pytest.mark.parametrize(("motion", "degree"), [("constant_velocity", 1), ("constant_acceleration", 2)])
def test_before_anything_is_seen_positions_are_open_and_the_rest_is_as_configured(motion: str, degree: int) -> None:
    variances = [UNKNOWN_POSITION_M**2] * 3 + [9.0] * 3 * degree
    np.testing.assert_array_equal(model(motion).prior, np.diag(variances))


def test_off_is_no_motion_model() -> None:
    with pytest.raises(ParamsError, match=r"smoothing\.motion is off"):
        model("off")
