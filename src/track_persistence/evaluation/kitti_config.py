"""The `kitti` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from track_persistence.core.params import Section
from track_persistence.stereo.config import SmoothingConfig
from track_persistence.tracking.config import TrackingConfig
from track_persistence.video.linking import LinkConfig

Category = Literal["Car", "Pedestrian", "Cyclist"]
Share = Annotated[float, Field(ge=0, le=1)]


class CategoryConfig(Section):
    """How one class is tracked and scored in 3D."""

    gospa_cutoff_m: PositiveFloat
    """Cut-off of GOSPA, and distance from which on a point is not on an object."""
    smoothing: SmoothingConfig
    """The smoother, in place of `tracking.smoothing`: the cameras ride on a car, and cars are faster than people."""


class TruthConfig(Section):
    """Which labels count: on the others a point is neither right nor wrong."""

    max_truncated: NonNegativeInt
    """0 inside the image, 1 partly, 2 largely outside."""
    max_occluded: NonNegativeInt
    """0 visible, 1 partly, 2 largely occluded, 3 unknown."""
    min_height_px: PositiveFloat
    """Height of a label's or a track's box in the left image; a smaller one does not count."""
    dont_care_share: Annotated[float, Field(ge=0, lt=1)]
    """A track's left box of whose area more than this lies in a `DontCare` region does not count."""
    neighbours: dict[Category, tuple[str, ...]]
    """Per class, the types of labels that a detector of the class may find or leave."""


class KittiConfig(Section):
    """KITTI tracking with a second view derived from the first: what is made, linked, tracked and how it is scored."""

    sequences: Annotated[tuple[str, ...], Field(min_length=2)]
    """Names of the sequences."""
    image_size_px: tuple[PositiveInt, PositiveInt]
    """Width and height; the calibration files do not say."""
    frame_rate_hz: PositiveFloat
    """Neither do they say this."""
    edge_sigma_px: NonNegativeFloat
    """Deviation of the normal noise on each edge of a derived box, drawn on its own for every edge and frame."""
    min_side_px: PositiveFloat
    """A box with a shorter side inside the image is no detection."""
    link: LinkConfig
    """How the detections of each view become tracks."""
    pixel_sigma_px: PositiveFloat
    """In place of `tracking.stereo`'s: deviation of a box centre per image axis for a box of no size ..."""
    size_sigma: NonNegativeFloat
    """... what it adds as a share of the box's mean side ..."""
    correlated_frames: Annotated[float, Field(ge=1)]
    """... and frames over which it stays alike."""
    truth: TruthConfig
    """What counts."""
    categories: Annotated[dict[Category, CategoryConfig], Field(min_length=1)]
    """The classes; each is linked, tracked and scored on its own."""
    min_hits: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """The duration rule keeps 2D tracks with at least so many boxes."""
    min_mean_confidence: Annotated[tuple[Share, ...], Field(min_length=1)]
    """Candidates for the confidence rule, which keeps 2D tracks with at least this mean confidence. On each sequence
    the one counts whose GOSPA is least on all other sequences."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of the sequences behind every 95 % interval."""

    @field_validator("sequences")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("every sequence may stand here only once")
        return names

    def tracking(self, base: TrackingConfig, category: Category) -> TrackingConfig:
        """Return `base` with the noise and the motion of this data.

        Both views are projections of the same 3D boxes at the same time, so no error lasts in one of them.
        """
        stereo = base.stereo.model_copy(
            update={
                "pixel_sigma_px": self.pixel_sigma_px,
                "size_sigma": self.size_sigma,
                "correlated_frames": self.correlated_frames,
            }
        )
        smoothing = self.categories[category].smoothing
        return base.model_copy(update={"stereo": stereo, "smoothing": smoothing, "lasting": None})
