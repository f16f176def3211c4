"""A recording as what the adapter and its baselines are fitted on: every track at every age.

N tracks in order of birth, A ages, D values of a witness, K observed frames that the decision rule may wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.adapter_fit import Growth, Lesson
from track_persistence.classifier.baselines import statistics_by_count
from track_persistence.classifier.channels import ConfidenceScale, no_pixel_channels
from track_persistence.classifier.rules import RULES
from track_persistence.core.progress import track_progress
from track_persistence.core.types import Track
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.cheap_pixels import cheap_descriptors
from track_persistence.evaluation.recordings import Recording
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.tracking.results import Verdict
from track_persistence.tracking.site import box_evidence, pixel_evidence, rows_at

Floats = NDArray[np.float64]


class TrackFilter(Protocol):
    """What is asked of the filter before it is adapted."""

    threshold: float

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        """Judge every track on its own."""
        ...


@dataclass(frozen=True, eq=False)
class SiteSamples:
    """A recording, ready for fits.

    evidence: age to witness to (N, D). grown: witness to (N, K, D), after 1..K observed frames. before: age to the
    log-odds (N,) of the filter before it is adapted. rules: age to rule to (N,). statistics, descriptors: age to
    (N, D). channels: N of (T, C), the no-pixel channels. boxes_seen: age to (N,).
    """

    recording: Recording
    evidence: dict[int, dict[str, NDArray[Any]]]
    grown: dict[str, NDArray[Any]]
    before: dict[int, Floats]
    rules: dict[int, dict[str, Floats]]
    statistics: dict[int, Floats]
    descriptors: dict[int, NDArray[np.float32]]
    channels: list[NDArray[np.float32]]
    boxes_seen: dict[int, NDArray[np.int64]]

    @property
    def everyone(self) -> NDArray[np.int64]:
        """Return the numbers of all tracks."""
        return np.arange(len(self.recording), dtype=np.int64)

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Return the numbers of the tracks whose label is known."""
        return np.flatnonzero(self.recording.known)

    def with_labels(self, tracks: NDArray[np.int64], labels: NDArray[np.bool_]) -> "SiteSamples":
        """Return the same samples with other labels for `tracks`."""
        changed = self.recording.labels.copy()
        changed[tracks] = labels
        return replace(self, recording=replace(self.recording, labels=changed))

    def lesson(self, tracks: NDArray[np.int64], ages_frames: Sequence[int]) -> Lesson:
        """Return the rows of `tracks` at `ages_frames`, age by age; tracks keep their numbers."""
        names = self.evidence[ages_frames[0]]
        return Lesson(
            {name: np.concatenate([self.evidence[age][name][tracks] for age in ages_frames]) for name in names},
            np.tile(self.recording.labels[tracks], len(ages_frames)),
            np.tile(np.searchsorted(tracks, tracks), len(ages_frames)),
        )

    def growth(self, tracks: NDArray[np.int64]) -> Growth:
        """Return `tracks` while they grow."""
        lengths = np.array([len(self.recording.tracks[track]) for track in tracks], np.int64)
        grown = {name: values[tracks] for name, values in self.grown.items()}
        return Growth(grown, lengths, self.recording.labels[tracks])

    def at(self, age: int, tracks: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the evidence of `tracks` at one age."""
        return {name: values[tracks] for name, values in self.evidence[age].items()}


def read_samples(
    recording: Recording,
    config: AdaptConfig,
    longest_wait_frames: int,
    persistence_filter: TrackFilter,
    encoder: LevelEncoder,
) -> SiteSamples:
    """Encode the tracks of a recording once and look at them at every age.

    longest_wait_frames: observed frames K that the decision rule may wait.
    """
    tracks, scored_ages = recording.tracks, config.ages_frames
    ages = sorted({*scored_ages, *config.adapter.training_ages_frames})
    counts = range(1, longest_wait_frames + 1)
    seen = {age: np.array([boxes_seen(track, age) for track in tracks], np.int64) for age in ages}
    evidence, before = [], []
    for number, track in enumerate(track_progress(tracks, len(tracks), recording.name, "tracks")):
        evidence.append({**pixel_evidence(track.crops, encoder), **box_evidence(track)})
        verdicts = persistence_filter.predict_tracks([track.first(int(seen[age][number])) for age in scored_ages])
        before.append([verdict.log_odds for verdict in verdicts])
    scale = ConfidenceScale.of(np.concatenate([track.confidences for track in tracks]))
    cheap = [cheap_descriptors(t.crops, [int(seen[age][i]) for age in scored_ages]) for i, t in enumerate(tracks)]
    return SiteSamples(
        recording,
        {age: _joined([rows_at(found, [seen[age][i]]) for i, found in enumerate(evidence)]) for age in ages},
        {name: np.stack([rows_at(found, counts)[name] for found in evidence]) for name in evidence[0]},
        dict(zip(scored_ages, np.array(before).T, strict=True)),
        {age: _rules(tracks, seen[age]) for age in scored_ages},
        {age: _statistics(tracks, seen[age]) for age in scored_ages},
        {age: np.stack([rows[a] for rows in cheap]) for a, age in enumerate(scored_ages)},
        [no_pixel_channels(track, scale) for track in tracks],
        seen,
    )


def boxes_seen(track: Track, age: int) -> int:
    """Return the number of boxes in the first `age` frames of the track's life."""
    return int(np.searchsorted(track.frames, track.frames[0] + age))


def _joined(rows: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _rules(tracks: Sequence[Track], seen: NDArray[np.int64]) -> dict[str, Floats]:
    return {
        name: np.array([rule(track)[count - 1] for track, count in zip(tracks, seen, strict=True)])
        for name, rule in RULES.items()
    }


def _statistics(tracks: Sequence[Track], seen: NDArray[np.int64]) -> Floats:
    return np.concatenate(
        [statistics_by_count(track, np.array([count])) for track, count in zip(tracks, seen, strict=True)]
    )
