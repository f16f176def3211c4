"""Labelled scenes to what geometry knew of every track at every age: the samples that the judge is fitted on."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from track_persistence.core.types import BoxTrack, Ghost, LabelledTrack, StereoScene
from track_persistence.stereo.association import Group, associate
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import GeometryCues, MotionPrior, UnpairedCues, group_cues, unpaired_cues

Place = tuple[int, int]
"""Camera and position in its sequence of tracks."""


@dataclass(frozen=True)
class Sample:
    """One track at one age.

    age: index into the ages, the last one being the whole scene. ghost: NONE for a track of a real object. is_real:
    whether it is that and, in a group, all members show that one object. hits, mean_confidence: of the frames seen so
    far, for the simple rules beside which geometry is measured.
    """

    scene_id: int
    age: int
    ghost: Ghost
    is_real: bool
    hits: int
    mean_confidence: float
    cues: GeometryCues | UnpairedCues


@dataclass(frozen=True)
class TrackSample(Sample):
    """A sample that knows which track it is of.

    partner_id: the track of the other camera in its group, None without one. partner_hits: its frames so far, or 0.
    """

    camera: int
    track_id: int
    partner_id: int | None
    partner_hits: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        kind = "group" if isinstance(self.cues, GeometryCues) else "unpaired"
        return {**asdict(self), "ghost": self.ghost.value, "cues": {"kind": kind, **asdict(self.cues)}}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        values = dict(content["cues"])
        made = GeometryCues if values.pop("kind") == "group" else UnpairedCues
        return cls(**{**content, "ghost": Ghost(content["ghost"]), "cues": made(**values)})


def samples_of(
    scene: StereoScene, frames_seen: Sequence[int], config: StereoConfig, motion: MotionPrior
) -> Iterator[TrackSample]:
    """Yield every track of the scene at every age: after its first min(age, T) observed frames, then whole."""
    moments: dict[int | None, list[tuple[int, Place]]] = {}
    for camera, own in enumerate(scene.tracks):
        for index, item in enumerate(own):
            for age, count in enumerate(frames_seen):
                last = int(item.track.frames[min(count, len(item.track)) - 1])
                moments.setdefault(last, []).append((age, (camera, index)))
            moments.setdefault(None, []).append((len(frames_seen), (camera, index)))
    for moment, judged in moments.items():
        yield from _at(scene, moment, judged, config, motion)


def _at(
    scene: StereoScene,
    last: int | None,
    judged: Sequence[tuple[int, Place]],
    config: StereoConfig,
    motion: MotionPrior,
) -> Iterator[TrackSample]:
    """Judge tracks of the scene as it was after frame `last`, None being its end."""
    begun = [[item for item in own if last is None or item.track.frames[0] <= last] for own in scene.tracks]
    tracks = [[_until(item.track, last) for item in own] for own in begun]
    association = associate(scene.rig, tracks, config)
    groups = {place: group for group in association.groups for place in _places(group)}
    shared: dict[tuple[Place, ...], GeometryCues] = {}
    for age, (camera, index) in judged:
        item = scene.tracks[camera][index]
        place = (camera, next(at for at, other in enumerate(begun[camera]) if other is item))
        track = tracks[camera][place[1]]
        cues: GeometryCues | UnpairedCues
        if place in groups:
            places = _places(groups[place])
            if places not in shared:
                shared[places] = group_cues(scene.rig, association, groups[place], tracks, config, motion)
            cues, is_real = shared[places], _is_one_object([begun[c][i] for c, i in places])
            partner = next(tracks[c][i] for c, i in places if c != camera)
        else:
            cues, is_real = unpaired_cues(scene.rig, association, place, track, config), item.is_persistent
            partner = None
        yield TrackSample(
            scene.scene_id,
            age,
            item.ghost,
            is_real,
            len(track),
            float(track.confidences.mean(dtype=np.float64)),
            cues,
            camera,
            track.track_id,
            None if partner is None else partner.track_id,
            0 if partner is None else len(partner),
        )


def _places(group: Group) -> tuple[Place, ...]:
    return tuple((camera, index) for camera, index in enumerate(group.members) if index is not None)


def _until(track: BoxTrack, last: int | None) -> BoxTrack:
    count = len(track) if last is None else int(np.searchsorted(track.frames, last, side="right"))
    return BoxTrack(
        track.camera, track.track_id, track.frames[:count], track.boxes_xywh_px[:count], track.confidences[:count]
    )


def _is_one_object(items: Sequence[LabelledTrack]) -> bool:
    return all(item.is_persistent for item in items) and len({item.object_id for item in items}) == 1
