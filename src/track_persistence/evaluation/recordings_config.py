"""The `recordings` section: labelled footage that a filter is trained on or adapted to."""

import re
from pathlib import Path
from typing import Self

from pydantic import PositiveInt, model_validator

from track_persistence.core.params import Section
from track_persistence.video.confidence import Scale

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class SiteConfig(Section):
    """One video of a static or moving camera, the tracks of one detector on it, and perhaps what is true of them."""

    name: str
    """What tables call it; unique."""
    video: Path
    """Video file that OpenCV can decode."""
    tracks: Path
    """MOT file of tracks."""
    confidence: Scale
    """What the scores of the tracks' seventh column are: `probability`, or `raw` numbers of any scale."""
    labels: Path | None
    """CSV of track_id,label; null when there is none."""
    ground_truth: Path | None
    """MOT ground truth; tracks are labelled by overlap, `footage.labels`. Null when there is none."""

    @model_validator(mode="after")
    def _at_most_one_truth(self) -> Self:
        if self.labels is not None and self.ground_truth is not None:
            raise ValueError("give either labels or ground_truth, and null for the other")
        return self

    @property
    def is_labelled(self) -> bool:
        """Whether anything is known of the tracks."""
        return self.labels is not None or self.ground_truth is not None


class RecordingConfig(SiteConfig):
    """A labelled recording."""

    @model_validator(mode="after")
    def _one_truth(self) -> Self:
        if (self.labels is None) == (self.ground_truth is None):
            raise ValueError("give either labels or ground_truth, and null for the other")
        return self


class RecordingsConfig(Section):
    """Recordings to train on, how they are split, and how much of a track is read."""

    sources: tuple[RecordingConfig, ...]
    """The recordings, their files given below the folder of footage; none is fine."""
    block_frames: PositiveInt
    """Frames of the video in a block. Whole blocks train, validate or test; a track belongs to the block of its birth
    and ends with it. Thirty blocks or more give every part several, so that its intervals mean something."""
    longest_frames: PositiveInt
    """Of a longer track the first so many boxes are read."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"sources: names must differ; got {names}")
        for name in names:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"sources: a name becomes a file's; use letters, digits, _, - and dots; got {name!r}")
        return self
