"""Kept groups of 2D tracks to 3D tracks: triangulated frame by frame, or smoothed over the whole path.

V cameras, F frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import LastingConfig
from track_persistence.stereo.lasting import added_to_paths, added_to_points, lasting_shifts_px
from track_persistence.stereo.observations import Observations, observe
from track_persistence.stereo.smoothing import SmoothedPath, smooth
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
    chosen = [_Group(groups[i], seen[i], points[i], persistence[i]) for i in usable]
    if config.smoothing.motion == "off":
        return [_triangulated(rig, group, config.lasting) for group in chosen]
    return _smoothed(rig, chosen, config)


@dataclass(frozen=True, eq=False)
class _Group:
    """What the cameras saw of one thing, frame by frame triangulated."""

    members: Members
    seen: Observations
    points: Points
    persistence: float | None

    @property
    def frame_by_frame(self) -> Reconstructed3DTrack:
        """Return its 3D track as the triangulation has it."""
        lost = ~self.points.ok
        positions, covariances = self.points.positions_m.copy(), self.points.covariances_m2.copy()
        positions[lost], covariances[lost] = np.nan, np.nan
        return Reconstructed3DTrack(
            tuple(None if track is None else track.track_id for track in self.members),
            self.seen.frames,
            positions,
            np.full_like(positions, np.nan),
            covariances,
            self.seen.views.astype(np.uint8),
            self.points.reprojection_px,
            self.points.status,
            self.persistence,
            np.nanmean(self.seen.confidences, axis=0).astype(np.float32),
        )


def _triangulated(rig: CameraRig, group: _Group, lasting: LastingConfig | None) -> Reconstructed3DTrack:
    track = group.frame_by_frame
    if lasting is None:
        return track
    shifts_px = lasting_shifts_px(rig, group.members, group.seen, lasting)
    added_m2 = added_to_points(rig, group.seen, group.points, shifts_px)
    return replace(track, covariances_m2=track.covariances_m2 + added_m2)


def _smoothed(rig: CameraRig, groups: Sequence[_Group], config: TrackingConfig) -> list[Reconstructed3DTrack]:
    """Return smoothed tracks, gaps filled and uncertain frames left out.

    The smoother takes errors of neighbouring frames as independent, so correlated ones are made that much larger.
    """
    factor = np.sqrt(config.stereo.correlated_frames)
    made_larger = [replace(group.seen, sigmas_px=group.seen.sigmas_px * factor) for group in groups]
    # Of a far thing all rays may be parallel within the larger noise; then its depth is unknown.
    kept = [i for i, item in enumerate(made_larger) if triangulate(rig, item.pixels, item.sigmas_px).ok.any()]
    groups, independent = [groups[i] for i in kept], [made_larger[i] for i in kept]
    paths = smooth(rig, independent, config.smoothing)
    if config.lasting is not None:
        shifts_px = [lasting_shifts_px(rig, group.members, group.seen, config.lasting) for group in groups]
        added_m2 = added_to_paths(rig, independent, paths, shifts_px, (config.smoothing, config.lasting))
        paths = [
            replace(path, covariances_m2=path.covariances_m2 + added)
            for path, added in zip(paths, added_m2, strict=True)
        ]
    tracks = [_on_path(group.frame_by_frame, path, config) for group, path in zip(groups, paths, strict=True)]
    return [track for track in tracks if len(track)]


def _on_path(track: Reconstructed3DTrack, path: SmoothedPath, config: TrackingConfig) -> Reconstructed3DTrack:
    """Return the track with the smoothed path in place of its points, in the frames in which that is sure enough."""
    rows = np.searchsorted(path.frames, track.frames)
    count = len(path.frames)
    reprojection = np.full((count, track.reprojection_px.shape[1]), np.nan)
    status = np.full(count, Status.ONE_VIEW, np.uint8)
    confidence = np.full(count, np.nan, np.float32)
    reprojection[rows], status[rows], confidence[rows] = track.reprojection_px, track.status, track.confidence
    sure = np.linalg.eigvalsh(path.covariances_m2)[:, -1] <= config.smoothing.max_sigma_m**2
    return Reconstructed3DTrack(
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
