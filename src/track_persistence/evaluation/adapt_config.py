"""The `adapt` section of params.yaml."""

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from track_persistence.classifier.adapter import OTHER_DETECTOR, PIXELS, SAME_DETECTOR, UNLABELLED
from track_persistence.classifier.adapter_fit import AdapterConfig
from track_persistence.core.params import Section


class AdaptConfig(Section):
    """Adaptation of the filter to a site; blocks of time, kinds of false tracks and labels are `footage`'s."""

    ages_frames: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Ages, in frames passed since a track's first box, at which everybody is scored."""
    longest_frames: PositiveInt
    """Of a longer track the first so many boxes are read; at least the largest age."""
    adapter: AdapterConfig
    """What is fitted."""

    @model_validator(mode="after")
    def _reads_enough(self) -> Self:
        if max(*self.ages_frames, *self.adapter.training_ages_frames) > self.longest_frames:
            raise ValueError("longest_frames must be at least the largest of ages_frames and training_ages_frames")
        missing = {SAME_DETECTOR, PIXELS, OTHER_DETECTOR, UNLABELLED} - self.adapter.sets.keys()
        if missing:
            raise ValueError(f"adapter.sets: {sorted(missing)} are missing")
        return self
