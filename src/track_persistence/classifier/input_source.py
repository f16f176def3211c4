"""The tracks of a table as the classifier takes them: features, statistics without pixels, or both.

N tracks, T frames of one, K channels that need no pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.channels import ConfidenceScale, Inputs, model_inputs, no_pixel_channels
from track_persistence.classifier.table import TrackTable
from track_persistence.core.errors import DataError
from track_persistence.core.seeding import TRAIN


@dataclass(frozen=True, eq=False)
class InputSource:
    """The tracks of a table as the classifier with these `inputs` takes them; a `dataset.TrackSource`.

    scales: of the confidences, by profile; measured on the training tracks alone.
    """

    table: TrackTable
    inputs: Inputs
    scales: dict[str, ConfidenceScale]

    @classmethod
    def of(cls, table: TrackTable, inputs: Inputs) -> "InputSource":
        """Measure the scale of every profile. Raises `DataError` when one has no training track."""
        return cls(table, inputs, {name: _scale(table, name) for name in table.profile_names()})

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Observed frames of every track, (N,)."""
        return self.table.lengths

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether each track is a real object, (N,)."""
        return self.table.labels

    @property
    def profiles(self) -> NDArray[np.str_]:
        """The source of each track, (N,)."""
        return self.table.profiles

    def read(self, row: int, count: int) -> NDArray[Any]:
        """Return what the classifier takes of a track's first frames: (count, features and channels)."""
        features = None if self.inputs == "no_pixels" else self.table.read(row, count)
        if self.inputs == "pixels":
            assert features is not None
            return features
        return model_inputs(features, self.table.boxes(row, count), self.inputs, self._scale(row))

    def channels(self, row: int) -> NDArray[np.float32]:
        """Return the no-pixel channels (T, K) of a whole track, whatever the classifier takes."""
        return no_pixel_channels(self.table.boxes(row, int(self.lengths[row])), self._scale(row))

    def _scale(self, row: int) -> ConfidenceScale:
        return self.scales[str(self.profiles[row])]


def _scale(table: TrackTable, profile: str) -> ConfidenceScale:
    chosen = (table.profiles == profile) & (table.splits == TRAIN)
    if not chosen.any():
        raise DataError(
            f"features: profile {profile} has no training track; generate more of its scenes or label more footage"
        )
    return ConfidenceScale.of(table.timeline.confidences[np.repeat(chosen, table.lengths)])
