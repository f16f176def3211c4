"""A whole stereo scene: causes, both cameras' tracks as a detector reports them, and the truth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import (
    Ghost,
    Kind,
    LabelledTrack,
    StereoScene,
    Track,
    Trajectory,
)
from track_persistence.simulation.causes import Cause, Setting, place_object, visible_shares
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.detector import confidences, detected, false_alarm_box, jittered, nominal_scores
from track_persistence.simulation.film import Film
from track_persistence.simulation.ghosts import place_ghost
from track_persistence.simulation.optics import build_rig, extents_from_boxes
from track_persistence.simulation.painters import SpeckPainter
from track_persistence.simulation.place import decorate, draw_place, render_place
from track_persistence.simulation.sensor import draw_sensor
from track_persistence.simulation.textures import random_colour

Array = NDArray[np.float64]
CROWDED_TRIES = 20


@dataclass(frozen=True)
class TrackCounts:
    """Real objects and ghosts, each seen by both cameras, and false alarms per camera."""

    persistent: int
    brief: int
    noise: int


def draw_counts(config: GenerateConfig, rng: np.random.Generator) -> TrackCounts:
    """Draw how many tracks of each kind a camera gets: a Poisson number, split by `tracks.mix`."""
    tracks = config.tracks
    while True:
        total = int(rng.poisson(tracks.mean))
        persistent, brief, noise = (int(n) for n in rng.multinomial(total, tracks.mix))
        if tracks.limits[0] <= total <= tracks.limits[1] and persistent > 0:
            return TrackCounts(persistent, brief, noise)


def simulate_scene(config: GenerateConfig, scene_id: int, counts: TrackCounts, rng: np.random.Generator) -> StereoScene:
    """Simulate one scene; all randomness comes from `rng`.

    Raises `DataError` when the settings leave no room for an object.
    """
    rig = build_rig(config.rig)
    place = draw_place(rng, config.place)
    setting = Setting(config, rig, place, rng.uniform(*config.image.shutter_share))
    decorate(rng, place, config.place, config.rig.image_size_px[0] / 2 / config.rig.focal_px)
    causes: list[Cause] = []
    for _ in range(counts.persistent):
        causes.append(place_object(rng, setting, causes))
    for _ in range(counts.brief):
        causes.append(place_ghost(rng, setting, causes))
    object_ids = rng.permutation(len(causes))
    first, second = (
        _camera_tracks(
            rng,
            Film(
                number=number,
                camera=rig.cameras[number],
                background=render_place(place, rig, config.rig, number),
                causes=tuple(causes),
                sensor=draw_sensor(rng, config.image),
            ),
            config,
            object_ids,
            counts.noise,
        )
        for number in (0, 1)
    )
    return StereoScene(scene_id, rig, (first, second), _truth(causes, object_ids, config.objects.hidden_share))


def _truth(causes: list[Cause], object_ids: NDArray[np.int64], hidden_share: float) -> tuple[Trajectory, ...]:
    visible = [visible_shares(causes, camera) for camera in (0, 1)]
    truth = [
        Trajectory(
            int(object_ids[row]),
            cause.frames,
            cause.positions_m,
            np.stack([visible[0][row], visible[1][row]], axis=1) > hidden_share,
        )
        for row, cause in enumerate(causes)
        if cause.kind is Kind.PERSISTENT
    ]
    return tuple(sorted(truth, key=lambda trajectory: trajectory.object_id))


def _camera_tracks(
    rng: np.random.Generator, film: Film, config: GenerateConfig, object_ids: NDArray[np.int64], noise: int
) -> tuple[LabelledTrack, ...]:
    """Return what the detector reports in one camera; the numbers and the order of the tracks say nothing."""
    track_ids = rng.permutation(len(film.causes) + noise) + 1
    visible = visible_shares(list(film.causes), film.number)
    tracks = [
        _cause_track(rng, film, config, (row, visible[row]), (int(track_ids[row]), int(object_ids[row])))
        for row in range(len(film.causes))
    ]
    for track_id in track_ids[len(film.causes) :]:
        tracks.append(_false_alarm(rng, film, config, int(track_id)))
    return tuple(sorted(tracks, key=lambda labelled: labelled.track.track_id))


def _cause_track(
    rng: np.random.Generator, film: Film, config: GenerateConfig, seen: tuple[int, Array], ids: tuple[int, int]
) -> LabelledTrack:
    row, visible = seen
    cause = film.causes[row]
    persistent = cause.kind is Kind.PERSISTENT
    limits = config.tracks.persistent_frames if persistent else config.tracks.brief_frames
    hit = detected(rng, config.detector, visible, limits[0])
    frames = cause.frames[hit]
    boxes = jittered(rng, config.detector, cause.boxes_xywh_px[film.number], film.camera.image_size_px)[hit]
    name: Literal["persistent", "brief"] = "persistent" if persistent else "brief"
    clear = (visible * cause.strength)[hit]
    track = Track(
        camera=film.number,
        track_id=ids[0],
        frames=frames,
        boxes_xywh_px=boxes.astype(np.float32),
        confidences=confidences(rng, config.detector, nominal_scores(config.detector, name), boxes, clear),
        crops=film.crops(rng, boxes, frames),
    )
    # A ghost shows itself where it appears and where it goes.
    evidence = frames[:0] if persistent else np.unique(frames[[0, -1]])
    return LabelledTrack(track, cause.kind, cause.ghost, ids[1], evidence)


def _false_alarm(rng: np.random.Generator, film: Film, config: GenerateConfig, track_id: int) -> LabelledTrack:
    frame = int(rng.integers(config.frames_per_sequence))
    detector = config.detector
    box = free_box(rng, film, detector.noise_size_px, detector.noise_covered_share, frame)
    speck = _speck(rng, film, box) if rng.random() < config.detector.noise_blob_share else None
    frames = np.array([frame], np.int32)
    track = Track(
        camera=film.number,
        track_id=track_id,
        frames=frames,
        boxes_xywh_px=box[None].astype(np.float32),
        confidences=confidences(rng, config.detector, nominal_scores(config.detector, "noise"), box[None], np.ones(1)),
        crops=film.crops(rng, box[None], frames, speck),
    )
    return LabelledTrack(track, Kind.NOISE, Ghost.NOISE, None, frames)


def free_box(
    rng: np.random.Generator, film: Film, noise_size_px: tuple[float, float], covered_share: float, frame: int
) -> Array:
    """Draw a box (4,) that shows mostly background; in a crowded view the last draw stands."""
    others = [cause.boxes_xywh_px[film.number][index] for cause, index in film.alive(frame)]
    for _ in range(CROWDED_TRIES):
        box = false_alarm_box(rng, noise_size_px, film.camera.image_size_px)
        if all(_covered_share(box, other) < covered_share for other in others):
            break
    return box


def _covered_share(box: Array, other: Array) -> float:
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    return float(np.maximum(high - low, 0).prod() / box[2:].prod())


def _speck(rng: np.random.Generator, film: Film, box: Array) -> SpeckPainter:
    left, top, right, bottom = extents_from_boxes(film.camera, box[None])[0]
    half = np.array([right - left, bottom - top]) / 2
    return SpeckPainter(
        centre=np.array([left + right, top + bottom]) / 2,
        radii=half * rng.uniform(0.6, 1.1, 2),
        turn_rad=rng.uniform(0, np.pi),
        opacity=rng.uniform(0.3, 0.8),
        colour=random_colour(rng, (0.0, 0.5), (0.1, 0.9)),
    )
