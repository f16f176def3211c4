"""The `footage` section of params.yaml."""

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from track_persistence.core.params import Section
from track_persistence.video.labels import LabelConfig
from track_persistence.video.linking import LinkConfig


class FootageConfig(Section):
    """Real footage: when a track is scored, and what counts as real.

    Crops get the margin of the simulated ones, `generate.image.context_share`: the filter was trained on those.
    """

    longest_frames: PositiveInt
    """The filter sees the first so many boxes of a track at most; bounds memory on tracks that never end."""
    ages_frames: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Ages, in frames passed since a track's first box (that one included), at which it is scored."""
    full_view_frames: PositiveInt
    """Metrics leave out tracks born less than this before the last frame of the file, and ages above it."""
    min_hits: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """The duration rule keeps tracks with so many boxes in a row; the first value is the one tabulated by age."""
    min_mean_confidence: Annotated[float, Field(ge=0, le=1)]
    """The confidence rule keeps tracks whose mean confidence so far, mapped to 0 to 1, is at least this."""
    flicker_boxes: PositiveInt
    """A false track with at most so many boxes is flicker."""
    static_boxes: PositiveInt
    """A false track with at least so many boxes that stays in its place is static clutter ..."""
    static_drift: Annotated[float, Field(gt=0)]
    """... where staying means that nine of ten centres lie this near their median, in diagonals of the median box."""
    folds: Annotated[int, Field(ge=2)]
    """Blocks in time on which the no-pixels logistic regression is fitted and tested in turn."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of tracks behind every 95 % interval."""
    link: LinkConfig
    """How detections without ids become tracks."""
    labels: LabelConfig
    """How ground truth labels a track."""

    @model_validator(mode="after")
    def _ages_fit(self) -> Self:
        if list(self.ages_frames) != sorted(set(self.ages_frames)):
            raise ValueError("ages_frames must strictly increase")
        if self.longest_frames < self.full_view_frames or self.ages_frames[0] > self.full_view_frames:
            raise ValueError("full_view_frames must lie between the first of ages_frames and longest_frames")
        return self
