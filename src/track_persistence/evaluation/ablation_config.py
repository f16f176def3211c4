"""The `ablate` section of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section


class AblateConfig(Section):
    """What each input and each encoder is worth: the same classifiers on other descriptions of the same tracks."""

    profile: Literal["nominal", "matched"]
    """Whose scenes are used; in the nominal profile the number of frames alone gives the class away."""
    shards: PositiveInt
    """Scene shards of that profile that are read, in the order of their names; the split of scenes stays what it is."""
    frames_seen: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Ages in observed frames at which every method is evaluated; no frame after the last of them is used, neither
    to train nor to test."""
    ghost_frames: PositiveInt
    """Age at which real tracks are told from each kind of ghost apart; one of `frames_seen`."""
    num_epochs: PositiveInt
    """Epochs of every transformer, all of them trained to the end; the rest of its training is section `train`."""
    components: PositiveInt
    """Principal components of colour and gradient histograms that stand in for the encoder's features."""
    inverse_regularisation: PositiveFloat
    """Of the logistic regressions on the mean features: the larger, the less their weights are drawn towards 0."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of scenes behind every 95 % interval."""

    @model_validator(mode="after")
    def _ages_fit(self) -> Self:
        if list(self.frames_seen) != sorted(set(self.frames_seen)):
            raise ValueError("frames_seen must strictly increase")
        if self.ghost_frames not in self.frames_seen:
            raise ValueError(f"ghost_frames {self.ghost_frames} is none of frames_seen {list(self.frames_seen)}")
        return self
