import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from tests.made_classifier import classifier_metadata

from track_persistence.classifier.adapter_file import load_adapter
from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.files import file_digest
from track_persistence.evaluation.adapt import console
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.tracking.filter import PersistenceFilter

PARAMS = Path(__file__).parents[2] / "params.yaml"
SIZE = (160, 96)
WITNESS = {"components": 8, "inverse_regularisation": 10.0}
NAMES = ("statistics", "confidence", "place", "descriptors", "texture", "layout")
ADAPT = {
    "ages_frames": [1, 3],
    "longest_frames": 4,
    "adapter": {
        "training_ages_frames": [1, 3],
        "log_odds_limit": 6.0,
        "inner_folds": 2,
        "co_training_rounds": 3,
        "witnesses": {name: WITNESS for name in NAMES},
        "sets": {
            "same_detector": list(NAMES),
            "pixels": ["descriptors", "texture", "layout"],
            "other_detector": ["statistics", "descriptors", "texture"],
            "unlabelled": ["statistics", "confidence", "descriptors", "texture"],
        },
    },
}


def write_site(folder, name, sign=1.0):
    """Write a video of 60 frames and 40 tracks of 4: real ones on a bright disc, false ones on dark ground.

    Confidence tells a little; with `sign` -1 it tells the contrary.
    """
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2 == rng.integers(0, 2, 40) % 2
    lines, shown = [], []
    for i, real in enumerate(labels):
        x, y = rng.integers(0, 120), rng.integers(0, 60)
        score = 0.5 + sign * (0.1 if real else -0.1) + rng.normal() * 0.1
        start = 1 + i
        lines += [f"{t},{i + 1},{x},{y},28,28,{np.clip(score, 0.01, 0.99):.3f}" for t in range(start, start + 4)]
        shown.append((start, x, y, real))
    writer = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 7, SIZE)
    for number in range(1, 61):
        frame = rng.integers(30, 90, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        for start, x, y, real in shown:
            if real and start <= number < start + 4:
                cv2.circle(frame, (int(x) + 14, int(y) + 14), 11, (210, 190, 230), -1)
        writer.write(frame)
    writer.release()
    (folder / f"{name}.txt").write_text("\n".join(lines))
    table = "".join(f"{i + 1},{int(real)}\n" for i, real in enumerate(labels))
    (folder / f"{name}.csv").write_text("track_id,label\n" + table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, "yard")
    write_site(folder, "gate", sign=-1.0)
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
    save_tokenizer(folder / "magvit", TrackTokenizer(architecture))
    network = create_model(input_dim=16, hidden_dim=16, num_layers=1, num_heads=2, feedforward_dim=16)
    save_classifier(folder / "model", network, classifier_metadata(file_digest(folder / "magvit")))
    params = YAML(typ="safe").load(PARAMS)
    params["adapt"] = ADAPT
    params["footage"] |= {"bootstrap_replicates": 20, "folds": 3, "full_view_frames": 3}
    YAML().dump(params, folder / "params.yaml")
    return folder


def options(folder, output, **changes):
    values = {
        "video": folder / "yard.avi",
        "tracks": folder / "yard.txt",
        "labels": folder / "yard.csv",
        "confidence": "probability",
        "model-checkpoint": folder / "model",
        "magvit-checkpoint": folder / "magvit",
        "params": folder / "params.yaml",
        "output-dir": output,
    } | {key.replace("_", "-"): value for key, value in changes.items()}
    return ["adapt", *(str(word) for key, value in values.items() if value for word in (f"--{key}", value))]


def call(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", words)
    try:
        console()
    except SystemExit as error:
        return error.code
    return 0


TEST = {"test_confidence": "probability", "test_detector": "other"}


def test_one_command_adapts_and_shows_before_and_after(folder, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, options(folder, tmp_path)) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["tracks"]["real"] + metrics["tracks"]["false"]) == metrics["tracks"]["scored"] == 40
    at = metrics["by_age"]["3"]
    assert at["adapted"]["auc"]["value"] > at["before"]["auc"]["value"]
    assert at["adapted"]["auc"]["value"] > 0.97
    assert at["adapted"]["calibration_error"]["value"] < 0.1 < at["before"]["calibration_error"]["value"]
    assert {"before", "adapted", "min_hits", "mean_confidence", "no_pixels", "sprt", "cheap_pixels"} <= at.keys()
    assert at["gain"]["over"] not in ("adapted", "adapted_pixels_only")
    text = capsys.readouterr().err
    assert "yard, 3 blocks of time: 19 real and 21 false tracks" in text
    assert "adapted less " in text
    decision = metrics["decision"]
    assert 1 <= decision["frames"]["value"] <= 4 and decision["wrongly_kept"]["value"] < 0.2
    assert "keep or drop after " in text


def test_the_written_checkpoint_is_an_adapted_filter(folder, tmp_path, monkeypatch):
    call(monkeypatch, options(folder, tmp_path))
    path = tmp_path / "persistence_adapted.safetensors"
    assert set(load_adapter(path).witnesses) == set(NAMES)
    judge = PersistenceFilter(path, folder / "magvit")
    disc = np.full((1, 64, 64, 3), 60, np.uint8)
    cv2.circle(disc[0], (32, 32), 22, (230, 190, 210), -1)
    ground = np.random.default_rng(0).integers(30, 90, (1, 64, 64, 3), dtype=np.uint8)
    assert judge.predict(disc)[1] > judge.predict(ground)[1]
    assert not (tmp_path / "persistence_adapted_other_detector.safetensors").exists()


def test_its_decision_rules_have_budget_and_wait_of_the_classifier(folder, tmp_path, monkeypatch, capsys):
    call(monkeypatch, options(folder, tmp_path))
    adapter = load_adapter(tmp_path / "persistence_adapted.safetensors")
    assert adapter.rules.keys() == {"same_detector", "pixels", "other_detector", "unlabelled"}
    assert {(rule.error_budget, rule.longest_wait_frames) for rule in adapter.rules.values()} == {(0.1, 4)}
    params = YAML(typ="safe").load(folder / "params.yaml")
    params["adapt"]["longest_frames"] = 3
    YAML().dump(params, tmp_path / "params.yaml")
    assert call(monkeypatch, options(folder, tmp_path, params=tmp_path / "params.yaml")) != 0
    assert "adapt.longest_frames: 3 is less than the 4 frames" in capsys.readouterr().err


def test_another_detector_is_tested_without_its_confidences_meaning(folder, tmp_path, monkeypatch):
    test = {"test_video": folder / "gate.avi", "test_tracks": folder / "gate.txt", "test_labels": folder / "gate.csv"}
    assert call(monkeypatch, options(folder, tmp_path, **test, **TEST)) == 0
    at = json.loads((tmp_path / "metrics.json").read_text())["by_age"]["1"]
    assert at["mean_confidence"]["auc"]["value"] < 0.3
    assert at["witness_confidence"]["auc"]["value"] > 0.7  # learned anew, upside down
    assert at["adapted"]["auc"]["value"] > 0.95
    names = ("persistence_adapted", "persistence_adapted_other_detector")
    site, other = (load_adapter(tmp_path / f"{name}.safetensors") for name in names)
    assert other.witnesses["confidence"].weights[0] < 0 < site.witnesses["confidence"].weights[0]
    assert set(other.sets["same_detector"]) == set(NAMES)


def test_the_same_labels_give_the_same_bytes(folder, tmp_path, monkeypatch):
    for name in ("one", "two"):
        call(monkeypatch, options(folder, tmp_path / name))
    for name in ("metrics.json", "persistence_adapted.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_half_a_test_recording_is_refused(folder, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, options(folder, tmp_path, test_video=folder / "gate.avi")) == 2
    assert "a test recording needs --test-video, --test-tracks" in capsys.readouterr().err


def test_without_labels_the_filter_teaches_and_nothing_is_claimed(folder, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, options(folder, tmp_path, labels=None)) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["tracks"]["read"] == 40
    assert metrics.keys() == {"tracks"}
    text = capsys.readouterr().err
    assert "learned from 40 tracks without labels" in text
    assert "only labels can tell how often that is right" in text
    adapter = load_adapter(tmp_path / "persistence_adapted.safetensors")
    assert set(adapter.sets["same_detector"]) == set(NAMES)


def test_a_site_without_labels_is_tested_on_a_labelled_recording(folder, tmp_path, monkeypatch):
    test = {"test_video": folder / "gate.avi", "test_tracks": folder / "gate.txt", "test_labels": folder / "gate.csv"}
    assert call(monkeypatch, options(folder, tmp_path, labels=None, **test, **TEST)) == 0
    at = json.loads((tmp_path / "metrics.json").read_text())["by_age"]["3"]
    assert {"adapted", "before", "mean_confidence"} <= at.keys()
    assert "cheap_pixels" not in at


def test_some_labels_are_enough(folder, tmp_path, monkeypatch):
    lines = (folder / "yard.csv").read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join(lines[:25]) + "\n")
    assert call(monkeypatch, options(folder, tmp_path, labels=tmp_path / "some.csv")) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["tracks"]["scored"] == 24
    assert metrics["by_age"]["3"]["adapted"]["auc"]["value"] > 0.9


def test_labels_that_are_all_unclear_are_refused(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "unclear.csv").write_text("track_id,label\n1,-1\n")
    assert call(monkeypatch, options(folder, tmp_path, labels=tmp_path / "unclear.csv")) != 0
    assert "no track is labelled real or false" in capsys.readouterr().err
