"""The smoother against least squares, a dense Gaussian and Stone Soup, and what it does with each kind of box."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest
from benchmarks.stereo.tracks import bench_rig
from scipy.optimize import least_squares
from scipy.special import exp1
from scipy.stats import multivariate_normal
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.smoother.kalman import KalmanSmoother
from stonesoup.types.detection import Detection
from stonesoup.types.hypothesis import SingleHypothesis
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track as StoneSoupTrack
from stonesoup.updater.kalman import KalmanUpdater

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo import motion
from track_persistence.stereo.config import SmoothingConfig, StereoConfig
from track_persistence.stereo.geometry import project, project_with_jacobian
from track_persistence.stereo.motion import motion_model
from track_persistence.stereo.observations import Observations, observe
from track_persistence.stereo.smoothing import SmoothedPath, smooth, student_information

Settings = Callable[..., SmoothingConfig]
CONSTANT = ["constant_velocity", "constant_acceleration"]
LAST = 15


@pytest.fixture
def settings() -> Settings:
    def make(kind: str = "constant_velocity", psd: float = 0.1, dof: float | None = None) -> SmoothingConfig:
        return SmoothingConfig(
            motion=kind, process_psd=psd, speed_sigma_mps=5.0, student_dof=dof, iterations=12, max_sigma_m=10.0
        )

    return make


def straight(frames: np.ndarray, velocity: tuple[float, float, float] = (1.0, 0.3, -0.5)) -> np.ndarray:
    return np.array([-0.4, 0.2, 9.0]) + np.outer(frames / 25, velocity)


def seen_at(rig: StereoRig, path: np.ndarray, frames: np.ndarray, sigma_px: float) -> Observations:
    pixels = np.stack([project(camera, path) for camera in rig.cameras])
    shape = pixels.shape[:2]
    return Observations(frames.astype(np.int32), pixels, np.full(shape, sigma_px), np.ones(shape))


def without(seen: Observations, camera: int, rows: slice) -> Observations:
    for values in (seen.pixels, seen.sigmas_px, seen.confidences):
        values[camera, rows] = np.nan
    return seen


def patchy(rig: StereoRig) -> Observations:
    """Noisy pixels of 16 frames: two that nobody sees, four that one camera misses, every box with its own noise."""
    rng, frames = np.random.default_rng(3), np.delete(np.arange(LAST + 1), [6, 7])
    seen = seen_at(rig, straight(frames), frames, 1.0)
    sigmas = rng.uniform(0.5, 2, seen.sigmas_px.shape)
    noisy = seen.pixels + sigmas[..., None] * rng.standard_normal(seen.pixels.shape)
    return without(without(Observations(frames.astype(np.int32), noisy, sigmas, seen.confidences), 0, slice(3)), 1, [9])


def whitened(rig: StereoRig, seen: Observations, config: SmoothingConfig) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from states (F n,) to all errors in deviations: pixels, process, and the first velocity."""
    model, size = motion_model(config, 25.0), len(motion_model(config, 25.0).prior)
    unwhiten = np.linalg.cholesky(model.noise)

    def errors(flat: np.ndarray) -> np.ndarray:
        states = flat.reshape(-1, size)
        process = np.linalg.solve(unwhiten, (states[1:] - states[:-1] @ model.transition.T).T)
        parts = [process.ravel(), states[0, 3:] / config.speed_sigma_mps]
        for camera, pixels, sigmas in zip(rig.cameras, seen.pixels, seen.sigmas_px, strict=True):
            there = ~np.isnan(sigmas)
            misfit = project(camera, states[seen.frames[there], :3]) - pixels[there]
            parts.append((misfit / sigmas[there, None]).ravel())
        return np.concatenate(parts)

    return errors


@pytest.mark.parametrize("kind", CONSTANT)
def test_the_path_is_the_most_likely_one_and_its_covariance_that_of_least_squares(
    rig: StereoRig, settings: Settings, kind: str
) -> None:
    config, seen = settings(kind, psd=0.5), patchy(rig)
    (found,) = smooth(rig, [seen], config)
    size = 6 if kind == "constant_velocity" else 9
    start = np.zeros((LAST + 1, size))
    start[:, :3] = straight(np.arange(LAST + 1))
    best = least_squares(whitened(rig, seen, config), start.ravel(), method="lm", xtol=1e-13, ftol=1e-13, gtol=1e-13)
    states = best.x.reshape(-1, size)
    np.testing.assert_allclose(found.positions_m, states[:, :3], atol=2e-6)
    np.testing.assert_allclose(found.velocities_mps, states[:, 3:6], atol=1e-5)
    whole = np.linalg.inv(best.jac.T @ best.jac).reshape(LAST + 1, size, LAST + 1, size)
    for frame, covariance in enumerate(found.covariances_m2):
        scale = np.abs(covariance).max()
        np.testing.assert_allclose(covariance, whole[frame, :3, frame, :3], atol=1e-4 * scale)


@pytest.fixture
def narrow_prior(monkeypatch: pytest.MonkeyPatch) -> float:
    """A first position known to 10 m, for references that lose digits between 1 km and a millimetre."""
    monkeypatch.setattr(motion, "UNKNOWN_POSITION_M", 10.0)
    return 10.0


@pytest.mark.usefixtures("narrow_prior")
def test_the_likelihood_is_that_of_one_large_gaussian(rig: StereoRig, settings: Settings) -> None:
    seen, config = patchy(rig), settings()
    (found,) = smooth(rig, [seen], config)
    model = motion_model(config, 25.0)
    powers = [np.linalg.matrix_power(model.transition, step) for step in range(LAST + 1)]
    spread = [model.prior]
    for _ in range(LAST):
        spread.append(model.transition @ spread[-1] @ model.transition.T + model.noise)
    joint = np.block(
        [
            [powers[max(i - j, 0)] @ spread[min(i, j)] @ powers[max(j - i, 0)].T for j in range(LAST + 1)]
            for i in range(LAST + 1)
        ]
    )
    slopes, misfits, variances = [], [], []
    first = found.positions_m[0]
    for camera, pixels, sigmas in zip(rig.cameras, seen.pixels, seen.sigmas_px, strict=True):
        for frame, pixel, sigma in zip(seen.frames, pixels, sigmas, strict=True):
            if np.isfinite(sigma):
                predicted, slope = project_with_jacobian(camera, found.positions_m[[frame]])
                row = np.zeros((2, 6 * (LAST + 1)))
                row[:, 6 * frame : 6 * frame + 3] = slope[0]
                slopes.append(row)
                misfits.append(pixel - predicted[0] + slope[0] @ (found.positions_m[frame] - first))
                variances += [sigma**2] * 2
    every = np.concatenate(slopes)
    gaussian = multivariate_normal(np.zeros(len(every)), every @ joint @ every.T + np.diag(variances))
    assert found.log_likelihood == pytest.approx(gaussian.logpdf(np.concatenate(misfits)), abs=1e-5)


class Linearised(LinearGaussian):
    """Stone Soup's linear measurement with any matrix instead of a selection of coordinates."""

    def matrix(self, **kwargs: object) -> np.ndarray:
        return self.slope


def test_the_smoother_is_stone_soups_on_the_cameras_linearised_about_the_path(
    rig: StereoRig, settings: Settings, narrow_prior: float
) -> None:
    frames = np.arange(12)
    seen = seen_at(rig, straight(frames), frames, 1.0)
    seen.pixels[:] += np.random.default_rng(1).standard_normal(seen.pixels.shape)
    (found,) = smooth(rig, [seen], settings())
    transition = CombinedLinearGaussianTransitionModel([ConstantVelocity(0.1)] * 3)
    times = [datetime(2000, 1, 1) + timedelta(seconds=frame / 25) for frame in frames.tolist()]
    prior = np.diag([narrow_prior**2, 5.0**2] * 3)
    mean = np.zeros((6, 1))
    mean[::2, 0] = found.positions_m[0]
    state, track = GaussianState(mean, prior, times[0]), StoneSoupTrack()
    for frame, when in enumerate(times):
        both = [project_with_jacobian(camera, found.positions_m[[frame]]) for camera in rig.cameras]
        slope = np.zeros((4, 6))
        slope[:, ::2] = np.concatenate([part[0] for _, part in both])
        offset = slope[:, ::2] @ found.positions_m[frame] - np.concatenate([part[0] for part, _ in both])
        model = Linearised(6, (0, 1, 2, 3), np.eye(4))
        model.slope = slope
        detection = Detection((seen.pixels[:, frame].ravel() + offset)[:, None], when, measurement_model=model)
        predicted = KalmanPredictor(transition).predict(state, timestamp=when)
        state = KalmanUpdater(model).update(SingleHypothesis(predicted, detection))
        track.append(state)
    for frame, theirs in enumerate(KalmanSmoother(transition).smooth(track)):
        mean, covariance = np.asarray(theirs.state_vector, float).ravel(), np.asarray(theirs.covar, float)
        np.testing.assert_allclose(found.positions_m[frame], mean[::2], atol=1e-6)
        np.testing.assert_allclose(found.velocities_mps[frame], mean[1::2], atol=1e-6)
        np.testing.assert_allclose(found.covariances_m2[frame], covariance[::2, ::2], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", CONSTANT)
def test_exact_pixels_of_a_straight_path_give_the_path_its_gap_and_its_velocity(
    rig: StereoRig, settings: Settings, kind: str
) -> None:
    frames = np.r_[4:14, 19:30]
    (found,) = smooth(rig, [seen_at(rig, straight(frames), frames, 1e-2)], settings(kind, psd=1e-6))
    np.testing.assert_array_equal(found.frames, np.arange(4, 30))
    np.testing.assert_allclose(found.positions_m, straight(np.arange(4, 30)), atol=1e-4)
    np.testing.assert_allclose(found.velocities_mps, np.tile((1.0, 0.3, -0.5), (26, 1)), atol=1e-3)
    np.testing.assert_array_equal(found.views, np.where(np.isin(found.frames, frames), 2, 0))


def test_only_constant_acceleration_follows_a_stiff_parabola(rig: StereoRig, settings: Settings) -> None:
    frames = np.arange(26)
    path = straight(frames) + np.outer((frames / 25) ** 2 / 2, (1.0, 0, 2.0))
    seen = seen_at(rig, path, frames, 0.1)
    wrong, right = (
        np.abs(smooth(rig, [seen], settings(kind, psd=1e-6))[0].positions_m - path).max() for kind in CONSTANT
    )
    assert right < 1e-3
    assert wrong > 0.05


def test_the_middle_of_a_long_gap_is_the_least_certain(rig: StereoRig, settings: Settings) -> None:
    frames = np.r_[0:10, 40:50]
    (found,) = smooth(rig, [seen_at(rig, straight(frames, (0.3, 0.1, 0.0)), frames, 1.0)], settings(psd=1.0))
    spread = np.trace(found.covariances_m2, axis1=1, axis2=2)
    assert abs(np.argmax(spread) - 24.5) < 3
    assert spread[25] > 5 * spread[[5, 45]].max()


def test_one_camera_is_worth_less_than_two_and_more_than_none(rig: StereoRig, settings: Settings) -> None:
    frames, hidden = np.arange(20), slice(8, 12)
    both = seen_at(rig, straight(frames), frames, 1.0)
    one = without(seen_at(rig, straight(frames), frames, 1.0), 1, hidden)
    rest = np.delete(frames, hidden)
    none = seen_at(rig, straight(rest), rest, 1.0)
    paths = smooth(rig, [both, one, none], settings())
    first, second, third = (np.linalg.eigvalsh(path.covariances_m2[10]) for path in paths)
    assert (first < second).all() and (second < third).all()
    np.testing.assert_array_equal(paths[1].views, [2] * 8 + [1] * 4 + [2] * 8)
    assert np.isnan(paths[1].weights[1, hidden]).all() and np.isfinite(paths[1].weights[0]).all()


@pytest.mark.parametrize(
    ("noise", "confidence", "side_px"),
    [
        # Four times the deviation of its neighbours: 0.8 / 0.2, and hypot(3, 0.1 * 116) = 4 hypot(...) to a per mille.
        ({"confidence_exponent": 1.0}, 0.2, 20.0),
        ({"pixel_sigma_px": 0.5, "size_sigma": 0.05}, 0.8, 44.0),
    ],
)
def test_a_box_that_is_doubtful_or_large_moves_the_path_less(
    config: StereoConfig, settings: Settings, noise: dict[str, float], confidence: float, side_px: float
) -> None:
    rig, frames, odd, shift_px = bench_rig(), np.arange(11, dtype=np.int32), 5, 4.0
    config = config.model_copy(update=noise)

    def moved_m(own_confidence: float, own_side_px: float) -> float:
        tracks = []
        for number, camera in enumerate(rig.cameras):
            centres, sides = project(camera, straight(frames)), np.full((11, 2), 20.0)
            confidences = np.full(11, 0.8)
            centres[odd, 1] += shift_px
            sides[odd], confidences[odd] = own_side_px, own_confidence
            boxes = np.hstack([centres - sides / 2, sides]).astype(np.float32)
            tracks.append(BoxTrack(number, 0, frames, boxes, confidences.astype(np.float32)))
        (found,) = smooth(rig, [observe(tracks, config)], settings())
        return float(found.positions_m[odd, 1] - straight(frames)[odd, 1])

    trusted, doubted = moved_m(0.8, 20.0), moved_m(confidence, side_px)
    assert trusted > 0
    assert 0 < doubted < trusted / 2


def test_student_t_weights_drop_a_planted_outlier_and_keep_the_rest(settings: Settings) -> None:
    rig, frames = bench_rig(), np.arange(30)
    seen = seen_at(rig, straight(frames), frames, 1.0)
    seen.pixels[:] += np.random.default_rng(5).standard_normal(seen.pixels.shape)
    seen.pixels[1, 14, 0] += 30
    (normal,), (robust,) = smooth(rig, [seen], settings()), smooth(rig, [seen], settings(dof=10.0))
    # (10 + 2) / (10 + 30^2) = 0.013 without noise.
    assert robust.weights[1, 14] < 0.02
    assert np.delete(robust.weights.ravel(), 30 + 14).mean() == pytest.approx(1, abs=0.1)
    assert (normal.weights == 1).all()
    errors = [np.linalg.norm(path.positions_m - straight(frames), axis=1)[14] for path in (normal, robust)]
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("dof", [4.0, 10.0, 50.0])
def test_the_information_under_weights_is_its_closed_form(dof: float) -> None:
    # With a = dof / 2 and G = e^a E1(a): E d(w r)/dr = (a + 1)(1 - a G), E (w r)^2 / 2 = (a + 1)^2 ((1 + a) G - 1)
    # and E w = (a + 1) G, since half of r^2 has the density e^-x.
    a = dof / 2
    g = np.exp(a) * exp1(a)
    expected = (1 - a * g) ** 2 / ((1 + a) * g - 1) / ((a + 1) * g)
    assert student_information(dof) == pytest.approx(expected, rel=1e-6)


def test_weights_that_weigh_nothing_leave_all_information() -> None:
    assert student_information(1e7) == pytest.approx(1, abs=1e-5)


def test_batching_changes_nothing(settings: Settings) -> None:
    # The second group ends after 3 frames; its motion, gone on with, would pass the cameras within the first's length.
    rig, long, short = bench_rig(), np.arange(60), np.arange(7, 10)
    approaching = np.array([0.3, 0.1, 4.0]) + np.outer((short - 7) / 25, (0, 0, -5.0))
    seen = [seen_at(rig, straight(long), long, 1.0), seen_at(rig, approaching, short, 1.0), patchy(rig)]
    config = settings(dof=10.0)
    together, alone = smooth(rig, seen, config), [smooth(rig, [item], config)[0] for item in seen]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        for name in ("positions_m", "velocities_mps", "covariances_m2", "weights"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-6)
        assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-5)


def test_no_groups_have_no_paths(rig: StereoRig, settings: Settings) -> None:
    paths: list[SmoothedPath] = smooth(rig, [], settings())
    assert paths == []


def test_a_group_that_only_one_camera_saw_is_named(rig: StereoRig, settings: Settings) -> None:
    frames = np.arange(3, 8)
    alone = without(seen_at(rig, straight(frames), frames, 1.0), 1, slice(None))
    with pytest.raises(DataError, match=r"group 1 \(frames 3 to 7\) has no triangulated point"):
        smooth(rig, [seen_at(rig, straight(frames), frames, 1.0), alone], settings())


def test_motion_off_smooths_nothing(rig: StereoRig, settings: Settings) -> None:
    with pytest.raises(ParamsError, match=r"smoothing\.motion is off"):
        smooth(rig, [], settings("off"))
