import math

import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.kitti import Boxes3D, read_detections, read_labels

CAR = "0 3 Car 0 1 -1.5 100 50 140.5 80 1.5 1.6 4.0 2.0 1.7 20.0 0.1"
REGION = "0 -1 DontCare -1 -1 -10 10 20 30 40 -1000 -1000 -1000 -10 -1 -1 -1"
FOUND = "0,2,100,50,140.5,80,-0.45,1.5,1.6,4.0,2.0,1.7,20.0,0.1,-1.5"


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "0000.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_a_label_has_its_columns_and_counts_frames_from_0(write):
    labels = read_labels(write(CAR))
    assert (labels.frames.tolist(), labels.ids.tolist(), labels.types.tolist()) == ([0], [3], ["Car"])
    assert (labels.truncated.tolist(), labels.occluded.tolist()) == ([0], [1])
    assert labels.corners_px.tolist() == [[100, 50, 140.5, 80]]
    assert labels.boxes.sizes_hwl_m.tolist() == [[1.5, 1.6, 4.0]]
    assert labels.boxes.bottoms_m.tolist() == [[2.0, 1.7, 20.0]]
    assert labels.boxes.turns_rad.tolist() == [0.1]


def test_a_region_without_3d_box_is_read(write):
    labels = read_labels(write(REGION))
    assert (labels.types.tolist(), labels.ids.tolist(), labels.truncated.tolist()) == (["DontCare"], [-1], [-1])
    assert labels.corners_px.tolist() == [[10, 20, 30, 40]]


def test_a_detection_has_its_columns_and_a_score_of_any_sign(write):
    found = read_detections(write(FOUND), "Car")
    assert (len(found), found.frames.tolist(), found.scores.tolist()) == (1, [0], [-0.45])
    assert found.corners_px.tolist() == [[100, 50, 140.5, 80]]
    assert found.boxes.sizes_hwl_m.tolist() == [[1.5, 1.6, 4.0]]
    assert found.boxes.bottoms_m.tolist() == [[2.0, 1.7, 20.0]]


def test_rows_are_sorted_by_frame_and_remember_their_lines(write):
    found = read_detections(write("7" + FOUND[1:], "", FOUND, "7" + FOUND[1:]), "Car")
    assert (found.frames.tolist(), found.lines.tolist()) == ([0, 7, 7], [3, 1, 4])


def test_the_centre_lies_half_a_height_above_the_bottom_and_y_points_down():
    boxes = Boxes3D(np.array([[2.0, 1.7, 20.0]]), np.array([[1.5, 1.6, 4.0]]), np.array([0.3]))
    np.testing.assert_allclose(boxes.centres_m, [[2.0, 1.7 - 1.5 / 2, 20.0]])
    np.testing.assert_allclose(boxes.corners_m.mean(axis=1), boxes.centres_m)


@pytest.mark.parametrize(
    ("turn_rad", "sides_m"),
    [(0.0, (4.0, 1.5, 1.6)), (math.pi / 2, (1.6, 1.5, 4.0)), (math.pi, (4.0, 1.5, 1.6))],
)
def test_the_length_points_along_x_until_the_box_is_turned_about_y(turn_rad, sides_m):
    boxes = Boxes3D(np.array([[2.0, 1.7, 20.0]]), np.array([[1.5, 1.6, 4.0]]), np.array([turn_rad]))
    np.testing.assert_allclose(np.ptp(boxes.corners_m[0], axis=0), sides_m, atol=1e-12)


def test_a_positive_turn_moves_the_front_towards_the_camera():
    # The devkit's R = [[c, 0, s], [0, 1, 0], [-s, 0, c]]: the front (l/2, 0, 0) goes to z = -s l/2.
    boxes = Boxes3D(np.zeros((1, 3)), np.array([[1.0, 0.002, 4.0]]), np.array([math.pi / 6]))
    front = boxes.corners_m[0, :2].mean(axis=0)  # the first two corners are the front's lower ones
    np.testing.assert_allclose(front, [2 * math.sqrt(3) / 2, 0, -2 * 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 3 Car 0 1", r"line 2: 5 columns; expected 17: frame id type"),
        (CAR.replace("0 3", "1.5 3", 1), r"line 2: frame is '1\.5'; must be a whole number from 0"),
        (CAR.replace("0 3", "-1 3", 1), r"line 2: frame is '-1'; must be a whole number from 0"),
        (CAR.replace("140.5", "x"), r"line 2: x2 is 'x'; expected a number"),
        (CAR.replace("20.0", "nan"), r"line 2: z is nan; must be finite and sane"),
        (CAR.replace("Car 0 1", "Car 0.3 1"), r"line 2: truncated is 0\.3; must be a whole number"),
        (CAR.replace("140.5", "99"), r"line 2: box \[100.0, 50.0, 99.0, 80.0\]; x2 must not be below x1"),
        (CAR.replace("1.6 4.0", "0 4.0"), r"line 2: h w l is \[1.5, 0.0, 4.0\]; all must be above 0 metres"),
    ],
)
def test_a_wrong_label_is_named_by_line_value_and_rule(write, line, expected):
    with pytest.raises(VideoError, match=r"0000\.txt: " + expected):
        read_labels(write(CAR, line))


def test_the_file_of_another_class_is_refused(write):
    with pytest.raises(VideoError, match=r"line 1: type is 2; Pedestrian has the type 1 \(is it another class's file"):
        read_detections(write(FOUND), "Pedestrian")


def test_an_empty_and_a_missing_file_say_what_was_expected(write, tmp_path):
    with pytest.raises(VideoError, match="holds no box; expected lines of frame type x1"):
        read_detections(write(""), "Car")
    with pytest.raises(VideoError, match=r"none\.txt: cannot be read: No such file"):
        read_labels(tmp_path / "none.txt")


def test_a_binary_file_is_no_label_file(tmp_path):
    path = tmp_path / "0000.txt"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(VideoError, match="not a text file"):
        read_labels(path)
