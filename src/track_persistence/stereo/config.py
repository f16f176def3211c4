"""Params of association and triangulation."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section


class StereoConfig(Section):
    """How noisy a box centre is, which tracks of the two cameras may be one object, which points count."""

    pixel_sigma_px: PositiveFloat
    """Standard deviation of a box centre per image axis, in pixels, for a box of no size."""
    size_sigma: NonNegativeFloat
    """What a box adds to that deviation, as a share of its mean side; added in squares."""
    correlated_frames: Annotated[float, Field(ge=1)]
    """Frames over which a box's error stays alike; n joint frames weigh as n divided by this, which is
    (1 + r) / (1 - r) when neighbouring frames correlate by r."""
    outlier_sigmas: PositiveFloat
    """A box pair farther off its track's median residual, and a 3D point whose epipolar residual is larger, in standard
    deviations, is an outlier."""
    min_joint_frames: PositiveInt
    """Frames that both cameras must have seen for two tracks to be partners."""
    min_fitting_share: Annotated[float, Field(gt=0, le=1)]
    """Share of the joint frames of partners that are no outliers, and share whose rays meet within the depth range."""
    min_depth_m: PositiveFloat
    """Nearest depth, seen from either camera, at which partners can meet, in metres."""
    max_depth_m: PositiveFloat
    """Farthest such depth in metres; rays that are parallel within their noise pass as well."""
    bias_sigma_px: PositiveFloat
    """Deviation of partners' mean distance from the epipolar line (calibration, one-sided boxes), in pixels."""
    drift_spread_px: PositiveFloat
    """Deviation of the speed at which unrelated tracks move across each other's epipolar lines, pixels per frame."""
    log_size_sigma: PositiveFloat
    """Deviation of the logarithm of the ratio of an object's metric sizes as measured by the two cameras."""
    log_size_spread: PositiveFloat
    """The same deviation between two unrelated tracks."""
    overlap_weight: NonNegativeFloat
    """Factor of the logarithm of the temporal overlap (joint frames over frames seen by either camera)."""
    null_partner_cost: float
    """Log-likelihood ratio that a pair must reach to be better than having no partner."""

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> "StereoConfig":
        if self.min_depth_m >= self.max_depth_m:
            raise ValueError(f"min_depth_m {self.min_depth_m:g} must be below max_depth_m {self.max_depth_m:g}")
        if self.log_size_sigma >= self.log_size_spread:
            raise ValueError(
                f"log_size_sigma {self.log_size_sigma:g} must be below log_size_spread {self.log_size_spread:g}"
            )
        return self
