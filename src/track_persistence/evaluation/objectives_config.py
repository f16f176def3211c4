"""The `objectives` section of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from track_persistence.core.params import Section
from track_persistence.evaluation.ablation_cues import CUES
from track_persistence.evaluation.recordings_config import FILE_NAME, RecordingConfig
from track_persistence.magvit.config import LossConfig

RANDOM_WEIGHTS, GIVEN = "random_weights", "given"
RESERVED = {RANDOM_WEIGHTS, GIVEN, *CUES}

Term = Literal["reconstruction", "code_certainty", "code_diversity", "commitment", "contrastive", "cause"]


class ObjectivesConfig(Section):
    """Which objective the encoder is trained for, on simulated scenes; profile, shards and ages are `ablate`'s."""

    candidates: Annotated[dict[str, dict[Term, NonNegativeFloat]], Field(min_length=2)]
    """Weights that each candidate has in place of those of `tokenizer.loss`. One has none: the objective as it is,
    which the others are compared with."""
    steps: PositiveInt
    """Optimiser steps of every candidate, in place of `tokenizer.steps`."""
    transfer_frames: PositiveInt
    """The regressions on recordings see what a track showed in the first so many frames of its life."""
    recordings: tuple[RecordingConfig, ...]
    """Recordings of one scene by different detectors, their files given below the folder of `--footage-dir`; a
    regression is fitted on each and tested on every other."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name in self.candidates:
            if name in RESERVED or not FILE_NAME.fullmatch(name):
                raise ValueError(
                    f"candidates: {name!r} names a file and a line of the table; use letters, digits, _, - and dots, "
                    f"and none of {sorted(RESERVED)}"
                )
        unchanged = [name for name, weights in self.candidates.items() if not weights]
        if len(unchanged) != 1:
            raise ValueError(f"candidates: exactly one must change no weight; got {unchanged or 'none'}")
        if len({recording.name for recording in self.recordings}) != len(self.recordings) or len(self.recordings) == 1:
            raise ValueError("recordings: name none, or two or more by different names")
        return self

    @property
    def reference(self) -> str:
        """The candidate whose objective is that of section `tokenizer`."""
        return next(name for name, weights in self.candidates.items() if not weights)

    def loss_of(self, candidate: str, default: LossConfig) -> LossConfig:
        """Return a candidate's weights; default: `tokenizer.loss`."""
        return default.model_copy(update={term: weight for term, weight in self.candidates[candidate].items()})
