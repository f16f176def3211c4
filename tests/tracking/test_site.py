import pickle

import numpy as np
import pytest
import torch
from scipy.special import logit
from tests.made_classifier import classifier_metadata

from track_persistence.classifier.adapter import Adapter, SumCalibration, Witness
from track_persistence.classifier.adapter_file import save_adapted
from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.decision import DecisionRule
from track_persistence.classifier.model import create_model
from track_persistence.core.errors import DataError
from track_persistence.core.files import file_digest
from track_persistence.core.types import Track
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.results import Detection
from track_persistence.tracking.site import SiteJudge, box_evidence, pixel_evidence, rows_at
from track_persistence.video.descriptors import DESCRIPTOR_SIZE

FRAMES = 5
RULES = {
    "pixels": DecisionRule(0.1, (9e8,) * 3, (-9e8,) * 3, 0.0),
    "same_detector": DecisionRule(0.1, (-9e8,) * 3, (-9e9,) * 3, 0.0),
}
PIXEL_WIDTHS = {"descriptors": DESCRIPTOR_SIZE, "texture": 8, "layout": 4 * 4 * 8}


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(5)
    architecture = ArchitectureConfig(
        encoder_widths=(8, 8, 8),
        decoder_widths=(8, 8, 8),
        blocks_per_level=1,
        latent_dim=16,
        time_stride=1,
        code_bits=4,
        code_groups=1,
    )
    return TrackTokenizer(architecture)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return LevelEncoder(tokenizer, "float32", "cpu")


def track(count=FRAMES, seed=0):
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([np.arange(count) * 30.0, np.full(count, 50), np.full(count, 30), np.full(count, 40)])
    crops = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    confidences = np.linspace(0.2, 0.8, count)
    frames = np.arange(3, 3 + count, dtype=np.int32)
    return Track(0, 1, frames, boxes.astype(np.float32), confidences.astype(np.float32), crops)


def adapter_of(encoder):
    """Make an adapter that hears texture, and with boxes confidence as well."""
    witnesses = {
        "texture": Witness(np.linspace(-40, 40, 8), 0.5, 6.0),
        "confidence": Witness(np.array([2.0]), 0.0, 6.0),
    }
    sets = {"pixels": ("texture",), "same_detector": ("texture", "confidence")}
    calibrations = {"pixels": SumCalibration(0.5, 0.1), "same_detector": SumCalibration(0.4, -0.2)}
    return Adapter(witnesses, sets, calibrations, RULES)


def test_evidence_depends_on_the_frames_so_far_alone(encoder):
    whole, first = track(), track().first(3)
    for find in (lambda t: pixel_evidence(t.crops, encoder), box_evidence):
        for name, rows in find(first).items():
            assert find(whole)[name][:3] == pytest.approx(rows, abs=1e-5), name


def test_rows_of_an_age_beyond_the_track_are_its_last():
    evidence = {"a": np.arange(3)[:, None]}
    assert rows_at(evidence, [1, 3, 9])["a"].ravel().tolist() == [0, 2, 2]


def test_boxes_are_heard_where_they_are_known(encoder):
    judge, seen = SiteJudge(adapter_of(encoder), encoder), track()
    texture = adapter_of(encoder).witnesses["texture"].log_odds(pixel_evidence(seen.crops, encoder)["texture"])
    confidence = np.clip(2 * box_evidence(seen)["confidence"][:, 0], -6, 6)
    assert judge.log_odds(seen.crops, None) == pytest.approx(0.5 * texture + 0.1, abs=1e-6)
    assert judge.log_odds(seen.crops, seen) == pytest.approx(0.4 * (texture + confidence) - 0.2, abs=1e-5)


@pytest.fixture
def files(tmp_path, tokenizer, encoder):
    magvit, model, adapted = (tmp_path / name for name in ("magvit", "model", "adapted"))
    save_tokenizer(magvit, tokenizer)
    network = create_model(input_dim=16, hidden_dim=16, num_layers=2, num_heads=2, feedforward_dim=16)
    save_classifier(model, network, classifier_metadata(file_digest(magvit)))
    save_adapted(model, adapted, adapter_of(encoder))
    return magvit, model, adapted


def test_an_adapted_checkpoint_makes_an_adapted_filter(files, encoder):
    magvit, model, adapted = files
    before, after = PersistenceFilter(model, magvit), PersistenceFilter(adapted, magvit)
    judge, seen = SiteJudge(adapter_of(encoder), encoder), track()
    is_persistent, confidence, attention = after.predict(seen.crops)
    log_odds = judge.log_odds(seen.crops, None)
    assert confidence == pytest.approx(1 / (1 + np.exp(-log_odds[-1])), abs=1e-6)
    assert is_persistent == (confidence >= 0.5)
    assert (attention == before.predict(seen.crops)[2]).all()
    assert confidence != pytest.approx(before.predict(seen.crops)[1], abs=1e-3)
    (verdict,) = after.predict_tracks([seen])
    assert verdict.log_odds == pytest.approx(judge.log_odds(seen.crops, seen)[-1], abs=1e-6)


def test_prefixes_of_an_adapted_filter_are_its_answers_on_the_first_frames(files):
    magvit, _, adapted = files
    filter_, seen = PersistenceFilter(adapted, magvit), track()
    alone = [filter_.predict(seen.crops[:count])[1] for count in (1, 3, FRAMES)]
    assert filter_.prefix_probabilities(seen.crops, [1, 3, 99]) == pytest.approx(alone, abs=1e-5)


def full_adapter():
    """Make an adapter that hears all witnesses, with weights of about the size that fitted ones have."""
    widths = PIXEL_WIDTHS | {name: rows.shape[1] for name, rows in box_evidence(track()).items()}
    rng = np.random.default_rng(3)
    witnesses = {name: Witness(rng.normal(size=n) / np.sqrt(n), 0.1, 6.0) for name, n in widths.items()}
    sets = {"pixels": ("descriptors", "texture", "layout"), "same_detector": tuple(widths)}
    return Adapter(witnesses, sets, dict.fromkeys(sets, SumCalibration(0.5, 0.1)), RULES)


def detections_of(seen):
    boxes = (tuple(box) for box in seen.boxes_xywh_px.tolist())
    return [Detection(*row) for row in zip(seen.frames.tolist(), boxes, seen.confidences.tolist(), strict=True)]


@pytest.fixture
def streaming(files, tmp_path):
    magvit, model, _ = files
    save_adapted(model, tmp_path / "full", full_adapter())
    return PersistenceFilter(tmp_path / "full", magvit)


@pytest.mark.parametrize("with_boxes", [True, False])
def test_a_growing_track_has_the_log_odds_of_the_whole_one(streaming, with_boxes):
    """Two tracks of two lengths share the passes; one of them is missed in between."""
    tracks = {"long": track(12), "short": track(3, seed=1)}
    shown = dict.fromkeys(tracks, 0)
    for frame in range(13):
        keys = [key for key in tracks if shown[key] < len(tracks[key]) and (key != "long" or frame != 5)]
        crops = {key: tracks[key].crops[shown[key]] for key in keys}
        boxes = {key: detections_of(tracks[key])[shown[key]] for key in keys} if with_boxes else None
        found = streaming.update(crops, boxes)
        for key in keys:
            shown[key] += 1
            start = tracks[key].first(shown[key])
            boxed, bare = streaming.predict_tracks([start])[0].log_odds, logit(streaming.predict(start.crops)[1])
            whole = boxed if with_boxes else bare
            assert found[key].log_odds == pytest.approx(whole, abs=1e-4), (key, frame)
            assert found[key].frames_read == found[key].frames_seen == shown[key]
    assert streaming.end(tracks)["long"].log_odds == found["long"].log_odds


def test_what_a_growing_track_keeps_does_not_grow(streaming):
    pixels, sizes = track(40).crops, []
    for crop in pixels:
        streaming.update({1: crop})
        sizes.append(len(pickle.dumps(streaming._online._live[1].heard)))
    assert max(sizes[1:]) - min(sizes[1:]) < 100  # counts take a byte more


def test_the_attention_of_an_adapted_filter_is_there_when_asked_for(streaming):
    seen = track()
    for crop in seen.crops:
        with_it, without = streaming.update({1: crop}, with_attention=True)[1], streaming.update({2: crop})[2]
    assert with_it.attention == pytest.approx(streaming.predict(seen.crops)[2], abs=1e-3)
    assert without.attention is None
    assert with_it.log_odds == pytest.approx(without.log_odds, abs=1e-4)


def test_each_set_of_witnesses_decides_by_its_own_rule(streaming):
    seen = track()
    boxes = detections_of(seen)
    found = [streaming.update({"a": crop, "b": crop}, {"a": box}) for crop, box in zip(seen.crops, boxes, strict=True)]
    assert [(now["a"].decision, now["b"].decision) for now in found[:2]] == [("keep", "wait"), ("keep", "wait")]
    assert found[2]["b"].decision in ("keep", "drop")


def test_detections_come_with_every_crop_of_a_track_or_with_none(streaming):
    seen = track()
    first, second = detections_of(seen)[:2]
    streaming.update({"a": seen.crops[0], "b": seen.crops[0]}, {"a": first})
    for key, detections in (("a", None), ("b", {"b": second})):
        with pytest.raises(DataError, match=f"track {key}: had a detection in some frames and in others none"):
            streaming.update({key: seen.crops[1]}, detections)
    with pytest.raises(DataError, match="frame 3 follows 3"):
        streaming.update({"a": seen.crops[1]}, {"a": first})
