import sys

import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.linking import LinkConfig, link
from track_persistence.video.mot import read_mot

SORT = LinkConfig(method="sort", min_iou=0.3, max_missed_frames=3, high_confidence=0.6)
BYTETRACK = SORT.model_copy(update={"method": "bytetrack"})


def linked(tmp_path, detections, config, confidence=0.9):
    """Link detections given as (frame, x) of boxes 20 px wide and return [(frame, x, id)]."""
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{frame},-1,{x},0,20,40,{confidence},-1,-1,-1\n" for frame, x in detections))
    table = read_mot(path, "detections")
    tracks = link(table, np.full(len(table), confidence), config)
    for text, track_id in zip(tracks.texts, tracks.ids, strict=True):
        assert int(text.split(",")[1]) == track_id
    return [
        (int(f), int(box[0]), int(i)) for f, box, i in zip(tracks.frames, tracks.boxes_xywh_px, tracks.ids, strict=True)
    ]


@pytest.mark.parametrize("config", [SORT, BYTETRACK], ids=["sort", "bytetrack"])
def test_a_track_begins_with_its_first_detection(tmp_path, config):
    assert linked(tmp_path, [(1, 0), (2, 1), (3, 2)], config) == [(1, 0, 1), (2, 1, 1), (3, 2, 1)]


@pytest.mark.parametrize("config", [SORT, BYTETRACK], ids=["sort", "bytetrack"])
def test_a_single_detection_is_a_track(tmp_path, config):
    assert linked(tmp_path, [(4, 100)], config) == [(4, 100, 1)]


@pytest.mark.parametrize("config", [SORT, BYTETRACK], ids=["sort", "bytetrack"])
def test_two_objects_keep_their_own_ids(tmp_path, config):
    tracks = linked(tmp_path, [(1, 0), (1, 300), (2, 302), (2, 1), (3, 2), (3, 304)], config)
    near = {i for _, x, i in tracks if x < 100}
    far = {i for _, x, i in tracks if x >= 300}
    assert (len(near), len(far), near & far) == (1, 1, set())
    assert len(tracks) == 6


@pytest.mark.parametrize("config", [SORT, BYTETRACK], ids=["sort", "bytetrack"])
@pytest.mark.parametrize(("missed", "ids"), [(3, {1}), (4, {1, 2})])
def test_a_track_survives_as_many_missed_frames_as_allowed(tmp_path, config, missed, ids):
    tracks = linked(tmp_path, [(1, 0), (2, 0), (3, 0), (4 + missed, 0)], config)
    assert {i for *_, i in tracks} == ids


@pytest.mark.parametrize("config", [SORT, BYTETRACK], ids=["sort", "bytetrack"])
def test_a_gap_right_after_birth_does_not_end_a_track(tmp_path, config):
    assert {i for *_, i in linked(tmp_path, [(1, 0), (3, 0)], config)} == {1}


def test_sort_links_every_detection_however_weak(tmp_path):
    assert len(linked(tmp_path, [(1, 0), (2, 200)], SORT, confidence=0.0)) == 2


def test_bytetrack_starts_no_track_from_weak_detections(tmp_path):
    with pytest.raises(VideoError, match=r"det\.txt: no detection reaches link\.high_confidence 0\.6"):
        linked(tmp_path, [(1, 0), (2, 200)], BYTETRACK, confidence=0.5)


def test_linking_the_same_detections_twice_gives_the_same_tracks(tmp_path):
    rng = np.random.default_rng(3)
    detections = [(frame, x) for frame in range(1, 30) for x in sorted(rng.integers(0, 400, 6).tolist())]
    assert linked(tmp_path, detections, SORT) == linked(tmp_path, detections, SORT)


def test_a_missing_tracker_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(VideoError, match=r"--detections needs the package 'trackers'; run `pip install"):
        linked(tmp_path, [(1, 0)], SORT)
