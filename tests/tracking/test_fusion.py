from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Group
from track_persistence.tracking.aged_logistic import AgedLogistic
from track_persistence.tracking.fusion import Evidence, decide
from track_persistence.tracking.fusion_model import FusionModel, Stacker
from track_persistence.tracking.geometry import GeometryVerdict
from track_persistence.tracking.results import Verdict, probability


@dataclass
class FixedAssociation:
    """Partners that are given, so that only the fusion is under test."""

    groups: tuple[Group, ...]

    def explain(self, camera: int, index: int) -> str:
        return f"because {camera}/{index}"


def box_track(camera: int, track_id: int, frames: int = 1) -> BoxTrack:
    boxes = np.tile(np.float32([0, 0, 10, 10]), (frames, 1))
    return BoxTrack(camera, track_id, np.arange(frames, dtype=np.int32), boxes, np.ones(frames, np.float32))


def seen(log_odds: float) -> Verdict:
    return Verdict(log_odds >= 0, probability(log_odds), log_odds, np.ones(1, np.float32))


def shaped(ratio: float) -> GeometryVerdict:
    return GeometryVerdict(log_odds=ratio - 0.5, likelihood_ratio=ratio, contributions={"depth": ratio})


TRACKS = ((box_track(0, 10), box_track(0, 11)), (box_track(1, 20),), (box_track(2, 30),))
PAIRED = FixedAssociation((Group((0, 0, 0), 5.0, 4),))
PLACES = [(0, 0), (0, 1), (1, 0), (2, 0)]
APPEARANCE = dict(zip(PLACES, map(seen, (4.0, -3.0, 1.0, -2.0)), strict=True))
GEOMETRY = dict(zip(PLACES, map(shaped, (-1.5, 2.0, -1.5, -1.5)), strict=True))


STATISTICS = dict(zip(PLACES, (3.0, -1.0, 0.0, 0.0), strict=True))


def evidence(**changes: Any) -> Evidence:
    none = {"appearance": {}, "statistics": {}, "geometry": {}, "prior": 0.0, "model": None, "threshold": 0.5}
    return Evidence(**(none | changes))


def test_the_views_of_a_group_are_averaged_and_share_one_decision() -> None:
    decisions = decide(TRACKS, PAIRED, evidence(appearance=APPEARANCE))
    # (4 + 1 - 2) / 3 = 1; the others of camera 1's track: (1 - 2) / 2
    assert decisions[0].log_odds == {"own": 4.0, "partner": -0.5, "appearance": 1.0, "total": 1.0}
    assert decisions[1].log_odds == {"own": -3.0, "appearance": -3.0, "total": -3.0}
    assert [item.is_persistent for item in decisions] == [True, False, True, True]
    assert decisions[0].confidence == decisions[3].confidence == pytest.approx(1 / (1 + np.exp(-1)))
    assert [item.group_ids for item in decisions] == [(10, 20, 30), None, (10, 20, 30), (10, 20, 30)]
    assert [item.pairing for item in decisions] == ["because 0/0", "because 0/1", "because 1/0", "because 2/0"]
    assert all(item.cues is None for item in decisions)


def test_geometry_alone_adds_its_ratio_to_its_prior() -> None:
    decisions = decide(TRACKS, PAIRED, evidence(geometry=GEOMETRY, prior=-0.5))
    assert decisions[1].log_odds == {"geometry": 2.0, "prior": -0.5, "total": 1.5}
    assert [item.is_persistent for item in decisions] == [False, True, False, False]
    assert all(item.attention is None for item in decisions)
    assert decisions[1].cues == {"depth": 2.0}


def test_statistics_of_the_views_are_averaged_like_pixels() -> None:
    decisions = decide(TRACKS, PAIRED, evidence(statistics=STATISTICS))
    assert decisions[0].log_odds == {"statistics": 1.0, "total": 1.0}
    assert decisions[1].log_odds == {"statistics": -1.0, "total": -1.0}


def test_several_witnesses_are_weighed_and_the_parts_add_up(fusion_model: FusionModel) -> None:
    decisions = decide(
        TRACKS,
        PAIRED,
        evidence(appearance=APPEARANCE, statistics=STATISTICS, geometry=GEOMETRY, prior=-0.5, model=fusion_model),
    )
    # Every witness counts half: pixels (4 + 1 - 2) / 3, statistics 3 / 3, geometry -1.5; the base replaces the prior.
    assert decisions[0].log_odds == {
        "own": 4.0,
        "partner": -0.5,
        "base": 0.25,
        "appearance": 0.5,
        "statistics": 0.5,
        "geometry": -0.75,
        "total": 0.5,
    }
    assert decisions[0].cues == {"depth": -0.75}
    assert decisions[1].log_odds["total"] == -0.25 - 1.5 - 0.5 + 1.0
    assert [item.is_persistent for item in decisions] == [True, False, True, True]


def test_weights_are_taken_at_the_mean_age_of_the_views(fusion_model: FusionModel) -> None:
    grows = AgedLogistic(ages=(1.0, 4.0), base=(0.0, 0.0), weights={"appearance": (0.0, 2.0), "geometry": (0.0, 2.0)})
    stackers = fusion_model.stackers | {"appearance_geometry": Stacker(group=grows, alone=grows)}
    model = fusion_model.model_copy(update={"stackers": stackers})
    tracks = ((box_track(0, 10, 3), box_track(0, 11, 1)), (box_track(1, 20, 1),), (box_track(2, 30, 2),))
    decisions = decide(tracks, PAIRED, evidence(appearance=APPEARANCE, geometry=GEOMETRY, model=model))
    # The views have 3, 1 and 2 frames: halfway from 1 to 4 on a logarithmic scale, where a weight is 1.
    assert decisions[0].log_odds["total"] == pytest.approx(1.0 - 1.5)
    assert decisions[1].log_odds["total"] == 0.0  # one frame


def test_the_threshold_is_that_of_the_evidence() -> None:
    assert decide(TRACKS, PAIRED, evidence(appearance=APPEARANCE, threshold=0.73))[0].is_persistent
    assert not decide(TRACKS, PAIRED, evidence(appearance=APPEARANCE, threshold=0.74))[0].is_persistent  # 0.731


def test_without_evidence_everything_is_kept() -> None:
    decisions = decide(TRACKS, PAIRED, None)
    assert all(item.is_persistent and item.confidence is None and item.log_odds is None for item in decisions)
    assert decisions[0].group_ids == (10, 20, 30)
