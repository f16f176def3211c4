"""The `scenarios` section: what the filter is tried on, and how its 3D result is scored."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from track_persistence.core.params import Section
from track_persistence.simulation.matched_config import GhostKind
from track_persistence.stereo.config import LastingConfig

Share = Annotated[float, Field(ge=0, le=1)]
Number = Literal["1", "2", "3"]
NUMBERS: tuple[Number, ...] = get_args(Number)
CaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,29}$")]


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


class CaseConfig(Section):
    """Scenes of the matched profile that are hard in one way."""

    scenes: Annotated[int, Field(ge=2)]
    """Scenes of the case; the intervals resample them."""
    objects: PositiveInt
    """Real objects of a scene; their company and the objects under false boxes come on top."""
    ghosts: dict[GhostKind, PositiveInt]
    """Ghosts of a scene by kind."""
    changes: dict[str, Any]
    """What differs from `generate.matched`: dotted path below it to the value, such as `lives.length_frames`."""
    clock_sigma_frames: NonNegativeFloat | None
    """How well these cameras are known to keep step, in place of that of `scenarios.lasting`; null keeps that."""


class ScenariosConfig(Section):
    """Scenes the filter never saw, with the filter off, with each set of witnesses, and with two rules instead."""

    seeds: Annotated[int, Field(ge=2)]
    """Scenes of each numbered scenario; the intervals resample them."""
    mixes: dict[Number, MixConfig]
    """Scenario number to its tracks: 1 clean, 2 cluttered, 3 noisy; all of the nominal profile."""
    cases: dict[CaseName, CaseConfig]
    """Further scenarios by name, of the matched profile."""
    lasting: LastingConfig | None
    """Errors that last, as the boxes, rigs and clocks of the matched profile have them; the cases are tracked with this
    in place of `tracking.lasting`, which is of the nominal profile."""
    gate_m: PositiveFloat
    """A 3D point closer than this to a true object matches it, metres; CLEAR and IDF1 match up to it as well."""
    gospa_cutoff_m: PositiveFloat
    """Cut-off c of GOSPA and OSPA in metres: in GOSPA a missed or a false point costs c ** 2 / 2."""
    hota_zero_distance_m: PositiveFloat
    """Distance from which on two points are not alike at all in HOTA, metres; above `gate_m`."""
    distances_cm: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Distances within which a 3D point counts as right in precision and recall of points, growing, centimetres."""
    depth_edges_m: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)]
    """Borders of the depth bins, growing, in metres of the first camera; points beyond them are in no bin."""
    min_hits: PositiveInt
    """Control `min_hits` keeps the tracks with at least so many observed frames."""
    min_mean_confidence: Share
    """Control `mean_confidence` keeps the tracks whose mean detector confidence is at least this."""
    replicates: PositiveInt
    """Bootstrap replicates of each 95 % interval."""

    @model_validator(mode="after")
    def _all_scenarios(self) -> "ScenariosConfig":
        if sorted(self.mixes) != sorted(NUMBERS):
            raise ValueError(f"mixes must have the keys '1', '2' and '3', in quotes; got {sorted(self.mixes)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All scenarios: the numbered ones, then the cases as they are listed."""
        return (*NUMBERS, *self.cases)

    @model_validator(mode="after")
    def _distances_grow(self) -> "ScenariosConfig":
        if self.hota_zero_distance_m <= self.gate_m:
            raise ValueError(f"hota_zero_distance_m {self.hota_zero_distance_m:g} must be above gate_m {self.gate_m:g}")
        for name in ("distances_cm", "depth_edges_m"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} must grow; got {list(values)}")
        return self
