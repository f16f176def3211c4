import numpy as np
import pytest

from track_persistence.classifier.channels import CHANNELS
from track_persistence.classifier.curves import area_under_roc
from track_persistence.classifier.sprt import PSEUDOCOUNT, SequentialTest
from track_persistence.core.errors import DataError


def make_tracks(count: int, shift: float, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Tracks of 2-8 frames whose confidence is `shift` higher when real; the other channels say nothing."""
    labels = rng.random(count) < 0.5
    tracks = []
    for label in labels:
        track = rng.normal(size=(int(rng.integers(2, 9)), len(CHANNELS))).astype(np.float32)
        track[:, 0] += shift * label
        tracks.append(track)
    return tracks, labels


def test_independent_frames_add_up_to_the_likelihood_ratio() -> None:
    # unit normals one apart: the log-likelihood ratio of a value x is x - 1/2
    tracks, labels = make_tracks(20_000, 1.0, np.random.default_rng(0))
    test = SequentialTest.fit(tracks, labels)
    assert test.discount == 1
    values = np.array([0.2, 0.8, 1.0, -0.3])
    track = np.zeros((4, len(CHANNELS)), np.float32)
    track[:, 0] = values
    assert test.score(track) == pytest.approx(np.cumsum(values - 0.5), abs=0.5)


def test_more_frames_tell_more() -> None:
    rng = np.random.default_rng(1)
    test = SequentialTest.fit(*make_tracks(4000, 0.8, rng))
    tracks, labels = make_tracks(2000, 0.8, rng)
    scores = np.array([test.score(track)[[0, 1, -1]] for track in tracks])
    areas = [area_under_roc(column, labels) for column in scores.T]
    assert areas[0] == pytest.approx(0.714, abs=0.03)  # Phi(0.8 / sqrt 2)
    assert areas[0] < areas[1] < areas[2]


def test_later_frames_that_repeat_each_other_are_discounted() -> None:
    rng = np.random.default_rng(2)
    tracks, labels = make_tracks(3000, 1.0, rng)
    for track, label in zip(tracks, labels, strict=True):
        track[1:, 0] = rng.normal() + label
    assert SequentialTest.fit(tracks, labels).discount < 1


def test_the_score_is_causal() -> None:
    tracks, labels = make_tracks(200, 1.0, np.random.default_rng(3))
    test = SequentialTest.fit(tracks, labels)
    assert test.score(tracks[0])[:2] == pytest.approx(test.score(tracks[0][:2]))


def test_a_value_that_only_one_class_shows_stays_finite() -> None:
    tracks = [np.full((2, len(CHANNELS)), float(label), np.float32) for label in (0, 1) for _ in range(10)]
    test = SequentialTest.fit(tracks, np.repeat([False, True], 10))
    score = test.score(tracks[-1])
    # three channels of the first frame, each seen in 10 of 10 against 0 of 10, with a pseudocount
    assert score[0] == pytest.approx(3 * np.log((10 + PSEUDOCOUNT) / PSEUDOCOUNT))
    assert np.isfinite(score).all()


def test_one_class_is_refused() -> None:
    tracks, labels = make_tracks(10, 1.0, np.random.default_rng(4))
    with pytest.raises(DataError, match="10 tracks of one class"):
        SequentialTest.fit(tracks, np.ones_like(labels))
