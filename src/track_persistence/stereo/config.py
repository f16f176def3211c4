"""Params of association, triangulation, smoothing, and of the errors that last."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section


class StereoConfig(Section):
    """How noisy a box centre is, which tracks of the two cameras may be one object, which points count."""

    pixel_sigma_px: PositiveFloat
    """Standard deviation of a box centre per image axis, in pixels, for a box of no size."""
    size_sigma: NonNegativeFloat
    """What a box adds to that deviation, as a share of its mean side; added in squares."""
    confidence_exponent: NonNegativeFloat
    """The deviation is multiplied by the detector's confidence to the power of minus this; 0 means that the
    confidence says nothing about the position."""
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


class SmoothingConfig(Section):
    """The smoother that turns the pixels of a group of tracks into one 3D path."""

    motion: Literal["off", "constant_velocity", "constant_acceleration"]
    """What stays constant but for white noise; `off` keeps the frame-by-frame triangulation."""
    process_psd: PositiveFloat
    """Power spectral density of that noise per world axis: of the acceleration in m^2/s^3 (constant velocity), of the
    jerk in m^2/s^5 (constant acceleration)."""
    speed_sigma_mps: PositiveFloat
    """Deviation of the velocity per world axis before anything was seen (and, in m/s^2, of a constant acceleration)."""
    student_dof: Annotated[float, Field(gt=2)] | None
    """Degrees of freedom of the Student-t distribution of pixel errors; null means normal errors."""
    iterations: PositiveInt
    """Passes of the iterated smoother; each one linearises about the path of the pass before."""
    max_sigma_m: PositiveFloat
    """A frame whose position is less certain than this in its worst direction is left out of the result, metres."""


class BiasConfig(Section):
    """Standard deviation of an error that the boxes of one thing keep up over a whole track, per image axis."""

    pixel_sigma_px: NonNegativeFloat
    """In pixels, for a box of no size (a camera that shakes slowly, say)."""
    size_sigma: NonNegativeFloat
    """What a box adds, as a share of its width along x and of its height along y; added in squares."""
    cut_size_sigma: NonNegativeFloat
    """What it adds along an axis on which the image's border cuts it off, as a share of its visible side."""


class LastingConfig(Section):
    """Errors that last as long as a track, so that more frames do not make its position surer."""

    shared: BiasConfig
    """Of one thing's boxes in all cameras alike: one detector, one rig. Two cameras cannot tell it from a place."""
    own: BiasConfig
    """Of each camera on its own; it moves the depth."""
    border_px: NonNegativeFloat
    """A box this close to the image's border is cut off, pixels."""
    clock_sigma_frames: NonNegativeFloat
    """Deviation of the time by which each further camera is ahead of the first, frames; 0 if they are in step."""
