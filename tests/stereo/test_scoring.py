from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from track_persistence.core.rig import StereoRig
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.pair_evidence import PairEvidence
from track_persistence.stereo.scoring import score

# The image of `parallel_rig` has 101 px a side: a uniform offset has the deviation 101 / sqrt 12.
ANYWHERE_PX = 101 / np.sqrt(12)
VARIANCE_PX2 = 0.25
OWN_SHARES = 0.25 ** np.arange(6)
# Boxes so large that no shift of a part of them is likely anywhere: what is left is the model of whole boxes.
ENDLESS_PX = 1e30
LOG_SHARE_WHOLE = np.log(0.95)


def made(offsets_px: Any, variances_px2: Any = VARIANCE_PX2, side_px: float = ENDLESS_PX) -> PairEvidence:
    """Evidence of pairs (n, m) seen in one frame at time 0, NaN where a pair has none; no gate forbids any."""
    offsets = np.asarray(offsets_px, np.float64)
    seen = ~np.isnan(offsets)
    weights = np.where(seen, 1 / np.broadcast_to(variances_px2, offsets.shape), 0.0)
    zeros, ones = np.zeros_like(offsets), np.ones_like(offsets)
    sums = np.stack([weights, zeros, zeros, weights * np.where(seen, offsets, 0.0), zeros])
    return PairEvidence(seen.astype(np.intp), ones, ones, ones, seen, zeros, side_px * ones, sums)


def alone(offsets_px: list[float]) -> np.ndarray:
    """Offsets of things of which each has one possible partner."""
    offsets = np.full((len(offsets_px), len(offsets_px)), np.nan)
    np.fill_diagonal(offsets, offsets_px)
    return offsets


@pytest.fixture
def certain(config: StereoConfig) -> StereoConfig:
    """Everything that no gate forbids is paired."""
    return config.model_copy(update={"null_partner_cost": -1e6})


@pytest.mark.parametrize("offset_px", [0.0, 1.5, -4.0])
def test_a_lone_pair_is_judged_by_the_config(parallel_rig: StereoRig, config: StereoConfig, offset_px: float) -> None:
    ratios, _ = score(parallel_rig, made([[offset_px]]), config)
    expected = norm.logpdf(offset_px, 0, np.sqrt(1 + VARIANCE_PX2)) - norm.logpdf(
        offset_px, 0, np.sqrt(ANYWHERE_PX**2 + VARIANCE_PX2)
    )
    assert ratios[0, 0] == pytest.approx(LOG_SHARE_WHOLE + expected)


def test_a_pair_is_scored_with_what_the_other_pairs_say_of_the_common_bias(
    parallel_rig: StereoRig, certain: StereoConfig
) -> None:
    offsets, variances = np.array([1.3, 1.7, 0.9, 2.4]), np.array([0.2, 0.4, 0.1, 0.3])
    evidence = made(alone(list(offsets)), np.where(np.eye(4, dtype=bool), variances, 1.0))
    ratios, _ = score(parallel_rig, evidence, certain)

    def log_likelihoods(chosen: list[int]) -> np.ndarray:
        """For each share of the variance that is each pair's own; the rest is the covariance of any two."""
        size = len(chosen)
        return np.array(
            [
                multivariate_normal.logpdf(
                    offsets[chosen],
                    np.zeros(size),
                    (1 - own) * np.ones((size, size)) + own * np.eye(size) + np.diag(variances[chosen]),
                )
                for own in OWN_SHARES
            ]
        )

    for k in range(4):
        others = [i for i in range(4) if i != k]
        predictive = logsumexp(log_likelihoods(list(range(4)))) - logsumexp(log_likelihoods(others))
        unrelated = norm.logpdf(offsets[k], 0, np.sqrt(ANYWHERE_PX**2 + variances[k]))
        # The others speak only as surely as they are whole: one part in 1e30 here.
        assert ratios[k, k] == pytest.approx(LOG_SHARE_WHOLE + predictive - unrelated, abs=1e-6)


def test_a_rival_of_a_pair_does_not_learn_from_it(parallel_rig: StereoRig, certain: StereoConfig) -> None:
    # Track 0 of camera 1 fits two tracks; whichever it gets, the other one is judged as if nothing were known.
    ratios, _ = score(parallel_rig, made([[0.1, 1.0]]), certain)
    lone, _ = score(parallel_rig, made([[1.0]]), certain)
    # The rival counts among 100 + 1 unrelated pairs only for others, and there are none.
    assert ratios[0, 1] == pytest.approx(lone[0, 0])


def test_the_bias_of_a_crowd_is_known_well_and_that_of_one_pair_is_not(
    parallel_rig: StereoRig, certain: StereoConfig
) -> None:
    rng = np.random.default_rng(0)
    offsets = 1.5 + rng.normal(0, np.sqrt(VARIANCE_PX2), 30)
    _, many = score(parallel_rig, made(alone(list(offsets))), certain)
    # 30 measurements of deviation 0.5: 0.09 px; three of them, and the prior's pull of 1.5 * 0.25 / 30.
    assert many.mean_px == pytest.approx(1.5, abs=3 * 0.5 / np.sqrt(30) + 0.0125)
    assert many.sigma_px < 0.5
    _, one = score(parallel_rig, made([[1.5]]), certain)
    # At most all of the variance 1 is common: 1.5 * 1 / (1 + 0.25); and the pair's own share is as uncertain as before.
    assert 0 < one.mean_px <= 1.2
    assert np.sqrt(0.25 / 1.25) <= one.sigma_px <= 1.0
    _, none = score(parallel_rig, made(np.empty((0, 3))), certain)
    assert (none.mean_px, none.sigma_px) == (0.0, pytest.approx(certain.bias_sigma_px))


def test_offsets_that_differ_keep_the_next_pair_uncertain(parallel_rig: StereoRig, certain: StereoConfig) -> None:
    precise = 0.01
    _, alike = score(parallel_rig, made(alone([1.0] * 12), precise), certain)
    _, spread = score(parallel_rig, made(alone([0.2, 1.8] * 6), precise), certain)
    assert alike.sigma_px < 0.1
    # Their own deviation is 0.8 px.
    assert 0.5 < spread.sigma_px < 1.0


def test_a_part_that_is_hidden_costs_a_pair_little_and_says_nothing_of_the_bias(
    parallel_rig: StereoRig, config: StereoConfig
) -> None:
    offsets = alone([0.0] * 8 + [6.0])
    ratios, bias = score(parallel_rig, made(offsets, side_px=40.0), config)
    # Uniform within a quarter of a side has the deviation 40 / 4 / sqrt 3 = 5.8 px; the bias adds next to nothing.
    hidden = norm.logpdf(6.0, 0, np.sqrt(100 / 3 + bias.sigma_px**2 + VARIANCE_PX2))
    unrelated = norm.logpdf(6.0, 0, np.sqrt(ANYWHERE_PX**2 + VARIANCE_PX2))
    assert ratios[8, 8] == pytest.approx(np.log(0.05) + hidden - unrelated, abs=0.01)
    assert abs(bias.mean_px) < 1e-3


def test_a_good_fit_says_less_where_unrelated_tracks_fit_too(parallel_rig: StereoRig, config: StereoConfig) -> None:
    rng = np.random.default_rng(1)

    def ratio(spread_px: float) -> float:
        offsets = rng.normal(0, spread_px, (30, 30))
        offsets[0] = offsets[:, 0] = np.nan
        offsets[0, 0] = 0.0
        evidence = made(offsets)
        evidence.allowed[1:, 1:] = False
        return float(score(parallel_rig, evidence, config)[0][0, 0])

    # Density at 0 of offsets three times as narrow is three times as high; the grid has that very scale.
    assert ratio(ANYWHERE_PX) == pytest.approx(ratio(1e-9 + ANYWHERE_PX / 3) + np.log(3), abs=0.35)


def test_forbidden_pairs_and_pairs_without_joint_frames_have_no_ratio(
    parallel_rig: StereoRig, config: StereoConfig
) -> None:
    evidence = made([[0.0, np.nan], [0.0, 0.0]])
    evidence.allowed[1, 0] = False
    ratios, _ = score(parallel_rig, evidence, config)
    assert np.isneginf(ratios).tolist() == [[False, True], [True, False]]
