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
from track_persistence.tracking.geometry_samples import TrackSample, samples_of
from track_persistence.tracking.geometry_train import Settings, read_samples, run
from track_persistence.tracking.held_back import read_verdicts

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


def write_shards(folder: Path, scenes: list[StereoScene]) -> None:
    """Two shards of each profile; both hold the same scenes, which is as good as others here."""
    for profile in ("matched", "nominal"):
        for number in (0, 2):
            write_scenes(folder / f"{profile}-{number}.h5", scenes[number : number + 2], {"profile": profile})


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
    back = [TrackSample.from_json(json.loads(json.dumps(sample.to_json()))) for sample in samples]
    assert back == samples


def test_a_sample_names_its_partner_and_what_was_seen_of_it(
    rig: StereoRig, tracking: TrackingConfig, still_track: StillTrack
) -> None:
    first = LabelledTrack(still_track(0, 3, (0.2, -1, 10), [0, 1, 2, 3]), Kind.PERSISTENT, object_id=4)
    second = LabelledTrack(still_track(1, 8, (0.2, -1, 10), [1, 2, 3]), Kind.PERSISTENT, object_id=4)
    alone = LabelledTrack(still_track(0, 5, (3, 3, 9), [2]), Kind.NOISE, Ghost.NOISE)
    scene = StereoScene(0, rig, ((first, alone), (second,)), ())
    found = {(s.camera, s.track_id, s.age): s for s in samples_of(scene, (1, 3), tracking.stereo, MOTION)}
    assert len(found) == 9
    assert [(found[0, 3, age].partner_id, found[0, 3, age].partner_hits) for age in range(3)] == [
        (None, 0),  # the other camera sees it from frame 1 on
        (8, 2),
        (8, 3),
    ]
    assert (found[1, 8, 0].hits, found[1, 8, 0].partner_id, found[1, 8, 0].partner_hits) == (1, 3, 2)
    assert {found[0, 5, age].partner_id for age in range(3)} == {None}


def test_fragments_and_duplicates_of_one_object_are_grouped_one_to_one(
    rig: StereoRig, tracking: TrackingConfig, still_track: StillTrack
) -> None:
    """Several tracks of one camera may show one object; each gets its sample and at most one partner."""
    place = (0.2, -1, 10)
    fragments = [
        LabelledTrack(still_track(0, number, place, frames), Kind.PERSISTENT, object_id=4)
        for number, frames in enumerate((range(0, 6), range(8, 12), range(14, 30)))
    ]
    duplicate = LabelledTrack(still_track(0, 9, place, range(2, 10)), Kind.BRIEF, Ghost.DUPLICATE, object_id=4)
    whole = LabelledTrack(still_track(1, 1, place, range(30)), Kind.PERSISTENT, object_id=4)
    scene = StereoScene(0, rig, ((*fragments, duplicate), (whole,)), ())
    samples = [s for s in samples_of(scene, (3,), tracking.stereo, MOTION) if s.age == 1]
    assert sorted((s.camera, s.track_id) for s in samples) == [(0, 0), (0, 1), (0, 2), (0, 9), (1, 1)]
    (partner,) = [s for s in samples if s.camera == 0 and s.partner_id == 1]
    (seen,) = [s for s in samples if s.camera == 1]
    assert (seen.partner_id, seen.partner_hits) == (partner.track_id, partner.hits)
    assert partner.track_id == 2  # the longest fragment: the most joint frames
    for left in (s for s in samples if s.partner_id is None):
        # What tells a fragment from a ghost: a track fits it, though that one is taken.
        assert isinstance(left.cues, UnpairedCues) and left.cues.best_log_likelihood_ratio > 0


@pytest.mark.slow
def test_the_stage_writes_metrics_beside_rules_and_the_same_bytes_again(
    scenes: list[StereoScene], tracking: TrackingConfig, tmp_path: Path
) -> None:
    write_shards(tmp_path / "in", scenes)
    for name in ("one", "two"):
        run(settings(tracking, tmp_path), tmp_path / "in", tmp_path / name)
    for file in ("model.json", "metrics.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    metrics: dict[str, Any] = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert set(metrics) == {"matched", "nominal"}
    for by_split in metrics.values():
        assert set(by_split) == {"validation", "test"}
        for part in by_split.values():
            assert set(part["by_frames"]) == {"1", "3", "whole"}
            assert set(part["by_frames"]["3"]) == {"tracks", "geometry", "min_hits", "mean_confidence"}
    stored = list((tmp_path / "store" / "geometry").glob("*.json"))
    assert len(stored) == 4
    counts = [3 * sum(len(own) for own in scene.tracks) for scene in scenes]
    assert sum(len(read_samples(path)) for path in stored) == 2 * sum(counts)
    verdicts = read_verdicts(tmp_path / "one" / "verdicts.csv")
    assert len(verdicts) == 2 * (counts[2] + counts[3])  # the held-back scenes of both profiles
    assert {(item.profile, item.split) for item in verdicts} == {
        (profile, split) for profile in metrics for split in ("validation", "test")
    }


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
