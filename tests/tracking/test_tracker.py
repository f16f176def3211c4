from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, CameraTracks, Track
from track_persistence.stereo.triangulation import Status
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.results import Verdict, probability
from track_persistence.tracking.tracker import Integrated3DTracker

StillTrack = Callable[..., Track]
FRAMES = [3, 4, 5, 7]


class GreyJudge:
    """Reads the log-odds from the crops' grey level: grey - 100."""

    threshold = 0.5

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        verdicts = []
        for track in tracks:
            log_odds = float(track.crops[0, 0, 0, 0]) - 100
            attention = np.full(len(track), 1 / len(track), np.float32)
            verdicts.append(Verdict(log_odds >= 0, probability(log_odds), log_odds, attention))
        return verdicts


def views(rig: StereoRig, first: Sequence[Track], second: Sequence[Track]) -> tuple[CameraTracks, CameraTracks]:
    return CameraTracks(rig.cameras[0], tuple(first)), CameraTracks(rig.cameras[1], tuple(second))


def scene(rig: StereoRig, still_track: StillTrack) -> tuple[CameraTracks, CameraTracks]:
    """An object seen by both (ids 10, 20), a ghost seen by both (11, 21), noise in camera 1 alone (12)."""
    return views(
        rig,
        [
            still_track(0, 10, (0.2, -1, 10), FRAMES, grey=104),
            still_track(0, 11, (0.5, 1, 8), [4, 5], grey=102),
            still_track(0, 12, (-1, 2, 9), [9], grey=97),
        ],
        [
            still_track(1, 21, (0.5, 1, 8), [4, 5], grey=94),
            still_track(1, 20, (0.2, -1, 10), FRAMES[1:], grey=98),
        ],
    )


def test_a_pair_is_decided_by_the_mean_of_both_views_log_odds(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    tracker = Integrated3DTracker(persistence_filter=GreyJudge(), use_filter=True, config=config)
    _, decisions = tracker.process_scene(*scene(rig, still_track))
    found = {(item.camera, item.track_id): item for item in decisions}
    assert list(found) == [(0, 10), (0, 11), (0, 12), (1, 21), (1, 20)]
    # (4 - 2) / 2 = 1 keeps the object although camera 2 alone would not; (2 - 6) / 2 = -2 drops the ghost.
    assert found[0, 10].log_odds == {"own": 4.0, "partner": -2.0, "appearance": 1.0, "total": 1.0}
    assert found[1, 20].log_odds == {"own": -2.0, "partner": 4.0, "appearance": 1.0, "total": 1.0}
    assert found[0, 12].log_odds == {"own": -3.0, "appearance": -3.0, "total": -3.0}
    assert [item.is_persistent for item in decisions] == [True, False, False, False, True]
    assert [item.group_ids for item in decisions] == [(10, 20), (11, 21), None, (11, 21), (10, 20)]
    assert decisions[0].pairing.startswith("paired with track 20 of camera 2")
    assert decisions[2].pairing == "no partner: no track of another camera was seen in the same frames"
    assert found[0, 10].confidence == found[1, 20].confidence == pytest.approx(1 / (1 + np.exp(-1)))
    assert [item.attention.shape for item in decisions] == [(4,), (2,), (1,), (2,), (3,)]


def test_kept_pairs_become_3d_tracks_over_their_joint_frames(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    tracker = Integrated3DTracker(GreyJudge(), config=config)
    reconstructed, decisions = tracker.process_scene(*scene(rig, still_track))
    (track,) = reconstructed
    assert track.track_ids == (10, 20)
    assert track.frames.tolist() == [3, 4, 5, 7]  # camera 1 alone saw frame 3
    assert track.views.tolist() == [1, 2, 2, 2]
    assert track.located.tolist() == [False, True, True, True] and len(track) == 4
    np.testing.assert_allclose(track.positions_m[1:], [[0.2, -1, 10]] * 3, atol=1e-4)
    assert np.isnan(track.velocities_mps).all()
    assert track.persistence == decisions[0].confidence
    assert track.confidence.tolist() == [0.5, *[0.625] * 3]  # (0.5 + 0.75) / 2
    # sigma_z = sqrt 2 z^2 / (f b) = sqrt 2 * 100 / 500 straight ahead; off the axis a little more.
    np.testing.assert_allclose(np.sqrt(track.covariances_m2[1:, 2, 2]), np.sqrt(2) / 5, rtol=0.05)
    assert np.nanmax(track.reprojection_px) < 1e-3


def test_without_the_filter_everything_is_kept_and_no_filter_is_needed(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    tracker = Integrated3DTracker(persistence_filter=None, use_filter=False, config=config)
    reconstructed, decisions = tracker.process_scene(*scene(rig, still_track))
    assert [track.track_ids for track in reconstructed] == [(10, 20), (11, 21)]
    assert all(item.is_persistent and item.confidence is None and item.log_odds is None for item in decisions)
    assert reconstructed[0].persistence is None
    assert tracker.get_statistics()["filter_rate"] == 0


def test_a_filter_that_is_not_to_be_used_is_not_asked(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    _, decisions = Integrated3DTracker(GreyJudge(), use_filter=False, config=config).process_scene(
        *scene(rig, still_track)
    )
    assert all(item.is_persistent for item in decisions)


def test_statistics_add_up_over_scenes(rig: StereoRig, config: TrackingConfig, still_track: StillTrack) -> None:
    tracker = Integrated3DTracker(GreyJudge(), config=config)
    assert tracker.get_statistics()["filter_rate"] == 0.0
    for _ in range(2):
        tracker.process_scene(*scene(rig, still_track))
    assert tracker.get_statistics() == {
        "scenes": 2,
        "total_tracks": 10,
        "kept": 4,
        "filtered_out": 6,
        "filter_rate": 6 / 10,
        "pairs": 4,
        "reconstructed": 2,
        "points": 6,
    }


def test_a_filter_is_needed_to_filter(config: TrackingConfig) -> None:
    with pytest.raises(ParamsError, match=r"tracking\.fusion is \[appearance\], but persistence_filter is None"):
        Integrated3DTracker(persistence_filter=None, use_filter=True, config=config)


@pytest.mark.parametrize(
    ("witnesses", "missing"),
    [
        (("geometry",), "geometry"),
        (("appearance", "geometry"), "geometry"),
        (("statistics",), "fusion"),
        (("appearance", "statistics"), "fusion"),
    ],
)
def test_a_witness_needs_its_model(config: TrackingConfig, witnesses: tuple[str, ...], missing: str) -> None:
    with pytest.raises(ParamsError, match=rf"tracking\.fusion is \[{', '.join(witnesses)}\], but {missing} is None"):
        Integrated3DTracker(GreyJudge(), config=config.model_copy(update={"fusion": witnesses}))


def test_statistics_need_no_pixels_and_join_the_decision(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack, fusion_model: FusionModel
) -> None:
    boxes = [
        [BoxTrack(item.camera, item.track_id, item.frames, item.boxes_xywh_px, item.confidences) for item in view]
        for view in scene(rig, still_track)
    ]
    alone = config.model_copy(update={"fusion": ("statistics",)})
    _, decisions = Integrated3DTracker(None, rig=rig, config=alone, fusion=fusion_model).process_scene(*boxes)
    # The model's log-odds are the hits less 2.5: pairs of 4 and 3, of 2 and 2 frames, and one of 1.
    assert [item.log_odds for item in decisions] == [
        {"statistics": value, "total": value} for value in (1.0, -0.5, -1.5, -0.5, 1.0)
    ]
    assert [item.is_persistent for item in decisions] == [True, False, False, False, True]
    both = config.model_copy(update={"fusion": ("appearance", "statistics")})
    _, decisions = Integrated3DTracker(GreyJudge(), config=both, fusion=fusion_model).process_scene(
        *scene(rig, still_track)
    )
    # Every witness counts half, and the base is 0.25: (4 - 2) / 2 / 2 + 1 / 2 + 0.25.
    assert decisions[0].log_odds == {
        "own": 4.0,
        "partner": -2.0,
        "base": 0.25,
        "appearance": 0.5,
        "statistics": 0.5,
        "total": 1.25,
    }


def test_plain_sequences_take_the_calibration_of_the_tracker(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    first, second = scene(rig, still_track)
    given = Integrated3DTracker(GreyJudge(), rig=rig, config=config).process_scene(list(first), list(second))
    carried = Integrated3DTracker(GreyJudge(), config=config).process_scene(first, second)
    np.testing.assert_array_equal(given[0][0].positions_m, carried[0][0].positions_m)
    with pytest.raises(DataError, match="plain sequences of tracks carry no calibration"):
        Integrated3DTracker(GreyJudge(), config=config).process_scene(list(first), list(second))


def test_a_calibration_that_contradicts_the_trackers_is_refused(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    first, second = scene(rig, still_track)
    moved = replace(rig.cameras[1], cam_from_world=np.column_stack([np.eye(3), [-2.0, 0, 0]]))
    tracker = Integrated3DTracker(GreyJudge(), rig=StereoRig((rig.cameras[0], moved)), config=config)
    with pytest.raises(DataError, match="camera right: its tracks carry another calibration than camera 2"):
        tracker.process_scene(first, second)


def test_swapped_cameras_and_repeated_ids_are_refused(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    first, second = scene(rig, still_track)
    tracker = Integrated3DTracker(GreyJudge(), rig=rig, config=config)
    with pytest.raises(DataError, match="track 21 of camera 1 was given as camera 0's"):
        tracker.process_scene(list(second), list(first))
    with pytest.raises(DataError, match="track 10 of camera 0 was given twice"):
        tracker.process_scene([*first, first.tracks[0]], list(second))
    assert tracker.get_statistics()["total_tracks"] == 0


def test_frames_in_which_a_box_is_far_off_are_marked(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    first = still_track(0, 0, (0.2, 0, 10), range(6))
    second = still_track(1, 0, (0.2, 0, 10), range(6))
    second.boxes_xywh_px[2, 1] += 30
    tracker = Integrated3DTracker(None, use_filter=False, rig=rig, config=config)
    (track,), _ = tracker.process_scene([first], [second])
    assert track.status.tolist() == [Status.OK, Status.OK, Status.OUTLIER, Status.OK, Status.OK, Status.OK]
    assert track.located.tolist() == [True, True, False, True, True, True]
    assert tracker.get_statistics()["points"] == 5


def smoothing(config: TrackingConfig) -> TrackingConfig:
    return config.model_copy(update={"smoothing": config.smoothing.model_copy(update={"motion": "constant_velocity"})})


def test_a_smoothed_track_covers_gaps_and_frames_of_one_camera(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    tracker = Integrated3DTracker(GreyJudge(), config=smoothing(config))
    (track,), _ = tracker.process_scene(*scene(rig, still_track))
    assert track.frames.tolist() == [3, 4, 5, 6, 7]
    assert track.views.tolist() == [1, 2, 2, 0, 2]
    assert track.status.tolist() == [Status.ONE_VIEW, Status.OK, Status.OK, Status.ONE_VIEW, Status.OK]
    assert track.located.all()
    np.testing.assert_allclose(track.positions_m, [[0.2, -1, 10]] * 5, atol=1e-3)
    np.testing.assert_allclose(track.velocities_mps, 0, atol=1e-2)
    sigma = np.sqrt(track.covariances_m2[:, 2, 2])
    assert (sigma < np.sqrt(2) / 5).all()  # every frame knows more than its own two pixels
    np.testing.assert_allclose(track.confidence, [0.5, 0.625, 0.625, np.nan, 0.625])


def test_frames_that_are_too_uncertain_are_left_out(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    narrow = smoothing(config)
    narrow = narrow.model_copy(update={"smoothing": narrow.smoothing.model_copy(update={"max_sigma_m": 1e-3})})
    tracker = Integrated3DTracker(GreyJudge(), config=narrow)
    assert tracker.process_scene(*scene(rig, still_track))[0] == []


def test_without_pixels_only_what_needs_none_works(
    rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    boxes = [
        [BoxTrack(item.camera, item.track_id, item.frames, item.boxes_xywh_px, item.confidences) for item in view]
        for view in scene(rig, still_track)
    ]
    kept, _ = Integrated3DTracker(None, use_filter=False, rig=rig, config=config).process_scene(*boxes)
    assert [track.track_ids for track in kept] == [(10, 20), (11, 21)]
    with pytest.raises(DataError, match="track 10 of camera 0: has no crops"):
        Integrated3DTracker(GreyJudge(), rig=rig, config=config).process_scene(*boxes)


def test_a_third_camera_joins_the_group(config: TrackingConfig, rig: StereoRig, still_track: StillTrack) -> None:
    third = replace(rig.cameras[1], name="far", cam_from_world=np.column_stack([np.eye(3), [-2.0, 0, 0]]))
    trio = CameraRig((*rig.cameras, third))
    tracks = [[still_track(camera, 10 * camera, (0.2, -1, 10), FRAMES)] for camera in range(3)]
    tracker = Integrated3DTracker(None, use_filter=False, rig=trio, config=config)
    (track,), decisions = tracker.process_scene(*tracks)
    assert track.track_ids == (0, 10, 20)
    assert [item.group_ids for item in decisions] == [(0, 10, 20)] * 3
    np.testing.assert_allclose(track.positions_m, [[0.2, -1, 10]] * 4, atol=1e-4)
    pair = Integrated3DTracker(None, use_filter=False, rig=rig, config=config).process_scene(*tracks[:2])[0][0]
    assert (track.covariances_m2[:, 2, 2] < pair.covariances_m2[:, 2, 2]).all()
    with pytest.raises(DataError, match="tracks of 2 cameras, but the tracker's rig has 3"):
        tracker.process_scene(*tracks[:2])


def test_an_empty_scene_is_no_error(rig: StereoRig, config: TrackingConfig) -> None:
    tracker = Integrated3DTracker(GreyJudge(), config=config)
    assert tracker.process_scene(*views(rig, [], [])) == ([], [])


def test_the_trained_filter_fits_the_tracker(
    checkpoints, rig: StereoRig, config: TrackingConfig, still_track: StillTrack
) -> None:
    judge = PersistenceFilter(model_checkpoint=checkpoints.model, magvit_checkpoint=checkpoints.magvit)
    tracker = Integrated3DTracker(persistence_filter=judge, use_filter=True, config=config)
    _, decisions = tracker.process_scene(*scene(rig, still_track))
    assert all(item.is_persistent is (item.confidence >= judge.threshold) for item in decisions)
    alone = judge.predict(still_track(0, 12, (-1, 2, 9), [9], grey=97).crops)
    assert decisions[2].confidence == alone[1]


def test_without_a_config_the_section_of_params_yaml_is_used(
    config: TrackingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=r"params\.yaml: no such file"):
        Integrated3DTracker(GreyJudge())
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    assert Integrated3DTracker(GreyJudge()).config.stereo.pixel_sigma_px > 0
