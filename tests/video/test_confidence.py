import math

import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.confidence import confidences
from track_persistence.video.mot import read_mot


def table(tmp_path, *scores):
    path = tmp_path / "boxes.txt"
    path.write_text("".join(f"{frame},1,0,0,9,9,{score}\n" for frame, score in enumerate(scores, start=1)))
    return read_mot(path, "tracks")


def test_a_probability_is_taken_as_it_is(tmp_path):
    assert confidences(table(tmp_path, 0, 0.25, 1), "probability").tolist() == [0, 0.25, 1]


@pytest.mark.parametrize("score", [1.5, -0.1])
def test_a_probability_outside_its_range_is_an_error(tmp_path, score):
    with pytest.raises(VideoError, match=rf"line 2: confidence is {score}; .* pass --confidence raw"):
        confidences(table(tmp_path, 0.5, score), "probability")


def test_raw_scores_are_log_odds(tmp_path):
    values = confidences(table(tmp_path, 0, math.log(3), -math.log(3), 1000, -1000), "raw")
    assert values == pytest.approx([1 / 2, 3 / 4, 1 / 4, 1, 0])
