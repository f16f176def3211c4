import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core.params import RunConfig, SplitConfig, load_section
from track_persistence.core.rig import StereoRig
from track_persistence.core.seeding import generator
from track_persistence.core.storage import write_scenes
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Track
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, simulate_scene
from track_persistence.stereo.association import associate
from track_persistence.stereo.cues import GeometryCues, MotionPrior, UnpairedCues
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import judge_geometry
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_fit import fit_geometry
from track_persistence.tracking.geometry_samples import Sample, samples_of
from track_persistence.tracking.geometry_train import Settings, read_samples, run

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
MOTION = MotionPrior(0.1, 3.0)
StillTrack = Callable[..., Track]


@pytest.fixture(scope="module")
def scenes() -> list[StereoScene]:
    config = load_section(PARAMS, "generate", GenerateConfig)
    return [simulate_scene(config, n, TrackCounts(2, 2, 2), generator(5, "geometry-test", n)) for n in range(4)]


@pytest.fixture(scope="module")
def tracking() -> TrackingConfig:
    return load_section(PARAMS, "tracking", TrackingConfig)


def settings(tracking: TrackingConfig, folder: Path) -> Settings:
    geometry = load_section(PARAMS, "geometry", GeometryConfig)
    return Settings(
        geometry.model_copy(update={"shards": 2, "frames_seen": (1, 3), "bootstrap_replicates": 20}),
        tracking,
        SplitConfig(validation=0.3, test=0.3),
        RunConfig(engine="local", device="cpu", workers=1, store=folder / "store"),
        seed=1,  # puts scenes 0 and 1 into training, 2 into validation, 3 into test
    )


def test_every_track_is_judged_at_every_age(scenes: list[StereoScene], tracking: TrackingConfig) -> None:
    scene = scenes[0]
    samples = list(samples_of(scene, (1, 3), tracking.stereo, MOTION))
    tracks = [item for own in scene.tracks for item in own]
    for age, frames in enumerate((1, 3, 10**6)):
        own = [sample for sample in samples if sample.age == age]
        assert len(own) == len(tracks)
        assert sorted(sample.hits for sample in own) == sorted(min(frames, len(item.track)) for item in tracks)
        assert sum(sample.ghost is Ghost.NONE for sample in own) == sum(item.is_persistent for item in tracks)


def test_an_early_sample_knows_nothing_of_later_frames(scenes: list[StereoScene], tracking: TrackingConfig) -> None:
    scene = scenes[0]
    first = list(samples_of(scene, (1,), tracking.stereo, MOTION))
    assert all(
        sample.cues.joint_frames <= 1
        for sample in first
        if sample.age == 0 and isinstance(sample.cues, GeometryCues) and sample.hits == 1
        # the partner may have begun before, but a joint frame needs both
    )


def test_whole_scenes_agree_with_what_the_tracker_will_ask(
    scenes: list[StereoScene], tracking: TrackingConfig, tmp_path: Path
) -> None:
    """The cues of a sample are those by which the model judges the same track later."""
    samples = [sample for scene in scenes[:2] for sample in samples_of(scene, (1,), tracking.stereo, MOTION)]
    model = fit_geometry(samples, settings(tracking, tmp_path).geometry)
    scene = scenes[1]
    tracks = [[item.track for item in own] for own in scene.tracks]
    association = associate(scene.rig, tracks, tracking.stereo)
    verdicts = judge_geometry(model, scene.rig, tracks, association, tracking.stereo)
    assert set(verdicts) == {(camera, index) for camera, own in enumerate(tracks) for index in range(len(own))}
    whole = [s for s in samples_of(scene, (1,), tracking.stereo, model.motion) if s.age == 1]
    assert sorted(model.judge(s.cues).log_odds for s in whole) == sorted(v.log_odds for v in verdicts.values())


def test_a_sample_survives_json(scenes: list[StereoScene], tracking: TrackingConfig) -> None:
    samples = list(samples_of(scenes[0], (1,), tracking.stereo, MOTION))
    kinds = {type(sample.cues) for sample in samples}
    assert kinds == {GeometryCues, UnpairedCues}
    back = [Sample.from_json(json.loads(json.dumps(sample.to_json()))) for sample in samples]
    assert back == samples


@pytest.mark.slow
def test_the_stage_writes_metrics_beside_rules_and_the_same_bytes_again(
    scenes: list[StereoScene], tracking: TrackingConfig, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "in" / "a.h5", scenes[:2], {})
    write_scenes(tmp_path / "in" / "b.h5", scenes[2:], {})
    for name in ("one", "two"):
        run(settings(tracking, tmp_path), tmp_path / "in", tmp_path / name)
    for file in ("model.json", "metrics.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    metrics: dict[str, Any] = json.loads((tmp_path / "one" / "metrics.json").read_text())
    for part in metrics.values():
        assert set(part["by_frames"]) == {"1", "3", "whole"}
        assert set(part["by_frames"]["3"]) == {"tracks", "geometry", "min_hits", "mean_confidence"}
    stored = list((tmp_path / "store" / "geometry").glob("*.json"))
    assert len(stored) == 2
    assert sum(len(read_samples(path)) for path in stored) == 3 * sum(
        len(own) for scene in scenes for own in scene.tracks
    )


def test_a_pair_of_an_object_and_a_ghost_is_no_real_thing(
    rig: StereoRig, tracking: TrackingConfig, still_track: StillTrack
) -> None:
    tracks = [still_track(camera, 1, (0.2, -1, 10), [0, 1, 2, 3]) for camera in (0, 1)]
    real = LabelledTrack(tracks[0], Kind.PERSISTENT, object_id=4)
    for other, expected in (
        (LabelledTrack(tracks[1], Kind.PERSISTENT, object_id=4), True),
        (LabelledTrack(tracks[1], Kind.PERSISTENT, object_id=5), False),
        (LabelledTrack(tracks[1], Kind.BRIEF, Ghost.REFLECTION, object_id=6), False),
    ):
        scene = StereoScene(0, rig, ((real,), (other,)), ())
        samples = list(samples_of(scene, (2,), tracking.stereo, MOTION))
        assert [sample.is_real for sample in samples] == [expected] * 4
        assert all(isinstance(sample.cues, GeometryCues) for sample in samples)
