"""Linear Kalman smoothers of triangulated points, tuned with the truth on the paths that they are scored on.

Over frames without gaps a Rauch-Tung-Striebel smoother is the regression of a Gaussian process whose covariance is that
of the motion model, so the whole batch is one matrix product; `stone_soup` computes the same by its recursion.
N paths, F frames.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from benchmarks.stereo.tracks import FRAME_RATE_HZ, Array
from scipy.optimize import minimize_scalar
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.smoother.kalman import KalmanSmoother
from stonesoup.types.detection import Detection
from stonesoup.types.hypothesis import SingleHypothesis
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup.updater.kalman import KalmanUpdater

POSITION_SIGMA_M, SPEED_SIGMA_MPS = 1e3, 5.0
LOG_PSDS = (-12.0, 8.0)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Positions (N, F, 3), covariances (N, F, 3, 3) and the noise: psd in m^2/s^3, deviation of a point per axis."""

    positions_m: Array
    covariances_m2: Array
    psd: float
    sigma_m: float


def prior(frames: int, psd: float) -> Array:
    """Return the covariance (F, F) of one axis of a path with white acceleration (integrated Wiener process)."""
    times = np.arange(frames) / FRAME_RATE_HZ
    first = np.minimum.outer(times, times)
    wiener = first**3 / 3 + np.abs(np.subtract.outer(times, times)) * first**2 / 2
    return POSITION_SIGMA_M**2 + SPEED_SIGMA_MPS**2 * np.outer(times, times) + psd * wiener


def isotropic(points_m: Array, truth_m: Array) -> Smoothed:
    """Return the smoother in which all points and axes have one deviation: psd and deviation of the least RMSE.

    Only the ratio of the two matters to the RMSE; covariances are scaled to the mean square of the true errors.
    """
    sigma_m = float(np.sqrt(((points_m - truth_m) ** 2).mean()))
    frames = points_m.shape[1]

    def run(log_psd: float) -> tuple[Array, Array]:
        path = prior(frames, np.exp(log_psd))
        gain = np.linalg.solve(path + sigma_m**2 * np.eye(frames), path).T
        return np.einsum("ij,njk->nik", gain, points_m), np.diag(gain)

    best = minimize_scalar(lambda log_psd: ((run(log_psd)[0] - truth_m) ** 2).mean(), bounds=LOG_PSDS).x
    positions_m, shape = run(best)
    scale = ((positions_m - truth_m) ** 2).mean() / shape.mean()
    covariances_m2 = np.broadcast_to((scale * shape)[:, None, None] * np.eye(3), (*points_m.shape, 3))
    return Smoothed(positions_m, covariances_m2, float(np.exp(best)), sigma_m)


def weighted(points_m: Array, covariances_m2: Array, truth_m: Array) -> Smoothed:
    """Return the smoother in which each point has its own covariance, (N, F, 3, 3): the psd of the least RMSE."""
    count, frames, _ = points_m.shape
    noise = np.zeros((count, frames, 3, frames, 3))
    steps = np.arange(frames)
    noise[:, steps, :, steps, :] = covariances_m2.transpose(1, 0, 2, 3)
    noise = noise.reshape(count, 3 * frames, 3 * frames)

    def run(log_psd: float) -> tuple[Array, Array]:
        path = np.kron(prior(frames, np.exp(log_psd)), np.eye(3))
        gain = np.linalg.solve(path + noise, path).transpose(0, 2, 1)
        return np.einsum("nij,nj->ni", gain, points_m.reshape(count, -1)).reshape(points_m.shape), gain

    best = minimize_scalar(
        lambda log_psd: ((run(log_psd)[0] - truth_m) ** 2).mean(), bounds=LOG_PSDS, options={"xatol": 0.1}
    ).x
    positions_m, gain = run(best)
    posterior = (gain @ noise).reshape(count, frames, 3, frames, 3)[:, steps, :, steps, :].transpose(1, 0, 2, 3)
    return Smoothed(positions_m, (posterior + posterior.swapaxes(2, 3)) / 2, float(np.exp(best)), float("nan"))


def stone_soup(points_m: Array, tuned: Smoothed) -> Array:
    """Return one path (F, 3) as smoothed by Stone Soup with the noise of `tuned`."""
    transition = CombinedLinearGaussianTransitionModel([ConstantVelocity(tuned.psd)] * 3)
    measurement = LinearGaussian(6, (0, 2, 4), tuned.sigma_m**2 * np.eye(3))
    predictor, updater = KalmanPredictor(transition), KalmanUpdater(measurement)
    times = [datetime(2000, 1, 1) + timedelta(seconds=frame / FRAME_RATE_HZ) for frame in range(len(points_m))]
    start = np.diag([POSITION_SIGMA_M**2, SPEED_SIGMA_MPS**2] * 3)
    state, track = GaussianState(np.zeros((6, 1)), start, times[0]), Track()
    for point, when in zip(points_m, times, strict=True):
        predicted = predictor.predict(state, timestamp=when)
        state = updater.update(SingleHypothesis(predicted, Detection(point[:, None], when)))
        track.append(state)
    smoothed = KalmanSmoother(transition).smooth(track)
    return np.array([np.asarray(state.state_vector)[[0, 2, 4], 0] for state in smoothed], np.float64)
