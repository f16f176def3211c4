"""From the 2D tracks of calibrated cameras to 3D: associate whole tracks, decide which are real, locate what is kept.

Association comes first, so that all views of one thing are decided together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.params import load_section
from track_persistence.core.rig import Camera, CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, CameraTracks, Track
from track_persistence.stereo.association import Association, associate
from track_persistence.tracking.config import TrackingConfig, Witnesses, needs_fusion
from track_persistence.tracking.fusion import Evidence, Place, decide
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.geometry import GeometryModel, GeometryVerdict, judge_geometry
from track_persistence.tracking.reconstruction import reconstruct
from track_persistence.tracking.results import Decision, Reconstructed3DTrack, Verdict

Tracks = CameraTracks[BoxTrack] | Sequence[BoxTrack]
PARAMS = Path("params.yaml")


class Judge(Protocol):
    """Whoever judges tracks by what each shows; `PersistenceFilter` is one."""

    @property
    def threshold(self) -> float:
        """Probability from which on a track is kept."""
        ...

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        """Judge each track on its own."""
        ...


class Integrated3DTracker:
    """Turns the tracks of calibrated cameras into 3D tracks, with or without the persistence filter."""

    def __init__(
        self,
        persistence_filter: Judge | None,
        use_filter: bool = True,
        rig: CameraRig | None = None,
        config: TrackingConfig | None = None,
        geometry: GeometryModel | None = None,
        fusion: FusionModel | None = None,
    ) -> None:
        """Set the tracker up.

        rig: needed only when `process_scene` is given plain sequences of tracks. config: None loads the section
        `tracking` of `params.yaml` in the working directory. geometry: judges by geometry where `tracking.fusion` asks
        for it. fusion: judges by statistics, and weighs several witnesses. Raises `ParamsError` when one that
        `tracking.fusion` needs is missing.
        """
        self.config = config if config is not None else load_section(PARAMS, "tracking", TrackingConfig)
        self._witnesses = self.config.fusion if use_filter else ()
        _check_needs(self._witnesses, persistence_filter, geometry, fusion)
        self._judge = persistence_filter if "appearance" in self._witnesses else None
        self._geometry = geometry if "geometry" in self._witnesses else None
        self._fusion = fusion if needs_fusion(self._witnesses) else None
        self._rig = rig
        self._counts = {"scenes": 0, "total_tracks": 0, "kept": 0, "pairs": 0, "reconstructed": 0, "points": 0}

    def process_scene(
        self, camera1_tracks: Tracks, camera2_tracks: Tracks, *more_tracks: Tracks
    ) -> tuple[list[Reconstructed3DTrack], list[Decision]]:
        """Return the 3D tracks of the kept groups, and one decision per 2D track, camera by camera.

        Takes one `CameraTracks` per camera, whose calibrations make the rig, or plain sequences when `rig` was given.
        A tracker without `appearance` in `tracking.fusion`, or without filter, takes tracks without crops (`BoxTrack`).
        Raises `DataError` on tracks of the wrong camera, repeated ids, missing crops, or a rig that is missing or
        contradicts.
        """
        views = (camera1_tracks, camera2_tracks, *more_tracks)
        rig = self._rig_for(views)
        tracks = tuple(tuple(view) for view in views)
        for camera, own in enumerate(tracks):
            _check_tracks(camera, own)
        association = associate(rig, tracks, self.config.stereo)
        decisions = decide(tracks, association, self._evidence(rig, tracks, association))
        by_place = dict(zip(_places(tracks), decisions, strict=True))
        groups, persistence = [], []
        for group in association.groups:
            first = next(by_place[camera, i] for camera, i in enumerate(group.members) if i is not None)
            if first.is_persistent:
                groups.append([None if i is None else tracks[camera][i] for camera, i in enumerate(group.members)])
                persistence.append(first.confidence)
        reconstructed = reconstruct(rig, groups, persistence, self.config)
        self._count(decisions, association, reconstructed)
        return reconstructed, decisions

    def get_statistics(self) -> dict[str, float]:
        """Return totals over all scenes so far.

        scenes; total_tracks, kept and filtered_out count the 2D tracks of all cameras, filter_rate is their
        filtered share (0 before the first track); pairs counts groups of partners found before the decision,
        reconstructed the 3D tracks, points their positions.
        """
        total, kept = self._counts["total_tracks"], self._counts["kept"]
        filtered = total - kept
        return {**self._counts, "filtered_out": filtered, "filter_rate": filtered / total if total else 0.0}

    def _rig_for(self, views: Sequence[Tracks]) -> CameraRig:
        given = [view.camera for view in views if isinstance(view, CameraTracks)]
        if self._rig is None:
            if len(given) < len(views):
                raise DataError(
                    "process_scene: plain sequences of tracks carry no calibration; give Integrated3DTracker a rig "
                    "(stereo.calibration.load_rig) or pass CameraTracks"
                )
            return StereoRig((given[0], given[1])) if len(given) == 2 else CameraRig(tuple(given))
        if len(self._rig.cameras) != len(views):
            raise DataError(
                f"process_scene: tracks of {len(views)} cameras, but the tracker's rig has {len(self._rig.cameras)}; "
                "pass one sequence per camera, an empty one where nothing was seen"
            )
        for index, view in enumerate(views):
            if isinstance(view, CameraTracks) and not _same_camera(view.camera, self._rig.cameras[index]):
                raise DataError(
                    f"camera {view.camera.name}: its tracks carry another calibration than camera {index + 1} of "
                    "the tracker's rig; leave out rig= or pass the tracks as plain sequences"
                )
        return self._rig

    def _evidence(
        self, rig: CameraRig, tracks: Sequence[Sequence[BoxTrack]], association: Association
    ) -> Evidence | None:
        if not self._witnesses:
            return None
        appearance: dict[Place, Verdict] = {}
        statistics: dict[Place, float] = {}
        geometry: dict[Place, GeometryVerdict] = {}
        prior, threshold = 0.0, self.config.geometry_threshold
        if self._judge is not None:
            seen = [_with_crops(track) for own in tracks for track in own]
            appearance = dict(zip(_places(tracks), self._judge.predict_tracks(seen), strict=True))
            threshold = self._judge.threshold
        if self._fusion is not None and "statistics" in self._witnesses:
            statistics = {
                (camera, at): self._fusion.judge_statistics(tracks[camera][at]) for camera, at in _places(tracks)
            }
        if self._geometry is not None:
            geometry = judge_geometry(self._geometry, rig, tracks, association, self.config.stereo)
            prior = self._geometry.prior_log_odds
        weighed = self._fusion if len(self._witnesses) > 1 else None
        return Evidence(appearance, statistics, geometry, prior, weighed, threshold)

    def _count(
        self, decisions: list[Decision], association: Association, reconstructed: list[Reconstructed3DTrack]
    ) -> None:
        self._counts["scenes"] += 1
        self._counts["total_tracks"] += len(decisions)
        self._counts["kept"] += sum(decision.is_persistent for decision in decisions)
        self._counts["pairs"] += len(association.groups)
        self._counts["reconstructed"] += len(reconstructed)
        self._counts["points"] += sum(int(track.located.sum()) for track in reconstructed)


def _check_needs(
    witnesses: Witnesses, judge: Judge | None, geometry: GeometryModel | None, fusion: FusionModel | None
) -> None:
    named = f"Integrated3DTracker: use_filter is True and tracking.fusion is [{', '.join(witnesses)}], but"
    if "appearance" in witnesses and judge is None:
        raise ParamsError(f"{named} persistence_filter is None; pass a PersistenceFilter or use_filter=False")
    if "geometry" in witnesses and geometry is None:
        raise ParamsError(
            f"{named} geometry is None; pass GeometryModel.load(models/geometry/model.json) or set tracking.fusion to "
            "[appearance]"
        )
    if needs_fusion(witnesses) and fusion is None:
        raise ParamsError(
            f"{named} fusion is None; pass FusionModel.load(models/fusion/fusion.json) or set tracking.fusion to "
            "[appearance] or [geometry]"
        )


def _places(tracks: Sequence[Sequence[BoxTrack]]) -> list[Place]:
    return [(camera, index) for camera, own in enumerate(tracks) for index in range(len(own))]


def _with_crops(track: BoxTrack) -> Track:
    if not isinstance(track, Track):
        raise DataError(
            f"{track.name}: has no crops, but the filter judges pixels; pass a Track with crops, or set "
            "tracking.fusion to [geometry]"
        )
    return track


def _check_tracks(camera: int, tracks: Sequence[BoxTrack]) -> None:
    seen: set[int] = set()
    for track in tracks:
        if track.camera != camera:
            raise DataError(
                f"track {track.track_id} of camera {track.camera} was given as camera {camera}'s; "
                "swap the arguments or set the track's camera"
            )
        if track.track_id in seen:
            raise DataError(f"track {track.track_id} of camera {camera} was given twice; ids must be unique")
        seen.add(track.track_id)


def _same_camera(one: Camera, other: Camera) -> bool:
    return (
        one.lens is other.lens
        and np.array_equal(one.intrinsics, other.intrinsics)
        and np.array_equal(one.distortion, other.distortion)
        and np.array_equal(one.cam_from_world, other.cam_from_world)
        and one.image_size_px == other.image_size_px
    )
