import numpy as np
import pytest

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.evaluate import METHODS, Judged
from track_persistence.classifier.ghosts import COMPARED, ghost_metrics
from track_persistence.classifier.intervals import Resamples


@pytest.fixture
def judged(config: TrainConfig) -> Judged:
    """Four real tracks of score 3/4, two reflections of 1/4 and 7/8, one shadow of 1/8; the same at every age."""
    names = (*map(str, config.ages), "whole")
    scores = np.repeat(np.array([3, 3, 3, 3, 1, 3.5, 0.5])[:, None] / 4, len(names), axis=1)
    return Judged(
        rows=np.arange(7),
        labels=np.arange(7) < 4,
        scenes=np.arange(7),
        ghosts=np.array(["none"] * 4 + ["reflection"] * 2 + ["shadow"]),
        lengths=np.full(7, 9),
        names=names,
        scores=dict.fromkeys(METHODS, scores),
        thresholds=dict.fromkeys(METHODS, np.full(len(names), 0.5)),
    )


def test_each_kind_stands_alone_against_all_real_tracks(judged: Judged, config: TrainConfig) -> None:
    resamples = Resamples.of(judged.scenes, np.random.default_rng(0), 40)
    found = ghost_metrics(judged, config, resamples)
    assert {kind: entry["tracks"] for kind, entry in found.items()} == {"reflection": 2, "shadow": 1}
    reflection = found["reflection"]["by_frames"]["3"]["transformer"]
    assert (reflection["rejected"]["value"], reflection["auc"]["value"]) == (1 / 2, 1 / 2)
    shadow = found["shadow"]["by_frames"]["whole"]["sprt"]
    assert (shadow["rejected"]["value"], shadow["auc"]["value"]) == (1, 1)
    assert set(found["shadow"]["by_frames"]) == {*map(str, config.frames_seen), "whole"}
    assert set(found["shadow"]["by_frames"]["1"]) == set(COMPARED)
