"""The `tracking` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from track_persistence.core.params import Section
from track_persistence.stereo.config import SmoothingConfig, StereoConfig

Fusion = Literal["appearance", "geometry", "both"]


class TrackingConfig(Section):
    """From 2D tracks of two cameras to 3D; the filter's threshold comes from the classifier's checkpoint."""

    fusion: Fusion
    """What the decision rests on: the pixels of a track, the geometry of its group, or the sum of their log-odds."""
    geometry_threshold: Annotated[float, Field(gt=0, lt=1)]
    """With `fusion: geometry`, probability from which on a track is kept; else the classifier's checkpoint says."""
    stereo: StereoConfig
    """Association and triangulation."""
    smoothing: SmoothingConfig
    """From the pixels of a group to its 3D path."""
