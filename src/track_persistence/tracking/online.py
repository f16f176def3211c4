"""Judging tracks while they grow: one new crop of every live track a frame, a verdict on each back.

T frames of a track so far, C width of a frame's input.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.decision import Decision, DecisionRule
from track_persistence.core.errors import DataError
from track_persistence.core.types import FloatArray
from track_persistence.magvit.streaming import Key, StreamingEncoder
from track_persistence.tracking.reading import TrackReader
from track_persistence.tracking.results import Detection, RunningVerdict, probability
from track_persistence.tracking.site import GrowingTrack, SiteJudge

WAIT: Decision = "wait"
# Up to so many frames a decided track is read anew with every frame; n times as long a track with every n-th one, so
# that no track costs more than reading so many frames. One frame more of fifty hardly moves a verdict.
FULL_RATE_FRAMES = 16
REMEDY = "pass detections={key: Detection(frame, box_xywh_px, confidence)} with every crop"


@dataclass(frozen=True, eq=False)
class _Timeline:
    """The last two detections of a track, all that the channels of its newest frame need."""

    frames: NDArray[np.int32]
    boxes_xywh_px: FloatArray
    confidences: FloatArray


class _Window:
    """The newest inputs of a track, at most `longest` of them, always adjacent in memory."""

    def __init__(self, width: int, longest: int) -> None:
        self._rows: FloatArray = np.empty((2 * longest, width), np.float32)
        self._start, self._end, self._longest = 0, 0, longest

    def append(self, row: FloatArray) -> None:
        if self._end == len(self._rows):
            kept = self.rows
            self._rows[: len(kept)] = kept
            self._start, self._end = 0, len(kept)
        self._rows[self._end] = row
        self._end += 1
        self._start = max(self._start, self._end - self._longest)

    @property
    def rows(self) -> FloatArray:
        found: FloatArray = self._rows[self._start : self._end]
        return found


@dataclass
class _Live:
    """What is kept of a track between frames; `number` counts tracks in the order of their birth.

    heard: by the adapter of a filter that has one.
    """

    number: int
    window: _Window
    rule: DecisionRule
    heard: GrowingTrack | None
    frames_seen: int = 0
    frames_read: int = 0
    log_odds: float = 0.0
    decision: Decision = WAIT
    seen: Detection | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is to be read now; long tracks take turns by their number."""
        turns = -(-len(self.window.rows) // FULL_RATE_FRAMES)
        return self.decision == WAIT or (self.frames_seen + self.number) % turns == 0

    def now_says(self, log_odds: float) -> None:
        """Note what was read of all frames so far, and decide unless that was done."""
        self.log_odds, self.frames_read = log_odds, self.frames_seen
        if self.decision == WAIT:
            self.decision = self.rule.decide(log_odds, self.frames_seen)


class OnlineTracks:
    """All live tracks of all cameras: their encoder states, their inputs so far, and what was decided.

    The encoder never repeats work. The transformer looks both ways in time, so it has to read the inputs of a track
    again, at most the newest `longest_frames` of its training: with every frame while the track is undecided or short,
    less often when it is long. A site's adapter hears every frame once, and then the transformer is asked for its
    attention alone.
    """

    def __init__(self, encoder: StreamingEncoder | None, reader: TrackReader, site: SiteJudge | None) -> None:
        """Judge by `site` where there is one, else by `reader`; `encoder` is None when neither takes pixels."""
        self._encoder, self._reader, self._site = encoder, reader, site
        self._live: dict[Hashable, _Live] = {}
        self._born = 0

    def update(
        self,
        crops: Mapping[Key, NDArray[np.uint8]],
        detections: Mapping[Key, Detection] | None,
        with_attention: bool,
    ) -> dict[Key, RunningVerdict]:
        """Take one frame in and judge the tracks that it shows; see `PersistenceFilter.update`."""
        found = {} if detections is None else detections
        self._check(crops, found)
        if self._site is None:
            features = {} if self._encoder is None else self._encoder.push(crops)
            grown = [self._grow(key, features.get(key), found.get(key)) for key in crops]
            self._read([live for live in grown if with_attention or live.is_due])
        else:
            self._hear(crops, found)
        shown = {key: self._live[key] for key in crops}
        return {
            key: _verdict(live, self._reader.judge(live.window.rows).attention if with_attention else None)
            for key, live in shown.items()
        }

    def end(self, keys: Iterable[Key]) -> dict[Key, RunningVerdict]:
        """Forget tracks; returns their last verdicts, of which none is `wait` any more."""
        ended = list(dict.fromkeys(keys))
        for key in ended:
            if key not in self._live:
                raise DataError(f"track {key}: is not alive, so it cannot end; update it first")
        if self._encoder is not None:
            self._encoder.end(ended)
        last = {key: self._live.pop(key) for key in ended}
        self._read([live for live in last.values() if live.frames_read < live.frames_seen])
        for live in last.values():
            if live.decision == WAIT:
                live.decision = live.rule.decide(live.log_odds, live.frames_seen, is_last=True)
        return {key: _verdict(live, None) for key, live in last.items()}

    def reset(self) -> None:
        """Forget all tracks."""
        self._live.clear()
        if self._encoder is not None:
            self._encoder.reset()

    def _read(self, tracks: Sequence[_Live]) -> None:
        """Bring the verdicts of these tracks up to date."""
        for live, log_odds in zip(tracks, self._reader.log_odds([live.window.rows for live in tracks]), strict=True):
            live.now_says(log_odds)

    def _hear(self, crops: Mapping[Key, NDArray[np.uint8]], detections: Mapping[Key, Detection]) -> None:
        """Let the site's adapter take the frame in; it brings all verdicts up to date."""
        assert self._encoder is not None
        for key, seen in self._encoder.push_with_levels(crops).items():
            live = self._grow(key, seen.feature, detections.get(key))
            assert live.heard is not None
            live.now_says(live.heard.add(crops[key], seen, detections.get(key)))

    def _check(self, crops: Mapping[Key, NDArray[np.uint8]], detections: Mapping[Key, Detection]) -> None:
        if self._reader.inputs == "pixels" and self._site is None:
            return
        for key in crops:
            found, live = detections.get(key), self._live.get(key)
            before = None if live is None else live.seen
            if found is None and self._reader.inputs != "pixels":
                raise DataError(
                    f"track {key}: has no detection, but the classifier was trained on {self._reader.inputs}; {REMEDY}"
                )
            if live is not None and (found is None) != (before is None):
                raise DataError(f"track {key}: had a detection in some frames and in others none; {REMEDY}, or never")
            if before is not None and found is not None and found.frame <= before.frame:
                raise DataError(f"track {key}: frame {found.frame} follows {before.frame}; frames must increase")

    def _grow(self, key: Hashable, feature: FloatArray | None, detection: Detection | None) -> _Live:
        live = self._live.get(key)
        row = self._newest_input(feature, detection, None if live is None else live.seen)
        if live is None:
            heard = None if self._site is None else self._site.begin(detection is not None)
            rule = self._reader.rule if heard is None else heard.rule
            live = self._live[key] = _Live(self._born, _Window(len(row), self._reader.longest_frames), rule, heard)
            self._born += 1
        live.window.append(row)
        live.frames_seen += 1
        live.seen = detection
        return live

    def _newest_input(
        self, feature: FloatArray | None, detection: Detection | None, before: Detection | None
    ) -> FloatArray:
        """Return the newest frame's input (C,); channels look back by one detection only."""
        pair = [found for found in (before, detection) if found is not None]
        timeline = None
        if self._reader.inputs != "pixels":
            timeline = _Timeline(
                np.array([found.frame for found in pair], np.int32),
                np.array([found.box_xywh_px for found in pair], np.float32),
                np.array([found.confidence for found in pair], np.float32),
            )
        features = None if feature is None else np.repeat(feature[None], max(1, len(pair)), axis=0)
        newest: FloatArray = self._reader.inputs_of(features, timeline)[-1]
        return newest


def _verdict(live: _Live, attention: FloatArray | None) -> RunningVerdict:
    return RunningVerdict(
        probability(live.log_odds), live.log_odds, live.frames_seen, live.frames_read, live.decision, attention
    )
