"""The `report` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from track_persistence.core.params import Section

Share = Annotated[float, Field(ge=0, le=1)]


class TargetsConfig(Section):
    """What the filter is to reach on the test tracks of one profile; null where nothing is demanded."""

    auc: dict[str, Share]
    """Least area under the ROC curve by number of frames seen, or `whole`; ages out of `train.frames_seen`."""
    accuracy: dict[str, Share]
    """Least share of right decisions, by the same ages."""
    calibration_error: Share | None
    """Largest expected calibration error at any number of frames seen."""
    delay_ratio: Annotated[float, Field(gt=0)] | None
    """Most frames until decided over those of the sequential test at equal error."""
    length_auc_distance: Share | None
    """How far from 0.5 the area of the length of a track alone may lie."""


class ReportConfig(Section):
    """What the verdicts hold the results against, and how many examples are shown."""

    required_accuracy: Share
    """Validation accuracy on whole tracks of the nominal profile that the filter has to exceed, a share."""
    targets: dict[Literal["matched", "nominal"], TargetsConfig]
    """Figures to reach on test tracks, by profile of the simulator."""
    reduction_tolerance: Share
    """Absolute distance from the share of tracks expected to go within which a scenario counts as met."""
    early_frames: PositiveInt
    """Frames seen at which the filter is held against the baselines; one of `train.frames_seen`."""
    strips_per_outcome: PositiveInt
    """Film strips shown for each kind of decision, right and wrong."""
    frames_per_strip: PositiveInt
    """Most frames shown of one track; longer tracks are sampled evenly from first to last."""
    picture_quality: Annotated[int, Field(ge=1, le=100)]
    """JPEG quality of contact sheets and reconstructions on the page; the files of the stages are lossless."""
