"""Film strips: the crops a decision was made from, with the attention each frame received."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import StorageError
from track_persistence.core.storage import read_scenes, shard_paths
from track_persistence.core.types import Ghost, Track
from track_persistence.report.config import ReportConfig
from track_persistence.report.values import lookup

Key = tuple[int, int, int]


@dataclass(frozen=True)
class Frame:
    """One crop as a data URI; lift is attention times track length, 1 meaning an average frame."""

    number: int
    image: str
    lift: float
    height_percent: float


@dataclass(frozen=True)
class Strip:
    """A track's crops in order with what was decided about it."""

    title: str
    outcome: str
    facts: str
    frames: tuple[Frame, ...]


def strips_of(config: ReportConfig, examples: Mapping[str, Any], origin: str, scenes: Path) -> list[Strip]:
    """Return film strips of the first examples of every outcome, crops taken from the scene shards."""
    chosen: dict[str, list[str]] = {}
    for opaque_id in sorted(examples):
        outcome = str(lookup(examples, origin, opaque_id, "outcome"))
        chosen.setdefault(outcome, []).append(opaque_id)
    wanted = [name for outcome in sorted(chosen) for name in chosen[outcome][: config.strips_per_outcome]]
    tracks = _tracks(scenes, {_key(examples[name], f"{origin}: {name}") for name in wanted})
    return [_strip(name, examples[name], f"{origin}: {name}", tracks, config.frames_per_strip) for name in wanted]


def _key(example: Mapping[str, Any], origin: str) -> Key:
    scene_id, camera, track_id = (int(lookup(example, origin, name)) for name in ("scene_id", "camera", "track_id"))
    return scene_id, camera, track_id


def _tracks(scenes: Path, keys: set[Key]) -> dict[Key, Track]:
    found: dict[Key, Track] = {}
    ids = {scene_id for scene_id, _, _ in keys}
    for path in shard_paths(scenes) if keys else []:
        for scene in read_scenes(path, ids):
            for labelled in (*scene.tracks[0], *scene.tracks[1]):
                key = (scene.scene_id, labelled.track.camera, labelled.track.track_id)
                if key in keys:
                    found[key] = labelled.track
    return found


def _strip(name: str, example: Mapping[str, Any], origin: str, tracks: Mapping[Key, Track], most: int) -> Strip:
    key = _key(example, origin)
    if key not in tracks:
        raise StorageError(
            f"{origin}: track {key[2]} of camera {key[1]} in scene {key[0]} is not among the scenes; "
            "run `dvc repro`, the evidence is older than the scenes"
        )
    track, attention = tracks[key], lookup(example, origin, "attention")
    count = len(track)
    if len(attention) != count:
        raise StorageError(f"{origin}: {len(attention)} attention values for {count} frames; run `dvc repro`")
    lift = np.asarray(attention, dtype=float) * count
    shown = sampled(count, most)
    probability = float(lookup(example, origin, "probability"))
    part = f"{len(shown)} of {count} frames" if len(shown) < count else f"{count} frame{'s' if count != 1 else ''}"
    ghost = str(lookup(example, origin, "ghost"))
    truth = "real object" if ghost == Ghost.NONE else ghost.replace("_", " ")
    return Strip(
        title=name,
        outcome=str(example["outcome"]),
        facts=f"truth: {truth}, probability {probability:.3f}, {part}",
        frames=tuple(
            Frame(
                int(track.frames[at]),
                png_uri(track.crops[at]),
                float(lift[at]),
                round(100 * float(lift[at] / max(lift.max(), 1e-12)), 1),
            )
            for at in shown
        ),
    )


def sampled(count: int, most: int) -> Sequence[int]:
    """Return at most `most` of the positions 0 to count - 1, evenly spread, ends included."""
    if count <= most:
        return range(count)
    return [int(at) for at in np.round(np.linspace(0, count - 1, most))]


def png_uri(rgb: NDArray[np.uint8]) -> str:
    """Return an RGB image (H, W, 3) as a PNG data URI."""
    written, buffer = cv2.imencode(".png", rgb[:, :, ::-1])
    assert written, "OpenCV encodes every uint8 RGB image"
    return data_uri(buffer.tobytes())


def jpeg_uri(name: str, png: bytes, quality: int) -> str:
    """Return a PNG as a JPEG data URI, which is several times smaller; quality: 1 to 100.

    Raises `StorageError` with `name` when it cannot be read.
    """
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise StorageError(f"{name}: not a readable PNG image; run the stage that writes it again")
    written, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert written, "OpenCV encodes every uint8 BGR image"
    return "data:image/jpeg;base64," + base64.b64encode(buffer.tobytes()).decode()


def data_uri(png: bytes) -> str:
    """Return PNG bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
