"""Readers, labels, linking and crops on PETS09, three real detectors; the data lie beside the repository."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.params import load_section
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import cut_crop, stream_tracks
from track_persistence.video.labels import label_by_overlap, read_labels
from track_persistence.video.linking import link
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

ROOT = Path(__file__).parents[2]
PETS = ROOT.parent / "shared" / "data" / "pets09"
CONFIG = load_section(ROOT / "params.yaml", "footage", FootageConfig)

pytestmark = pytest.mark.skipif(not PETS.is_dir(), reason="PETS09 is not beside the repository")


@pytest.mark.parametrize(
    ("detector", "boxes", "tracks"), [("hog", 6479, 384), ("mog2", 4582, 374), ("frcnn", 4359, 142)]
)
def test_the_tracks_of_a_real_detector_are_read_whole(detector, boxes, tracks):
    table = read_mot(PETS / "tracks" / f"{detector}.txt", "tracks")
    assert (len(table), len(table.rows_by_id())) == (boxes, tracks)


@pytest.mark.parametrize("detector", ["hog", "mog2", "frcnn"])
def test_overlap_with_the_ground_truth_gives_the_published_labels(detector):
    tracks = read_mot(PETS / "tracks" / f"{detector}.txt", "tracks")
    published = read_labels(PETS / "tracks" / f"{detector}_labels.csv", tracks)
    derived = label_by_overlap(tracks, read_mot(PETS / "gt" / "gt.txt", "ground truth"), CONFIG.labels)
    by_hand = {track_id for track_id, label in published.items() if label == -2}  # whom the ground truth forgot
    assert {i: label for i, label in derived.items() if i not in by_hand} == {
        i: label for i, label in published.items() if i not in by_hand
    }
    assert {derived[i] for i in by_hand} == {0}


@pytest.mark.parametrize("detector", ["hog", "mog2", "frcnn"])
def test_sort_links_every_detection_once_into_about_as_many_tracks_as_another_sort(detector):
    detections = read_mot(PETS / "det" / f"{detector}.txt", "detections")
    linked = link(detections, confidences(detections, "raw"), CONFIG.link)
    other = read_mot(PETS / "tracks" / f"{detector}.txt", "tracks")
    assert len(linked) == len(detections)
    assert len(linked.rows_by_id()) == pytest.approx(len(other.rows_by_id()), rel=0.1)


def test_a_crop_comes_from_the_frame_its_line_names(tmp_path):
    frame, box = 60, (300.0, 200.0, 40.0, 80.0)
    path = tmp_path / "one.txt"
    path.write_text(f"{frame},1,300,200,40,80,1\n")
    table = read_mot(path, "tracks")
    (track,) = stream_tracks(Video(PETS / "PETS09-S2L1.avi"), table, confidences(table, "probability"), 0.2, 10)
    capture = cv2.VideoCapture(str(PETS / "PETS09-S2L1.avi"))
    images = [capture.read()[1] for _ in range(frame + 1)]
    capture.release()
    wanted = [cut_crop(image[..., ::-1].copy(), np.array(box, np.float32), 0.2) for image in images[-3:]]
    assert [(track.crops[0] == crop).all() for crop in wanted] == [False, True, False]


def test_hog_scores_are_no_probabilities():
    table = read_mot(PETS / "tracks" / "hog.txt", "tracks")
    with pytest.raises(ValueError, match=r"hog\.txt: line 1: confidence is 2\.6263; a probability lies in"):
        confidences(table, "probability")
