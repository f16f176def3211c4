"""The `geometry` section of params.yaml."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from track_persistence.core.params import Section


class GeometryConfig(Section):
    """What the judge by geometry alone is fitted on, and how."""

    shards: PositiveInt
    """Scene shards of each profile that are read, in the order of their names; the split of their scenes stays what it
    is."""
    frames_seen: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Ages in observed frames at which every track is judged, besides whole, to fit and to evaluate. The scene of that
    moment holds no later frame of any track."""
    process_psd: PositiveFloat
    """Of the motion cue: power spectral density of a real object's acceleration per world axis, m^2/s^3."""
    speed_sigma_mps: PositiveFloat
    """Of the motion cue: deviation of a real object's velocity per world axis before anything is seen, m/s."""
    knots: Annotated[int, Field(ge=2)]
    """Knots of the curve of each cue, at even quantiles of the training data; fewer where quantiles coincide."""
    inverse_regularisation: PositiveFloat
    """The larger, the less the curves of the logistic regressions are drawn towards 0."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of scenes behind every 95 % interval."""
