import gc
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.files import file_digest
from track_persistence.core.params import RunConfig
from track_persistence.core.storage import read_provenance, read_scenes
from track_persistence.core.types import StereoScene
from track_persistence.simulation import generate
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.contact_sheet import KINDS, contact_sheets_of, write_contact_sheets
from track_persistence.simulation.generate import PROFILES, ShardPlan, make_shard, plan_shards, run


def small(config: GenerateConfig, **changes: int) -> GenerateConfig:
    matched = config.matched.model_copy(update={"scenes": 1})
    return config.model_copy(update={"scenes_per_shard": 1, "sheet_rows": 1, "matched": matched, **changes})


def run_config(folder: Path, workers: int) -> RunConfig:
    return RunConfig(engine="local", device="cpu", workers=workers, store=folder / "store")


@pytest.mark.slow
def test_a_scene_has_the_same_bytes_whatever_the_number_of_scenes_and_workers(
    config: GenerateConfig, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run(small(config, scenes=1), run_config(one, 1), 7, one / "scenes", one / "sheets")
    run(small(config, scenes=2), run_config(two, 2), 7, two / "scenes", two / "sheets")
    names = ["matched-000000.h5", "nominal-000000.h5", "nominal-000001.h5"]
    assert sorted(path.name for path in (two / "scenes").iterdir()) == names
    for name in names[:2]:
        assert file_digest(one / "scenes" / name) == file_digest(two / "scenes" / name)
        assert read_provenance(two / "scenes" / name)["profile"] == name.split("-")[0]
    sheets = sorted(f"{profile}-{kind}.png" for profile in PROFILES for kind in KINDS[profile])
    assert sorted(path.name for path in (two / "sheets").iterdir()) == sheets
    (scene,) = read_scenes(two / "scenes/matched-000000.h5")
    assert scene.scene_id == 1_000_000


def test_a_shards_key_changes_with_seed_and_settings_but_not_with_the_number_of_scenes(config: GenerateConfig) -> None:
    base = small(config, scenes=3)
    keys = [job.key for job in plan_shards(base, 7)]
    assert len(set(keys)) == 4
    assert [job.key for job in plan_shards(small(config, scenes=2), 7)] == [*keys[:2], keys[3]]
    assert plan_shards(base, 8)[0].key != keys[0]
    ghosts = config.ghosts.model_copy(update={"drift_mps": 0.1})
    assert plan_shards(base.model_copy(update={"ghosts": ghosts}), 7)[0].key != keys[0]


def test_the_settings_of_the_matched_profile_leave_the_nominal_scenes_as_they_are(config: GenerateConfig) -> None:
    base = small(config, scenes=1)
    kinds = base.matched.model_copy(update={"kinds": {"noise": 1.0}})
    before, after = (plan_shards(one, 7) for one in (base, base.model_copy(update={"matched": kinds})))
    assert [job.name for job in before] == ["nominal-000000.h5", "matched-000000.h5"]
    assert before[0].key == after[0].key
    assert before[1].key != after[1].key


def test_only_one_scene_is_held_in_memory(
    config: GenerateConfig, scene: StereoScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[StereoScene]] = []
    most = 0

    def fresh(_config: GenerateConfig, scene_id: int, *_: object) -> StereoScene:
        nonlocal most
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))
        made = StereoScene(scene_id, scene.rig, ((scene.tracks[0][0],), (scene.tracks[1][0],)), scene.trajectories)
        alive.append(weakref.ref(made))
        return made

    monkeypatch.setattr(generate, "simulate_scene", fresh)
    make_shard(ShardPlan(config, 7, range(6), {"profile": "nominal"}), tmp_path / "shard.h5")
    assert len(list(read_scenes(tmp_path / "shard.h5"))) == 6
    # The scene just written is let go when the next one has been made.
    assert most <= 1


def test_contact_sheets_are_the_same_bytes_and_stop_reading_when_full(scene: StereoScene, tmp_path: Path) -> None:
    read = 0

    def scenes():  # type: ignore[no-untyped-def]
        nonlocal read
        for _ in range(50):
            read += 1
            yield scene

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stale.png").write_bytes(b"")
        write_contact_sheets(tmp_path / name, contact_sheets_of(scenes(), KINDS["nominal"], 2))
    assert read < 20
    for kind in KINDS["nominal"]:
        assert file_digest(tmp_path / "a" / f"{kind}.png") == file_digest(tmp_path / "b" / f"{kind}.png")
    assert not (tmp_path / "a" / "stale.png").exists()
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "a" / "persistent.png")), cv2.COLOR_BGR2RGB)
    first = next(one for one in scene.tracks[0] if one.is_persistent)
    np.testing.assert_array_equal(sheet[8 : 8 + 64, 110 : 110 + 64], first.track.crops[0])
