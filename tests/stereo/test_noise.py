import numpy as np
import pytest
from benchmarks.stereo.manoeuvres import OUTLIER_RATE, with_outliers
from benchmarks.stereo.tracks import bench_rig, paths_in_view, pixels_of

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.stereo import noise
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.stereo.noise import NoiseFit, fit_noise
from track_persistence.stereo.observations import Observations
from track_persistence.stereo.smoothing import smooth

RIG, FRAMES, PATHS, PSD = bench_rig(), 30, 40, 0.1
# Starts from ten times the density that made the paths, and from twice the deviation of their pixels.
CONFIG = SmoothingConfig(
    motion="constant_velocity",
    process_psd=10 * PSD,
    speed_sigma_mps=5.0,
    student_dof=None,
    iterations=5,
    max_sigma_m=10.0,
)
ROBUST = CONFIG.model_copy(update={"student_dof": 10.0})
TOLD_PX = 2.0


def observed(pixels: np.ndarray, sigma_px: float = TOLD_PX) -> list[Observations]:
    frames, shape = np.arange(FRAMES, dtype=np.int32), (2, FRAMES)
    return [
        Observations(frames, seen, np.full(shape, sigma_px), np.ones(shape)) for seen in pixels.transpose(1, 0, 2, 3)
    ]


def simulated(outliers: bool = False, seed: int = 8, count: int = PATHS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = pixels_of(RIG, paths_in_view(RIG, count, FRAMES, PSD, rng), 1.0, rng)
    return with_outliers(pixels, rng) if outliers else pixels


@pytest.fixture(scope="module")
def plain() -> NoiseFit:
    return fit_noise(RIG, observed(simulated()), CONFIG)


def test_the_noise_that_made_the_tracks_is_found(plain: NoiseFit) -> None:
    # 40 paths of 30 frames hold 4800 coordinates: the scale's deviation is about 1 / sqrt(2 * 4800) = 1 %.
    assert plain.sigma_scale == pytest.approx(1 / TOLD_PX, rel=0.03)
    assert PSD / 1.5 < plain.process_psd < 1.5 * PSD
    assert (plain.measurements, plain.outliers) == (2 * PATHS * FRAMES, 0)


@pytest.mark.parametrize(("psd_factor", "scale_factor"), [(1.5, 1), (1 / 1.5, 1), (1, 1.05), (1, 1 / 1.05)])
def test_any_other_noise_makes_the_tracks_less_likely(plain: NoiseFit, psd_factor: float, scale_factor: float) -> None:
    def log_likelihood(psd: float, scale: float) -> float:
        config = CONFIG.model_copy(update={"process_psd": psd})
        return sum(path.log_likelihood for path in smooth(RIG, observed(simulated(), TOLD_PX * scale), config))

    best = log_likelihood(plain.process_psd, plain.sigma_scale)
    assert plain.log_likelihood == pytest.approx(best, abs=1)
    assert log_likelihood(plain.process_psd * psd_factor, plain.sigma_scale * scale_factor) < best


def test_outliers_leave_the_fit_alone_only_with_student_t_weights() -> None:
    seen = observed(simulated(outliers=True))
    robust, normal = fit_noise(RIG, seen, ROBUST), fit_noise(RIG, seen[:10], CONFIG)
    assert robust.sigma_scale == pytest.approx(1 / TOLD_PX, rel=0.03)
    assert PSD / 1.5 < robust.process_psd < 1.5 * PSD
    # 2 % outliers and one in a thousand of the rest, of 2400 boxes: 50 with a deviation of 7.
    assert robust.outliers == pytest.approx((OUTLIER_RATE + noise.TAIL) * 2400, abs=21)
    assert normal.sigma_scale > 2 * robust.sigma_scale


def test_boxes_that_a_camera_misses_are_no_measurements() -> None:
    pixels = simulated(count=20)
    seen = observed(pixels)
    for item in seen:
        for values in (item.pixels, item.sigmas_px, item.confidences):
            values[1, 10:20] = np.nan
    found = fit_noise(RIG, seen, CONFIG)
    assert found.measurements == 20 * (2 * FRAMES - 10)
    assert found.sigma_scale == pytest.approx(1 / TOLD_PX, rel=0.06)


def test_nothing_to_fit_to_is_an_error() -> None:
    with pytest.raises(DataError, match="no group to fit to"):
        fit_noise(RIG, [], CONFIG)


def test_a_motion_that_is_off_has_no_noise() -> None:
    with pytest.raises(ParamsError, match="motion is off"):
        fit_noise(RIG, observed(simulated(count=2)), CONFIG.model_copy(update={"motion": "off"}))


def test_a_fit_that_still_changes_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "MOST_ROUNDS", 1)
    with pytest.raises(DataError, match="still change after 1 rounds on 3 groups of 180 boxes"):
        fit_noise(RIG, observed(simulated(count=3)), CONFIG)
