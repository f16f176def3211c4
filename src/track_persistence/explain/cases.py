"""Opaque names of tracks, and the few tracks that are listed one by one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from track_persistence.core.files import digest_of
from track_persistence.core.types import Kind
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.probe import ProbedTrack


def hash_order(scene_id: int, camera: int, track_id: int) -> str:
    """Return a track's place in an order that says nothing about its scene, and depends on no other track."""
    return digest_of("track", scene_id, camera, track_id)


def name_tracks(tracks: Sequence[ProbedTrack]) -> dict[str, ProbedTrack]:
    """Return the tracks under opaque names `track-0001`, `track-0002`, ... by the order of their hash."""
    ordered = sorted(tracks, key=lambda track: hash_order(track.scene_id, track.camera, track.track_id))
    return {f"track-{number:04d}": track for number, track in enumerate(ordered, start=1)}


def choose_cases(named: Mapping[str, ProbedTrack], config: AnalyzeConfig) -> dict[str, ProbedTrack]:
    """Return the most confident failures of each sort and the most ordinary tracks of each kind, by name."""
    chosen: list[str] = []
    for outcome, sign in (("false_positive", -1), ("false_negative", 1)):
        failures = [name for name, track in named.items() if track.outcome == outcome]
        failures.sort(key=lambda name: (sign * named[name].probability, name))
        chosen += failures[: config.failure_cases]
    for kind in Kind:
        members = [name for name, track in named.items() if track.kind is kind]
        if members:
            middle = float(np.median([named[name].probability for name in members]))
            members.sort(key=lambda name: (abs(named[name].probability - middle), name))
            chosen += members[: config.typical_cases]
    return {name: named[name] for name in sorted(set(chosen))}


def case_facts(track: ProbedTrack, config: AnalyzeConfig) -> dict[str, Any]:
    """Return what the evidence says of one listed track: numbers and words of the closed vocabulary."""
    shape = track.measures
    return {
        "outcome": track.outcome,
        "kind": track.kind.name.lower(),
        "ghost": track.ghost.value,
        "duration_frames": track.duration_frames,
        "detector_confidence": track.detector_confidence,
        "probability": track.probability,
        "prefix_probability": dict(zip(map(str, config.prefix_frames), track.prefix_probabilities, strict=True)),
        "max_lift": None if shape is None else shape.max_lift,
        "entropy_ratio": None if shape is None else shape.entropy_ratio,
        "peak_position": None if shape is None else shape.peak_position,
    }


def example(track: ProbedTrack) -> dict[str, Any]:
    """Return what a report needs to find and draw one listed track."""
    return {
        "scene_id": track.scene_id,
        "camera": track.camera,
        "track_id": track.track_id,
        "outcome": track.outcome,
        "probability": track.probability,
        "attention": track.attention.tolist(),
        "kind": track.kind.name.lower(),
        "ghost": track.ghost.value,
    }
