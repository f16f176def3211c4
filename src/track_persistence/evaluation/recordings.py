"""Labelled recordings as labelled tracks with crops: whole, or block of time by block of time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import VideoError
from track_persistence.core.types import Ghost, Kind, LabelledTrack, Track
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_rules import BoxTrack, box_tracks, false_kind
from track_persistence.evaluation.recordings_config import RecordingConfig, RecordingsConfig, SiteConfig
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.labels import FALSE, REAL, label_by_overlap, read_labels
from track_persistence.video.mot import MotTable, read_mot
from track_persistence.video.reader import Video

REAL_CAUSE = (Kind.PERSISTENT, Ghost.NONE)
FALSE_CAUSES: Mapping[str, tuple[Kind, Ghost]] = {
    "static_clutter": (Kind.BRIEF, Ghost.CLUTTER),
    "flicker": (Kind.NOISE, Ghost.NOISE),
    "other": (Kind.BRIEF, Ghost.CLUTTER),
}


@dataclass(frozen=True, eq=False)
class RecordingBoxes:
    """A recording before its video is decoded.

    table: the N boxes of all its tracks. confidences: (N,), in [0, 1]. labels: of the clearly labelled tracks, whether
    they are real, by id. unlabelled: ids of the tracks that nobody has looked at.
    """

    table: MotTable
    confidences: NDArray[np.float64]
    labels: Mapping[int, bool]
    unlabelled: frozenset[int]

    def births(self) -> dict[int, int]:
        """Return the first frame of every clearly labelled track, by id."""
        ids, first = np.unique(self.table.ids, return_index=True)  # the table is sorted by frame
        births = self.table.frames[first]
        return {int(i): int(frame) for i, frame in zip(ids, births, strict=True) if int(i) in self.labels}

    def up_to(self, last_frames: Mapping[int, int]) -> "RecordingBoxes":
        """Return the boxes of the tracks in `last_frames`, none later than the frame that is given for each."""
        last = np.array([last_frames.get(track_id, -1) for track_id in self.table.ids.tolist()])
        rows = np.flatnonzero(self.table.frames <= last)
        table = replace(
            self.table,
            **{name: getattr(self.table, name)[rows] for name in ("frames", "ids", "boxes_xywh_px", "scores", "lines")},
            texts=tuple(self.table.texts[row] for row in rows.tolist()),
        )
        return RecordingBoxes(table, self.confidences[rows], self.labels, self.unlabelled)


@dataclass(frozen=True, eq=False)
class Recording:
    """The N tracks of one recording that are clearly labelled or not labelled at all, in order of birth, then of id.

    tracks: with crops, cut to their first boxes. whole: the same tracks' boxes, uncut. labels: (N,), real or not.
    known: (N,), whether the label is known; if not, it is False. kinds: what false tracks are, `FALSE_KINDS`; of real
    ones, what they would be. last_frame: of any track in the file.
    """

    name: str
    tracks: tuple[Track, ...]
    whole: tuple[BoxTrack, ...]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]
    kinds: tuple[str, ...]
    last_frame: int

    def __len__(self) -> int:
        """Return the number of tracks N."""
        return len(self.tracks)

    def born_before(self, frames: int) -> "Recording":
        """Return the tracks that were born at least `frames` frames before the end, their own first frame included."""
        early = [i for i, track in enumerate(self.tracks) if self.last_frame - int(track.frames[0]) + 1 >= frames]
        return self.of(np.array(early, np.int64))

    def of(self, rows: NDArray[np.int64]) -> "Recording":
        """Return some of the tracks."""
        return Recording(
            self.name,
            tuple(self.tracks[i] for i in rows),
            tuple(self.whole[i] for i in rows),
            self.labels[rows],
            self.known[rows],
            tuple(self.kinds[i] for i in rows),
            self.last_frame,
        )


def read_boxes(config: SiteConfig, footage: FootageConfig, every_track: bool = True) -> RecordingBoxes:
    """Read the boxes and labels of a recording.

    every_track: whether each track needs a label. Raises `VideoError` on unusable files and without any clear label,
    unless there is neither a file of labels nor ground truth.
    """
    table = read_mot(config.tracks, "tracks")
    labels = _labels(config, footage, table, every_track)
    clear = {track_id: label == REAL for track_id, label in labels.items() if label in (REAL, FALSE)}
    if not clear and config.is_labelled:
        raise VideoError(f"{config.tracks}: no track is labelled real or false; label some, or drop the recording")
    unlabelled = frozenset(table.ids.tolist()) - labels.keys()
    return RecordingBoxes(table, confidences(table, config.confidence), clear, unlabelled)


def read_recording(
    config: SiteConfig, footage: FootageConfig, crop_margin: float, longest: int, every_track: bool = True
) -> Recording:
    """Read the tracks of a recording that are real or false; unclear and forgotten ones are left out.

    crop_margin: share of a box's width and height added on each side of a crop. longest: boxes of a track that are
    read. every_track: whether each track needs a label; if not, those without are read as well. Raises `VideoError` on
    unusable files.
    """
    boxes = read_boxes(config, footage, every_track)
    whole = {track.track_id: track for track in box_tracks(boxes.table, boxes.confidences)}
    streamed = stream_tracks(Video(config.video), boxes.table, boxes.confidences, crop_margin, longest)
    tracks = [track for track in streamed if track.track_id in boxes.labels or track.track_id in boxes.unlabelled]
    tracks.sort(key=_birth)
    uncut = tuple(whole[track.track_id] for track in tracks)
    return Recording(
        config.name,
        tuple(tracks),
        uncut,
        np.array([boxes.labels.get(track.track_id, False) for track in tracks], bool),
        np.array([track.track_id in boxes.labels for track in tracks], bool),
        tuple(false_kind(track, footage) for track in uncut),
        int(boxes.table.frames[-1]),
    )


def labelled_blocks(
    source: RecordingConfig, config: RecordingsConfig, footage: FootageConfig, crop_margin: float
) -> Iterator[tuple[int, list[LabelledTrack]]]:
    """Yield the first frame of every block of a recording and its tracks, in order of birth, then of id.

    A clearly labelled track belongs to the block of its birth and ends with it, so that no block shows a frame of
    another. One block is in memory at a time. False tracks of few boxes count as detector noise, all others as clutter:
    footage does not say what caused them. Raises `VideoError` as `read_boxes` does, and on an unusable video.
    """
    boxes = read_boxes(source, footage)
    starts = {track_id: block_start(birth, config.block_frames) for track_id, birth in boxes.births().items()}
    causes = {
        track.track_id: FALSE_CAUSES[false_kind(track, footage)] for track in box_tracks(boxes.table, boxes.confidences)
    }
    cut = boxes.up_to({track_id: start + config.block_frames - 1 for track_id, start in starts.items()})
    streamed = stream_tracks(Video(source.video), cut.table, cut.confidences, crop_margin, config.longest_frames)
    for start, tracks in groupby(streamed, key=lambda track: starts[track.track_id]):
        yield (
            start,
            [
                LabelledTrack(track, *(REAL_CAUSE if boxes.labels[track.track_id] else causes[track.track_id]))
                for track in sorted(tracks, key=_birth)
            ],
        )


def block_start(frame: int, block_frames: int) -> int:
    """Return the first frame of the block in which `frame` lies; frames count from 1."""
    return (frame - 1) // block_frames * block_frames + 1


def _birth(track: Track) -> tuple[int, int]:
    return int(track.frames[0]), track.track_id


def _labels(config: SiteConfig, footage: FootageConfig, table: MotTable, every_track: bool) -> dict[int, int]:
    if config.labels is not None:
        return read_labels(config.labels, table, every_track)
    if config.ground_truth is None:
        return {}
    return label_by_overlap(table, read_mot(config.ground_truth, "ground truth"), footage.labels)
