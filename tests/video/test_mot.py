import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.mot import read_mot, write_mot

LINE = "1,7,10,20,30,40,0.5,-1,-1,-1"


def write(tmp_path, *lines):
    path = tmp_path / "boxes.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_line_is_frame_id_box_and_score(tmp_path):
    table = read_mot(write(tmp_path, LINE), "tracks")
    assert (table.frames.tolist(), table.ids.tolist(), table.scores.tolist()) == ([1], [7], [0.5])
    assert table.boxes_xywh_px.tolist() == [[10, 20, 30, 40]]
    assert (table.frames.dtype, table.boxes_xywh_px.dtype) == (np.int32, np.float32)


def test_boxes_are_sorted_by_time_and_remember_their_lines(tmp_path):
    table = read_mot(write(tmp_path, "3,1,0,0,9,9,1", "", "1,1,0,0,8,8,1", "2.0,4,0,0,7,7,1"), "tracks")
    assert table.frames.tolist() == [1, 2, 3]
    assert table.lines.tolist() == [3, 4, 1]
    assert {i: rows.tolist() for i, rows in table.rows_by_id().items()} == {1: [0, 2], 4: [1]}


def test_detections_lose_whatever_stands_in_the_id_column(tmp_path):
    table = read_mot(write(tmp_path, LINE, LINE), "detections")
    assert table.ids.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,7,10,20,30,40", "line 2: '1,7,10,20,30,40' has 6 values; expected at least 7"),
        ("1 7 10 20 30 40 1", "has 1 values; expected at least 7, separated by commas"),
        ("1,7,10,x,30,40,1", "line 2: y is 'x'; expected a number"),
        ("1,7,nan,20,30,40,1", "line 2: x is nan; must be finite"),
        ("1,7,10,20,30,inf,1", "line 2: h is inf; must be finite"),
        ("1,7,10,20,30,40,nan", "line 2: conf is nan; must be finite"),
        ("0,7,10,20,30,40,1", "line 2: frame is 0; must be a whole number, counted from 1"),
        ("1.5,7,10,20,30,40,1", "line 2: frame is 1.5; must be a whole number"),
        ("1e12,7,10,20,30,40,1", "line 2: frame is 1000000000000.0; must be finite and sane"),
        ("1,7,10,20,1e-60,40,1", "line 2: box size is 1e-60 x 40 px"),
        ("1,7.5,10,20,30,40,1", "line 2: id is 7.5; must be a whole number"),
        ("1,7,10,20,0,40,1", "line 2: box size is 0 x 40 px; width and height must be above 0"),
        ("1,7,10,20,30,-4,1", "line 2: box size is 30 x -4 px"),
        ("1,-1,10,20,30,40,1", "line 2: id is -1; a track's id must be at least 0; .* --detections"),
        ("5,7,10,20,30,40,1", "line 2: frame 5 of id 7 stands on line 1 already"),
    ],
)
def test_a_bad_line_is_named_with_value_and_rule(tmp_path, line, expected):
    with pytest.raises(VideoError, match=expected) as caught:
        read_mot(write(tmp_path, "5,7,10,20,30,40,1", line), "tracks")
    assert "boxes.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_an_error(tmp_path, text):
    path = tmp_path / "empty.txt"
    path.write_text(text)
    with pytest.raises(VideoError, match=r"empty.txt: holds no box"):
        read_mot(path, "tracks")


def test_a_missing_file_a_folder_and_a_binary_file_are_errors(tmp_path):
    binary = tmp_path / "video.avi"
    binary.write_bytes(b"\xff\xfe\x80RIFF")
    for path, expected in ((tmp_path / "no.txt", "No such file"), (tmp_path, "directory"), (binary, "not a text")):
        with pytest.raises(VideoError, match=expected):
            read_mot(path, "tracks")


def test_ignored_ground_truth_goes_in_mot16_and_stays_in_mot15(tmp_path):
    mot16 = write(tmp_path, "1,1,0,0,9,9,1,1,1.0", "1,2,0,0,9,9,0,3,1.0")
    assert read_mot(mot16, "ground truth").ids.tolist() == [1]
    mot15 = write(tmp_path, "1,1,0,0,9,9,1,-4.1,-7.3,0", "1,2,0,0,9,9,0,-4.1,-7.3,0")
    assert read_mot(mot15, "ground truth").ids.tolist() == [1, 2]


def test_kept_lines_are_written_as_they_were_read(tmp_path):
    table = read_mot(write(tmp_path, "2,1,0.10,0,9,9,1", "1,2,0,0,9,9,1", "1,1,0,0,9,9.00,1,-1"), "tracks")
    write_mot(tmp_path / "kept.txt", table, {1})
    assert (tmp_path / "kept.txt").read_text() == "1,1,0,0,9,9.00,1,-1\n2,1,0.10,0,9,9,1\n"
