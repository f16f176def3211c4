"""A covariance stays one where the prior is wide and the cameras are near and sharp."""

import numpy as np
import pytest

from track_persistence.stereo.smoothing import _update


@pytest.mark.parametrize("roll_rad", [0.0, 0.3, 0.8])
def test_sharp_views_of_a_point_of_unknown_place_leave_a_positive_covariance(roll_rad: float) -> None:
    # Two cameras at a right angle and a third between them, 500 px per metre, rolled; the prior deviation is 1 km, the
    # pixels' 0.5 px. Information adds up, so that the posterior is known: (prior^-1 + sum H^T H / sigma^2)^-1.
    turn, roll = np.sqrt(0.5), np.array([[np.cos(roll_rad), -np.sin(roll_rad)], [np.sin(roll_rad), np.cos(roll_rad)]])
    rights = np.array([[1.0, 0, 0], [0, 1, 0], [turn, turn, 0]])
    slopes = [500 * roll @ np.stack([right, [0.02, 0.01, -1.0]]) for right in rights]
    prior = np.diag([1e6, 1e6, 1e6, 25.0, 25.0, 25.0])
    variance = np.array([0.25])
    mean, covariance = np.zeros((1, 6)), prior[None]
    for slope in slopes:
        mean, covariance, gained = _update((mean, covariance), np.zeros((1, 2)), slope[None], variance)
        assert np.isfinite(gained).all()
        assert np.linalg.eigvalsh(covariance[0]).min() > 0
    information = np.linalg.inv(prior[:3, :3]) + sum(slope.T @ slope / variance[0] for slope in slopes)
    assert covariance[0, :3, :3] == pytest.approx(np.linalg.inv(information), rel=0.01)
