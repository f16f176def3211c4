"""The `scenarios` section: what the filter is tried on, and how its 3D result is scored."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from track_persistence.core.params import Section

Share = Annotated[float, Field(ge=0, le=1)]
Number = Literal["1", "2", "3"]


class MixConfig(Section):
    """The tracks of one scenario's scenes and what the specification expects of the filter."""

    persistent: PositiveInt
    """Real objects, each seen by both cameras."""
    brief: NonNegativeInt
    """Brief ghosts, each seen by both cameras."""
    noise: NonNegativeInt
    """Single-frame false alarms per camera, unrelated between the cameras."""
    expected_filtered: Share
    """Share of the tracks that the specification expects to be filtered out; reported beside the result."""


class ScenariosConfig(Section):
    """Scenes the filter never saw, with the filter off, on, and with two rules in its place."""

    seeds: Annotated[int, Field(ge=2)]
    """Scenes per scenario; the intervals resample them."""
    mixes: dict[Number, MixConfig]
    """Scenario number to its tracks: 1 clean, 2 cluttered, 3 noisy."""
    gate_m: PositiveFloat
    """A 3D point closer than this to a true object matches it, metres."""
    gospa_cutoff_m: PositiveFloat
    """Cut-off c of GOSPA in metres: a missed or a false point costs c ** 2 / 2."""
    min_hits: PositiveInt
    """Control `min_hits` keeps the tracks with at least so many observed frames."""
    min_mean_confidence: Share
    """Control `mean_confidence` keeps the tracks whose mean detector confidence is at least this."""
    replicates: PositiveInt
    """Bootstrap replicates of each 95 % interval."""

    @model_validator(mode="after")
    def _all_scenarios(self) -> "ScenariosConfig":
        if sorted(self.mixes) != ["1", "2", "3"]:
            raise ValueError(f"mixes must have the keys '1', '2' and '3', in quotes; got {sorted(self.mixes)}")
        return self
