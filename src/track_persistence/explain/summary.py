"""Probed tracks to the sections of the evidence; every mean of tracks has an interval over scenes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from track_persistence.core.types import Ghost, Kind
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.facts import EVIDENCE_SCHEMA, OUTCOMES
from track_persistence.explain.measures import (
    RANDOM_PEAK_POSITION,
    UNIFORM_CONTROL,
    Interval,
    mean_of,
    summarise_attention,
)
from track_persistence.explain.probe import ProbedTrack

HISTOGRAM_BINS = 10
Measure = Callable[[ProbedTrack], float]


def build_evidence(tracks: Sequence[ProbedTrack], config: AnalyzeConfig, interval: Interval) -> dict[str, Any]:
    """Return the evidence on `tracks`, at least one, without listed cases and scenarios."""
    groups = group_tracks(tracks)
    kinds = {name: members for name, members in groups.items() if name not in list(Ghost) or name == "noise"}
    return {
        "schema": EVIDENCE_SCHEMA,
        "profile": config.profile,
        "split": config.split,
        "counts": {
            "tracks": len(tracks),
            "scenes": len({track.scene_id for track in tracks}),
            **{name: len(members) for name, members in kinds.items()},
        },
        "tracks": {name: _describe(members, interval) for name, members in groups.items()},
        "attention": {
            **{name: _attention(members, interval) for name, members in groups.items()},
            "uniform_control": UNIFORM_CONTROL,
            "random_control": {"peak_position": RANDOM_PEAK_POSITION},
        },
        "decisions": {
            **{outcome: sum(track.outcome == outcome for track in tracks) for outcome in OUTCOMES},
            **{name: _decisions(members, interval) for name, members in groups.items()},
        },
        "prefix": {name: _prefixes(members, config, interval) for name, members in kinds.items()},
        "faithfulness": {
            name: _faithfulness(members, interval)
            for name, members in {"all": tracks, **kinds}.items()
            if any(track.deletion is not None for track in members)
        },
        "failures": {outcome: _outcome(tracks, outcome, interval) for outcome in OUTCOMES},
    }


def group_tracks(tracks: Sequence[ProbedTrack]) -> dict[str, list[ProbedTrack]]:
    """Return the tracks by kind, all that are not persistent together, and by ghost; empty groups are left out."""
    groups = {"transient": [track for track in tracks if track.kind is not Kind.PERSISTENT]}
    groups |= {kind.name.lower(): [track for track in tracks if track.kind is kind] for kind in Kind}
    for ghost in Ghost:
        if ghost not in (Ghost.NONE, Ghost.NOISE):
            groups[ghost.value] = [track for track in tracks if track.ghost is ghost]
    return {name: members for name, members in groups.items() if members}


def _mean(tracks: Sequence[ProbedTrack], measure: Measure, interval: Interval) -> dict[str, float] | None:
    return mean_of([measure(track) for track in tracks], [track.scene_id for track in tracks], interval)


def _describe(tracks: Sequence[ProbedTrack], interval: Interval) -> dict[str, Any]:
    return {
        "count": len(tracks),
        "duration_frames": _mean(tracks, lambda track: float(track.duration_frames), interval),
        "detector_confidence": _mean(tracks, lambda track: track.detector_confidence, interval),
    }


def _attention(tracks: Sequence[ProbedTrack], interval: Interval) -> dict[str, Any]:
    measures = [track.measures for track in tracks]
    return summarise_attention(measures, [track.scene_id for track in tracks], interval)


def _decisions(tracks: Sequence[ProbedTrack], interval: Interval) -> dict[str, Any]:
    probabilities = [track.probability for track in tracks]
    histogram, _ = np.histogram(probabilities, bins=HISTOGRAM_BINS, range=(0.0, 1.0))
    return {
        "kept": sum(track.kept for track in tracks),
        "kept_share": _mean(tracks, lambda track: float(track.kept), interval),
        "probability": _mean(tracks, lambda track: track.probability, interval),
        "histogram": histogram.tolist(),
    }


def _prefixes(tracks: Sequence[ProbedTrack], config: AnalyzeConfig, interval: Interval) -> dict[str, Any]:
    scenes = [track.scene_id for track in tracks]
    return {
        str(frames): {
            "probability": mean_of([track.prefix_probabilities[index] for track in tracks], scenes, interval),
            "kept_share": mean_of([float(track.prefix_kept[index]) for track in tracks], scenes, interval),
        }
        for index, frames in enumerate(config.prefix_frames)
    }


def _faithfulness(tracks: Sequence[ProbedTrack], interval: Interval) -> dict[str, Any]:
    deleted = [(track.scene_id, track.deletion) for track in tracks if track.deletion is not None]
    scenes = [scene for scene, _ in deleted]
    return {
        "tracks": len(deleted),
        "drop_attended": mean_of([deletion.attended for _, deletion in deleted], scenes, interval),
        "drop_random": mean_of([deletion.random for _, deletion in deleted], scenes, interval),
        "difference": mean_of([deletion.attended - deletion.random for _, deletion in deleted], scenes, interval),
        "attended_wins": mean_of(
            [float(deletion.attended > deletion.random) for _, deletion in deleted], scenes, interval
        ),
    }


def _outcome(tracks: Sequence[ProbedTrack], outcome: str, interval: Interval) -> dict[str, Any]:
    members = [track for track in tracks if track.outcome == outcome]
    ghosts: Mapping[str, int] = Counter(track.ghost.value for track in members if track.ghost is not Ghost.NONE)
    return {
        **_describe(members, interval),
        **_attention(members, interval),
        "probability": _mean(members, lambda track: track.probability, interval),
        "ghost": dict(sorted(ghosts.items())),
    }
