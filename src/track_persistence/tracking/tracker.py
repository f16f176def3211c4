"""From the 2D tracks of two cameras to 3D: associate whole tracks, decide which are real, triangulate the kept pairs.

Association comes first, so that both views of one thing are decided together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.params import load_section
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import CameraTracks, CropArray, Track
from track_persistence.stereo.association import Association, Pair, associate, box_sigma_px, joint_rows
from track_persistence.stereo.triangulation import triangulate
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.results import Decision, Reconstructed3DTrack, Verdict, probability

Tracks = CameraTracks | Sequence[Track]
PARAMS = Path("params.yaml")


class Judge(Protocol):
    """Whoever judges tracks by their pixels; `PersistenceFilter` is one."""

    @property
    def threshold(self) -> float:
        """Probability from which on a track is kept."""
        ...

    def predict_many(self, tracks: Sequence[CropArray]) -> list[Verdict]:
        """Judge each track from its (T, 64, 64, 3) uint8 crops."""
        ...


class Integrated3DTracker:
    """Turns the tracks of a calibrated camera pair into 3D tracks, with or without the persistence filter."""

    def __init__(
        self,
        persistence_filter: Judge | None,
        use_filter: bool = True,
        rig: StereoRig | None = None,
        config: TrackingConfig | None = None,
    ) -> None:
        """Set the tracker up.

        rig: needed only when `process_scene` is given plain sequences of tracks. config: None loads the section
        `tracking` of `params.yaml` in the working directory. Raises `ParamsError` when there is no filter to use.
        """
        if use_filter and persistence_filter is None:
            raise ParamsError(
                "Integrated3DTracker: use_filter is True but persistence_filter is None; "
                "pass a PersistenceFilter or use_filter=False"
            )
        self.config = config if config is not None else load_section(PARAMS, "tracking", TrackingConfig)
        self._judge = persistence_filter if use_filter else None
        self._rig = rig
        self._counts = {"scenes": 0, "total_tracks": 0, "kept": 0, "pairs": 0, "reconstructed": 0, "points": 0}

    def process_scene(
        self, camera1_tracks: Tracks, camera2_tracks: Tracks
    ) -> tuple[list[Reconstructed3DTrack], list[Decision]]:
        """Return the 3D tracks of the kept pairs, and one decision per 2D track: camera 1's in order, then camera 2's.

        Takes two `CameraTracks`, whose calibrations make the rig, or plain sequences when `rig` was given.
        Raises `DataError` on tracks of the wrong camera, repeated ids, or a rig that is missing or contradicts.
        """
        rig = self._rig_for(camera1_tracks, camera2_tracks)
        tracks = (tuple(camera1_tracks), tuple(camera2_tracks))
        for camera, own in enumerate(tracks):
            _check_tracks(camera, own)
        association = associate(rig, *tracks, self.config.stereo)
        decisions = self._decide(tracks, association)
        kept = [pair for pair in association.pairs if decisions[pair.first].is_persistent]
        reconstructed = [self._reconstruct(rig, tracks, pair, decisions[pair.first].confidence) for pair in kept]
        self._count(decisions, association, reconstructed)
        return reconstructed, decisions

    def get_statistics(self) -> dict[str, float]:
        """Return totals over all scenes so far.

        scenes; total_tracks, kept and filtered_out count the 2D tracks of both cameras, filter_rate is their
        filtered share (0 before the first track); pairs counts partners found before the decision, reconstructed
        the 3D tracks, points their measured points.
        """
        total, kept = self._counts["total_tracks"], self._counts["kept"]
        filtered = total - kept
        return {**self._counts, "filtered_out": filtered, "filter_rate": filtered / total if total else 0.0}

    def _rig_for(self, camera1_tracks: Tracks, camera2_tracks: Tracks) -> StereoRig:
        if isinstance(camera1_tracks, CameraTracks) and isinstance(camera2_tracks, CameraTracks):
            if self._rig is None:
                return StereoRig((camera1_tracks.camera, camera2_tracks.camera))
            for index, tracks in enumerate((camera1_tracks, camera2_tracks)):
                if not _same_camera(tracks.camera, self._rig.cameras[index]):
                    raise DataError(
                        f"camera {tracks.camera.name}: its tracks carry another calibration than camera {index + 1} of "
                        "the tracker's rig; leave out rig= or pass the tracks as plain sequences"
                    )
        elif self._rig is None:
            raise DataError(
                "process_scene: plain sequences of tracks carry no calibration; give Integrated3DTracker a rig "
                "(stereo.calibration.load_rig) or pass two CameraTracks"
            )
        return self._rig

    def _decide(self, tracks: tuple[tuple[Track, ...], tuple[Track, ...]], association: Association) -> list[Decision]:
        everyone = [*tracks[0], *tracks[1]]
        partners: dict[int, int] = {}
        for pair in association.pairs:
            partners[pair.first] = len(tracks[0]) + pair.second
            partners[len(tracks[0]) + pair.second] = pair.first
        verdicts = None if self._judge is None else self._judge.predict_many([track.crops for track in everyone])
        decisions = []
        for index, track in enumerate(everyone):
            other = partners.get(index)
            partner_id = None if other is None else everyone[other].track_id
            if verdicts is None or self._judge is None:
                decisions.append(Decision(track.camera, track.track_id, True, None, None, partner_id, None))
                continue
            partner = None if other is None else verdicts[other]
            decisions.append(_decision(track, verdicts[index], partner, partner_id, self._judge.threshold))
        return decisions

    def _reconstruct(
        self,
        rig: StereoRig,
        tracks: tuple[tuple[Track, ...], tuple[Track, ...]],
        pair: Pair,
        persistence: float | None,
    ) -> Reconstructed3DTrack:
        first, second = tracks[0][pair.first], tracks[1][pair.second]
        frames, rows1, rows2 = joint_rows(first, second)
        config = self.config.stereo
        sigmas = [box_sigma_px(track.boxes_xywh_px[rows], config) for track, rows in ((first, rows1), (second, rows2))]
        points = triangulate(rig, first.centres_px[rows1], second.centres_px[rows2], np.stack(sigmas, axis=1))
        points = points.with_outliers(config.outlier_sigmas)
        return Reconstructed3DTrack(
            (first.track_id, second.track_id),
            frames,
            points.positions_m,
            points.covariances_m2,
            points.reprojection_px,
            points.status,
            persistence,
            (first.confidences[rows1] + second.confidences[rows2]) / np.float32(2),
        )

    def _count(
        self, decisions: list[Decision], association: Association, reconstructed: list[Reconstructed3DTrack]
    ) -> None:
        self._counts["scenes"] += 1
        self._counts["total_tracks"] += len(decisions)
        self._counts["kept"] += sum(decision.is_persistent for decision in decisions)
        self._counts["pairs"] += len(association.pairs)
        self._counts["reconstructed"] += len(reconstructed)
        self._counts["points"] += sum(int(track.ok.sum()) for track in reconstructed)


def _decision(
    track: Track, own: Verdict, partner: Verdict | None, partner_id: int | None, threshold: float
) -> Decision:
    log_odds = {"own": own.log_odds}
    if partner is not None:
        log_odds["partner"] = partner.log_odds
    log_odds["total"] = sum(log_odds.values()) / len(log_odds)
    confidence = probability(log_odds["total"])
    return Decision(
        track.camera, track.track_id, confidence >= threshold, confidence, own.attention, partner_id, log_odds
    )


def _check_tracks(camera: int, tracks: Sequence[Track]) -> None:
    seen: set[int] = set()
    for track in tracks:
        if track.camera != camera:
            raise DataError(
                f"track {track.track_id} of camera {track.camera} was given as camera {camera}'s; "
                "swap the two arguments or set the track's camera"
            )
        if track.track_id in seen:
            raise DataError(f"track {track.track_id} of camera {camera} was given twice; ids must be unique")
        seen.add(track.track_id)


def _same_camera(one: Camera, other: Camera) -> bool:
    return (
        np.array_equal(one.intrinsics, other.intrinsics)
        and np.array_equal(one.distortion, other.distortion)
        and np.array_equal(one.cam_from_world, other.cam_from_world)
        and one.image_size_px == other.image_size_px
    )
