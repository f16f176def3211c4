"""Labelled recordings as labelled tracks with crops, in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import Ghost, Kind, LabelledTrack, Track
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_rules import BoxTrack, box_tracks, false_kind
from track_persistence.evaluation.recordings_config import RecordingConfig, RecordingsConfig
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.labels import FALSE, REAL, label_by_overlap, read_labels
from track_persistence.video.mot import MotTable, read_mot
from track_persistence.video.reader import Video

FALSE_CAUSES: Mapping[str, tuple[Kind, Ghost]] = {
    "static_clutter": (Kind.BRIEF, Ghost.CLUTTER),
    "flicker": (Kind.NOISE, Ghost.NOISE),
    "other": (Kind.BRIEF, Ghost.CLUTTER),
}


@dataclass(frozen=True, eq=False)
class Recording:
    """The N clearly labelled tracks of one recording, in order of birth, then of id.

    tracks: with crops, cut to their first boxes. whole: the same tracks' boxes, uncut. labels: (N,), real or not.
    kinds: what false tracks are, `FALSE_KINDS`; of real ones, what they would be. last_frame: of any track in the file.
    """

    name: str
    tracks: tuple[Track, ...]
    whole: tuple[BoxTrack, ...]
    labels: NDArray[np.bool_]
    kinds: tuple[str, ...]
    last_frame: int

    def __len__(self) -> int:
        """Return the number of tracks N."""
        return len(self.tracks)

    def born_before(self, frames: int) -> "Recording":
        """Return the tracks that were born at least `frames` frames before the end, their own first frame included."""
        rows = [i for i, track in enumerate(self.tracks) if self.last_frame - int(track.frames[0]) + 1 >= frames]
        return Recording(
            self.name,
            tuple(self.tracks[i] for i in rows),
            tuple(self.whole[i] for i in rows),
            self.labels[rows],
            tuple(self.kinds[i] for i in rows),
            self.last_frame,
        )


def read_recording(config: RecordingConfig, footage: FootageConfig, crop_margin: float, longest: int) -> Recording:
    """Read the tracks of a recording that are real or false; unclear and forgotten ones are left out.

    crop_margin: share of a box's width and height added on each side of a crop. longest: boxes of a track that are
    read. Raises `VideoError` on unusable files.
    """
    table = read_mot(config.tracks, "tracks")
    scores = confidences(table, config.confidence)
    labels = _labels(config, footage, table)
    whole = {track.track_id: track for track in box_tracks(table, scores)}
    streamed = stream_tracks(Video(config.video), table, scores, crop_margin, longest)
    clear = [track for track in streamed if labels[track.track_id] in (REAL, FALSE)]
    clear.sort(key=lambda track: (int(track.frames[0]), track.track_id))
    boxes = tuple(whole[track.track_id] for track in clear)
    return Recording(
        config.name,
        tuple(clear),
        boxes,
        np.array([labels[track.track_id] == REAL for track in clear], bool),
        tuple(false_kind(track, footage) for track in boxes),
        int(table.frames[-1]),
    )


def labelled_tracks(
    config: RecordingsConfig, footage: FootageConfig, crop_margin: float
) -> Iterator[tuple[str, LabelledTrack]]:
    """Yield every clearly labelled track of every recording with the recording's name.

    False tracks of few boxes count as detector noise, all others as clutter: footage does not say what caused them.
    """
    for source in config.sources:
        recording = read_recording(source, footage, crop_margin, config.longest_frames)
        for track, is_real, name in zip(recording.tracks, recording.labels, recording.kinds, strict=True):
            kind, ghost = (Kind.PERSISTENT, Ghost.NONE) if is_real else FALSE_CAUSES[name]
            yield recording.name, LabelledTrack(track, kind, ghost)


def _labels(config: RecordingConfig, footage: FootageConfig, table: MotTable) -> dict[int, int]:
    if config.labels is not None:
        return read_labels(config.labels, table)
    assert config.ground_truth is not None  # the section's model allows nothing else
    return label_by_overlap(table, read_mot(config.ground_truth, "ground truth"), footage.labels)
