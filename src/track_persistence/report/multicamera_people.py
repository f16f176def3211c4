"""The 3D tracks of a rig's people beside the boxes that they were made of, and what can be counted on them.

V cameras.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.report.views3d import plan_and_side
from track_persistence.stereo.association import Association, associate
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.geometry import project_with_jacobian
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.reconstruction import reconstruct
from track_persistence.tracking.results import Reconstructed3DTrack

Floats = NDArray[np.float64]
TracksByCamera = Sequence[Sequence[BoxTrack]]


@dataclass(frozen=True, eq=False)
class Person:
    """One group of tracks that has a 3D path.

    members: its track in each camera, None where it has none. heights_m: its median box height in each camera, at the
    depth of the path, NaN where there is none.
    """

    members: tuple[BoxTrack | None, ...]
    path: Reconstructed3DTrack
    heights_m: tuple[float, ...]
    log_likelihood_ratio: float
    joint_frames: int

    @property
    def cameras(self) -> int:
        """Number of cameras that saw it."""
        return sum(track is not None for track in self.members)

    @property
    def height_m(self) -> float:
        """Median over the cameras of the box height."""
        return _median(np.array(self.heights_m))


def upwards(rig: CameraRig) -> Floats:
    """Return the world's upward direction (3,) as `plan_and_side` takes it."""
    _, side = plan_and_side(rig)
    up = np.zeros(3)
    up[side.axes[1]] = -1 if side.backwards[1] else 1
    return up


def find_people(
    rig: CameraRig, tracks: TracksByCamera, config: TrackingConfig, up: Floats
) -> tuple[list[Person], Association]:
    """Associate the tracks of all cameras and locate each group; up: (3,) unit vector of the world."""
    association = associate(rig, tracks, config.stereo)
    people = []
    for group in association.groups:
        members = tuple(None if index is None else own[index] for own, index in zip(tracks, group.members, strict=True))
        for path in reconstruct(rig, [members], [None], config):
            heights = tuple(
                float("nan") if track is None else _height_m(rig, camera, track, path, up)
                for camera, track in enumerate(members)
            )
            people.append(Person(members, path, heights, group.log_likelihood_ratio, group.joint_frames))
    return people, association


def _height_m(rig: CameraRig, camera: int, track: BoxTrack, path: Reconstructed3DTrack, up: Floats) -> float:
    """Return the median height of a track's boxes, as an upright thing on the path has it."""
    _, mine, theirs = np.intersect1d(track.frames, path.frames[path.located], return_indices=True)
    if not len(mine):
        return float("nan")
    _, jacobian = project_with_jacobian(rig.cameras[camera], path.positions_m[path.located][theirs])
    return float(np.median(track.boxes_xywh_px[mine, 3] / np.linalg.norm(jacobian @ up, axis=1)))


def transitivity(rig: CameraRig, tracks: TracksByCamera, config: StereoConfig) -> tuple[int, int]:
    """Return how many chains of partners over three cameras close, and how many there are.

    Each two cameras are associated on their own. A chain a-b-c of pairs closes when a and c are a pair as well; so many
    do whatever the joint association makes of it.
    """
    partners: dict[tuple[int, int], dict[int, int]] = {}
    for i, j in combinations(range(len(tracks)), 2):
        alone = _as_pair(tracks[i], tracks[j])
        groups = associate(rig.pair(i, j), alone, config).groups
        found = {a: b for a, b in (group.members for group in groups) if a is not None and b is not None}
        partners[i, j], partners[j, i] = found, {b: a for a, b in found.items()}
    closed = total = 0
    for i, j, k in permutations(range(len(tracks)), 3):
        if i < k:
            ends = {a: partners[j, k].get(b) for a, b in partners[i, j].items()}
            total += sum(c is not None for c in ends.values())
            closed += sum(c is not None and partners[i, k].get(a) == c for a, c in ends.items())
    return closed, total


def _as_pair(first: Sequence[BoxTrack], second: Sequence[BoxTrack]) -> list[list[BoxTrack]]:
    """Return the tracks of two cameras of a rig as those of cameras 0 and 1."""
    return [
        [BoxTrack(camera, own.track_id, own.frames, own.boxes_xywh_px, own.confidences) for own in tracks]
        for camera, tracks in enumerate((first, second))
    ]


def summary(
    rig: CameraRig, tracks: TracksByCamera, people: Sequence[Person], association: Association, frames: Sequence[int]
) -> dict[str, Any]:
    """Return the numbers of a run for JSON; frames: (V,) of each video."""
    boxes = [sum(map(len, own)) for own in tracks]
    explained = [sum(len(track) for track in _members(people, camera)) for camera in range(len(tracks))]
    closed, chains = transitivity(rig, tracks, association.config)
    errors = np.concatenate([np.empty(0), *(person.path.reprojection_px.ravel() for person in people)])
    return {
        "cameras": {
            camera.name: {
                "frames": frames[index],
                "tracks": len(tracks[index]),
                "boxes": boxes[index],
                "boxes_per_frame": boxes[index] / frames[index],
                "explained_boxes": explained[index],
                "explained_boxes_per_frame": explained[index] / frames[index],
            }
            for index, camera in enumerate(rig.cameras)
        },
        "groups_by_cameras": {
            str(count): sum(person.cameras == count for person in people) for count in range(2, len(tracks) + 1)
        },
        "explained_share_of_boxes": sum(explained) / max(sum(boxes), 1),
        "median_reprojection_px": _median(errors),
        "transitivity": {"closed": closed, "chains": chains},
        "people": [_person(rig, number, person) for number, person in enumerate(people)],
        "biases_px": {
            f"{rig.cameras[i].name} {rig.cameras[j].name}": {"mean": bias.mean_px, "sigma": bias.sigma_px}
            for (i, j), bias in association.biases.items()
        },
    }


def _person(rig: CameraRig, number: int, person: Person) -> Mapping[str, Any]:
    path = person.path
    located = path.positions_m[path.located]
    deviations = np.sqrt(np.trace(path.covariances_m2[path.located], axis1=1, axis2=2))
    return {
        "identity": number,
        "track_ids": {
            camera.name: track.track_id
            for camera, track in zip(rig.cameras, person.members, strict=True)
            if track is not None
        },
        "first_frame": int(path.frames[0]),
        "last_frame": int(path.frames[-1]),
        "joint_frames": person.joint_frames,
        "log_likelihood_ratio": person.log_likelihood_ratio,
        "height_m": person.height_m,
        "heights_m": list(person.heights_m),
        "median_position_m": np.median(located, axis=0).tolist(),
        "median_sigma_m": _median(deviations),
        "median_reprojection_px": [_median(path.reprojection_px[:, index]) for index in range(len(rig.cameras))],
    }


def _members(people: Sequence[Person], camera: int) -> list[BoxTrack]:
    return [track for person in people if (track := person.members[camera]) is not None]


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
