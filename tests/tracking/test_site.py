import numpy as np
import pytest
import torch

from track_persistence.classifier.adapter import Adapter, SumCalibration, Witness
from track_persistence.classifier.adapter_file import save_adapted
from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import file_digest
from track_persistence.core.types import BoxTrack, Track
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.tracking.site import MOST_HITS, SiteJudge, box_evidence, pixel_evidence, rows_at

FRAMES = 5


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


def track(count=FRAMES):
    rng = np.random.default_rng(0)
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
    return Adapter(witnesses, sets, {"pixels": SumCalibration(0.5, 0.1), "same_detector": SumCalibration(0.4, -0.2)})


def test_evidence_depends_on_the_frames_so_far_alone(encoder):
    whole, first = track(), track().first(3)
    for find in (lambda t: pixel_evidence(t.crops, encoder), box_evidence):
        for name, rows in find(first).items():
            assert find(whole)[name][:3] == pytest.approx(rows, abs=1e-5), name


def test_confidence_is_the_mean_logit_so_far():
    assert box_evidence(track())["confidence"][0, 0] == pytest.approx(np.log(0.2 / 0.8), abs=1e-5)
    logits = [np.log(p / (1 - p)) for p in (0.2, 0.35, 0.5)]
    assert box_evidence(track())["confidence"][2, 0] == pytest.approx(np.mean(logits), abs=1e-5)


def test_place_is_centre_foot_and_height_with_their_products():
    place = box_evidence(track())["place"]
    centre, foot, height = 0.45, 0.9, np.log(0.4)  # after two boxes at x 0 and 30, in units of 100 px
    expected = [centre, foot, height, centre**2, centre * foot, centre * height, foot**2, foot * height, height**2]
    assert place[1] == pytest.approx(np.array([0.3, *expected[1:3], 0.09, 0.27, 0.3 * height, *expected[6:]]), abs=1e-5)


def test_hits_do_not_count_for_ever():
    """A parked van is seen for hundreds of frames; that must not make it ever more real."""
    long = BoxTrack(
        0,
        1,
        np.arange(60, dtype=np.int32),
        np.tile(np.array([5, 5, 30, 40], np.float32), (60, 1)),
        np.full(60, 0.5, np.float32),
    )
    statistics = box_evidence(long)["statistics"]
    assert statistics[:, 0].max() == MOST_HITS
    assert (statistics[MOST_HITS:] == statistics[-1]).all()


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
    metadata = {
        "dtype": "float16",
        "encoder_digest": file_digest(magvit),
        "precision": "float32",
        "temperature": 1.0,
        "threshold": 0.5,
    }
    network = create_model(input_dim=16, hidden_dim=16, num_layers=2, num_heads=2, feedforward_dim=16)
    save_classifier(model, network, metadata)
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


def test_an_adapted_filter_refuses_to_judge_frame_by_frame(files):
    magvit, _, adapted = files
    with pytest.raises(CheckpointError, match="adapted filters judge whole tracks only"):
        PersistenceFilter(adapted, magvit).update({1: track().crops[0]})
