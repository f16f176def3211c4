"""How strongly things move and how noisy their pixels are, from the tracks themselves by innovation likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.motion import motion_model
from track_persistence.stereo.observations import Observations
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.smoothing import Linear, filter_forwards, linearise, make_batch, smooth

# So many of the normal errors are large enough to be taken for outliers.
TAIL = 1e-3
# Linearisation and outliers follow the noise; both logarithms settle in a few rounds.
MOST_ROUNDS = 20
SETTLED = 0.01
FIRST_STEP, TOLERANCE = 0.3, 1e-3


@dataclass(frozen=True)
class NoiseFit:
    """The most likely noise.

    process_psd: as in `SmoothingConfig`. sigma_scale: factor of the observations' deviations. log_likelihood: of all
    innovations. measurements: boxes it was given, of which `outliers` were left out.
    """

    process_psd: float
    sigma_scale: float
    log_likelihood: float
    measurements: int
    outliers: int


@dataclass(frozen=True, eq=False)
class _Problem:
    """What the likelihood is of: linearised cameras, deviations (V, B, F) in pixels, where the paths start (B, 3)."""

    linear: Linear
    sigmas_px: FloatArray
    start: FloatArray


def fit_noise(rig: CameraRig, seen: Sequence[Observations], config: SmoothingConfig) -> NoiseFit:
    """Fit process and measurement noise to all groups together (Schweppe 1965), starting from `config`.

    Errors are normal. With `config.student_dof`, whose weights keep outliers out of the paths, a box is left out where
    its error is larger than that of one normal error in a thousand. Raises `DataError` without groups, for a group that
    has no triangulated point, and where the fit does not settle; `ParamsError` when `config.motion` is off.
    """
    if not seen:
        raise DataError("noise: no group to fit to; associate some tracks first")
    total = int(sum(item.seen.sum() for item in seen))
    logs = np.log([config.process_psd, 1.0])
    for _ in range(MOST_ROUNDS):
        problem = _linearise(rig, seen, config, logs)
        fitted, log_likelihood = _most_likely(problem, config, rig.cameras[0].frame_rate_hz, logs)
        moved, logs = np.abs(fitted - logs).max(), fitted
        if moved < SETTLED:
            psd, scale = np.exp(logs).tolist()
            return NoiseFit(psd, scale, log_likelihood, total, total - int(problem.linear.seen.sum()))
    raise DataError(
        f"noise: process_psd {np.exp(logs[0]):.3g} and sigma_scale {np.exp(logs[1]):.3g} still change after "
        f"{MOST_ROUNDS} rounds on {len(seen)} groups of {total} boxes; give more or longer tracks"
    )


def _linearise(rig: CameraRig, seen: Sequence[Observations], config: SmoothingConfig, logs: FloatArray) -> _Problem:
    """Linearise about the paths that the noise `logs` (logarithms of psd and scale) makes most likely."""
    psd, scale = np.exp(logs).tolist()
    scaled = [replace(item, sigmas_px=item.sigmas_px * scale) for item in seen]
    batch = make_batch(seen)
    path, weights = np.zeros((*batch.seen.shape[1:], 3)), np.ones(batch.seen.shape)
    for row, found in enumerate(smooth(rig, scaled, config.model_copy(update={"process_psd": psd}))):
        length = len(found.frames)
        path[row, :length], path[row, length:] = found.positions_m, found.positions_m[-1]
        weights[:, row, :length] = np.nan_to_num(found.weights, nan=1.0)
    linear = linearise(rig, batch, path)
    if config.student_dof is not None:
        least = (config.student_dof + 2) / (config.student_dof + float(chi2.isf(TAIL, 2)))
        linear = replace(linear, seen=linear.seen & (weights >= least))
    return _Problem(linear, batch.sigmas_px, path[:, 0])


def _most_likely(
    problem: _Problem, config: SmoothingConfig, frame_rate_hz: float, logs: FloatArray
) -> tuple[FloatArray, float]:
    """Return the logarithms of psd and scale at which the innovations are most likely, and that log-likelihood."""

    def cost(trial: FloatArray) -> float:
        psd, scale = np.exp(trial).tolist()
        model = motion_model(config.model_copy(update={"process_psd": psd}), frame_rate_hz)
        filtered = filter_forwards(problem.linear, problem.sigmas_px * scale, model, problem.start)
        return -float(filtered.log_likelihoods.sum())

    simplex = logs + FIRST_STEP * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    options = {"initial_simplex": simplex, "xatol": TOLERANCE, "fatol": TOLERANCE}
    found = minimize(cost, logs, method="Nelder-Mead", options=options)
    return found.x, -float(found.fun)
