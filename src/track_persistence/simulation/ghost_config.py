"""The `generate.causes` section: ghosts that last, each drawn from its physical cause."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, model_validator

from track_persistence.core.params import Section
from track_persistence.simulation.config_types import FrameRange, PositiveRange, Share, ShareRange

Thing = Literal["cone", "post", "bin", "bush", "sign", "sack", "hydrant", "poster"]


class EnvelopeConfig(Section):
    """How the strength of a lasting ghost changes over its life."""

    onset_frames: FrameRange
    """Frames that the rise and, drawn apart, the fall take."""
    standing_share: Share
    """Probability that a ghost is at full strength already when it is first reported; the same for its last frame."""
    flicker: Share
    """Largest relative swing of the strength in between."""
    flicker_frames: PositiveRange
    """Period of that swing, frames."""
    faintest: Share
    """Strength at which a rising ghost is first reported, as a share of its full strength."""
    faded: Share
    """A ghost shows that it is one while its strength is below this share of its greatest."""


class PresenceConfig(Section):
    """When a ghost can be reported at all."""

    smallest_side_px: PositiveFloat
    """Shortest side of a reported box, pixels."""
    smallest_share: Share
    """Smallest share of the whole thing that is left inside the image and, of a reflection, inside its pane."""
    present_share: Share
    """Smallest share of a ghost's life in which each camera can report it; a draw with less is thrown away."""


class PaneConfig(Section):
    """Bodies out of view that a mirror or a window pane shows."""

    strength: ShareRange
    """Share of the mirrored light that reaches the camera."""
    pane_distance: ShareRange
    """Distance of the pane as a share of the distance at which the mirrored body appears."""
    pane_size_m: tuple[PositiveRange, PositiveRange]
    """Width and height of the pane, metres; both log-uniform."""
    turn_rad: NonNegativeFloat
    """Largest turn of the pane out of the wall's direction, radians."""
    double_image: Share
    """Probability of a second, weaker image from the back of the glass."""
    double_offset: PositiveRange
    """Distance of the second image as a share of the body's width."""


class SpecularConfig(Section):
    """Highlights on glossy convex bodies."""

    size_px: PositiveRange
    """Side of the reported box, log-uniform, pixels."""
    host_radius_m: PositiveRange
    """Mean half axis of the body that carries the highlight, log-uniform, metres."""
    host_stretch: PositiveRange
    """Ratio of a half axis of the body to the mean one."""
    lobe_rad: PositiveRange
    """Angle of the surface normal over which the gloss extends, radians."""
    bloom: PositiveRange
    """Half side of the box as a multiple of the highlight's half axis."""
    moving_share: Share
    """Probability that the body moves; a moving round one rolls."""
    speed_mps: PositiveRange
    """Speed of a moving body, metres per second."""


class GlareConfig(Section):
    """Moving lights that bloom in the lens: headlights, the sun in a passing windscreen."""

    size_px: PositiveRange
    """Side of the reported box, log-uniform, pixels."""
    height_m: PositiveRange
    """Height of the light above the ground, metres."""
    speed_mps: PositiveRange
    """Speed of the light, metres per second."""
    pair_share: Share
    """Probability of two lights side by side, as of a car."""


class StaticGlareConfig(Section):
    """Lamps and patches of sun that stay where they are."""

    size_px: PositiveRange
    """Side of the reported box, log-uniform, pixels."""
    patch_share: Share
    """Probability of a sunlit patch on the wall or the ground in place of a lamp."""
    patch_gain: PositiveRange
    """Additional light in a sunlit patch as a multiple of what is there."""
    lamp_height_m: PositiveRange
    """Height of a lamp above the ground, metres."""


class FlareConfig(Section):
    """Ghost images inside the lens, opposite a light."""

    size_px: PositiveRange
    """Side of the reported box, log-uniform, pixels."""
    ratio: PositiveRange
    """Distance of the spot from the image centre as a multiple of the light's distance, on the other side."""
    lens_spread: Share
    """Relative difference of that ratio between the two lenses."""
    light_reach: PositiveFloat
    """Farthest distance of the light from the image centre, in half image diagonals."""
    light_speed_rps: PositiveRange
    """Angular speed of the light, radians per second."""
    brightness: PositiveRange
    """Light that a spot adds at full strength, grey levels."""


class GlintConfig(Section):
    """Sparkles on rippled water on the ground."""

    size_px: PositiveRange
    """Height of the sparkling part in the image, log-uniform, pixels."""
    length_m: PositiveRange
    """Permitted half length of the water along the view, metres."""
    aspect: PositiveRange
    """Width of the water in the image as a multiple of its height."""
    sparkles: FrameRange
    """Number of places that can flash."""
    lit_share: ShareRange
    """Share of them that flashes at a time."""
    flash_frames: PositiveRange
    """Mean length of a flash, frames."""
    sparkle_px: PositiveRange
    """Standard deviation of a sparkle's image, pixels."""


class ShadowConfig(Section):
    """Shadows of bodies out of view, on the ground or the wall."""

    strength: ShareRange
    """Share of the light that the shadow takes away."""
    softness: PositiveRange
    """Width of the edge as a share of a part's radius."""
    wall_share: Share
    """Probability of a shadow on the wall, thrown by a low light behind the cameras."""
    lift_m: PositiveRange
    """Height above the ground at which a body out of view passes, metres; the shadow then lies off its feet."""


class ClutterConfig(Section):
    """Things that stand about and are none of the objects that are looked for."""

    things: dict[Thing, NonNegativeFloat]
    """Relative frequency of each thing."""
    height_px: PositiveRange
    """Height of the thing in the image, log-uniform, pixels; sets its distance."""
    sway_rad: PositiveRange
    """Amplitude with which a bush leans in the wind, radians."""

    @model_validator(mode="after")
    def _some_thing(self) -> "ClutterConfig":
        if not any(self.things.values()):
            raise ValueError("things needs one of frequency above 0")
        return self


class CausesConfig(Section):
    """Ghosts that last as long as objects do; every one is a true stereo pair of one cause."""

    envelope: EnvelopeConfig
    presence: PresenceConfig
    reflection: PaneConfig
    window: PaneConfig
    specular: SpecularConfig
    glare: GlareConfig
    static_glare: StaticGlareConfig
    flare: FlareConfig
    glint: GlintConfig
    shadow: ShadowConfig
    clutter: ClutterConfig
