"""What stage `fuse` learns: the witness `statistics`, and how much each witness counts beside the others.

Witnesses that look at the same frames repeat each other, and each grows surer with the length of a track; the plain sum
of their log-odds would count both twice. A logistic model over their log-odds does not (stacking: Wolpert 1992).
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from track_persistence.classifier.baselines import STATISTICS, no_pixel_statistics
from track_persistence.core.types import BoxTrack
from track_persistence.tracking.aged_logistic import AgedLogistic
from track_persistence.tracking.config import FUSIONS, WITNESSES, Witnesses, name_of
from track_persistence.tracking.stored_model import load_model, save_model


class Stacker(BaseModel):
    """How a set of witnesses is weighed: their log-odds and the frames seen (mean over the views) to log-odds.

    Two views that agree say more than one, though both are averaged; and whether there are two is itself a cue.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: AgedLogistic
    """For tracks with partners."""
    alone: AgedLogistic
    """For tracks without."""

    def of(self, views: int) -> AgedLogistic:
        """Return the weights of a track that so many cameras see."""
        return self.group if views > 1 else self.alone


class FusionModel(BaseModel):
    """The witness by statistics and one stacker for every set of witnesses."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["track_persistence.fusion"]
    statistics: AgedLogistic
    """Log-odds of a track from its `no_pixel_statistics`, fitted on training tracks."""
    stackers: dict[str, Stacker]
    """By `name_of` the witnesses: log-odds from theirs, fitted on validation tracks."""

    @model_validator(mode="after")
    def _is_whole(self) -> "FusionModel":
        if set(self.statistics.weights) != set(STATISTICS):
            raise ValueError(f"statistics: expected a weight for each of {', '.join(STATISTICS)}")
        if self.stackers.keys() != FUSIONS.keys():
            raise ValueError(f"stackers: expected one for each set of {', '.join(WITNESSES)}")
        for name, stacker in self.stackers.items():
            if any(set(own.weights) != set(FUSIONS[name]) for own in (stacker.group, stacker.alone)):
                raise ValueError(f"stackers.{name}: expected a weight for each of its witnesses")
        return self

    @classmethod
    def load(cls, path: Path) -> "FusionModel":
        """Read what `save` wrote; raises `CheckpointError` naming file, key and rule."""
        instead = "set tracking.fusion to [appearance] or [geometry], which need no weights"
        return load_model(cls, path, "fuse", instead)

    def save(self, path: Path) -> None:
        """Write the model as JSON, atomically; numbers keep all their digits."""
        save_model(self, path)

    def judge_statistics(self, track: BoxTrack) -> float:
        """Return the log-odds of a track by its boxes and confidences."""
        values = no_pixel_statistics(track, None).tolist()
        return float(sum(self.statistics.parts(dict(zip(STATISTICS, values, strict=True)), len(track)).values()))

    def weights(self, witnesses: Witnesses, views: int) -> AgedLogistic:
        """Return how these witnesses are weighed on a track that so many cameras see."""
        return self.stackers[name_of(witnesses)].of(views)
