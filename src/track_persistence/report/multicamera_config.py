"""The `multicamera` section of params.yaml."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from track_persistence.core.params import Section
from track_persistence.stereo.config import SmoothingConfig, StereoConfig
from track_persistence.tracking.config import TrackingConfig
from track_persistence.video.detect import HogConfig
from track_persistence.video.linking import LinkConfig


class NoiseConfig(Section):
    """What replaces the keys of the same name in `tracking.stereo`, where each is described."""

    pixel_sigma_px: PositiveFloat
    size_sigma: NonNegativeFloat
    correlated_frames: Annotated[float, Field(ge=1)]
    bias_sigma_px: PositiveFloat
    min_joint_frames: PositiveInt
    max_depth_m: PositiveFloat


class MotionConfig(Section):
    """What replaces the keys of the same name in `tracking.smoothing`, where each is described."""

    process_psd: PositiveFloat
    speed_sigma_mps: PositiveFloat
    max_sigma_m: PositiveFloat


class MulticameraConfig(Section):
    """People on the synchronised videos of a calibrated rig."""

    scale: Annotated[float, Field(gt=0, le=1)]
    """Focal length of the level views, in which people are looked for, over that of the camera."""
    hog: HogConfig
    """The people detector; unused with --detections."""
    link: LinkConfig
    """How detections become tracks."""
    stereo: NoiseConfig
    """How its boxes differ from those that `tracking.stereo` was measured on."""
    smoothing: MotionConfig
    """How people move, and how far from certain a position may be in a room."""

    def tracking(self, base: TrackingConfig) -> TrackingConfig:
        """Return `base` with this section's noise and motion."""
        stereo = StereoConfig.model_validate(base.stereo.model_dump() | self.stereo.model_dump())
        smoothing = SmoothingConfig.model_validate(base.smoothing.model_dump() | self.smoothing.model_dump())
        return base.model_copy(update={"stereo": stereo, "smoothing": smoothing})
