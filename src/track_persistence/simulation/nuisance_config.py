"""The section `nuisances`: what differs between recordings and says nothing about what a track is.

Domain randomisation (Tobin et al. 2017): every value is a range or a share to draw from; 0 or [0, 0] switches it off.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, model_validator

from track_persistence.core.params import Section
from track_persistence.simulation.config_types import FrameRange, PositiveRange, Range, Share, ShareRange

MOST_STOPS = 6.0


def _not_negative(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] < 0:
        raise ValueError("the lower end must be at least 0")
    return value


AppearanceFamily = Literal["dead_leaves", "spectrum", "fractal", "stripes", "text"]
Amount = Annotated[Range, AfterValidator(_not_negative)]


class LightNuisances(Section):
    """Light and gain over time. A change of the light and darkness meet both cameras, drifts each on its own."""

    exposure_drift: Share
    """Largest relative drift of a camera's gain over a sequence."""
    white_balance_drift: Share
    """Largest relative drift of the red and of the blue gain over a sequence."""
    change_share: Share
    """Probability that the light of a scene changes once, unless the scene is dark: a lamp, a cloud."""
    change_stops: Amount
    """Size of the change up or down, stops (factors of 2)."""
    change_frames: FrameRange
    """Frames that the change takes, log-uniform."""
    dark_share: Share
    """Probability that a scene is dark, so that each camera amplifies its signal and with it its noise."""
    dark_stops: Amount
    """Amplification in the dark, stops."""
    dark_loss_stops: Amount
    """By how much the amplified picture stays darker than by day, stops."""

    @model_validator(mode="after")
    def _stops_are_bounded(self) -> "LightNuisances":
        if max(self.change_stops[1], self.dark_stops[1], self.dark_loss_stops[1]) > MOST_STOPS:
            raise ValueError(f"no change of light may exceed {MOST_STOPS} stops")
        return self


class CameraNuisancesConfig(Section):
    """Worse cameras than those of `image`; drawn for each camera of each scene."""

    read_noise: Amount
    """Standard deviation of noise that comes on top of `image.read_noise`, grey levels."""
    shot_noise: Amount
    """Standard deviation at full signal of noise that comes on top of `image.shot_noise`, grey levels."""
    defocus_px: Amount
    """Standard deviation of blur that comes on top of `image.defocus_px`, pixels of the camera."""
    jpeg_loss: tuple[NonNegativeInt, NonNegativeInt]
    """Points of JPEG quality below what `image.jpeg_quality` gives; the quality stays at least 5."""
    coarse_share: Share
    """Probability that a camera has a lower resolution, its pictures being enlarged to the size of the rig's."""
    coarse_factor: PositiveRange
    """By how much lower, log-uniform; at least 1."""

    @model_validator(mode="after")
    def _in_range(self) -> "CameraNuisancesConfig":
        if self.jpeg_loss[0] > self.jpeg_loss[1] or self.jpeg_loss[1] >= 100:
            raise ValueError("jpeg_loss must be an ordered pair below 100")
        if self.coarse_factor[0] < 1:
            raise ValueError("coarse_factor must be at least 1")
        return self


class VeilsConfig(Section):
    """What is in the air before the camera and on its lens."""

    rain_share: Share
    """Probability that it rains in a scene: thin streaks, new ones in every frame."""
    dust_share: Share
    """Probability that dust, snow or insects drift through a scene."""
    lens_share: Share
    """Probability that a camera has specks on its lens; they stay in place."""
    opacity: ShareRange
    """How much of what lies behind is covered where a streak or speck is densest."""


class ShakeConfig(Section):
    """Shaking cameras: the whole picture moves, boxes and content together."""

    scene_share: Share
    """Probability that the cameras of a scene shake."""
    amplitude_px: Amount
    """Largest way from rest, pixels."""
    period_frames: FrameRange
    """Shortest and longest period of the shaking, frames."""
    rig_share: Share
    """Share of the way that both cameras make together, as on one bar; the rest each makes on its own."""
    shutter_share: ShareRange
    """Share of the frame interval during which the shaking blurs the picture."""


class BoxNuisances(Section):
    """Errors of the boxes that stay the same over a track; drawn alike for objects and ghosts."""

    offset: Annotated[float, Field(ge=0, lt=0.5)]
    """Standard deviation of the shift of a track's boxes, as a share of their width and height."""
    scale: Annotated[float, Field(ge=0, lt=0.5)]
    """Standard deviation of the logarithm of the factor on the boxes' width and on their height."""
    partial_share: Share
    """Probability that the boxes of a track cover a part of the thing only, such as the upper body."""
    partial_kept: ShareRange
    """Share of the box's height or width that such a part takes."""

    @model_validator(mode="after")
    def _something_is_kept(self) -> "BoxNuisances":
        if self.partial_share > 0 and self.partial_kept[0] <= 0:
            raise ValueError("partial_kept must be above 0 where partial_share is")
        return self


class ClockConfig(Section):
    """Time as the recording has it."""

    dropped: ShareRange
    """Probability that a frame of a camera is missing, drawn for each camera."""
    duplicated: ShareRange
    """Probability that a frame of a camera shows the picture before it once more, drawn for each camera."""
    desync_share: Share
    """Probability that the second camera of a scene is not in step with the first."""
    desync_frames: Range
    """By how many frames it runs ahead (below 0: behind); rounded to whole frames."""


class AppearanceConfig(Section):
    """Surfaces from families of images that share the statistics of natural ones, in place of plain patterns."""

    share: Share
    """Probability that a texture of an object, of the ground, of the wall or of what hangs there is one of these."""
    weights: dict[AppearanceFamily, NonNegativeFloat]
    """Relative frequency of each family."""

    @model_validator(mode="after")
    def _some_family(self) -> "AppearanceConfig":
        if self.share > 0 and not any(self.weights.values()):
            raise ValueError("weights needs one family of frequency above 0 where share is above 0")
        return self


class NuisancesConfig(Section):
    """Everything that varies between recordings and tells nothing about a track."""

    light: LightNuisances
    camera: CameraNuisancesConfig
    veils: VeilsConfig
    shake: ShakeConfig
    boxes: BoxNuisances
    clock: ClockConfig
    appearance: AppearanceConfig
