import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.reader import Video

GREY_STEP = 20


def write_video(path, count, size=(96, 64), codec="MJPG"):
    """Write frames of one colour each: red grows by 20 from frame to frame, from 20; green stays 100, blue 0."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 7, size)
    assert writer.isOpened()
    for number in range(1, count + 1):
        writer.write(np.full((size[1], size[0], 3), (0, 100, GREY_STEP * number), np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(("name", "codec"), [("v.avi", "MJPG"), ("v.mp4", "mp4v")])
def test_frames_come_in_order_as_rgb(tmp_path, name, codec):
    video = Video(write_video(tmp_path / name, 5, codec=codec))
    assert video.size_px == (96, 64)
    means = [frame.mean(axis=(0, 1)) for frame in video.frames(5)]
    assert np.array(means) == pytest.approx(np.array([(20 * n, 100, 0) for n in range(1, 6)]), abs=6)


def test_frames_end_where_they_are_asked_to(tmp_path):
    video = Video(write_video(tmp_path / "v.avi", 5))
    assert [frame.shape for frame in video.frames(2)] == [(64, 96, 3)] * 2


def test_a_frame_past_the_end_is_named_with_the_count(tmp_path):
    video = Video(write_video(tmp_path / "v.avi", 3))
    video.check_length(3)
    with pytest.raises(VideoError, match=r"v\.avi: frame 4 is asked for, but the video has 3 decodable frames"):
        video.check_length(4)
    with pytest.raises(VideoError, match="frame 4 is asked for, but the video has 3"):
        list(video.frames(4))


def test_a_cut_file_counts_as_far_as_it_decodes(tmp_path):
    path = write_video(tmp_path / "v.avi", 8)
    content = path.read_bytes()
    fifth = [match.start() for match in re.finditer(b"00dc", content)][4]
    path.write_bytes(content[: fifth + 8])
    with pytest.raises(VideoError, match=r"frame 8 is asked for, but the video has [34] decodable frames"):
        Video(path).check_length(8)


def test_what_is_no_video_is_one_clear_error_and_nothing_else(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video at all\n" * 50)
    code = "import sys, pathlib; from track_persistence.video.reader import Video; Video(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    with pytest.raises(VideoError, match=r"notes\.mp4: cannot be decoded, not even frame 1; convert it"):
        Video(path)
    assert "VideoError" in done.stderr.splitlines()[-1]
    assert "moov" not in done.stderr


@pytest.mark.parametrize("name", ["no.mp4", "."])
def test_a_missing_video_and_a_folder_are_errors(tmp_path, name):
    with pytest.raises(VideoError, match="no such video file"):
        Video(tmp_path / name)


def test_a_text_file_is_no_video_though_ffmpeg_plays_it(tmp_path):
    path = tmp_path / "tracks.txt"
    path.write_text("1,1,10,10,20,20,1\n" * 200)
    with pytest.raises(VideoError, match=r"tracks\.txt: cannot be decoded"):
        Video(path)
