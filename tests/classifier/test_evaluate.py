from collections.abc import Iterator

import numpy as np
import pytest

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.evaluate import (
    METHODS,
    Judged,
    age_names,
    fit_baselines,
    judge,
    rows_of_profile,
    rule_thresholds,
    split_metrics,
)
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.intervals import Resamples
from track_persistence.classifier.rules import RULES
from track_persistence.classifier.spread import spread_metrics
from track_persistence.classifier.table import Boxes, open_table
from track_persistence.core.errors import DataError


@pytest.fixture
def source(shards, config: TrainConfig, split, tmp_path) -> Iterator[InputSource]:
    with open_table(shards, config.ages, 7, split, tmp_path) as table:
        yield InputSource.of(table, "pixels")


@pytest.fixture
def judged(source: InputSource, config: TrainConfig) -> Judged:
    """The classifier knows every matched test track, with log-odds of 2 or -2."""
    rows = rows_of_profile(source, "test", "matched")
    log_odds = np.where(source.labels[rows], 2.0, -2.0)[:, None].repeat(len(config.ages) + 1, axis=1)
    return judge(source, rows, log_odds, fit_baselines(source, "matched"), config)


def test_rules_keep_what_their_trackers_keep(config: TrainConfig) -> None:
    boxes = np.tile(np.array([0, 0, 4, 4], np.float32), (8, 1))
    track = Boxes(np.arange(8, dtype=np.int32), boxes, np.full(8, 0.65, np.float32))
    kept = {name: np.flatnonzero(RULES[name](track) >= at) for name, at in rule_thresholds(config.rules).items()}
    # hits 6 and 3; born at .65 >= .6 and confirmed by the second frame; a counter above 7 is 8
    assert {name: int(at[0]) + 1 for name, at in kept.items()} == {
        "min_hits": 6,
        "n_init": 3,
        "bytetrack": 2,
        "norfair": 8,
    }


def test_all_methods_judge_the_same_tracks_at_every_age(judged: Judged, config: TrainConfig) -> None:
    assert set(judged.scores) == set(judged.thresholds) == set(METHODS)
    assert {scores.shape for scores in judged.scores.values()} == {(len(judged.rows), len(config.ages) + 1)}
    assert all(np.isfinite(scores).all() for scores in judged.scores.values())
    assert judged.names == age_names(config.ages) == ("1", "2", "3", "4", "5", "6", "10", "whole")
    assert np.array_equal(judged.up_to("min_hits", 3), judged.scores["min_hits"][:, :3])


def test_metrics_are_those_of_the_scores(judged: Judged, config: TrainConfig) -> None:
    resamples = Resamples.of(judged.scenes, np.random.default_rng(0), 20)
    metrics = split_metrics(judged, config, resamples)
    perfect = metrics["by_frames"]["3"]["transformer"]
    assert [perfect[name]["value"] for name in ("auc", "accuracy", "precision", "recall")] == [1, 1, 1, 1]
    # all tracks are right, so the probability 1 / (1 + exp(-2)) errs by its distance from 1 on both sides
    assert perfect["calibration_error"]["value"] == pytest.approx(1 / (1 + np.exp(2)))
    assert metrics["tracks"] == 2 * metrics["persistent"] == 6 * metrics["scenes"]
    assert metrics["by_frames"]["1"]["min_hits"]["auc"]["value"] == 1 / 2


def test_the_sequential_score_of_one_frame_is_that_of_the_first(source: InputSource, judged: Judged) -> None:
    fitted = fit_baselines(source, "matched").sequential
    first = [fitted.score(source.channels(int(row))[:1])[0] for row in judged.rows]
    assert judged.scores["sprt"][:, 0] == pytest.approx(first)


def test_a_profile_that_is_not_there_is_refused(source: InputSource) -> None:
    with pytest.raises(DataError, match="profile dreamt has no test track"):
        rows_of_profile(source, "test", "dreamt")


def test_the_spread_is_over_seeds(judged: Judged, config: TrainConfig) -> None:
    right = np.where(judged.labels, 1.0, -1.0)[:, None].repeat(len(judged.names), axis=1)
    found = spread_metrics([right, -right, right], judged, config)
    assert found["1"]["auc"] == {"mean": pytest.approx(2 / 3), "min": 0, "max": 1}
    assert found["whole"]["accuracy"] == {"mean": pytest.approx(2 / 3), "min": 0, "max": 1}
