"""What the scenes of each scenario are: a fixed mix of the nominal profile, or a hard case of the matched one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from track_persistence.core.errors import ParamsError
from track_persistence.core.seeding import generator
from track_persistence.core.types import Ghost, StereoScene
from track_persistence.evaluation.config import CaseConfig, ScenariosConfig
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.matched_scene import Plan, simulate_matched_scene
from track_persistence.simulation.scene import TrackCounts, simulate_scene
from track_persistence.stereo.config import LastingConfig
from track_persistence.tracking.config import TrackingConfig

# As stage `generate` names them; importing it would make this stage depend on the contact sheets.
NOMINAL, MATCHED = "nominal", "matched"
# Scenario n, counted from 1, has the scene numbers from n times this on, beyond those of all training scenes.
SCENE_IDS = 10_000_000
# How many scenes stage `generate` makes and how it stores them leave a scene as it is.
STORAGE = frozenset({"scenes", "scenes_per_shard", "sheet_rows"})


@dataclass(frozen=True)
class Scenario:
    """One scenario: how many scenes, and how each is made.

    expected_filtered: share of the tracks that the specification expects to be filtered out, None where it says
    nothing. content: tracks of the nominal profile, or a plan of the matched one. lasting: errors that last in a case;
    the other scenarios are tracked with what `tracking` says.
    """

    name: str
    scenes: int
    expected_filtered: float | None
    first_scene_id: int
    generate: GenerateConfig
    content: TrackCounts | Plan
    lasting: LastingConfig | None

    @property
    def stream(self) -> int | str:
        """What names its random generators."""
        return int(self.name) if self.name.isdecimal() else self.name

    @property
    def profile(self) -> str:
        """Whose detector and appearance the scenes have."""
        return MATCHED if isinstance(self.content, Plan) else NOMINAL

    @property
    def recipe(self) -> dict[str, Any]:
        """Return all that a scene depends on besides seed and index, as JSON can hold it."""
        if isinstance(self.content, Plan):
            plan = [self.content.objects, *(ghost.value for ghost in self.content.ghosts)]
            drawn_from = self.generate.model_dump(mode="json", exclude=set(STORAGE))
            del drawn_from["matched"]["scenes"]
            return {"matched": plan, "generate": drawn_from}
        counts = [self.content.persistent, self.content.brief, self.content.noise]
        return {"nominal": counts, "generate": self.generate.model_dump(mode="json", exclude={*STORAGE, "matched"})}

    def tracked_with(self, tracking: TrackingConfig) -> TrackingConfig:
        """Return `tracking` with the errors that last of the profile's boxes, rigs and clocks."""
        return tracking.model_copy(update={"lasting": self.lasting}) if self.profile == MATCHED else tracking

    def simulate(self, seed: int, index: int) -> StereoScene:
        """Return scene `index`; its random stream is its own, and no training scene shares it."""
        rng, scene_id = generator(seed, "scenarios", self.stream, index), self.first_scene_id + index
        if isinstance(self.content, Plan):
            return simulate_matched_scene(self.generate, scene_id, self.content, rng)
        return simulate_scene(self.generate, scene_id, self.content, rng)


def scenarios_of(config: ScenariosConfig, generate: GenerateConfig, names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios called `names`; raises `ParamsError` on an unknown one and on a wrong change of a case."""
    unknown = [name for name in names if name not in config.names]
    if unknown:
        raise ParamsError(
            f"--scenarios {unknown[0]}: no such scenario; expected all or one of {', '.join(config.names)}, or add it "
            "to params.yaml: scenarios.cases"
        )
    return [_scenario(config, generate, name) for name in names]


def _scenario(config: ScenariosConfig, generate: GenerateConfig, name: str) -> Scenario:
    first_scene_id = SCENE_IDS * (1 + config.names.index(name))
    if name not in config.cases:
        mix = next(mix for number, mix in config.mixes.items() if number == name)
        counts = TrackCounts(persistent=mix.persistent, brief=mix.brief, noise=mix.noise)
        return Scenario(name, config.seeds, mix.expected_filtered, first_scene_id, generate, counts, None)
    case = config.cases[name]
    ghosts = tuple(Ghost(kind) for kind, count in case.ghosts.items() for _ in range(count))
    plan = Plan(case.objects, ghosts)
    return Scenario(
        name, case.scenes, None, first_scene_id, changed(generate, name, case), plan, _lasting(config, case)
    )


def _lasting(config: ScenariosConfig, case: CaseConfig) -> LastingConfig | None:
    if config.lasting is None or case.clock_sigma_frames is None:
        return config.lasting
    return config.lasting.model_copy(update={"clock_sigma_frames": case.clock_sigma_frames})


def changed(generate: GenerateConfig, name: str, case: CaseConfig) -> GenerateConfig:
    """Return `generate` with the changes of a case below `matched`.

    Raises `ParamsError` naming the change that names no key or breaks a rule of the section.
    """
    content = generate.model_dump()
    for path, value in case.changes.items():
        _set(content["matched"], path, value, f"params.yaml: scenarios.cases.{name}.changes.{path}")
    try:
        return GenerateConfig.model_validate(content)
    except ValidationError as error:
        messages = [_explain(name, case.changes, item) for item in error.errors()]
        raise ParamsError("; ".join(messages)) from None


def _set(content: Any, path: str, value: Any, origin: str) -> None:
    *parents, last = path.split(".")
    for key in parents:
        content = content[key] if _has(content, key) else None
    if not _has(content, last):
        raise ParamsError(f"{origin}: not a key below generate.matched (got {value!r})")
    content[last] = value


def _has(content: Any, key: str) -> bool:
    return isinstance(content, dict) and key in content


def _explain(name: str, changes: Mapping[str, Any], error: Any) -> str:
    """Name the change that an error of the whole section comes from; a rule of several keys stands above it."""
    place = [str(part) for part in error["loc"]][1:]
    for path, value in changes.items():
        parts = path.split(".")
        shared = min(len(parts), len(place))
        if shared and parts[:shared] == place[:shared]:
            inside = ".".join([path, *place[len(parts) :]])
            return f"params.yaml: scenarios.cases.{name}.changes.{inside}: {error['msg']} (got {value!r})"
    return f"params.yaml: scenarios.cases.{name}.changes: {error['msg']}"
