"""Whether the covariances of smoothed paths are honest, on simulated paths with fixed seeds."""

import numpy as np
import pytest
from benchmarks.stereo.manoeuvres import with_outliers
from benchmarks.stereo.tracks import bench_rig, paths_in_view, pixels_of
from scipy.stats import chi2

from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.observations import Observations
from track_persistence.stereo.smoothing import smooth
from track_persistence.stereo.triangulation import triangulate

PSD = 0.1


@pytest.mark.parametrize("outliers", [False, True])
def test_simulated_paths_are_as_uncertain_as_they_say(outliers: bool) -> None:
    config = SmoothingConfig(
        motion="constant_velocity",
        process_psd=PSD,
        speed_sigma_mps=5.0,
        student_dof=10.0 if outliers else None,
        iterations=5,
        max_sigma_m=10.0,
    )
    rig, rng, count = bench_rig(), np.random.default_rng(6), 120
    truth = paths_in_view(rig, count, 50, PSD, rng)
    clean = pixels_of(rig, truth, 1.0, rng)
    pixels = with_outliers(clean, rng) if outliers else clean
    frames, sigmas = np.arange(50, dtype=np.int32), np.ones((2, 50))
    seen = [Observations(frames, own, sigmas, sigmas) for own in pixels.transpose(1, 0, 2, 3)]
    paths = smooth(rig, seen, config)
    errors = np.stack([path.positions_m for path in paths]) - truth
    covariances = np.stack([path.covariances_m2 for path in paths])
    nees = np.einsum("nfi,nfi->nf", errors, np.linalg.solve(covariances, errors[..., None])[..., 0])
    # One frame a path is independent: the sum is chi-square with 3 degrees of freedom a path.
    low, high = chi2.ppf((0.025, 0.975), 3 * count) / count
    assert low < nees[:, 25].mean() < high
    assert 0.93 < (nees <= chi2.ppf(0.95, 3)).mean() < 0.97
    points = triangulate(rig, clean.reshape(2, -1, 2), 1.0).positions_m.reshape(truth.shape)
    # The smoothed error to reach, 0.33 m, and that of triangulation beside which it was set, 1.59 m.
    assert np.sqrt((errors**2).mean() / ((points - truth) ** 2).mean()) < 0.33 / 1.59
