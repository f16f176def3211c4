"""The `generate` section: everything a simulated scene is drawn from."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section
from track_persistence.core.rig import DISTORTION_LENGTHS, Lens
from track_persistence.simulation.config_types import FrameRange, PositiveRange, QualityRange, Range, Share, ShareRange
from track_persistence.simulation.matched_config import MatchedConfig


def _known_length(value: tuple[float, ...]) -> tuple[float, ...]:
    lengths = DISTORTION_LENGTHS[Lens.BROWN_CONRADY]
    if len(value) not in lengths:
        raise ValueError(f"expected one of {lengths} coefficients in OpenCV order")
    return value


Family = Literal["person", "vehicle", "crate", "ball", "blob"]
Distortion = Annotated[tuple[float, ...], AfterValidator(_known_length)]


class RigConfig(Section):
    """The calibrated pair. The world's origin lies between the cameras: x right, y down, z away from them."""

    focal_px: PositiveFloat
    """Focal length of both cameras, pixels."""
    image_size_px: Annotated[tuple[PositiveInt, PositiveInt], Field()]
    """Image width and height, pixels."""
    frame_rate_hz: PositiveFloat
    """Frames per second of both cameras."""
    baseline_m: PositiveFloat
    """Distance between the optical centres, metres."""
    toe_in_rad: Annotated[float, Field(ge=0, lt=0.5)]
    """Angle by which each camera turns towards the other's side, radians."""
    pitch_rad: Annotated[float, Field(gt=-0.5, lt=0.5)]
    """Angle by which both cameras look down, radians."""
    distortion: tuple[Distortion, Distortion]
    """Lens distortion per camera in OpenCV order: k1 k2 p1 p2 [k3 [k4 k5 k6]]."""


class TracksConfig(Section):
    """How many tracks a scene has per camera, of which kind and how long."""

    mean: PositiveFloat
    """Mean number of tracks per camera and scene; the number is Poisson, cut to `limits`."""
    limits: FrameRange
    """Fewest and most tracks per camera and scene."""
    mix: tuple[Share, Share, Share]
    """Shares of persistent, brief and noise tracks; they sum to 1. Every scene has a persistent one."""
    persistent_frames: FrameRange
    """Observed frames of a persistent track, both ends included."""
    brief_frames: FrameRange
    """Observed frames of a brief track (reflection, glare, shadow), both ends included."""
    clear_share: Share
    """A cause is clear where more than this share of its box is hidden by nothing; it is for its fewest frames."""

    @model_validator(mode="after")
    def _mix_sums_to_one(self) -> "TracksConfig":
        if abs(sum(self.mix) - 1) > 1e-6 or self.mix[0] == 0:
            raise ValueError("mix must sum to 1 and its first share, the persistent one, must be above 0")
        return self


class PlaceConfig(Section):
    """The surroundings: a ground plane and a back wall."""

    camera_height_m: PositiveRange
    """Height of the cameras above the ground, metres."""
    wall_distance_m: PositiveRange
    """Distance of the back wall, drawn log-uniformly, metres."""
    decorations: FrameRange
    """Number of posters, doors and window panes on the wall."""
    ambient_light: ShareRange
    """Share of the light that comes from everywhere; the rest comes from one direction."""
    light_change: Share
    """Relative change of the light over the place, as between sun and half shade."""


class ObjectsConfig(Section):
    """Real objects."""

    families: dict[Family, NonNegativeFloat]
    """Relative frequency of each family."""
    speed_mps: dict[Family, PositiveRange]
    """Speed per family, metres per second."""
    depth_m: PositiveRange
    """Distance from the cameras along z, drawn log-uniformly and held during the whole life, metres."""
    turn_rate_rps: NonNegativeFloat
    """Standard deviation of the turning rate, radians per second."""
    minimum_size_px: PositiveFloat
    """Smallest box side of an object, pixels."""
    hidden_share: Share
    """The truth calls an object hidden where no more than this share of its box is free of what stands before it."""
    attempts: PositiveInt
    """Trajectories tried before the settings are called impossible."""

    @model_validator(mode="after")
    def _families_have_speeds(self) -> "ObjectsConfig":
        if not any(self.families.values()) or set(self.families) - set(self.speed_mps):
            raise ValueError("families needs one of frequency above 0, and speed_mps a range for each of them")
        return self


class GhostsConfig(Section):
    """Brief tracks, each a true stereo pair from one 3D cause."""

    kinds: dict[Literal["reflection", "glare", "shadow"], NonNegativeFloat]
    """Relative frequency of each kind."""
    reflection_strength: ShareRange
    """Share of the mirrored object in the blend with the pane."""
    reflection_depth_m: PositiveRange
    """How far behind the pane the mirrored object appears, metres."""
    pane_size_m: tuple[PositiveRange, PositiveRange]
    """Width and height of a mirroring pane, metres."""
    pane_turn_rad: NonNegativeFloat
    """Largest turn of a pane out of the wall's plane, radians."""
    glare_radius_m: PositiveRange
    """Radius of the glare's box at its surface, metres."""
    shadow_radius_m: PositiveRange
    """Half length of a shadow on the ground, metres."""
    shadow_strength: ShareRange
    """Share of the light that a shadow takes away."""
    smallest_side_px: PositiveFloat
    """Shortest side of a ghost's box, pixels."""
    smallest_share: Share
    """Smallest share of a reflection that is left inside its pane."""
    drift_mps: NonNegativeFloat
    """Largest speed of a glare or shadow along its surface, metres per second."""

    @model_validator(mode="after")
    def _some_kind(self) -> "GhostsConfig":
        if not any(self.kinds.values()):
            raise ValueError("kinds needs one of frequency above 0")
        return self


class DetectorConfig(Section):
    """A YOLO-like detector followed by a 2D tracker."""

    miss_share: Share
    """Probability that a fully visible object is missed in a frame."""
    occluded_miss_share: Share
    """Additional probability of a miss when the object is fully hidden."""
    jitter_px: NonNegativeFloat
    """Part of the box jitter that does not depend on size (standard deviation per side, pixels)."""
    jitter_share: NonNegativeFloat
    """Part of the box jitter in proportion to the box side."""
    jitter_memory: Annotated[float, Field(ge=0, lt=1)]
    """Correlation of the jitter from one frame to the next."""
    confidence: dict[Literal["persistent", "brief", "noise"], Annotated[float, Field(gt=0, lt=1)]]
    """Median confidence of a fully visible detection of reference size."""
    size_reference_px: PositiveFloat
    """Box side at which size neither raises nor lowers the confidence, pixels."""
    size_slope: NonNegativeFloat
    """Change of the confidence's logit per unit of log size."""
    hidden_slope: NonNegativeFloat
    """Drop of the confidence's logit from fully visible to fully hidden or faded."""
    track_spread: NonNegativeFloat
    """Standard deviation of the logit between tracks."""
    frame_spread: NonNegativeFloat
    """Standard deviation of the logit between frames of a track."""
    noise_size_px: PositiveRange
    """Box side of a false alarm, log-uniform, pixels."""
    noise_covered_share: Share
    """Largest share of a false alarm that a cause covers; when 20 draws have more, the last one stands."""
    noise_blob_share: Share
    """Share of false alarms that sit on a speck (insect, leaf, dirt); the others sit on plain background."""


class ImageConfig(Section):
    """From light to the stored crop."""

    context_share: Annotated[float, Field(ge=0, lt=1)]
    """Margin around the detected box on each side, as a share of its width and height."""
    exposure: PositiveRange
    """Gain of a camera in a scene."""
    exposure_flicker: Share
    """Relative change of the gain over time."""
    white_balance: Share
    """Largest relative error of the red and blue gains."""
    shutter_share: ShareRange
    """Share of the frame interval during which the shutter is open (motion blur)."""
    defocus_px: Range
    """Standard deviation of the lens blur, pixels of the camera."""
    read_noise: NonNegativeFloat
    """Standard deviation of the signal-independent noise, grey levels."""
    shot_noise: NonNegativeFloat
    """Standard deviation of the noise at full signal from photon counting, grey levels."""
    jpeg_quality: QualityRange
    """JPEG quality of a camera's video, 1 to 100."""

    @model_validator(mode="after")
    def _quality_in_range(self) -> "ImageConfig":
        if self.jpeg_quality[0] < 1 or self.jpeg_quality[1] > 100:
            raise ValueError("jpeg_quality must lie between 1 and 100")
        return self


class GenerateConfig(Section):
    """Simulated stereo scenes with tracks, crops and truth."""

    scenes: PositiveInt
    """Number of scenes of the nominal profile: long persistent, brief fading, one-frame noise, as specified."""
    scenes_per_shard: PositiveInt
    """Scenes in one HDF5 file; a shard is to have 16 to 64 MB."""
    frames_per_sequence: PositiveInt
    """Length of a scene, frames."""
    sheet_rows: PositiveInt
    """Examples on the contact sheet of each kind."""
    rig: RigConfig
    tracks: TracksConfig
    place: PlaceConfig
    objects: ObjectsConfig
    ghosts: GhostsConfig
    detector: DetectorConfig
    image: ImageConfig
    matched: MatchedConfig
    """What the matched profile has in place of `tracks` and `ghosts`, and beside the rest."""

    @model_validator(mode="after")
    def _tracks_fit(self) -> "GenerateConfig":
        lengths = (self.tracks.persistent_frames, self.tracks.brief_frames, self.matched.lives.length_frames)
        longest = max(high for _, high in lengths)
        if longest > self.frames_per_sequence:
            raise ValueError(
                f"frames_per_sequence {self.frames_per_sequence} is shorter than the longest track, {longest} frames"
            )
        return self
