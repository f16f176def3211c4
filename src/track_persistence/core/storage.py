"""HDF5 shards of scenes and of features, to and from the data model.

Ragged tracks lie end to end in one long array per field, cut by offsets. Files are byte-deterministic (no times,
fixed order of creation, gzip-4 with shuffle), written atomically and one scene at a time, so that memory does
not grow with their number. `docs/data-format.md` lists every dataset.
"""

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from track_persistence.core.errors import StorageError
from track_persistence.core.rig import Camera, Lens, StereoRig
from track_persistence.core.tables import PROVENANCE, Columns, RaggedItems, Table, created, opened
from track_persistence.core.types import (
    CROP_SIZE_PX,
    Ghost,
    Kind,
    LabelledFeatures,
    LabelledTrack,
    StereoScene,
    Track,
    Trajectory,
)

SCENES_SCHEMA = "track_persistence.scenes"
FEATURES_SCHEMA = "track_persistence.features"
ARRAYS_DIGEST = "arrays_sha256"
NO_OBJECT = -1
GHOSTS = tuple(Ghost)
LENSES = tuple(Lens)
CODES = {"ghosts": [ghost.value for ghost in GHOSTS]}
SCENE_CODES = CODES | {"lenses": [lens.value for lens in LENSES]}

TRACK_COLUMNS: Columns = {
    "camera": ((), "u1"),
    "ghost": ((), "u1"),
    "kind": ((), "u1"),
    "object_id": ((), "i4"),
    "scene_id": ((), "i4"),
    "track_id": ((), "i4"),
}
FRAME_COLUMNS: Columns = {
    "boxes_xywh_px": ((4,), "f4"),
    "confidences": ((), "f4"),
    "frames": ((), "i4"),
}
CROP_COLUMN: Columns = {"crops": ((CROP_SIZE_PX, CROP_SIZE_PX, 3), "u1")}
EVIDENCE_COLUMNS: Columns = {"evidence_frames": ((), "i4")}
TRAJECTORY_COLUMNS: Columns = {"object_id": ((), "i4"), "scene_id": ((), "i4")}
POINT_COLUMNS: Columns = {
    "frames": ((), "i4"),
    "positions_m": ((3,), "f8"),
    "visible": ((2,), "?"),
}
SCENE_COLUMNS: Columns = {
    "cam_from_world": ((2, 3, 4), "f8"),
    "frame_rate_hz": ((), "f8"),
    "image_size_px": ((2, 2), "i4"),
    "intrinsics": ((2, 3, 3), "f8"),
    "lens": ((2,), "u1"),
    "scene_id": ((), "i4"),
}
RAGGED_SCENE_COLUMNS: Columns = {"distortion": ((), "f8")}


def write_scenes(path: Path, scenes: Iterable[StereoScene], provenance: Mapping[str, str]) -> None:
    """Write scenes, one at a time, to an HDF5 shard at `path`; nothing is left behind on an error."""
    with created(path, SCENES_SCHEMA, SCENE_CODES, provenance) as (file, disk):
        scene_table = Table.create(file, "scenes", SCENE_COLUMNS, ragged=False)
        distortion = Table.create(file, "distortion", RAGGED_SCENE_COLUMNS, ragged=True)
        tracks = Table.create(file, "tracks", TRACK_COLUMNS, ragged=False)
        frames = Table.create(file, "frames", FRAME_COLUMNS | CROP_COLUMN, ragged=True)
        evidence = Table.create(file, "evidence", EVIDENCE_COLUMNS, ragged=True)
        paths = Table.create(file, "trajectories", TRAJECTORY_COLUMNS, ragged=False)
        points = Table.create(file, "points", POINT_COLUMNS, ragged=True)
        for scene in scenes:
            disk.check()
            cameras = scene.rig.cameras
            scene_table.append(
                [
                    {
                        "cam_from_world": [[camera.cam_from_world for camera in cameras]],
                        "frame_rate_hz": [cameras[0].frame_rate_hz],
                        "image_size_px": [[camera.image_size_px for camera in cameras]],
                        "intrinsics": [[camera.intrinsics for camera in cameras]],
                        "lens": [[LENSES.index(camera.lens) for camera in cameras]],
                        "scene_id": [scene.scene_id],
                    }
                ]
            )
            distortion.append([{"distortion": camera.distortion} for camera in cameras])
            labelled = (*scene.tracks[0], *scene.tracks[1])
            tracks.append([_label_row(scene.scene_id, item.track, item) for item in labelled])
            frames.append([{name: getattr(item.track, name) for name in frames.columns} for item in labelled])
            evidence.append([{"evidence_frames": item.evidence_frames} for item in labelled])
            own = scene.trajectories
            paths.append([{"object_id": [item.object_id], "scene_id": [scene.scene_id]} for item in own])
            points.append([{name: getattr(item, name) for name in POINT_COLUMNS} for item in own])


def _label_row(scene_id: int, track: Any, label: Any) -> dict[str, list[int]]:
    return {
        "camera": [track.camera],
        "ghost": [GHOSTS.index(label.ghost)],
        "kind": [int(label.kind)],
        "object_id": [NO_OBJECT if label.object_id is None else label.object_id],
        "scene_id": [scene_id],
        "track_id": [track.track_id],
    }


def read_scenes(path: Path, wanted: Container[int] | None = None) -> Iterator[StereoScene]:
    """Yield the scenes of one shard, one at a time; only those whose id is `wanted`, None means all.

    Raises `StorageError` on a foreign or broken file.
    """
    with opened(path, SCENES_SCHEMA) as file:
        scenes = {column: file["scenes"][column][:] for column in SCENE_COLUMNS}
        labels = {column: file["tracks"][column][:] for column in TRACK_COLUMNS}
        truth = {column: file["trajectories"][column][:] for column in TRAJECTORY_COLUMNS}
        distortion = RaggedItems(file["distortion"], RAGGED_SCENE_COLUMNS)
        frames = RaggedItems(file["frames"], FRAME_COLUMNS | CROP_COLUMN)
        evidence = RaggedItems(file["evidence"], EVIDENCE_COLUMNS)
        points = RaggedItems(file["points"], POINT_COLUMNS)
        for index, scene_id in enumerate(scenes["scene_id"]):
            if wanted is not None and int(scene_id) not in wanted:
                continue
            rows = _rows_of_scene(path, labels["scene_id"], scene_id)
            labelled = [
                _labelled(labels, *item) for item in zip(rows, frames.items(rows), evidence.items(rows), strict=True)
            ]
            of_scene = _rows_of_scene(path, truth["scene_id"], scene_id)
            yield StereoScene(
                int(scene_id),
                _rig(scenes, index, [item["distortion"] for item in distortion.items(range(2 * index, 2 * index + 2))]),
                (
                    tuple(item for item in labelled if item.track.camera == 0),
                    tuple(item for item in labelled if item.track.camera == 1),
                ),
                tuple(
                    Trajectory(int(truth["object_id"][row]), **columns)
                    for row, columns in zip(of_scene, points.items(of_scene), strict=True)
                ),
            )


def _rows_of_scene(path: Path, scene_ids: Any, scene_id: int) -> range:
    """Return which rows a scene has, none or a run of neighbours."""
    rows = np.flatnonzero(scene_ids == scene_id)
    if len(rows) == 0:
        return range(0)
    if rows[-1] - rows[0] != len(rows) - 1:
        raise StorageError(f"{path}: rows of scene {scene_id} lie apart; delete it and run its stage again")
    return range(int(rows[0]), int(rows[-1]) + 1)


def _rig(scenes: Mapping[str, Any], index: int, distortion: Sequence[Any]) -> StereoRig:
    first, second = (
        Camera(
            name=f"camera{number + 1}",
            intrinsics=scenes["intrinsics"][index, number],
            distortion=distortion[number],
            cam_from_world=scenes["cam_from_world"][index, number],
            image_size_px=(
                int(scenes["image_size_px"][index, number, 0]),
                int(scenes["image_size_px"][index, number, 1]),
            ),
            frame_rate_hz=float(scenes["frame_rate_hz"][index]),
            lens=LENSES[int(scenes["lens"][index, number])],
        )
        for number in range(2)
    )
    return StereoRig((first, second))


def _label(labels: Mapping[str, Any], row: int) -> dict[str, Any]:
    object_id = int(labels["object_id"][row])
    return {
        "kind": Kind(int(labels["kind"][row])),
        "ghost": GHOSTS[int(labels["ghost"][row])],
        "object_id": None if object_id == NO_OBJECT else object_id,
    }


def _labelled(
    labels: Mapping[str, Any], row: int, frames: Mapping[str, Any], evidence: Mapping[str, Any]
) -> LabelledTrack:
    track = Track(int(labels["camera"][row]), int(labels["track_id"][row]), **frames)
    return LabelledTrack(track, **evidence, **_label(labels, row))


def write_features(
    path: Path,
    tracks: Iterable[LabelledFeatures],
    dimension: int,
    dtype: str,
    provenance: Mapping[str, str],
) -> None:
    """Write tracks of (T, `dimension`) features as `dtype` (`float16` or `float32`) to an HDF5 shard.

    Its attribute `arrays_sha256` is the digest of what the arrays hold, which `verify_features` checks: unlike the
    file's own it does not depend on the version of HDF5 or zlib.
    """
    column: Columns = {"features": ((dimension,), dtype)}
    with created(path, FEATURES_SCHEMA, CODES, provenance) as (file, disk):
        table = Table.create(file, "tracks", TRACK_COLUMNS, ragged=False)
        frames = Table.create(file, "frames", FRAME_COLUMNS | column, ragged=True)
        for scene_id, group in groupby(tracks, key=attrgetter("scene_id")):
            disk.check()
            items = list(group)
            table.append([_label_row(scene_id, item, item) for item in items])
            frames.append([{name: getattr(item, name) for name in frames.columns} for item in items])
        file.attrs[ARRAYS_DIGEST] = _arrays_digest(file)


def _arrays_digest(file: h5py.File) -> str:
    """SHA-256 of every dataset's name, dtype, shape and bytes, in order of the names; one chunk is in memory."""
    sha = hashlib.sha256()
    for group in sorted(file):
        for name in sorted(file[group]):
            dataset = file[group][name]
            sha.update(f"{group}/{name} {dataset.dtype.str} {dataset.shape}\n".encode())
            for start in range(0, len(dataset), dataset.chunks[0]):
                sha.update(dataset[start : start + dataset.chunks[0]].tobytes())
    return sha.hexdigest()


def verify_features(path: Path) -> None:
    """Raise `StorageError` when the arrays of a feature shard are not those that were written to it."""
    with opened(path, FEATURES_SCHEMA) as file:
        want, got = str(file.attrs.get(ARRAYS_DIGEST)), _arrays_digest(file)
    if want != got:
        raise StorageError(
            f"{path}: {ARRAYS_DIGEST} is {want}, but the arrays have {got}; the file has changed since it was written: "
            "delete it, here and in run.store, and run its stage again"
        )


def read_features(path: Path) -> Iterator[LabelledFeatures]:
    """Yield the tracks of one feature shard. Raises `StorageError` on a foreign or broken file."""
    with opened(path, FEATURES_SCHEMA) as file:
        labels = {column: file["tracks"][column][:] for column in TRACK_COLUMNS}
        arrays = {column: file["frames"][column][:] for column in (*FRAME_COLUMNS, "features")}
        frames = RaggedItems(file["frames"], {})
        for row in range(len(labels["track_id"])):
            rows = frames.rows(row)
            yield LabelledFeatures(
                scene_id=int(labels["scene_id"][row]),
                camera=int(labels["camera"][row]),
                track_id=int(labels["track_id"][row]),
                **{column: values[rows] for column, values in arrays.items()},
                **_label(labels, row),
            )


def read_provenance(path: Path) -> dict[str, str]:
    """Return the provenance attributes of a scene or feature shard."""
    if not path.is_file():
        raise StorageError(f"{path}: no such file; run the stage that writes it or `dvc pull`")
    try:
        with h5py.File(path, "r") as file:
            return {k[len(PROVENANCE) :]: str(v) for k, v in file.attrs.items() if k.startswith(PROVENANCE)}
    except OSError as error:
        raise StorageError(f"{path}: not a readable HDF5 file, truncated perhaps: {error}") from error


def profile_of(path: Path) -> str:
    """Return the profile whose scenes a shard holds; raises `StorageError` when it does not say."""
    provenance = read_provenance(path)
    if "profile" not in provenance:
        raise StorageError(f"{path}: provenance names no profile; run the stage that writes it again")
    return provenance["profile"]


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of `folder` in order; raises `StorageError` when there are none."""
    paths = sorted(folder.glob("*.h5"))
    if not paths:
        raise StorageError(f"{folder}: holds no .h5 shard; run the stage that writes it or `dvc pull`")
    return paths
