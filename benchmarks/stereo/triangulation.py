"""A million pairs triangulated with covariance: seconds on one core and RMSE, beside OpenCV, aniposelib and the bound.

Points of `bench_rig`, uniform over depth and over the image, one pixel of noise; a point without a position would
make our RMSE NaN. aniposelib runs in this process where
it can be imported; `docs/stereo.md` says how to install it apart, since it asks for another OpenCV than ours.
"""

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import cv2
import numpy as np
from benchmarks.stereo.tracks import DEPTHS_M, Array, bench_rig, pixels_of, points_in_view
from scipy.stats import chi2

from track_persistence.core.rig import StereoRig
from track_persistence.evaluation.consistency import cramer_rao
from track_persistence.stereo.triangulation import triangulate

Row = tuple[str, str, str, str]

POINTS, NOISE_PX, SEED, REPEATS = 1_000_000, 1.0, 2000, 5
DEPTH_EDGES_M = (3.0, 10.0, 20.0, 30.0)
NOT_INSTALLED = "aniposelib not installed"


@contextmanager
def one_core() -> Iterator[None]:
    """Keep all threads on one core, where the system can: aniposelib's library starts its own."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def opencv(rig: StereoRig, pixels: Array) -> Array:
    """Return the points (N, 3) of `cv2.triangulatePoints`."""
    projections = [camera.intrinsics @ camera.cam_from_world for camera in rig.cameras]
    found = cv2.triangulatePoints(*projections, *[seen.T for seen in pixels])
    return (found[:3] / found[3]).T


def aniposelib(rig: StereoRig) -> Callable[[Array], Array] | None:
    """Return `triangulate` of aniposelib for the rig, None where it is not installed."""
    if importlib.util.find_spec("aniposelib") is None:
        return None
    from aniposelib.cameras import Camera, CameraGroup

    cameras = [
        Camera(
            camera.intrinsics,
            np.zeros(5),
            camera.image_size_px,
            cv2.Rodrigues(camera.rotation)[0].ravel(),
            camera.translation_m,
            camera.name,
        )
        for camera in rig.cameras
    ]
    return CameraGroup(cameras).triangulate  # type: ignore[no-any-return]


def seconds(run: Callable[[], object]) -> float:
    """Return the median CPU seconds of `run`, all threads, after a first call that compiles and touches memory."""
    run()
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return float(np.median(found))


def rmse(estimate_m: Array, truth_m: Array) -> float:
    return float(np.sqrt(((estimate_m - truth_m) ** 2).sum(axis=1).mean()))


def rows() -> list[Row]:
    """Return the rows of the table: seconds, RMSE, and RMSE over the bound by depth."""
    rig, rng = bench_rig(), np.random.default_rng(SEED)
    truth_m = points_in_view(rig, POINTS, rng)
    pixels = pixels_of(rig, truth_m, NOISE_PX, rng)
    peer = aniposelib(rig)
    with one_core():
        ours = triangulate(rig, pixels, NOISE_PX)
        times = [seconds(lambda: triangulate(rig, pixels, NOISE_PX)), seconds(lambda: opencv(rig, pixels))]
        peers = {"OpenCV": opencv(rig, pixels)}
        if peer is not None:
            times.append(seconds(lambda: peer(pixels)))
            peers["aniposelib"] = np.asarray(peer(pixels))
    bound_m2 = np.trace(cramer_rao(rig, truth_m, NOISE_PX), axis1=1, axis2=2)
    bound_m = float(np.sqrt(bound_m2.mean()))
    own_m = rmse(ours.positions_m, truth_m)
    others = [f"{name} {rmse(found, truth_m):.3f} m" for name, found in peers.items()]
    table: list[Row] = [
        (
            f"triangulation of {POINTS:,} pairs with covariance, CPU time on one core",
            "< 1 s",
            f"{times[0]:.2f} s",
            f"without covariance: OpenCV {times[1]:.2f} s, "
            + (NOT_INSTALLED if peer is None else f"aniposelib {times[2]:.2f} s"),
        ),
        (
            "times as fast as aniposelib",
            ">= 5",
            "" if peer is None else f"{times[2] / times[0]:.1f}",
            NOT_INSTALLED if peer is None else "",
        ),
        (
            f"RMSE, {DEPTHS_M[0]:g} to {DEPTHS_M[1]:g} m",
            "<= 1.05 x bound",
            f"{own_m:.3f} m = {own_m / bound_m:.3f} x bound",
            f"{', '.join(others)}; Cramér-Rao bound {bound_m:.3f} m",
        ),
    ]
    for low, high in pairwise(DEPTH_EDGES_M):
        there = (truth_m[:, 2] >= low) & (truth_m[:, 2] < high)
        here_m, least_m = rmse(ours.positions_m[there], truth_m[there]), float(np.sqrt(bound_m2[there].mean()))
        others = [f"{name} {rmse(found[there], truth_m[there]):.3f} m" for name, found in peers.items()]
        ratio = f"{here_m:.3f} m = {here_m / least_m:.3f} x bound"
        table.append((f"RMSE, {low:g} to {high:g} m", "", ratio, f"{', '.join(others)}; bound {least_m:.3f} m"))
    errors_m = ours.positions_m - truth_m
    nees = np.einsum("ni,ni->n", errors_m, np.linalg.solve(ours.covariances_m2, errors_m[..., None])[..., 0])
    covered = f"{(nees <= chi2.ppf(0.95, 3)).mean():.1%}"
    table.append(("points inside their 95 % ellipsoids", "93-97 %", covered, ""))
    return table
