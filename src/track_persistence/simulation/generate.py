"""The `generate` stage: shards of simulated scenes of both profiles, and contact sheets of every kind.

A shard holds scenes of one profile, which its name and its provenance say. Scene numbers tell the profiles apart, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from track_persistence.core.files import code_digest, digest_of
from track_persistence.core.params import RunConfig
from track_persistence.core.seeding import generator
from track_persistence.core.storage import SCENES_SCHEMA, read_scenes, shard_paths, write_scenes
from track_persistence.core.tables import SCHEMA_VERSION
from track_persistence.core.types import StereoScene
from track_persistence.engine.shards import ShardJob, run_shards
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.contact_sheet import KINDS, contact_sheets_of, write_contact_sheets
from track_persistence.simulation.matched_scene import draw_plan, simulate_matched_scene
from track_persistence.simulation.scene import draw_counts, simulate_scene

NOMINAL, MATCHED = "nominal", "matched"
PROFILES = (NOMINAL, MATCHED)
FIRST_MATCHED_ID = 1_000_000


@dataclass(frozen=True)
class ShardPlan:
    """What a worker needs to make one shard."""

    config: GenerateConfig
    seed: int
    scene_ids: range
    provenance: dict[str, str]


def run(config: GenerateConfig, run_config: RunConfig, seed: int, output: Path, contact_sheets: Path) -> None:
    """Fill `output` with scene shards and `contact_sheets` with one PNG per profile and kind."""
    run_shards(make_shard, plan_shards(config, seed), output, run_config.store, run_config.workers, "generate")
    sheets = {
        f"{profile}-{name}": png
        for profile in PROFILES
        for name, png in contact_sheets_of(_read(output, profile), KINDS[profile], config.sheet_rows).items()
    }
    write_contact_sheets(contact_sheets, sheets)


def _read(output: Path, profile: str) -> Iterator[StereoScene]:
    return (scene for path in shard_paths(output) if path.name.startswith(profile) for scene in read_scenes(path))


def plan_shards(config: GenerateConfig, seed: int) -> list[ShardJob]:
    """Return the jobs; a shard's key changes with anything that can change its bytes, and with nothing else."""
    nominal = _plan(config, seed, NOMINAL, 0, config.scenes)
    return [*nominal, *_plan(config, seed, MATCHED, FIRST_MATCHED_ID, config.matched.scenes)]


def _plan(config: GenerateConfig, seed: int, profile: str, first: int, count: int) -> Iterator[ShardJob]:
    # The number of scenes, how they are cut into shards and the sheets leave every scene as it is.
    recipe = config.model_dump(mode="json", exclude={"scenes", "scenes_per_shard", "sheet_rows", "matched"})
    if profile == MATCHED:
        recipe["matched"] = config.matched.model_dump(mode="json", exclude={"scenes"})
    code = code_digest("simulation", "core")
    generator_digest = digest_of(SCENES_SCHEMA, SCHEMA_VERSION, code, profile, recipe, seed)
    provenance = {"generator_digest": generator_digest, "profile": profile, "seed": str(seed)}
    for start in range(0, count, config.scenes_per_shard):
        scene_ids = range(first + start, first + min(start + config.scenes_per_shard, count))
        key = digest_of(generator_digest, scene_ids.start, scene_ids.stop)
        yield ShardJob(f"{profile}-{start:06d}.h5", key, ShardPlan(config, seed, scene_ids, provenance))


def make_shard(plan: ShardPlan, path: Path) -> None:
    """Simulate and write the scenes of one shard, one at a time."""
    write_scenes(path, _scenes(plan), plan.provenance)


def _scenes(plan: ShardPlan) -> Iterator[StereoScene]:
    config = plan.config
    for scene_id in plan.scene_ids:
        rng = generator(plan.seed, "generate", scene_id)
        if plan.provenance["profile"] == MATCHED:
            yield simulate_matched_scene(config, scene_id, draw_plan(config.matched, rng), rng)
        else:
            yield simulate_scene(config, scene_id, draw_counts(config, rng), rng)
