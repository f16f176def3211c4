"""The `report` section of params.yaml."""

from typing import Annotated

from pydantic import Field, PositiveInt

from track_persistence.core.params import Section

Share = Annotated[float, Field(ge=0, le=1)]


class ReportConfig(Section):
    """What the verdicts hold the results against, and how many examples are shown."""

    required_accuracy: Share
    """Validation accuracy on whole tracks that the filter has to exceed, a share."""
    reduction_tolerance: Share
    """Absolute distance from the share of tracks expected to go within which a scenario counts as met."""
    early_frames: PositiveInt
    """Frames seen at which the filter is held against the baselines; one of `train.frames_seen`."""
    strips_per_outcome: PositiveInt
    """Film strips shown for each kind of decision, right and wrong."""
    frames_per_strip: PositiveInt
    """Most frames shown of one track; longer tracks are sampled evenly from first to last."""
