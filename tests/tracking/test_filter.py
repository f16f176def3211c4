from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.made_classifier import profile_entry

from track_persistence.classifier.checkpoint import load_classifier
from track_persistence.core.errors import CheckpointError, DataError, DeviceError
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.results import probability


def crops(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (length, 64, 64, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def judge(checkpoints) -> PersistenceFilter:
    return PersistenceFilter(model_checkpoint=checkpoints.model, magvit_checkpoint=checkpoints.magvit)


def test_an_answer_is_a_decision_a_probability_and_an_attention(judge: PersistenceFilter) -> None:
    is_persistent, confidence, attention = judge.predict(crops(7))
    assert is_persistent is (confidence >= judge.threshold)
    assert 0 < confidence < 1
    assert attention.shape == (7,) and (attention >= 0).all()
    assert attention.sum() == pytest.approx(1, abs=1e-5)


def test_the_answer_is_the_pipelines_own(judge: PersistenceFilter, checkpoints) -> None:
    encoder = MagvitEncoder.from_checkpoint(checkpoints.magvit, "float32", "cpu")
    stored = encoder.encode([crops(5)])[0].astype(np.float16)
    model = load_classifier(checkpoints.model, "cpu").model
    _, confidence, attention = judge.predict(crops(5))
    assert confidence == pytest.approx(model.predict(stored.astype(np.float32)), abs=1e-4)
    np.testing.assert_allclose(attention, model.get_frame_importance(stored.astype(np.float32)), atol=1e-6)


def test_a_track_alone_and_among_others_gets_the_same_bits(judge: PersistenceFilter) -> None:
    tracks = [crops(length, seed) for seed, length in enumerate((1, 4, 4, 9, 4, 2))]
    for pixels, verdict in zip(tracks, judge.predict_many(tracks), strict=True):
        is_persistent, confidence, attention = judge.predict(pixels)
        assert (verdict.is_persistent, verdict.confidence) == (is_persistent, confidence)
        np.testing.assert_array_equal(verdict.attention, attention)


def test_different_tracks_get_different_answers(judge: PersistenceFilter) -> None:
    black, white = np.zeros((3, 64, 64, 3), np.uint8), np.full((3, 64, 64, 3), 255, np.uint8)
    assert judge.predict(black)[1] != judge.predict(white)[1]


def test_a_prefix_is_judged_as_if_the_track_had_ended_there(judge: PersistenceFilter) -> None:
    pixels = crops(9)
    found = judge.prefix_probabilities(pixels, [1, 4, 9, 50])
    alone = [judge.predict(pixels[:length])[1] for length in (1, 4, 9, 9)]
    np.testing.assert_allclose(found, alone, atol=2e-3)


def test_a_strided_encoder_sees_no_frame_after_the_prefix(
    tmp_path: Path, make_checkpoints: Callable[..., object]
) -> None:
    made = make_checkpoints(tmp_path, time_stride=4)
    judge = PersistenceFilter(made.model, made.magvit)
    first, other = crops(6), crops(6)
    other[3:] = 255
    before = judge.prefix_probabilities(first, [3])[0]
    assert before == judge.prefix_probabilities(other, [3])[0] == judge.predict(first[:3])[1]


def test_the_temperature_divides_the_log_odds(
    judge: PersistenceFilter, tmp_path: Path, make_checkpoints: Callable[..., object]
) -> None:
    made = make_checkpoints(tmp_path, profiles={"matched": profile_entry(0.02)})
    cool, warm = judge.predict_many([crops(4)]), PersistenceFilter(made.model, made.magvit).predict_many([crops(4)])
    assert warm[0].log_odds == pytest.approx(cool[0].log_odds / 2)


def test_the_calibration_is_that_of_the_profile(tmp_path: Path, make_checkpoints: Callable[..., object]) -> None:
    made = make_checkpoints(tmp_path, profiles={"matched": profile_entry(0.02), "nominal": profile_entry(0.01)})
    shipped, matched, nominal = (
        PersistenceFilter(made.model, made.magvit, profile=name).predict_many([crops(4)])[0].log_odds
        for name in (None, "matched", "nominal")
    )
    assert shipped == matched == pytest.approx(nominal / 2)
    with pytest.raises(CheckpointError, match=r"holds no profile 'foggy'; choose one of matched, nominal"):
        PersistenceFilter(made.model, made.magvit, profile="foggy")


def test_the_threshold_comes_with_the_checkpoint(tmp_path: Path, make_checkpoints: Callable[..., object]) -> None:
    made = make_checkpoints(tmp_path, threshold=1 - 1e-12)
    judge = PersistenceFilter(made.model, made.magvit)
    assert judge.threshold == 1 - 1e-12
    assert not any(verdict.is_persistent for verdict in judge.predict_many([crops(3, seed) for seed in range(3)]))


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), r"track_pixels: expected shape \(T, 64, 64, 3\) uint8, got \(2, 32"),
        (np.zeros((2, 64, 64, 3), np.float32), "got .* float32"),
        (np.zeros((64, 64, 3), np.uint8), r"got \(64, 64, 3\)"),
        (np.zeros((0, 64, 64, 3), np.uint8), "at least one frame"),
        ([[1]], "expected a numpy array, got list"),
    ],
)
def test_pixels_that_are_no_crops_are_refused(judge: PersistenceFilter, pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        judge.predict(pixels)


def test_a_prefix_of_no_frames_is_refused(judge: PersistenceFilter) -> None:
    with pytest.raises(DataError, match=r"lengths \[3, 0\]: a track can be judged from 1 frame on"):
        judge.prefix_probabilities(crops(4), [3, 0])


def test_a_classifier_of_another_encoder_is_refused(tmp_path: Path, make_checkpoints: Callable[..., object]) -> None:
    made = make_checkpoints(tmp_path, encoder_digest="0" * 32)
    with pytest.raises(CheckpointError, match=f"was trained on features of encoder {'0' * 32}.*extract and train"):
        PersistenceFilter(made.model, made.magvit)


def test_an_unknown_precision_is_refused(tmp_path: Path, make_checkpoints: Callable[..., object]) -> None:
    made = make_checkpoints(tmp_path, precision="int8")
    with pytest.raises(CheckpointError, match="metadata precision is 'int8': Input should be 'float32'"):
        PersistenceFilter(made.model, made.magvit)


def test_a_missing_checkpoint_is_named(checkpoints, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file"):
        PersistenceFilter(tmp_path / "none.safetensors", checkpoints.magvit)
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file"):
        PersistenceFilter(checkpoints.model, tmp_path / "none.safetensors")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU that is to be missing is there")
def test_an_absent_gpu_is_an_error(checkpoints) -> None:
    with pytest.raises(DeviceError, match="cuda"):
        PersistenceFilter(checkpoints.model, checkpoints.magvit, device="cuda")


@pytest.mark.parametrize(("log_odds", "expected"), [(0.0, 1 / 2), (np.log(3), 3 / 4), (-np.log(3), 1 / 4)])
def test_probabilities_follow_from_odds(log_odds: float, expected: float) -> None:
    assert probability(log_odds) == pytest.approx(expected)


def test_extreme_log_odds_do_not_overflow() -> None:
    assert (probability(1e4), probability(-1e4)) == (1.0, 0.0)


def test_the_explanation_is_the_described_attention(judge: PersistenceFilter) -> None:
    _, _, attention = judge.predict(crops(6))
    assert judge.get_explanation(attention, 6).startswith("6 observed frames")
