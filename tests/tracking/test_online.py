"""Tracks judged while they grow get the verdicts of `predict`, and decisions that stay."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.made_classifier import RULE, classifier_metadata, profile_entry

from track_persistence.classifier.channels import CHANNELS, ConfidenceScale
from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import Architecture, PersistenceTransformer
from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.files import file_digest
from track_persistence.core.types import Track
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.online import _Window
from track_persistence.tracking.results import Detection

Make = Callable[..., Any]
LENGTHS = {(0, 3): 6, (1, 3): 2, "late": 4}
BORN = {(0, 3): 0, (1, 3): 1, "late": 3}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def crops(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (length, 64, 64, 3)).astype(np.uint8)


def profile_with(rule: Any) -> Any:
    return {"profiles": {"matched": profile_entry(0.01, rule)}}


@pytest.fixture
def judge(checkpoints: Any) -> PersistenceFilter:
    return PersistenceFilter(checkpoints.model, checkpoints.magvit)


def test_a_running_verdict_is_that_of_predict_on_the_crops_so_far(judge: PersistenceFilter) -> None:
    pixels = {key: crops(length, seed) for seed, (key, length) in enumerate(LENGTHS.items())}
    for frame in range(7):
        shown = {key: frame - BORN[key] for key in pixels if 0 <= frame - BORN[key] < LENGTHS[key]}
        found = judge.update({key: pixels[key][at] for key, at in shown.items()}, with_attention=True)
        assert found.keys() == shown.keys()
        for key, at in shown.items():
            _, confidence, attention = judge.predict(pixels[key][: at + 1])
            # Features are rounded to float16, where sums in another order may fall on the other side.
            assert found[key].confidence == pytest.approx(confidence, abs=5e-3)
            assert found[key].confidence == pytest.approx(1 / (1 + np.exp(-found[key].log_odds)))
            assert found[key].frames_seen == at + 1
            np.testing.assert_allclose(found[key].attention, attention, atol=1e-3)


def test_attention_is_there_only_when_asked_for(judge: PersistenceFilter) -> None:
    assert judge.update({1: crops(1)[0]})[1].attention is None


def test_a_track_waits_until_it_ends(judge: PersistenceFilter) -> None:
    first, second = crops(1, 1)[0], crops(1, 2)[0]
    found = judge.update({"a": first, "b": second})
    assert [verdict.decision for verdict in found.values()] == ["wait", "wait"]
    ended = judge.end(["a"])["a"]
    assert ended.decision == ("keep" if found["a"].log_odds >= 0 else "drop")
    assert ended.log_odds == found["a"].log_odds
    assert judge.update({"a": first})["a"].frames_seen == 1  # a new track under the old key
    with pytest.raises(DataError, match="track c: is not alive"):
        judge.end(["b", "c"])
    assert judge.update({"b": second})["b"].frames_seen == 2  # nothing was ended


def test_the_wait_ends_where_the_rule_says(judge: PersistenceFilter) -> None:
    pixels = crops(5)
    decisions = [judge.update({0: crop})[0].decision for crop in pixels]
    assert decisions[:3] == ["wait"] * 3
    assert decisions[3] in ("keep", "drop") and decisions[4] == decisions[3]


def test_the_first_decision_is_final(tmp_path: Path, make_checkpoints: Make) -> None:
    always_kept_first = RULE | {"keep_from": [-9e8, 9e8, 9e8, 9e8], "forced": 9e8}
    made = make_checkpoints(tmp_path, **profile_with(always_kept_first))
    judge = PersistenceFilter(made.model, made.magvit)
    assert [judge.update({0: crop})[0].decision for crop in crops(5)] == ["keep"] * 5
    assert judge.end([0])[0].decision == "keep"


def test_after_a_reset_no_track_is_alive(judge: PersistenceFilter) -> None:
    judge.update({0: crops(1)[0]})
    judge.reset()
    with pytest.raises(DataError, match="none is alive"):
        judge.end([0])
    assert judge.update({0: crops(1)[0]})[0].frames_seen == 1


def test_a_missed_frame_only_makes_a_track_wait(judge: PersistenceFilter) -> None:
    pixels = crops(3)
    judge.update({"a": pixels[0], "b": pixels[0]})
    judge.update({"b": pixels[1]})
    assert judge.update({}) == {}
    found = judge.update({"a": pixels[1]})["a"]
    assert found.frames_seen == 2
    assert found.confidence == pytest.approx(judge.predict(pixels[:2])[1], abs=5e-3)


def test_a_window_holds_the_newest_rows_and_does_not_grow() -> None:
    window = _Window(2, longest=3)
    for number in range(20):
        window.append(np.full(2, number, np.float32))
        assert window.rows[:, 0].tolist() == list(range(max(0, number - 2), number + 1))
        assert len(window._rows) == 6


def test_a_long_decided_track_is_read_less_often_and_equals_predict_where_it_was(
    judge: PersistenceFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("track_persistence.tracking.online.FULL_RATE_FRAMES", 5)
    pixels = {"a": crops(14, 1), "b": crops(14, 2)}
    read: dict[str, list[int]] = {"a": [], "b": []}
    for frame in range(14):
        found = judge.update({key: own[frame] for key, own in pixels.items()})
        for key, verdict in found.items():
            read[key].append(verdict.frames_read)
            assert verdict.confidence == pytest.approx(judge.predict(pixels[key][: verdict.frames_read])[1], abs=5e-3)
    # Decided at 4 frames; with every frame up to 5, every second up to 10, every third beyond, in turns.
    assert read["a"] == [1, 2, 3, 4, 5, 6, 6, 8, 8, 10, 10, 12, 12, 12]
    assert read["b"] == [1, 2, 3, 4, 5, 5, 7, 7, 9, 9, 11, 11, 11, 14]
    assert judge.update({"a": pixels["a"][0]}, with_attention=True)["a"].frames_read == 15
    assert judge.end(["b"])["b"].frames_read == 14


def test_an_undecided_track_is_read_with_every_frame(
    tmp_path: Path, make_checkpoints: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("track_persistence.tracking.online.FULL_RATE_FRAMES", 2)
    made = make_checkpoints(tmp_path, **profile_with(RULE | {"keep_from": [9e8] * 9, "drop_to": [-9e8] * 9}))
    judge = PersistenceFilter(made.model, made.magvit)
    assert [judge.update({0: crop})[0].frames_read for crop in crops(8)] == list(range(1, 9))


def test_of_a_track_beyond_the_longest_of_training_the_newest_frames_are_read(judge: PersistenceFilter) -> None:
    judge._reader.longest_frames = 3
    pixels = crops(5)
    for crop in pixels:
        found = judge.update({0: crop}, with_attention=True)[0]
    assert found.frames_seen == found.frames_read == 5
    assert found.attention.shape == (3,)
    features = judge._reader.inputs_of(judge._encoder.encode([pixels])[0], None)
    assert found.log_odds == pytest.approx(judge._reader.judge(features[2:]).log_odds, abs=5e-2)


def test_a_strided_encoder_is_refused(tmp_path: Path, make_checkpoints: Make) -> None:
    made = make_checkpoints(tmp_path, time_stride=2)
    with pytest.raises(CheckpointError, match="time_stride is 2"):
        PersistenceFilter(made.model, made.magvit).update({0: crops(1)[0]})


def test_the_rule_is_that_of_the_profile(tmp_path: Path, make_checkpoints: Make) -> None:
    always = RULE | {"keep_from": [-9e8] * 4}
    profiles = {"matched": profile_entry(0.01), "nominal": profile_entry(0.01, always)}
    made = make_checkpoints(tmp_path, profiles=profiles)
    decided = {
        name: PersistenceFilter(made.model, made.magvit, profile=name).update({0: crops(1)[0]})[0].decision
        for name in (None, *profiles)
    }
    assert decided == {None: "wait", "matched": "wait", "nominal": "keep"}


def test_a_crop_of_another_shape_is_refused(judge: PersistenceFilter) -> None:
    with pytest.raises(DataError, match=r"crop of track 5: expected shape \(64, 64, 3\) uint8"):
        judge.update({5: crops(2)})


def with_channels(folder: Path, magvit: Path, inputs: str) -> Path:
    torch.manual_seed(3)
    width = 0 if inputs == "no_pixels" else 16
    model = PersistenceTransformer(Architecture(width, 16, 2, 2, 16, 0.0, len(CHANNELS)))
    path = folder / f"{inputs}.safetensors"
    profiles = {"nominal": profile_entry(0.1, scale=(0.2, 1.5)), "matched": profile_entry(0.1, scale=(9.0, 1.0))}
    metadata = classifier_metadata(file_digest(magvit), inputs=inputs, profiles=profiles)
    save_classifier(path, model, metadata)
    return path


@pytest.mark.parametrize("inputs", ["both", "no_pixels"])
def test_detections_are_read_as_those_of_a_whole_track(checkpoints: Any, tmp_path: Path, inputs: str) -> None:
    model = with_channels(tmp_path, checkpoints.magvit, inputs)
    judge = PersistenceFilter(model, checkpoints.magvit, confidence_scale=ConfidenceScale(0.2, 1.5))
    named = PersistenceFilter(model, checkpoints.magvit, profile="nominal")
    rng = np.random.default_rng(2)
    boxes = rng.uniform(20, 60, (5, 4)).astype(np.float32)
    track = Track(0, 1, np.array([2, 3, 6, 7, 9], np.int32), boxes, rng.random(5).astype(np.float32), crops(5))
    for at in range(5):
        detection = Detection(int(track.frames[at]), tuple(boxes[at].tolist()), float(track.confidences[at]))
        found = judge.update({7: track.crops[at]}, {7: detection})[7]
        (whole,) = judge.predict_tracks([track.first(at + 1)])
        assert found.confidence == pytest.approx(whole.confidence, abs=5e-3)
        assert named.predict_tracks([track.first(at + 1)])[0].log_odds == whole.log_odds
    assert whole.confidence not in (0.0, 1.0)
    with pytest.raises(DataError, match="track 7: frame 9 follows 9"):
        judge.update({7: track.crops[0]}, {7: detection})
    with pytest.raises(DataError, match=f"track 8: has no detection, but the classifier was trained on {inputs}"):
        judge.update({8: track.crops[0]})
    with pytest.raises(DataError, match="pixels alone do not do"):
        judge.predict(track.crops)


def test_channels_need_the_scale_of_the_confidences(checkpoints: Any, tmp_path: Path) -> None:
    model = with_channels(tmp_path, checkpoints.magvit, "both")
    with pytest.raises(CheckpointError, match=r"needs the scale of the detector's confidences.*matched, nominal"):
        PersistenceFilter(model, checkpoints.magvit)


def test_keys_may_be_anything_hashable(judge: PersistenceFilter) -> None:
    keys: list[Hashable] = [1, "one", (1, "one"), None]
    assert list(judge.update(dict.fromkeys(keys, crops(1)[0]))) == keys
