import csv
import json
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from tests.made_classifier import classifier_metadata, profile_entry

from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.files import file_digest
from track_persistence.core.params import load_section
from track_persistence.core.types import Track
from track_persistence.evaluation.footage import FootageInputs, console, run, score_track
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

PARAMS = Path(__file__).parents[2] / "params.yaml"
CONFIG = load_section(PARAMS, "footage", FootageConfig)
MARGIN = 0.2
SIZE = (96, 64)
FRAMES = 30


class BrightnessFilter:
    """Calls a track real when the crops seen so far are bright; counts the crops it was given."""

    threshold = 0.5

    def __init__(self, **_checkpoints):
        self.calls = []

    def prefix_probabilities(self, pixels, lengths):
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (64, 64, 3)
        self.calls.append((len(pixels), list(lengths)))
        return np.array([pixels[:length].mean() / 255 for length in lengths])


@pytest.fixture
def footage(tmp_path):
    """Make 30 frames, left half dark and right half bright, with a track on either side and one between."""
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 7, SIZE)
    frame = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
    frame[:, SIZE[0] // 2 :] = 230
    for _ in range(FRAMES):
        writer.write(frame)
    writer.release()
    lines = [f"{t},1,8,20,16,24,0.9" for t in range(1, 31)] + [f"{t},2,70,20,16,24,0.8" for t in (4, 5, 7, 12)]
    (tmp_path / "tracks.txt").write_text("\n".join([*lines, "30,3,70,0,10,10,0.2"]))
    (tmp_path / "labels.csv").write_text("track_id,label,gt_id\n1,0,-1\n2,1,4\n3,-1,-1\n")
    return tmp_path


def inputs(folder, **changes):
    fields = {"video": folder / "v.avi", "boxes": folder / "tracks.txt", "has_ids": True, "scale": "probability"}
    return FootageInputs(**{**fields, **changes})


def read_csv(folder):
    with (folder / "out" / "persistence.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_kept_tracks_are_the_input_lines_of_the_tracks_above_the_threshold(footage):
    run(CONFIG, 7, inputs(footage), MARGIN, BrightnessFilter(), footage / "out")
    kept = (footage / "out" / "kept.txt").read_text().splitlines()
    assert kept == [f"{t},2,70,20,16,24,0.8" for t in (4, 5, 7, 12)] + ["30,3,70,0,10,10,0.2"]
    assert not (footage / "out" / "metrics.json").exists()


def test_the_csv_has_a_row_for_every_age_a_track_reached_and_one_for_the_whole(footage):
    run(CONFIG, 7, inputs(footage), MARGIN, BrightnessFilter(), footage / "out")
    seen = [
        [int(row[key]) for key in ("age_frames", "boxes_seen", "frame", "whole", "kept")]
        for row in read_csv(footage)
        if row["track_id"] == "2"
    ]
    assert seen == [[1, 1, 4, 0, 1], [2, 2, 5, 0, 1], [3, 2, 6, 0, 1], [5, 3, 8, 0, 1], [9, 4, 12, 1, 1]]


def test_ages_count_elapsed_frames_and_each_prefix_is_asked_for_once():
    crops = np.zeros((4, 64, 64, 3), np.uint8)
    boxes = np.ones((4, 4), np.float32)
    frames = np.array([4, 5, 7, 12], np.int32)
    judge = BrightnessFilter()
    scores = score_track(Track(0, 2, frames, boxes, np.ones(4, np.float32), crops), judge, (1, 2, 3, 5, 10, 20))
    assert judge.calls == [(4, [1, 2, 3, 4])]  # boxes seen at ages 1, 2, 3, 5, 10, 20: 1, 2, 2, 3, 4, 4
    assert list(scores) == [1, 2, 3, 5, 10, 20, "whole"]


def test_the_filter_never_sees_more_than_the_longest_prefix(footage):
    config = CONFIG.model_copy(update={"longest_frames": 12})
    judge = BrightnessFilter()
    run(config, 7, inputs(footage), MARGIN, judge, footage / "out")
    assert max(count for count, _ in judge.calls) == 12
    whole = [row for row in read_csv(footage) if row["track_id"] == "1" and row["whole"] == "1"]
    assert [(row["age_frames"], row["boxes_seen"]) for row in whole] == [("12", "12")]


def test_labels_give_metrics_and_an_earlier_run_leaves_none_behind(footage):
    run(CONFIG, 7, inputs(footage, labels=footage / "labels.csv"), MARGIN, BrightnessFilter(), footage / "out")
    metrics = json.loads((footage / "out" / "metrics.json").read_text())
    assert metrics["tracks"] == {
        "scored": 2,
        "real": 1,
        "false": 1,
        "unclear_left_out": 1,
        "born_too_late_left_out": 0,
    }
    assert metrics["by_age"]["3"]["filter"]["auc"]["value"] == 1
    assert metrics["false_tracks"]["static_clutter"] == {"auc": {"high": 1.0, "low": 1.0, "value": 1.0}} | {
        "rejected": 1,
        "tracks": 1,
    }
    run(CONFIG, 7, inputs(footage), MARGIN, BrightnessFilter(), footage / "out")
    assert not (footage / "out" / "metrics.json").exists()


def test_ground_truth_labels_the_tracks(footage):
    truth = footage / "gt.txt"
    truth.write_text("".join(f"{t},4,70,20,16,24,1,-1,-1,-1\n" for t in range(1, 20)))
    run(CONFIG, 7, inputs(footage, ground_truth=truth), MARGIN, BrightnessFilter(), footage / "out")
    metrics = json.loads((footage / "out" / "metrics.json").read_text())
    assert (metrics["tracks"]["real"], metrics["tracks"]["false"]) == (1, 1)


def test_detections_are_linked_first(footage):
    detections = footage / "det.txt"
    lines = (footage / "tracks.txt").read_text().splitlines()
    detections.write_text("\n".join(",-1,".join((line.split(",")[0], line.split(",", 2)[2])) for line in lines))
    run(CONFIG, 7, inputs(footage, boxes=detections, has_ids=False), MARGIN, BrightnessFilter(), footage / "out")
    assert {row["track_id"] for row in read_csv(footage)} == {"1", "2", "3", "4"}  # 4 missed frames split the second


def test_the_same_footage_gives_the_same_bytes(footage):
    for name in ("one", "two"):
        run(CONFIG, 7, inputs(footage, labels=footage / "labels.csv"), MARGIN, BrightnessFilter(), footage / name)
    for name in ("kept.txt", "persistence.csv", "metrics.json"):
        assert (footage / "one" / name).read_bytes() == (footage / "two" / name).read_bytes()


@pytest.fixture(scope="module")
def real_filter(tmp_path_factory):
    """Make a filter of two tiny networks with seeded random weights."""
    folder = tmp_path_factory.mktemp("checkpoints")
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
    encoder, model = folder / "magvit.safetensors", folder / "persistence.safetensors"
    save_tokenizer(encoder, TrackTokenizer(architecture))
    network = create_model(input_dim=16, hidden_dim=16, num_layers=2, num_heads=2, feedforward_dim=16)
    metadata = classifier_metadata(file_digest(encoder), profiles={"matched": profile_entry(0.01)})
    save_classifier(model, network, metadata)
    return PersistenceFilter(model_checkpoint=model, magvit_checkpoint=encoder)


def test_the_real_filter_judges_footage_as_it_judges_the_same_crops_alone(footage, real_filter):
    run(CONFIG, 7, inputs(footage), MARGIN, real_filter, footage / "out")
    table = read_mot(footage / "tracks.txt", "tracks")
    tracks = stream_tracks(Video(footage / "v.avi"), table, confidences(table, "probability"), MARGIN, 200)
    verdicts = {track.track_id: real_filter.predict(track.crops) for track in tracks}
    whole = {int(row["track_id"]): row for row in read_csv(footage) if row["whole"] == "1"}
    assert whole.keys() == verdicts.keys()
    for track_id, (is_persistent, confidence, _) in verdicts.items():
        assert float(whole[track_id]["probability"]) == pytest.approx(confidence, abs=1e-6)
        assert whole[track_id]["kept"] == str(int(is_persistent))


@pytest.fixture
def command(footage, monkeypatch, capsys):
    """Return a function that runs the command line with a stub filter and gives exit code and standard error."""
    module = ModuleType("track_persistence.tracking.filter")
    module.PersistenceFilter = BrightnessFilter
    monkeypatch.setitem(sys.modules, "track_persistence.tracking.filter", module)

    def call(**changes):
        options = {
            "video": footage / "v.avi",
            "tracks": footage / "tracks.txt",
            "confidence": "probability",
            "model-checkpoint": "m",
            "magvit-checkpoint": "e",
            "output-dir": footage / "out",
            "params": PARAMS,
        } | {key.replace("_", "-"): value for key, value in changes.items()}
        words = [str(word) for key, value in options.items() if value for word in (f"--{key}", value)]
        monkeypatch.setattr(sys, "argv", ["footage", *words])
        try:
            console()
        except SystemExit as error:
            return error.code, capsys.readouterr().err
        return 0, capsys.readouterr().err

    return call


def test_the_command_writes_its_files_and_prints_the_table(footage, command):
    code, text = command(labels=footage / "labels.csv")
    assert code == 0
    assert sorted(path.name for path in (footage / "out").iterdir()) == ["kept.txt", "metrics.json", "persistence.csv"]
    assert "1 real and 1 false tracks" in text


def test_labels_of_linked_detections_are_refused(footage, command):
    code, text = command(tracks=None, detections=footage / "tracks.txt", labels=footage / "labels.csv")
    assert code == 2
    assert "--labels needs --tracks" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "holds no box"),
        ("1,1,nan,0,9,9,1", "line 1: x is nan"),
        ("1,1,0,0,0,9,1", "width and height must be above 0"),
        ("1,1,0,0,9,9,1.2", "confidence is 1.2; a probability lies in [0, 1]"),
        ("1,1,500,0,9,9,1", "lies outside the image of 96 x 64 px"),
        ("31,1,0,0,9,9,1", "frame 31 is asked for, but the video has 30 decodable frames"),
    ],
)
def test_bad_boxes_end_with_one_line_and_exit_code_2(footage, command, content, expected):
    bad = footage / "bad.txt"
    bad.write_text(content)
    code, text = command(tracks=bad)
    error = [line for line in text.splitlines() if line.startswith("error: ")]
    assert code == 2
    assert len(error) == 1
    assert error[0] == text.splitlines()[-1]
    assert expected in error[0]
    assert not (footage / "out" / "kept.txt").exists()


def test_an_output_that_cannot_be_a_folder_is_refused_before_any_work(footage, command):
    (footage / "out").write_text("a file")
    code, text = command()
    assert code == 2
    assert text.splitlines() == [
        f"error: {footage / 'out'}: cannot be made a folder: File exists; pass another --output-dir"
    ]
