"""Params of the check of a rig by tracks alone."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from track_persistence.core.params import Section


class SelfCheckConfig(Section):
    """How partners are sought in a rig that may be wrong, and what is called wrong, sound or undecided.

    A quantity is wrong when it differs from a right rig's by more than is tolerated and by more than `alarm_sigmas` of
    its deviations; it is sound when twice the tolerated error lies `exclude_sigmas` deviations away; else undecided.
    """

    tolerated_angle_deg: PositiveFloat
    """Error of the rotation between the cameras about each axis, degrees."""
    tolerated_offset_frames: PositiveFloat
    """Error of the synchronisation, frames."""
    tolerated_bias_px: PositiveFloat
    """Mean distance of partners from their epipolar lines, pixels of the second camera."""
    tolerated_behind_share: Annotated[float, Field(gt=0, lt=0.5)]
    """Share of joint frames whose rays do not meet in front of both cameras; mismatched tracks have such frames."""
    alarm_sigmas: PositiveFloat
    """2.3 wrongly alarms twice in a hundred times per quantity."""
    exclude_sigmas: PositiveFloat
    """1.645 overlooks an error of twice the tolerated size once in twenty times."""
    max_offset_frames: PositiveInt
    """Offsets from minus to plus this many frames are tried."""
    bias_sigma_px: PositiveFloat
    """Takes the place of the association's `bias_sigma_px`, so that partners are found in a rig that is wrong."""
    own_offset_px: PositiveFloat
    """Deviation of a track's own distance from its epipolar lines in a right rig (boxes seen one-sidedly), pixels."""
    velocity_frames: PositiveFloat
    """Deviation of the Gaussian window over which a box's velocity is fitted, frames."""
    border_px: PositiveFloat
    """A box this close to the image's border is cut off, so that its centre says nothing; pixels."""
    angle_spread_deg: PositiveFloat
    """Deviation of the rotation's error about each axis before any track is seen, degrees."""
    ends_sigma_frames: PositiveFloat
    """Deviation of the offset that the first and last frames of partners tell, however many there are: all of them may
    enter and leave one camera's view sooner. Frames."""
    student_dof: PositiveFloat
    """Degrees of freedom of the Student-t distribution of tracks about the fit; small ones mistrust outliers."""
    fewest_tracks: Annotated[int, Field(ge=2)]
    """Pairs of partners below which nothing is decided."""
    regions: tuple[PositiveInt, PositiveInt]
    """Columns and rows into which the first camera's image is divided."""
