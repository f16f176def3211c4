"""Kept groups of 2D tracks to 3D tracks: triangulated frame by frame, or smoothed over the whole path.

V cameras, F frames.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.observations import Observations, observe
from track_persistence.stereo.smoothing import smooth
from track_persistence.stereo.triangulation import Points, Status, triangulate
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.results import Reconstructed3DTrack

Members = Sequence[BoxTrack | None]


def reconstruct(
    rig: CameraRig, groups: Sequence[Members], persistence: Sequence[float | None], config: TrackingConfig
) -> list[Reconstructed3DTrack]:
    """Return the 3D track of every group that has one; `groups` holds the track of each camera or None.

    A group whose rays never meet in front of the cameras has no 3D track.
    """
    seen = [observe(members, config.stereo) for members in groups]
    points = [
        triangulate(rig, item.pixels, item.sigmas_px).with_outliers(config.stereo.outlier_sigmas) for item in seen
    ]
    usable = [index for index, found in enumerate(points) if found.ok.any()]
    frame_by_frame = [_triangulated(groups[i], seen[i], points[i], persistence[i]) for i in usable]
    if config.smoothing.motion == "off" or not usable:
        return frame_by_frame
    return _smoothed(rig, [seen[i] for i in usable], frame_by_frame, config)


def _triangulated(
    members: Members, seen: Observations, points: Points, persistence: float | None
) -> Reconstructed3DTrack:
    lost = ~points.ok
    positions, covariances = points.positions_m.copy(), points.covariances_m2.copy()
    positions[lost], covariances[lost] = np.nan, np.nan
    return Reconstructed3DTrack(
        tuple(None if track is None else track.track_id for track in members),
        seen.frames,
        positions,
        np.full_like(positions, np.nan),
        covariances,
        seen.views.astype(np.uint8),
        points.reprojection_px,
        points.status,
        persistence,
        np.nanmean(seen.confidences, axis=0).astype(np.float32),
    )


def _smoothed(
    rig: CameraRig, seen: Sequence[Observations], tracks: Sequence[Reconstructed3DTrack], config: TrackingConfig
) -> list[Reconstructed3DTrack]:
    """Return `tracks` with smoothed positions, gaps filled and uncertain frames left out.

    The smoother takes errors of neighbouring frames as independent, so correlated ones are made that much larger.
    """
    factor = np.sqrt(config.stereo.correlated_frames)
    made_larger = [replace(item, sigmas_px=item.sigmas_px * factor) for item in seen]
    # Of a far thing all rays may be parallel within the larger noise; then its depth is unknown.
    kept = [i for i, item in enumerate(made_larger) if triangulate(rig, item.pixels, item.sigmas_px).ok.any()]
    independent, tracks = [made_larger[i] for i in kept], [tracks[i] for i in kept]
    result = []
    for track, path in zip(tracks, smooth(rig, independent, config.smoothing), strict=True):
        rows = np.searchsorted(path.frames, track.frames)
        count = len(path.frames)
        reprojection = np.full((count, track.reprojection_px.shape[1]), np.nan)
        status = np.full(count, Status.ONE_VIEW, np.uint8)
        confidence = np.full(count, np.nan, np.float32)
        reprojection[rows], status[rows], confidence[rows] = track.reprojection_px, track.status, track.confidence
        sure = np.linalg.eigvalsh(path.covariances_m2)[:, -1] <= config.smoothing.max_sigma_m**2
        smoothed = Reconstructed3DTrack(
            track.track_ids,
            path.frames[sure],
            path.positions_m[sure],
            path.velocities_mps[sure],
            path.covariances_m2[sure],
            path.views[sure],
            reprojection[sure],
            status[sure],
            track.persistence,
            confidence[sure],
        )
        if len(smoothed):
            result.append(smoothed)
    return result
