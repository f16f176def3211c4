import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.labels import LabelConfig, label_by_overlap, overlaps, read_labels
from track_persistence.video.mot import read_mot

CONFIG = LabelConfig(real_iou=0.5, real_share=0.5, false_iou=0.2, false_share=0.1, false_mean_coverage=0.5)


def table(tmp_path, name, lines, content="tracks"):
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return read_mot(path, content)


def labelled(tmp_path, boxes, truth):
    """Label one track of (x, y, w, h) boxes, one a frame, against one object of the same kind."""
    tracks = table(tmp_path, "t.txt", [f"{f},1,{box},1" for f, box in enumerate(boxes, 1)])
    objects = table(tmp_path, "g.txt", [f"{f},9,{box},1,-1,-1,-1" for f, box in enumerate(truth, 1)], "ground truth")
    return label_by_overlap(tracks, objects, CONFIG)[1]


def test_overlaps_are_shares_of_union_and_of_the_box():
    boxes = np.array([[0, 0, 10, 10]], np.float32)
    others = np.array([[5, 0, 10, 10], [0, 0, 10, 20], [50, 50, 1, 1], [10, 0, 5, 5]], np.float32)
    union, covered = overlaps(boxes, others)
    assert union[0] == pytest.approx([50 / 150, 100 / 200, 0, 0])
    assert covered[0] == pytest.approx([1 / 2, 1, 0, 0])


ON, OFF, HALF, LEGS = "0,0,10,10", "90,90,10,10", "5,0,10,10", "0,0,10,1"  # IoU with ON: 1, 0, 1/3, 1/10


def test_a_track_with_half_of_its_boxes_on_an_object_is_real(tmp_path):
    assert labelled(tmp_path, [ON, OFF], [ON, ON]) == 1


def test_a_track_that_touches_nobody_is_false(tmp_path):
    assert labelled(tmp_path, [OFF, OFF], [ON, ON]) == 0


def test_one_touch_in_ten_boxes_is_still_false_but_two_are_unclear(tmp_path):
    assert labelled(tmp_path, [HALF] + [OFF] * 9, [ON] * 10) == 0
    assert labelled(tmp_path, [HALF] * 2 + [OFF] * 8, [ON] * 10) == -1


def test_a_track_on_the_legs_of_a_person_is_unclear_though_its_iou_is_small(tmp_path):
    assert labelled(tmp_path, [LEGS, LEGS], [ON, ON]) == -1


def test_a_frame_without_ground_truth_has_no_object(tmp_path):
    assert labelled(tmp_path, [ON, ON, ON], [ON]) == -1
    assert labelled(tmp_path, [OFF, ON], [ON]) == 0


def test_labels_are_read_by_track(tmp_path):
    tracks = table(tmp_path, "t.txt", ["1,1,0,0,9,9,1", "1,2,0,0,9,9,1"])
    path = tmp_path / "labels.csv"
    path.write_text("track_id,label,gt_id\n2,-2,-1\n1,1,15\n")
    assert read_labels(path, tracks) == {1: 1, 2: -2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: ''; expected the header track_id,label"),
        ("1,1\n2,0\n", "line 1: '1,1'; expected the header"),
        ("track_id,label\n1,1\n2,3\n", "line 3: label is 3; must be 1 real, 0 false, -1 unclear or -2"),
        ("track_id,label\n1,yes\n", "line 2: '1,yes'; expected a whole track_id and label"),
        ("track_id,label\n1\n", "line 2: '1'; expected a whole track_id and label"),
        ("track_id,label\n1,1\n1,0\n", "line 3: track 1 has a label already"),
        ("track_id,label\n1,1\n", "track 2 has no label; label it -1"),
        ("track_id,label\n1,1\n2,1\n3,0\n", "track 3 is not in .*t.txt"),
    ],
)
def test_bad_labels_are_named(tmp_path, text, expected):
    tracks = table(tmp_path, "t.txt", ["1,1,0,0,9,9,1", "1,2,0,0,9,9,1"])
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(VideoError, match=expected):
        read_labels(path, tracks)


def test_a_missing_labels_file_is_an_error(tmp_path):
    tracks = table(tmp_path, "t.txt", ["1,1,0,0,9,9,1"])
    with pytest.raises(VideoError, match=r"no\.csv: cannot be read: No such file"):
        read_labels(tmp_path / "no.csv", tracks)
