from dataclasses import dataclass

import numpy as np
import pytest

from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Group
from track_persistence.tracking.fusion import Evidence, decide
from track_persistence.tracking.geometry import GeometryVerdict
from track_persistence.tracking.results import Verdict, probability


@dataclass
class FixedAssociation:
    """Partners that are given, so that only the fusion is under test."""

    groups: tuple[Group, ...]

    def explain(self, camera: int, index: int) -> str:
        return f"because {camera}/{index}"


def box_track(camera: int, track_id: int) -> BoxTrack:
    box = np.array([[0, 0, 10, 10]], np.float32)
    return BoxTrack(camera, track_id, np.zeros(1, np.int32), box, np.ones(1, np.float32))


def seen(log_odds: float) -> Verdict:
    return Verdict(log_odds >= 0, probability(log_odds), log_odds, np.ones(1, np.float32))


def shaped(ratio: float) -> GeometryVerdict:
    return GeometryVerdict(log_odds=ratio - 0.5, likelihood_ratio=ratio, contributions={"depth": ratio})


TRACKS = ((box_track(0, 10), box_track(0, 11)), (box_track(1, 20),), (box_track(2, 30),))
PAIRED = FixedAssociation((Group((0, 0, 0), 5.0, 4),))
PLACES = [(0, 0), (0, 1), (1, 0), (2, 0)]
APPEARANCE = dict(zip(PLACES, map(seen, (4.0, -3.0, 1.0, -2.0)), strict=True))
GEOMETRY = dict(zip(PLACES, map(shaped, (-1.5, 2.0, -1.5, -1.5)), strict=True))


def test_the_views_of_a_group_are_averaged_and_share_one_decision() -> None:
    decisions = decide(TRACKS, PAIRED, Evidence(APPEARANCE, {}, 0.0, 0.5))
    # (4 + 1 - 2) / 3 = 1; the others of camera 1's track: (1 - 2) / 2
    assert decisions[0].log_odds == {"own": 4.0, "partner": -0.5, "appearance": 1.0, "total": 1.0}
    assert decisions[1].log_odds == {"own": -3.0, "appearance": -3.0, "total": -3.0}
    assert [item.is_persistent for item in decisions] == [True, False, True, True]
    assert decisions[0].confidence == decisions[3].confidence == pytest.approx(1 / (1 + np.exp(-1)))
    assert [item.group_ids for item in decisions] == [(10, 20, 30), None, (10, 20, 30), (10, 20, 30)]
    assert [item.pairing for item in decisions] == ["because 0/0", "because 0/1", "because 1/0", "because 2/0"]
    assert all(item.cues is None for item in decisions)


def test_geometry_alone_adds_its_ratio_to_its_prior() -> None:
    decisions = decide(TRACKS, PAIRED, Evidence({}, GEOMETRY, -0.5, 0.5))
    assert decisions[1].log_odds == {"geometry": 2.0, "prior": -0.5, "total": 1.5}
    assert [item.is_persistent for item in decisions] == [False, True, False, False]
    assert all(item.attention is None for item in decisions)


def test_both_add_up_and_the_prior_is_counted_once_in_the_appearance() -> None:
    decisions = decide(TRACKS, PAIRED, Evidence(APPEARANCE, GEOMETRY, -0.5, 0.5))
    assert decisions[0].log_odds == {
        "own": 4.0,
        "partner": -0.5,
        "appearance": 1.0,
        "geometry": -1.5,
        "total": -0.5,
    }
    assert decisions[1].log_odds["total"] == -3.0 + 2.0
    assert decisions[0].cues == {"depth": -1.5}
    assert not decisions[0].is_persistent


def test_the_threshold_is_that_of_the_evidence() -> None:
    assert decide(TRACKS, PAIRED, Evidence(APPEARANCE, {}, 0.0, 0.73))[0].is_persistent
    assert not decide(TRACKS, PAIRED, Evidence(APPEARANCE, {}, 0.0, 0.74))[0].is_persistent  # sigmoid(1) = 0.731


def test_without_evidence_everything_is_kept() -> None:
    decisions = decide(TRACKS, PAIRED, None)
    assert all(item.is_persistent and item.confidence is None and item.log_odds is None for item in decisions)
    assert decisions[0].group_ids == (10, 20, 30)
