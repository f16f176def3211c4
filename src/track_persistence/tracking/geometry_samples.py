"""Labelled scenes to what geometry knew of every track at every age: the samples that the judge is fitted on."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from track_persistence.core.types import BoxTrack, Ghost, LabelledTrack, StereoScene
from track_persistence.stereo.association import associate
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

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        kind = "group" if isinstance(self.cues, GeometryCues) else "unpaired"
        return {**asdict(self), "ghost": self.ghost.value, "cues": {"kind": kind, **asdict(self.cues)}}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Sample":
        """Return what `to_json` wrote."""
        values = dict(content["cues"])
        made = GeometryCues if values.pop("kind") == "group" else UnpairedCues
        return cls(**{**content, "ghost": Ghost(content["ghost"]), "cues": made(**values)})


def samples_of(
    scene: StereoScene, frames_seen: Sequence[int], config: StereoConfig, motion: MotionPrior
) -> Iterator[Sample]:
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
) -> Iterator[Sample]:
    """Judge tracks of the scene as it was after frame `last`, None being its end."""
    begun = [[item for item in own if last is None or item.track.frames[0] <= last] for own in scene.tracks]
    tracks = [[_until(item.track, last) for item in own] for own in begun]
    association = associate(scene.rig, tracks, config)
    found: dict[Place, tuple[GeometryCues | UnpairedCues, bool]] = {}
    wanted = {id(scene.tracks[camera][index]) for _, (camera, index) in judged}
    for group in association.groups:
        members = [(camera, index) for camera, index in enumerate(group.members) if index is not None]
        items = [begun[camera][index] for camera, index in members]
        if any(id(item) in wanted for item in items):
            cues = group_cues(scene.rig, association, group, tracks, config, motion)
            for item in items:
                found[item.track.camera, item.track.track_id] = cues, _is_one_object(items)
    for age, (camera, index) in judged:
        item = scene.tracks[camera][index]
        key = (camera, item.track.track_id)
        now = next(i for i, other in enumerate(begun[camera]) if other is item)
        track = tracks[camera][now]
        if key in found:
            seen, is_real = found[key]
        else:
            seen, is_real = unpaired_cues(scene.rig, association, (camera, now), track, config), item.is_persistent
        confidence = float(track.confidences.mean(dtype=np.float64))
        yield Sample(scene.scene_id, age, item.ghost, is_real, len(track), confidence, seen)


def _until(track: BoxTrack, last: int | None) -> BoxTrack:
    count = len(track) if last is None else int(np.searchsorted(track.frames, last, side="right"))
    return BoxTrack(
        track.camera, track.track_id, track.frames[:count], track.boxes_xywh_px[:count], track.confidences[:count]
    )


def _is_one_object(items: Sequence[LabelledTrack]) -> bool:
    return all(item.is_persistent for item in items) and len({item.object_id for item in items}) == 1
