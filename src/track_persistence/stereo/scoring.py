"""Log-likelihood ratios of pairs of tracks, with what the scene itself says about partners and unrelated tracks.

Partners: pair k lies mu + e_k off its epipolar lines, normal, where mu is common to the two cameras (calibration) and
e_k its own (a calibration error that varies over the image). The config gives the variance of the sum; which share of
it is common is marginalised over a grid, and mu in closed form: a random-effects model. A pair is scored with what the
others say, so none speaks for itself, and a lone pair is judged by the config. Where one camera sees only a part of the
thing, the centre of its box is shifted by some of its side.

Unrelated tracks: offset and slope over time are zero-mean normal, of a mixture of scales whose weights are fitted to
the scene's own unrelated pairs (an empirical null: Efron 2004). Where all things stand on one ground plane these are
small, so that a good fit says less.

P pairs of tracks with joint frames, K of them partners, G shares, S scales.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from track_persistence.core.rig import StereoRig
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.grouping import assign
from track_persistence.stereo.pair_evidence import PairEvidence
from track_persistence.stereo.pixels import FloatArray

IndexArray = NDArray[np.intp]

# Scores and partners depend on each other; they settle in two or three rounds.
MOST_ROUNDS = 5
# Shares of the offsets' variance that may be each pair's own, equally likely beforehand: a deviation of 1 to 1/32.
OWN_SHARES: FloatArray = np.float64(4) ** -np.arange(6)
# Scales of unrelated offsets and slopes beside the config's, and the number of pairs that the config's word is worth.
SCALES = (1.0, 1 / 3, 1 / 9)
CONFIG_PAIRS = 100.0
EM_ROUNDS = 10
# Share of partners of which one camera sees only a part, and the deviation of the centre's shift in sides of the whole
# box: uniform, with up to half of the box hidden from either end.
HIDDEN_SHARE = 0.05
HIDDEN_SHIFT = 0.25 / np.sqrt(3)


@dataclass(frozen=True)
class Bias:
    """What is believed about the offset of one more pair of partners from their epipolar lines, pixels."""

    mean_px: float
    sigma_px: float


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The pairs with joint frames: their tracks, offsets and the variances of these, and sides of their boxes, (P,)."""

    rows: IndexArray
    columns: IndexArray
    offsets_px: FloatArray
    variances_px2: FloatArray
    sides_px: FloatArray


def score(rig: StereoRig, evidence: PairEvidence, config: StereoConfig) -> tuple[FloatArray, Bias]:
    """Return the ratios (n, m) of one thing against unrelated, -inf where a gate forbids, and the partners' offset."""
    rows, columns = at = np.nonzero(evidence.joint_frames)
    fields = (evidence.offsets_px, evidence.offset_variances_px2, evidence.sides_px)
    pairs = _Candidates(rows, columns, *(field[at] for field in fields))
    by_scale = _by_scale(rig, evidence.line_sums[:, rows, columns], config)
    position = np.zeros(evidence.joint_frames.shape, np.intp)
    position[at] = np.arange(len(rows))
    partners, whole, unrelated = np.empty(0, np.intp), np.ones(len(rows)), np.zeros(len(rows), np.bool_)
    ratios = np.full(evidence.joint_frames.shape, -np.inf)
    for _ in range(MOST_ROUNDS):
        together, whole, bias = _as_partners(pairs, partners, whole[partners], config)
        ratios[at] = together - _as_unrelated(by_scale, unrelated) + evidence.like_ratios[at]
        ratios[~evidence.allowed] = -np.inf
        chosen = np.array(assign(ratios - config.null_partner_cost), np.intp).reshape(-1, 2)
        before, partners = partners, position[chosen[:, 0], chosen[:, 1]]
        if np.array_equal(before, partners):
            break
        unrelated[:] = True
        unrelated[partners] = False
    return ratios, bias


def _as_partners(
    pairs: _Candidates, partners: IndexArray, whole: FloatArray, config: StereoConfig
) -> tuple[FloatArray, FloatArray, Bias]:
    """Score each pair as partners, given that others are.

    partners: (K,) positions of those in `pairs`; whole: (K,) how surely both cameras see the whole of them.
    Returns the log evidence (P,), that probability (P,) and the offset of partners.
    """
    own = config.bias_sigma_px**2 * OWN_SHARES
    common = config.bias_sigma_px**2 - own
    offsets, variances = pairs.offsets_px, pairs.variances_px2
    known = _known(offsets[partners], variances[partners], own) * whole[:, None]  # (3, K, G)
    log_weights, means, spreads = _beliefs(_without_own(pairs, partners, known), common, own)  # (P, G) each
    log_normal = _log_normal(offsets[:, None] - means, spreads + variances[:, None])
    seen_whole = np.log(1 - HIDDEN_SHARE) + logsumexp(log_weights + log_normal, axis=1)
    bias = _matched(*_beliefs(known.sum(axis=1), common, own))
    shifted = (HIDDEN_SHIFT * pairs.sides_px) ** 2 + bias.sigma_px**2 + variances
    seen_partly = np.log(HIDDEN_SHARE) + _log_normal(offsets - bias.mean_px, shifted)
    either = np.logaddexp(seen_whole, seen_partly)
    return either - _log_normal(offsets, variances), np.exp(seen_whole - either), bias


def _known(offsets: FloatArray, variances: FloatArray, own: FloatArray) -> FloatArray:
    """Weight, weighted offset and log-likelihood about 0 of each partner, (3, K, G)."""
    weights = 1 / (own + variances[:, None])
    values = offsets[:, None]
    return np.stack([weights, weights * values, 0.5 * (np.log(weights) - weights * values**2)])


def _without_own(pairs: _Candidates, partners: IndexArray, known: FloatArray) -> FloatArray:
    """Sum what is known over the partners but those that share a track with the pair, itself included: (3, P, G)."""
    shape = (3, max(pairs.rows.max(initial=0), pairs.columns.max(initial=0)) + 1, known.shape[2])
    by_row, by_column = np.zeros(shape), np.zeros(shape)
    by_row[:, pairs.rows[partners]] = known
    by_column[:, pairs.columns[partners]] = known
    others: FloatArray = known.sum(axis=1)[:, None] - by_row[:, pairs.rows] - by_column[:, pairs.columns]
    others[:, partners] += known
    return others


def _beliefs(known: FloatArray, common: FloatArray, own: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log posterior of each share, and mean and variance of one more partner's offset given it: (..., G) each."""
    weight, moment, fit = known
    shrink = 1 + common * weight
    log_likelihood = fit - 0.5 * np.log(shrink) + 0.5 * common * moment**2 / shrink
    log_weights = log_likelihood - logsumexp(log_likelihood, axis=-1, keepdims=True)
    return log_weights, common * moment / shrink, own + common / shrink


def _matched(log_weights: FloatArray, means: FloatArray, variances: FloatArray) -> Bias:
    """Return the mean and the deviation of the mixture."""
    weights = np.exp(log_weights)
    mean = float(weights @ means)
    return Bias(mean, float(np.sqrt(weights @ (variances + (means - mean) ** 2))))


def _log_normal(values: FloatArray, variances: FloatArray) -> FloatArray:
    found: FloatArray = -0.5 * (np.log(2 * np.pi * variances) + values**2 / variances)
    return found


def _as_unrelated(by_scale: FloatArray, unrelated: NDArray[np.bool_]) -> FloatArray:
    """Return the log evidence of each pair as unrelated, (P,), given the others that are, (P,) bool.

    by_scale: (P, S) log likelihoods. The weights of the scales are fitted by expectation maximisation; a pair takes its
    own part out again, so that it does not speak against itself.
    """
    likelihoods = np.exp(by_scale - by_scale.max(axis=1, keepdims=True)) * unrelated[:, None]
    config = np.zeros(by_scale.shape[1])
    config[0] = CONFIG_PAIRS
    counts = np.full_like(config, 1.0)
    shares = np.zeros_like(by_scale)
    for _ in range(EM_ROUNDS):
        shares = likelihoods * counts
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        counts = config + shares.sum(axis=0)
    # Without rounding below 0 where the pair's part is all there is.
    others = np.maximum(counts - shares, np.finfo(np.float64).tiny)
    found: FloatArray = logsumexp(by_scale + np.log(others / others.sum(axis=1, keepdims=True)), axis=1)
    return found


def _by_scale(rig: StereoRig, sums: FloatArray, config: StereoConfig) -> FloatArray:
    """Log marginal likelihood (P, S) of the line sums (5, P) at each scale, up to a constant of each pair."""
    # A uniform offset over a side of the image has the deviation side / sqrt 12.
    anywhere_px = min(rig.cameras[1].image_size_px) / np.sqrt(12)
    scales = [(anywhere_px * offset, config.drift_spread_px * slope) for offset in SCALES for slope in SCALES]
    s0, s1, s2, h0, h1 = sums[..., None]
    a, d = np.array(scales).T ** 2
    determinant = (1 + a * s0) * (1 + d * s2) - a * d * s1**2
    square = a * (1 + d * s2) * h0**2 - 2 * a * d * s1 * h0 * h1 + d * (1 + a * s0) * h1**2
    found: FloatArray = 0.5 * (square / determinant - np.log(determinant))
    return found
