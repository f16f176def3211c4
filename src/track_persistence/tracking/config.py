"""The `tracking` section of params.yaml."""

from track_persistence.core.params import Section
from track_persistence.stereo.config import StereoConfig


class TrackingConfig(Section):
    """From 2D tracks of two cameras to 3D; the filter's threshold comes from the classifier's checkpoint."""

    stereo: StereoConfig
    """Association and triangulation."""
