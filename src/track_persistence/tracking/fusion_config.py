"""The `fuse` section of params.yaml."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from track_persistence.core.params import Section


class FuseConfig(Section):
    """How the witnesses' log-odds are weighed against each other, and the result measured."""

    ages: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Frames seen at which weights are fitted, increasing; between them they are linear in the logarithm of the frames,
    beyond them constant."""
    inverse_regularisation: PositiveFloat
    """The larger, the less the weights are drawn towards 0."""
    bootstrap_replicates: Annotated[int, Field(ge=20)]
    """Resamplings of scenes behind every 95 % interval."""

    @field_validator("ages")
    @classmethod
    def _increase(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError("ages must increase strictly")
        return value
