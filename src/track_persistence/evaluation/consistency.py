"""Whether 3D paths are as good as the pixels allow and as good as they say: bound, NEES, coverage, jerk.

NEES (normalised estimation error squared, Bar-Shalom, Li and Kirubarajan 2001, 5.4) is e^T P^-1 e of an error e with
the covariance P that the track itself states: chi-square with 3 degrees of freedom if that is honest, so 3 on average.
Frames of one path share most of their error, so two intervals stand side by side: a bootstrap over scenes of the mean
over all frames, and the chi-square interval of independent draws, for which only the middle frame of each path counts.

N points, F frames of a path, V cameras, B depth bins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.evaluation.paths3d import EstimatedPath, TruePath
from track_persistence.evaluation.resampling import Row, with_intervals
from track_persistence.stereo.geometry import project_with_jacobian, to_camera

Floats = NDArray[np.float64]
DIMENSIONS = 3
LEVELS = (0.5, 0.95)


def cramer_rao(rig: CameraRig, positions_m: Floats, sigmas_px: Any) -> Floats:
    """Return the least covariance (N, 3, 3) in m^2 that an unbiased triangulation of one frame can have.

    The inverse Fisher information of independent Gaussian pixel noise at the true points positions_m (N, 3). sigmas_px:
    per axis, a number, (V, 1) or (V, N), NaN where a camera does not see the point; NaN where fewer than two do.
    """
    sigmas = np.broadcast_to(np.asarray(sigmas_px, np.float64), (len(rig.cameras), len(positions_m)))
    information = np.zeros((len(positions_m), DIMENSIONS, DIMENSIONS))
    for camera, sigma in zip(rig.cameras, sigmas, strict=True):
        _, jacobian = project_with_jacobian(camera, positions_m)
        seen = np.isfinite(sigma)
        weighted = jacobian[seen] / sigma[seen, None, None]
        information[seen] += np.swapaxes(weighted, 1, 2) @ weighted
    bound = np.full(information.shape, np.nan)
    enough = np.isfinite(sigmas).sum(axis=0) >= 2
    bound[enough] = np.linalg.inv(information[enough])
    return bound


@dataclass(frozen=True, eq=False)
class PathErrors:
    """One 3D path beside the true one, in the frames that both have.

    frames: (F,). truth_m, estimate_m: (F, 3). covariances_m2: (F, 3, 3) as the path states, None if it states none.
    bounds_m2: (F, 3, 3) `cramer_rao`, NaN where not every camera sees the object. depths_m: (F,) true depth in the
    rig's first camera.
    """

    frames: NDArray[np.integer[Any]]
    truth_m: Floats
    estimate_m: Floats
    covariances_m2: Floats | None
    bounds_m2: Floats
    depths_m: Floats


def path_errors(rig: CameraRig, truth: TruePath, estimate: EstimatedPath, sigmas_px: Any) -> PathErrors:
    """Return an estimated path beside the true one.

    sigmas_px: noise of the measurements per axis, one number, or (V, T) for the frames of the estimate.
    """
    frames, mine, true = np.intersect1d(estimate.frames, truth.frames, assume_unique=True, return_indices=True)
    truth_m = truth.positions_m[true]
    sigmas = np.broadcast_to(np.asarray(sigmas_px, np.float64), (len(rig.cameras), len(estimate.frames)))[:, mine]
    return PathErrors(
        frames,
        truth_m,
        estimate.positions_m[mine],
        None if estimate.covariances_m2 is None else estimate.covariances_m2[mine],
        cramer_rao(rig, truth_m, np.where(truth.seen[true], sigmas, np.nan)),
        to_camera(rig.cameras[0], truth_m)[:, 2],
    )


@dataclass(frozen=True, eq=False)
class ConsistencyCounts:
    """What the paths of one scene, or the sum of several, add up to; sums over points unless said otherwise.

    nees_points: points with a covariance, of which inside_50 and inside_95 lie in that ellipsoid. path_nees: summed
    over the middle point of each of `nees_paths` paths. jerk_m2ps6, true_jerk_m2ps6: squared third differences of the
    estimate and of the truth over `jerk_points` runs of four frames. bins: (3, B) points that every camera sees, their
    squared errors and the trace of their bounds, m^2.
    """

    nees: float
    nees_points: float
    inside_50: float
    inside_95: float
    path_nees: float
    nees_paths: float
    jerk_m2ps6: float
    true_jerk_m2ps6: float
    jerk_points: float
    bins: Floats

    @property
    def row(self) -> Row:
        """All numbers behind each other; rows of scenes add up."""
        return np.concatenate([np.ravel(getattr(self, field.name)) for field in fields(self)])

    @classmethod
    def from_row(cls, row: Row) -> "ConsistencyCounts":
        """Return the counts whose `row` this is."""
        names = [field.name for field in fields(cls) if field.name != "bins"]
        scalars: dict[str, Any] = dict(zip(names, row.tolist(), strict=False))
        return cls(**scalars, bins=row[len(names) :].reshape(3, -1))


def count_consistency(
    paths: Sequence[PathErrors], depth_edges_m: Sequence[float], frame_rate_hz: float
) -> ConsistencyCounts:
    """Add up the paths of one scene. depth_edges_m: (B + 1,) increasing; points outside are in no bin."""
    if len(depth_edges_m) < 2 or (np.diff(depth_edges_m) <= 0).any():
        raise DataError(f"depth_edges_m: got {list(depth_edges_m)}; expected at least two increasing depths in metres")
    scalars = np.zeros(len(fields(ConsistencyCounts)) - 1)
    bins = np.zeros((3, len(depth_edges_m) - 1))
    for path in paths:
        scalars += [*_count_nees(path), *_count_jerk(path, frame_rate_hz)]
        bins += _count_depths(path, depth_edges_m)
    return ConsistencyCounts.from_row(np.concatenate([scalars, bins.ravel()]))


def normalised_errors(path: PathErrors) -> Floats:
    """Return the NEES of each frame (F,), without unit; empty of a path without covariances."""
    if path.covariances_m2 is None:
        return np.empty(0)
    errors_m = path.estimate_m - path.truth_m
    nees: Floats = np.einsum("ni,ni->n", errors_m, np.linalg.solve(path.covariances_m2, errors_m[..., None])[..., 0])
    return nees


def _count_nees(path: PathErrors) -> list[float]:
    nees = normalised_errors(path)
    if len(nees) == 0:
        return [0.0] * 6
    inside = [float((nees <= chi2.ppf(level, DIMENSIONS)).sum()) for level in LEVELS]
    return [float(nees.sum()), len(nees), *inside, float(nees[len(nees) // 2]), 1.0]


def _count_jerk(path: PathErrors, frame_rate_hz: float) -> list[float]:
    unbroken = path.frames[3:] - path.frames[:-3] == 3
    thirds = [
        np.diff(positions_m, n=3, axis=0)[unbroken] * frame_rate_hz**3
        for positions_m in (path.estimate_m, path.truth_m)
    ]
    return [*[float((third**2).sum()) for third in thirds], float(unbroken.sum())]


def _count_depths(path: PathErrors, depth_edges_m: Sequence[float]) -> Floats:
    bound_m2 = np.trace(path.bounds_m2, axis1=1, axis2=2)
    seen = np.isfinite(bound_m2)
    squared_m2 = ((path.estimate_m - path.truth_m) ** 2).sum(axis=1)
    return np.stack(
        [
            np.histogram(path.depths_m[seen], depth_edges_m, weights=weights)[0]
            for weights in (np.ones(int(seen.sum())), squared_m2[seen], bound_m2[seen])
        ]
    )


def consistency_metrics(counts: ConsistencyCounts) -> dict[str, float]:
    """Return the metrics of summed counts; NaN where a denominator is 0.

    rmse_m and its ratio to the bound, `bound_ratio`, over all bins and, with the bin's number from 0 at the end of the
    name, in each; a smoother uses many frames and may stay below 1. nees: 3 if the covariances are honest.
    coverage_50, coverage_95: shares inside those ellipsoids. jerk_mps3, true_jerk_mps3: RMS third differences, and
    jerk_ratio theirs.
    """
    metrics = {
        "nees": _quotient(counts.nees, counts.nees_points),
        "coverage_50": _quotient(counts.inside_50, counts.nees_points),
        "coverage_95": _quotient(counts.inside_95, counts.nees_points),
        "jerk_mps3": _root(counts.jerk_m2ps6, counts.jerk_points),
        "true_jerk_mps3": _root(counts.true_jerk_m2ps6, counts.jerk_points),
        "jerk_ratio": _root(counts.jerk_m2ps6, counts.true_jerk_m2ps6),
    }
    columns = {"": counts.bins.sum(axis=1), **{f"_{number}": column for number, column in enumerate(counts.bins.T)}}
    for name, (points, squared_m2, bound_m2) in columns.items():
        metrics[f"rmse_m{name}"] = _root(squared_m2, points)
        metrics[f"bound_m{name}"] = _root(bound_m2, points)
        metrics[f"bound_ratio{name}"] = _root(squared_m2, bound_m2)
    return metrics


def nees_interval(counts: ConsistencyCounts) -> Mapping[str, float]:
    """Return the mean NEES of one frame per path, and where honest covariances put it in 95 % of all experiments.

    Of K paths the sum is chi-square with 3 K degrees of freedom, whose quantiles over K are expected_low and _high.
    """
    dof = DIMENSIONS * counts.nees_paths
    low, high = chi2.ppf((0.025, 0.975), dof) / counts.nees_paths if dof else (np.nan, np.nan)
    return {
        "value": _quotient(counts.path_nees, counts.nees_paths),
        "paths": counts.nees_paths,
        "expected_low": float(low),
        "expected_high": float(high),
    }


def pool_consistency(
    scenes: Sequence[ConsistencyCounts], rng: np.random.Generator, replicates: int
) -> dict[str, Mapping[str, float]]:
    """Return `consistency_metrics` of the summed scenes with 95 % intervals over scenes, and `nees_one_frame_a_path`.

    The latter is `nees_interval` of the summed scenes.
    """
    table = np.stack([scene.row for scene in scenes])
    pooled = with_intervals(lambda row: consistency_metrics(ConsistencyCounts.from_row(row)), table, rng, replicates)
    whole = ConsistencyCounts.from_row(table.sum(axis=0))
    return {**pooled, "nees_one_frame_a_path": nees_interval(whole)}


def _quotient(above: float, below: float) -> float:
    return float(above / below) if below else np.nan


def _root(above: float, below: float) -> float:
    return float(np.sqrt(_quotient(above, below)))
