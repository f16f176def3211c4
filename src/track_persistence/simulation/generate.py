"""The `generate` stage: shards of simulated scenes, and contact sheets of every kind."""

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
from track_persistence.simulation.contact_sheet import write_contact_sheets
from track_persistence.simulation.scene import draw_counts, simulate_scene


@dataclass(frozen=True)
class ShardPlan:
    """What a worker needs to make one shard."""

    config: GenerateConfig
    seed: int
    scene_ids: range
    provenance: dict[str, str]


def run(config: GenerateConfig, run_config: RunConfig, seed: int, output: Path, contact_sheets: Path) -> None:
    """Fill `output` with scene shards and `contact_sheets` with one PNG per kind."""
    run_shards(make_shard, plan_shards(config, seed), output, run_config.store, run_config.workers, "generate")
    scenes = (scene for path in shard_paths(output) for scene in read_scenes(path))
    write_contact_sheets(contact_sheets, scenes, config.sheet_rows)


def plan_shards(config: GenerateConfig, seed: int) -> list[ShardJob]:
    """Return the jobs; a shard's key changes with anything that can change its bytes, and with nothing else."""
    # The number of scenes, how they are cut into shards and the sheets leave every scene as it is.
    recipe = config.model_dump(mode="json", exclude={"scenes", "scenes_per_shard", "sheet_rows"})
    generator_digest = digest_of(SCENES_SCHEMA, SCHEMA_VERSION, code_digest("simulation", "core"), recipe, seed)
    provenance = {"generator_digest": generator_digest, "profile": config.profile, "seed": str(seed)}
    jobs = []
    for start in range(0, config.scenes, config.scenes_per_shard):
        scene_ids = range(start, min(start + config.scenes_per_shard, config.scenes))
        key = digest_of(generator_digest, scene_ids.start, scene_ids.stop)
        name = f"scenes-{start:06d}.h5"
        jobs.append(ShardJob(name, key, ShardPlan(config, seed, scene_ids, provenance)))
    return jobs


def make_shard(plan: ShardPlan, path: Path) -> None:
    """Simulate and write the scenes of one shard, one at a time."""
    write_scenes(path, _scenes(plan), plan.provenance)


def _scenes(plan: ShardPlan) -> Iterator[StereoScene]:
    for scene_id in plan.scene_ids:
        rng = generator(plan.seed, "generate", scene_id)
        yield simulate_scene(plan.config, scene_id, draw_counts(plan.config, rng), rng)
