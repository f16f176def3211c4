from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from trackeval.metrics import CLEAR, HOTA, Identity

from track_persistence.core.errors import DataError
from track_persistence.evaluation.paths3d import EstimatedPath, TruePath
from track_persistence.evaluation.track_metrics3d import TrackCounts, count_tracks, pool_tracks, track_metrics

GATE_M, ZERO_M = 1.0, 2.0


def along(x_m: float, count: int) -> np.ndarray:
    return np.column_stack([np.full(count, x_m), np.zeros((count, 2))])


def true(object_id: int, frames: Sequence[int], x_m: float, seen: bool = True) -> TruePath:
    return TruePath(object_id, np.array(frames), along(x_m, len(frames)), np.full(len(frames), seen))


def estimate(track_id: int, frames: Sequence[int], x_m: float) -> EstimatedPath:
    return EstimatedPath(track_id, np.array(frames), along(x_m, len(frames)), None)


TWO_OBJECTS = [true(1, range(4), 0.0), true(2, range(4), 10.0)]
# object 1 is tracked exactly but changes its name after two frames; object 2 keeps its name, 0.55 m beside
ONE_SWITCH = [estimate(11, (0, 1), 0.0), estimate(12, (2, 3), 0.0), estimate(13, range(4), 10.55)]


def count(truth: Sequence[TruePath], estimates: Sequence[EstimatedPath]) -> TrackCounts:
    return count_tracks(truth, estimates, GATE_M, ZERO_M)


def test_clear_counts_the_switch_once() -> None:
    counts = count(TWO_OBJECTS, ONE_SWITCH)
    assert (counts.matched, counts.missed, counts.spurious) == (8, 0, 0)
    assert (counts.id_switches, counts.fragmentations) == (1, 0)
    assert (counts.objects, counts.mostly_tracked, counts.mostly_lost) == (2, 2, 0)
    got = track_metrics(counts)
    assert got["mota"] == pytest.approx(Fraction(7, 8))
    assert got["motp_m"] == pytest.approx(4 * 0.55 / 8)
    assert (got["id_switches"], got["mostly_tracked"]) == (1, 1)


def test_idf1_gives_each_object_one_name() -> None:
    # the best pairing of whole paths keeps one half of object 1 and all of object 2: 6 of 8 on both sides
    counts = count(TWO_OBJECTS, ONE_SWITCH)
    assert (counts.id_matched, counts.id_missed, counts.id_spurious) == (6, 2, 2)
    assert track_metrics(counts)["idf1"] == pytest.approx(Fraction(3, 4))


def test_hota_weighs_detection_and_association_at_every_threshold() -> None:
    # similarities 1 and 1 - 0.55 / 2 = 0.725, thresholds 0.05 to 0.95 in 19 steps. Up to 0.70 (14 of them) all 8 points
    # match: DetA 1; the halves of object 1 each share 2 of 4 points, so AssA (4 * 1/2 + 4 * 1) / 8 = 3/4. Beyond only
    # object 1 matches: DetA 4 / (4 + 4 + 4), AssA 1/2.
    counts = count(TWO_OBJECTS, ONE_SWITCH)
    assert counts.hota[0].tolist() == [8.0] * 14 + [4.0] * 5
    assert counts.hota[3] == pytest.approx([6.0] * 14 + [2.0] * 5)
    got = track_metrics(counts)
    assert got["deta"] == pytest.approx((14 + 5 * Fraction(1, 3)) / 19)
    assert got["assa"] == pytest.approx((14 * Fraction(3, 4) + 5 * Fraction(1, 2)) / 19)
    assert got["hota"] == pytest.approx((14 * (3 / 4) ** 0.5 + 5 * (1 / 6) ** 0.5) / 19)


def test_a_gap_is_missed_and_starts_a_fragment_but_is_no_switch() -> None:
    counts = count(TWO_OBJECTS, [estimate(11, (0, 3), 0.0), estimate(13, range(4), 10.0)])
    assert (counts.missed, counts.fragmentations, counts.id_switches) == (2, 1, 0)
    assert counts.mostly_tracked == 1


def test_an_estimate_beyond_the_gate_is_spurious_and_its_object_missed() -> None:
    counts = count(TWO_OBJECTS[:1], [estimate(11, range(4), 1.25)])
    assert (counts.matched, counts.missed, counts.spurious) == (0, 4, 4)
    assert track_metrics(counts)["mota"] == -1
    assert np.isnan(track_metrics(counts)["motp_m"])
    # similarity 0.375 is still a match at the first 7 thresholds of HOTA
    assert counts.hota[0].tolist() == [4.0] * 7 + [0.0] * 12


def test_the_gate_is_apart_from_the_distance_of_no_similarity() -> None:
    near = [estimate(11, range(4), 1.25)]
    assert count_tracks(TWO_OBJECTS[:1], near, 1.5, ZERO_M).matched == 4
    assert count_tracks(TWO_OBJECTS[:1], near, 1.5, ZERO_M).distance_m == pytest.approx(4 * 1.25)


@pytest.mark.parametrize("gate_m", [0.0, ZERO_M, 3.0])
def test_a_gate_at_which_nothing_is_alike_any_more_is_refused(gate_m: float) -> None:
    # TrackEval takes a similarity of 0 at a threshold of 0 for a match, however far apart the points are
    with pytest.raises(DataError, match=rf"gate_m {gate_m}, zero_distance_m 2.0; expected 0 < gate_m < zero_dist"):
        count_tracks(TWO_OBJECTS, [estimate(11, range(4), 500.0)], gate_m, ZERO_M)


def test_a_track_on_an_object_that_one_camera_sees_is_neither_right_nor_wrong() -> None:
    hidden = true(3, range(4), 20.0, seen=False)
    on_it = estimate(14, range(4), 20.5)
    without = count(TWO_OBJECTS, ONE_SWITCH)
    assert count([*TWO_OBJECTS, hidden], [*ONE_SWITCH, on_it]).row.tolist() == without.row.tolist()
    assert count(TWO_OBJECTS, [*ONE_SWITCH, on_it]).spurious == 4


def test_without_tracks_everything_is_missed_and_without_objects_everything_is_spurious() -> None:
    missed = count(TWO_OBJECTS, [])
    assert (missed.missed, missed.id_missed, missed.mostly_lost) == (8, 8, 2)
    got = track_metrics(missed)
    assert (got["mota"], got["idf1"], got["hota"], got["assa"]) == (0, 0, 0, 0)
    spurious = count([], ONE_SWITCH)
    assert (spurious.spurious, spurious.id_spurious) == (8, 8)
    assert np.isnan(track_metrics(spurious)["mota"])
    nothing = track_metrics(count([], []))
    assert np.isnan([nothing["mota"], nothing["idf1"], nothing["hota"], nothing["deta"], nothing["assa"]]).all()


def test_a_row_holds_all_counts() -> None:
    counts = count(TWO_OBJECTS, ONE_SWITCH)
    again = TrackCounts.from_row(counts.row)
    assert again.id_matched == 6
    assert again.hota.tolist() == counts.hota.tolist()


def random_scene(rng: np.random.Generator) -> tuple[list[TruePath], list[EstimatedPath]]:
    """Three objects in a box of 4 m; tracks that follow one with noise and drop out, and one that follows nothing."""
    truth, estimates = [], []
    for number in range(3):
        path = rng.uniform(0, 4, 3) + 0.2 * rng.normal(size=(12, 3)).cumsum(axis=0)
        truth.append(TruePath(number, np.arange(12), path, np.ones(12, bool)))
        kept = np.flatnonzero(rng.random(12) < 0.7)
        estimates.append(EstimatedPath(number, kept, path[kept] + 0.5 * rng.normal(size=(len(kept), 3)), None))
    estimates.append(EstimatedPath(9, np.arange(12), rng.uniform(0, 4, (12, 3)), None))
    return truth, estimates


def sequence_of(truth: list[TruePath], estimates: list[EstimatedPath]) -> dict[str, object]:
    """The scene as TrackEval takes it, frame by frame; every object is seen and every id in use."""
    rows = []
    for frame in range(12):
        tracks = [i for i, path in enumerate(estimates) if frame in path.frames]
        there = np.array([estimates[i].positions_m[estimates[i].frames == frame][0] for i in tracks])
        gaps = [[np.linalg.norm(path.positions_m[frame] - point) for point in there] for path in truth]
        rows.append((np.array(tracks), np.clip(1 - np.array(gaps) / ZERO_M, 0, None)))
    return {
        "num_timesteps": 12,
        "num_gt_ids": len(truth),
        "num_tracker_ids": len(estimates),
        "num_gt_dets": 12 * len(truth),
        "num_tracker_dets": sum(len(path.frames) for path in estimates),
        "gt_ids": [np.arange(len(truth))] * 12,
        "tracker_ids": [tracks for tracks, _ in rows],
        "similarity_scores": [similarity for _, similarity in rows],
    }


def test_pooled_scenes_are_what_trackeval_combines_them_to() -> None:
    rng = np.random.default_rng(3)
    scenes = [random_scene(rng) for _ in range(4)]
    threshold = {"THRESHOLD": 1 - GATE_M / ZERO_M, "PRINT_CONFIG": False}
    peers = {}
    for metric in (HOTA(), CLEAR(dict(threshold)), Identity(dict(threshold))):
        results = {str(i): metric.eval_sequence(sequence_of(*scene)) for i, scene in enumerate(scenes)}
        peers |= metric.combine_sequences(results)
    got = pool_tracks([count(*scene) for scene in scenes], np.random.default_rng(0), 50)
    for ours, theirs in (("hota", "HOTA"), ("deta", "DetA"), ("assa", "AssA"), ("mota", "MOTA"), ("idf1", "IDF1")):
        assert got[ours]["value"] == pytest.approx(float(np.mean(peers[theirs])), rel=1e-12)
        assert got[ours]["low"] < got[ours]["value"] < got[ours]["high"]
    assert got["motp_m"]["value"] == pytest.approx(ZERO_M * (1 - peers["MOTP"]), rel=1e-12)
    assert got["id_switches"]["value"] == peers["IDSW"] / 4
    assert got["fragmentations"]["value"] == peers["Frag"] / 4
    assert got["mostly_tracked"]["value"] == pytest.approx(peers["MTR"])
    assert peers["IDSW"] > 0
    assert peers["Frag"] > 0


def test_counting_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    count(TWO_OBJECTS, ONE_SWITCH)
    assert capfd.readouterr() == ("", "")
