"""The judge that sees no pixels: an additive logistic model on the cues of stereo geometry.

The log-odds of a group (or of a track without partner) are a base plus one curve a cue, piecewise linear between knots
and flat beyond them, so that every cue's part of a decision is a number of its own (a generalised additive model:
Hastie and Tibshirani 1986).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Association
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import GeometryCues, MotionPrior, UnpairedCues, cues
from track_persistence.tracking.stored_model import load_model, save_model

Place = tuple[int, int]
"""Camera and position in its sequence of tracks."""
Transform = Callable[[float], float]

BASE = "base"
LEAST = 1e-3  # keeps logarithms of chi-squares, speeds and angles near 0 finite


def _plain(value: float) -> float:
    return value


def _log(value: float) -> float:
    return math.log(value + LEAST)


GROUP_CUES: Mapping[str, Transform] = {
    "epipolar_log_likelihood_ratio": _plain,
    "epipolar_log_likelihood": _plain,
    "motion_chi_square": _log,
    "depth_m": _log,
    "speed_mps": _log,
    "size_m": _log,
    "size_disagreement": _plain,
    "size_change": _plain,
    "ray_angle_rad": _log,
    "joint_frames": _log,
    "lost_share": _plain,
}
UNPAIRED_CUES: Mapping[str, Transform] = {
    "expected_share": _plain,
    "candidates": _log,
    "best_log_likelihood_ratio": _plain,
}


def numbers_of(found: GeometryCues | UnpairedCues) -> dict[str, float]:
    """Return the cues as the model takes them, by name; NaN where one is not defined."""
    transforms = GROUP_CUES if isinstance(found, GeometryCues) else UNPAIRED_CUES
    values = {name: getattr(found, name) for name in transforms}
    return {name: math.nan if values[name] is None else change(values[name]) for name, change in transforms.items()}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Curve(_Part):
    """What one cue adds to the log-odds: `log_odds` at `knots`, straight between them; `missing` where it is None."""

    knots: Annotated[tuple[float, ...], Field(min_length=1)]
    log_odds: tuple[float, ...]
    missing: float

    @model_validator(mode="after")
    def _is_a_curve(self) -> "Curve":
        if len(self.knots) != len(self.log_odds) or (np.diff(self.knots) <= 0).any():
            raise ValueError("knots must increase strictly and have one log_odds each")
        return self

    def at(self, value: float) -> float:
        """Return the curve's value; NaN stands for a cue that is None."""
        return self.missing if math.isnan(value) else float(np.interp(value, self.knots, self.log_odds))


class AdditiveModel(_Part):
    """Log-odds of one kind of cues: `base` plus a curve a cue."""

    base: float
    curves: dict[str, Curve]

    def parts(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return what every cue adds, by name; `numbers` as `numbers_of` returns them."""
        return {name: curve.at(numbers[name]) for name, curve in self.curves.items()}


@dataclass(frozen=True)
class GeometryVerdict:
    """What geometry says about one track.

    log_odds: of being real, in the mix of the training data. likelihood_ratio: the same without that mix, natural
    logarithm. contributions: what each cue adds, and `base` for having a partner or none; they sum to it.
    """

    log_odds: float
    likelihood_ratio: float
    contributions: Mapping[str, float]


class GeometryModel(_Part):
    """Both additive models, the mix they were fitted on and the motion prior of their cues."""

    format: Literal["track_persistence.geometry"]
    prior_log_odds: float
    """Of the training data: logarithm of real over other tracks."""
    process_psd: Annotated[float, Field(gt=0)]
    """As in `MotionPrior`."""
    speed_sigma_mps: Annotated[float, Field(gt=0)]
    """As in `MotionPrior`."""
    group: AdditiveModel
    """For tracks with partners; curves for all of `GROUP_CUES`."""
    unpaired: AdditiveModel
    """For tracks without; curves for all of `UNPAIRED_CUES`."""

    @model_validator(mode="after")
    def _knows_the_cues(self) -> "GeometryModel":
        for name, known in (("group", GROUP_CUES), ("unpaired", UNPAIRED_CUES)):
            if set(getattr(self, name).curves) != set(known):
                raise ValueError(f"{name}: expected a curve for each of {', '.join(known)}")
        return self

    @property
    def motion(self) -> MotionPrior:
        """How real things move, as the cues were measured for the fit."""
        return MotionPrior(self.process_psd, self.speed_sigma_mps)

    @classmethod
    def load(cls, path: Path) -> "GeometryModel":
        """Read what `save` wrote; raises `CheckpointError` naming file, key and rule."""
        return load_model(cls, path, "geometry", "set tracking.fusion to [appearance]")

    def save(self, path: Path) -> None:
        """Write the model as JSON, atomically; numbers keep all their digits."""
        save_model(self, path)

    def judge(self, found: GeometryCues | UnpairedCues) -> GeometryVerdict:
        """Judge one group, or one track without partner."""
        model = self.group if isinstance(found, GeometryCues) else self.unpaired
        contributions = {BASE: model.base - self.prior_log_odds, **model.parts(numbers_of(found))}
        ratio = math.fsum(contributions.values())
        return GeometryVerdict(ratio + self.prior_log_odds, ratio, contributions)


def judge_geometry(
    model: GeometryModel,
    rig: CameraRig,
    tracks: Sequence[Sequence[BoxTrack]],
    association: Association,
    config: StereoConfig,
) -> dict[Place, GeometryVerdict]:
    """Judge every track; the members of a group share one verdict. `tracks` are those given to `associate`."""
    found = cues(rig, association, tracks, config, model.motion)
    verdicts: dict[Place, GeometryVerdict] = {}
    for group, of_group in zip(association.groups, found.groups, strict=True):
        shared = model.judge(of_group)
        verdicts |= {(camera, index): shared for camera, index in enumerate(group.members) if index is not None}
    for camera, (indices, alone) in enumerate(zip(association.unpaired, found.unpaired, strict=True)):
        verdicts |= {(camera, index): model.judge(one) for index, one in zip(indices, alone, strict=True)}
    return verdicts
