"""What turns and delays the second camera has to have so that partners lie on their epipolar lines.

Four parameters p: small rotations about the second camera's x, y, z axis (pitch, yaw, roll; radians) and frames to be
added to its frame numbers. The residuals of a pair of partners are r + A p = e + u 1, with errors e that stay alike for
some frames and the pair's own offset u: a random effect. Pairs about the fit are Student-t (Lange et al. 1989).
K pairs of partners, J joint frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.stereo.self_check_rows import Pair, Rows, cut_off

MAX_ROUNDS = 50
TOLERANCE = 1e-8
# How many pairs of partners the config's word on noise is worth.
CONFIG_PAIRS = 20.0
# Deviation of a median over that of a mean of normal values, and of normal values over their median absolute deviation.
MEDIAN_LOSS = np.sqrt(np.pi / 2)
SIGMA_PER_MAD = 1 / norm.ppf(0.75)
# Frame numbers are whole; however alike they are, a moment is known no better than this.
ROUNDING_FRAMES = 0.5


@dataclass(frozen=True)
class Measured:
    """A value and its standard deviation."""

    value: float
    sigma: float


@dataclass(frozen=True, eq=False)
class RigFit:
    """Corrections of the second camera.

    parameters: (4,) p. sigmas: (4,) their standard deviations, the prior included. pair_weights: (K,) how far each pair
    is believed, 0 to 1. misfit: chi-square per degree of freedom; 1 where the noise is as the config says.
    """

    parameters: FloatArray
    sigmas: FloatArray
    pair_weights: FloatArray
    misfit: float


def fit_rig(rows: Rows, ends: Measured, stereo: StereoConfig, config: SelfCheckConfig) -> RigFit:
    """Fit the corrections; ends: frames to be added as the first and last frames of partners have it.

    Variances are a mean of two: from the noise that the config says, scaled up where the residuals are larger, counted
    as `CONFIG_PAIRS` pairs, and from how the pairs disagree (a sandwich clustered by pair: Liang and Zeger 1986).
    """
    angle = np.radians(config.angle_spread_deg)
    prior = np.diag(np.array([angle, angle, angle, ends.sigma]) ** -2.0)
    centre = np.array([0.0, 0.0, 0.0, ends.value])
    effective = rows.sums(np.ones_like(rows.residuals_px)) / stereo.correlated_frames
    parameters, weights = centre, np.ones(rows.count)
    for _ in range(MAX_ROUNDS):
        normals, gradients, squares = _pair_terms(rows, parameters, stereo, config)
        weights = np.minimum(1.0, (config.student_dof + effective) / (config.student_dof + squares))
        information = np.tensordot(weights, normals, 1) + prior
        step = -np.linalg.solve(information, weights @ gradients + prior @ (parameters - centre))
        parameters = parameters + step
        if (np.abs(step) <= TOLERANCE * np.sqrt(1 / np.diag(prior))).all():
            break
    covariance = np.linalg.inv(information)
    freedom = max(float(weights @ effective) - len(centre), 1.0)
    misfit = float(weights @ squares) / freedom
    pulls = weights[:, None] * gradients
    # The fit makes the pairs disagree less than the truth does, by its four parameters. What was known beforehand is as
    # uncertain as it says, so that a direction that no pair measures stays so.
    unfitted = rows.count / max(rows.count - len(centre), 1)
    sandwich = covariance @ (unfitted * pulls.T @ pulls + prior) @ covariance
    stated = max(misfit, 1.0) * covariance
    variances = np.diag(CONFIG_PAIRS * stated + rows.count * sandwich) / (CONFIG_PAIRS + rows.count)
    # What was not measured is not less certain than it was beforehand.
    return RigFit(parameters, np.sqrt(np.minimum(variances, 1 / np.diag(prior))), weights, misfit)


def _pair_terms(
    rows: Rows, parameters: FloatArray, stereo: StereoConfig, config: SelfCheckConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Normal matrix (K, 4, 4), gradient (K, 4) and chi-square (K,) of each pair, its own offset marginalised."""
    left = rows.residuals_px + rows.slopes @ parameters
    weights = 1 / (stereo.correlated_frames * rows.deviations_px**2)
    weighted = weights[:, None] * rows.slopes
    shrink = 1 / (config.own_offset_px**-2 + rows.sums(weights))
    slope_sums, left_sums = rows.sums(weighted), rows.sums(weights * left)
    normals = rows.sums(weighted[:, :, None] * rows.slopes[:, None, :])
    normals -= shrink[:, None, None] * slope_sums[:, :, None] * slope_sums[:, None, :]
    gradients = rows.sums(weighted * left[:, None]) - (shrink * left_sums)[:, None] * slope_sums
    return normals, gradients, rows.sums(weights * left**2) - shrink * left_sums**2


def offset_of_ends(
    rig: StereoRig, partners: Sequence[Pair], views: Sequence[Sequence[BoxTrack]], config: SelfCheckConfig
) -> Measured:
    """Return how many frames are to be added so that partners begin and end at the same time.

    views: all tracks of either camera, which say when its recording begins and ends. A median with the spread of the
    differences themselves as its deviation, so that it says much only where they agree. An end at the image's border or
    at the end of a recording is left out. Without two ends it says nothing: the deviation is `max_offset_frames`.
    """
    recorded = [(min(track.frames[0] for track in own), max(track.frames[-1] for track in own)) for own in views if own]
    differences = []
    for pair in partners:
        for end, side in ((0, 0), (-1, 1)):
            cut = any(cut_off(camera, track, config)[end] for camera, track in zip(rig.cameras, pair, strict=True))
            if not cut and all(track.frames[end] != when[side] for track, when in zip(pair, recorded, strict=True)):
                differences.append(int(pair[0].frames[end]) - int(pair[1].frames[end]))
    if len(differences) < 2:
        return Measured(0.0, float(config.max_offset_frames))
    spread = _median_sigma(np.array(differences, np.float64))
    return Measured(float(np.median(differences)), float(np.hypot(spread, config.ends_sigma_frames)))


def _median_sigma(values: FloatArray) -> float:
    deviation = max(SIGMA_PER_MAD * float(np.median(np.abs(values - np.median(values)))), ROUNDING_FRAMES)
    # As far as a Student-t deviates farther than a normal value, at one in a hundred.
    few = float(t.ppf(0.995, len(values) - 1) / norm.ppf(0.995))
    return float(MEDIAN_LOSS * deviation * few / np.sqrt(len(values)))


def mean_residual(rows: Rows, chosen: NDArray[np.bool_], stereo: StereoConfig, config: SelfCheckConfig) -> Measured:
    """Return the mean over pairs of their residuals in the chosen (J,) frames, pixels; NaN without any.

    A pair weighs by its noise and own offset; the deviation is from these or from how the pairs disagree, the larger.
    """
    weights = np.where(chosen, 1 / (stereo.correlated_frames * rows.deviations_px**2), 0.0)
    known = rows.sums(weights)
    seen = known > 0
    if not seen.any():
        return Measured(np.nan, np.nan)
    means = rows.sums(weights * rows.residuals_px)[seen] / known[seen]
    each = 1 / (config.own_offset_px**2 + 1 / known[seen])
    squares = (means - np.median(means)) ** 2
    # Pairs far off the others are believed less, as in the fit.
    each = each * np.minimum(1.0, (config.student_dof + 1) / (config.student_dof + each * squares))
    mean = float(np.average(means, weights=each))
    count = len(means)
    disagreement = float(np.sum((each * (means - mean)) ** 2)) / each.sum() ** 2 * count / max(count - 1, 1)
    return Measured(mean, float(np.sqrt(max(1 / each.sum(), disagreement))))
