"""What users hand to `LLMAttentionAnalyzer`, checked and reduced to facts.

Only the fields named here are read, and only as numbers or words of the closed vocabulary: a name, a note or a path in
a track's metadata goes no further.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from track_persistence.core.errors import DataError
from track_persistence.core.progress import log
from track_persistence.core.types import Ghost
from track_persistence.explain.facts import Facts, flatten
from track_persistence.explain.measures import FloatVector, mean_of, measure, summarise_attention

KNOWN_FIELDS = ("attention", "confidence", "duration", "ghost", "is_persistent")
SUM_TOLERANCE = 1e-2
COVERAGE = 0.95
FALSE_POSITIVE, FALSE_NEGATIVE = "false_positive", "false_negative"


@dataclass(frozen=True, eq=False)
class Observation:
    """One track as its user describes it; None where nothing is said.

    attention: (T,) float64 summing to 1. duration_frames: T. confidence: the filter's second return
    value, the probability of being persistent.
    """

    attention: FloatVector | None
    duration_frames: int | None
    confidence: float | None
    is_persistent: bool | None
    ghost: Ghost | None


def pattern_facts(attention_data: Sequence[Any], track_metadata: Sequence[Mapping[str, Any]]) -> Facts:
    """Return the facts on attention of tracks given as weights (T,) and metadata, one of each per track.

    Metadata must say `is_persistent`, and may say `duration`, `confidence` and `ghost`. Raises `DataError`.
    """
    _check_sequence("attention_data", attention_data)
    _check_sequence("track_metadata", track_metadata)
    if len(attention_data) != len(track_metadata) or not len(attention_data):
        raise DataError(
            f"attention_data has {len(attention_data)} tracks, track_metadata {len(track_metadata)}; expected one "
            "entry of each per track, and at least one track"
        )
    tracks = [
        read_observation(f"track_metadata[{number}]", metadata, attention)
        for number, (attention, metadata) in enumerate(zip(attention_data, track_metadata, strict=True))
    ]
    for number, track in enumerate(tracks):
        if track.is_persistent is None:
            raise DataError(f"track_metadata[{number}]: is_persistent is missing; give True or False")
    _report_unread(track_metadata)
    groups = {
        "persistent": [track for track in tracks if track.is_persistent],
        "transient": [track for track in tracks if not track.is_persistent],
    }
    content = {
        "counts": {"tracks": len(tracks)} | {name: len(members) for name, members in groups.items()},
        "tracks": {name: _describe(members) for name, members in groups.items()},
        "attention": {name: _attention(members) for name, members in groups.items()},
        "decisions": {name: {"probability": _probability(members)} for name, members in groups.items()},
    }
    return flatten(content, "attention_data and track_metadata")


def failure_facts(false_positives: Sequence[Mapping[str, Any]], false_negatives: Sequence[Mapping[str, Any]]) -> Facts:
    """Return the facts on tracks decided wrongly, each a mapping of `KNOWN_FIELDS`, all optional.

    Raises `DataError`.
    """
    content: dict[str, Any] = {}
    for outcome, items in ((FALSE_POSITIVE, false_positives), (FALSE_NEGATIVE, false_negatives)):
        name = f"{outcome}s"
        _check_sequence(name, items)
        tracks = [read_observation(f"{name}[{number}]", item) for number, item in enumerate(items)]
        _report_unread(items)
        ghosts = sorted({track.ghost.value for track in tracks if track.ghost is not None})
        content[outcome] = {
            **_describe(tracks),
            **_attention(tracks),
            "probability": _probability(tracks),
            "ghost": {ghost: sum(track.ghost == ghost for track in tracks) for ghost in ghosts},
        }
    return flatten({"failures": content}, "false_positives and false_negatives")


def read_observation(place: str, metadata: Any, attention: Any = None) -> Observation:
    """Return one track's metadata checked; `place` names it in errors. Raises `DataError`."""
    if not isinstance(metadata, Mapping):
        raise DataError(f"{place}: expected a mapping such as {{'duration': 12}}, got {type(metadata).__name__}")
    weights = metadata.get("attention") if attention is None else attention
    checked = None if weights is None else _weights(f"{place}: attention", weights)
    duration = _duration(place, metadata.get("duration"))
    if checked is not None and duration is not None and duration != len(checked):
        raise DataError(f"{place}: duration is {duration}, but attention has {len(checked)} frames; they must agree")
    return Observation(
        attention=checked,
        duration_frames=len(checked) if duration is None and checked is not None else duration,
        confidence=_confidence(place, metadata.get("confidence")),
        is_persistent=_flag(place, metadata.get("is_persistent")),
        ghost=_ghost(place, metadata.get("ghost")),
    )


def student_interval(values: FloatVector, groups: NDArray[np.int64]) -> tuple[float, float] | None:
    """Return Student's 95 % interval of the mean of independent tracks; None below two of them."""
    if len(values) < 2:
        return None
    half = student_t.ppf((1 + COVERAGE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _describe(tracks: Sequence[Observation]) -> dict[str, Any]:
    durations = [float(track.duration_frames) for track in tracks if track.duration_frames is not None]
    return {
        "count": len(tracks),
        "duration_frames": mean_of(durations, range(len(durations)), student_interval),
    }


def _probability(tracks: Sequence[Observation]) -> dict[str, float] | None:
    values = [track.confidence for track in tracks if track.confidence is not None]
    return mean_of(values, range(len(values)), student_interval)


def _attention(tracks: Sequence[Observation]) -> dict[str, Any]:
    measures = [measure(track.attention) for track in tracks if track.attention is not None]
    return summarise_attention(measures, range(len(measures)), student_interval)


def _check_sequence(name: str, items: Any) -> None:
    if isinstance(items, str | bytes | Mapping) or not hasattr(items, "__len__"):
        raise DataError(f"{name}: expected a list with one entry per track, got {type(items).__name__}")


def _weights(place: str, value: Any) -> FloatVector:
    try:
        weights = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{place}: expected numbers, one a frame, got {type(value).__name__}") from None
    if weights.ndim != 1 or not len(weights):
        raise DataError(f"{place}: expected shape (T,) with T >= 1, got {weights.shape}")
    total = float(weights.sum())
    if not np.isfinite(weights).all() or (weights < 0).any() or abs(total - 1) > SUM_TOLERANCE:
        raise DataError(
            f"{place}: weights must be finite, at least 0 and sum to 1 (sum {total:.4g}); divide by the sum"
        )
    return weights / total


def _duration(place: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 1:
        raise DataError(f"{place}: duration is {value!r:.60}; expected a whole number of frames of at least 1")
    return int(value)


def _confidence(place: str, value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise DataError(f"{place}: confidence is {value!r:.60}; expected a probability in [0, 1]")
    return float(value)


def _flag(place: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    raise DataError(f"{place}: is_persistent is {value!r:.60}; expected True or False")


def _ghost(place: str, value: Any) -> Ghost | None:
    if value is None or value in list(Ghost):
        return None if value is None else Ghost(value)
    raise DataError(f"{place}: ghost is {value!r:.60}; expected one of {', '.join(Ghost)}")


def _report_unread(items: Sequence[Mapping[str, Any]]) -> None:
    """Say which fields were left out, once; they are never sent anywhere."""
    unread = sorted({repr(key)[:40] for item in items for key in item if key not in KNOWN_FIELDS})
    if unread:
        log(f"explain: fields not used: {', '.join(unread[:10])}; used are {', '.join(KNOWN_FIELDS)}")
