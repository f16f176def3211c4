"""The `generate.matched` section: the profile in which the length of a track tells nothing."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from track_persistence.core.params import Section
from track_persistence.simulation.config_types import FrameRange, PositiveRange, Share, ShareRange
from track_persistence.simulation.ghost_config import CausesConfig
from track_persistence.simulation.nuisance_config import NuisancesConfig

GhostKind = Literal[
    "reflection",
    "window",
    "specular",
    "glare",
    "static_glare",
    "flare",
    "glint",
    "shadow",
    "clutter",
    "noise",
    "duplicate",
    "merged",
    "id_switch",
]


def _sum_to_one(value: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(value) - 1) > 1e-6:
        raise ValueError("the shares must sum to 1")
    return value


class CountConfig(Section):
    """How many of something a scene has."""

    mean: PositiveFloat
    """Mean of the Poisson number, which is cut to `limits`."""
    limits: tuple[NonNegativeInt, PositiveInt]
    """Fewest and most of a scene."""


class LivesConfig(Section):
    """How long things are seen: the same for objects and ghosts, so that length tells nothing."""

    length_frames: FrameRange
    """Observed frames of a track, drawn log-uniformly, both ends included."""
    fragments: Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_sum_to_one)]
    """Shares of things that are seen in 1, 2, ... fragments, each of them a track of its own."""
    gap_frames: FrameRange
    """Frames between two fragments, log-uniform."""
    margin_frames: tuple[NonNegativeInt, NonNegativeInt]
    """Frames that a thing is there before its first and after its last fragment."""
    camera_shift_frames: NonNegativeFloat
    """Standard deviation by which a fragment begins earlier or later in each camera."""
    camera_length_spread: NonNegativeFloat
    """Standard deviation of the logarithm of a fragment's length between the cameras."""
    in_view_share: Share
    """Smallest share of each fragment's frames in which a thing is in view; a draw with less is thrown away."""
    one_camera_share: Share
    """Probability that only one of the cameras reports a fragment."""
    miss_share: ShareRange
    """Probability that a frame within a track is missed, drawn for each track."""
    most_missed_frames: NonNegativeInt
    """Longest run of misses within a track; the 2D tracker gives a track up after more."""


class CrowdConfig(Section):
    """What real objects do besides walking alone in full view."""

    standing_share: Share
    """Share of objects that stand still."""
    company_share: Share
    """Probability that a second object goes beside an object."""
    company_m: PositiveRange
    """Distance between the two, metres."""
    occluders: tuple[NonNegativeInt, NonNegativeInt]
    """Fewest and most posts and boxes that stand before the objects; no detector reports them."""
    smallest_share: Share
    """Least share of its box inside the image for an object to be reported."""
    least_visible_share: Share
    """Least share of its box that nothing hides for an object to be reported."""


class TrackerErrorsConfig(Section):
    """False tracks that the detector and the 2D tracker make of real objects."""

    duplicate_iou: ShareRange
    """Overlap (IoU) of a duplicate box with the box of its object; below 0.5, where a box no longer counts as on it."""
    duplicate_scale: PositiveRange
    """Side of a duplicate box relative to that of its object, log-uniform."""
    duplicate_both_share: Share
    """Probability that both cameras report the same duplicate."""
    duplicate_own_share: Share
    """Probability that the object of a duplicate is also reported with its own box."""
    merged_covered_share: Share
    """Two objects merge when, in the median frame, each camera sees less than this share of the smaller box covered."""
    merged_own_share: Share
    """Probability that each of the two merged objects is also reported alone."""
    switch_after_frames: FrameRange
    """Frames of an ID switch that still show the object, cut to less than half of the track."""
    switch_way_frames: PositiveInt
    """Frames that the box takes from the object to the background."""

    @property
    def shortest_switch_frames(self) -> int:
        """Frames of the shortest track of which an ID switch shows its object for less than half."""
        return 2 * self.switch_after_frames[0] + 1


class MatchedDetectorConfig(Section):
    """Confidences of the detector in the matched profile."""

    confidence: dict[Literal["object", "ghost", "noise"], Annotated[float, Field(gt=0, lt=1)]]
    """Median confidence of a fully visible detection of reference size."""
    track_spread: NonNegativeFloat
    """Standard deviation of the logit between tracks."""
    frame_spread: NonNegativeFloat
    """Standard deviation of the logit between frames of a track."""
    noise_size_px: PositiveRange
    """Box side of detector noise, log-uniform, pixels."""
    noise_drift_px: NonNegativeFloat
    """Standard deviation of the step of a noise box from frame to frame, pixels."""


class MatchedConfig(Section):
    """Scenes in which real objects are short and ghosts last."""

    scenes: PositiveInt
    """Number of scenes."""
    objects: CountConfig
    """Real objects of a scene, company not counted."""
    ghosts: CountConfig
    """Ghosts of a scene."""
    kinds: dict[GhostKind, NonNegativeFloat]
    """Relative frequency of each kind of ghost."""
    lives: LivesConfig
    crowd: CrowdConfig
    causes: CausesConfig
    tracker: TrackerErrorsConfig
    detector: MatchedDetectorConfig
    nuisances: NuisancesConfig

    @model_validator(mode="after")
    def _tracks_have_room_for_a_switch(self) -> "MatchedConfig":
        shortest, longest = self.tracker.shortest_switch_frames, self.lives.length_frames[1]
        if self.kinds.get("id_switch", 0) > 0 and longest < shortest:
            raise ValueError(
                f"lives.length_frames ends at {longest}, below the {shortest} frames that tracker.switch_after_frames "
                "needs; raise it or set kinds.id_switch to 0"
            )
        return self
