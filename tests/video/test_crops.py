from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.simulation.film import Film
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import check_boxes, cut_crop, stream_tracks
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

WIDTH, HEIGHT = 96, 64


def box(*values):
    return np.array(values, np.float32)


def ramp():
    """Return an image whose red is the column and whose green is the row."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = np.arange(WIDTH)
    image[..., 1] = np.arange(HEIGHT)[:, None]
    return image


def test_a_box_of_the_crops_own_size_is_copied():
    crop = cut_crop(ramp(), box(10, 0, 64, 64), 0.0)
    assert crop[..., 0].tolist() == [list(range(10, 74))] * 64
    assert crop[:, 0, 1].tolist() == list(range(64))


def test_the_margin_is_a_share_of_the_box_on_each_side():
    with_margin = cut_crop(ramp(), box(30, 20, 20, 10), 0.25)
    without = cut_crop(ramp(), box(25, 17.5, 30, 15), 0.0)
    assert (with_margin == without).all()
    assert (with_margin[0, 0, 0], with_margin[0, -1, 0]) == (25, 54)  # columns 25 to 54 hold the 30 px from 25 on


def test_a_box_between_two_pixels_is_interpolated():
    image = ramp() * 2
    crop = cut_crop(image, box(10.5, 0, 64, 64), 0.0)
    assert crop[0, :, 0].tolist() == list(range(21, 149, 2))  # halfway between 2 * n and 2 * (n + 1)


def test_a_box_is_cut_to_the_image_and_what_is_left_fills_the_crop():
    # columns 0 to 31 stay: two crop pixels to one of the image, so crop column k shows image column k / 2 - 1 / 4
    crop = cut_crop(4 * ramp(), box(-32, 0, 64, 64), 0.0)
    assert crop[:, :, 0].tolist() == [[0, *range(1, 127, 2)]] * 64
    assert crop[:, 0, 1].tolist() == list(range(0, 256, 4))
    # the lower right 32 x 16 px stay: crop column k shows 64 + k / 2 - 1 / 4, crop row k shows 48 + k / 4 - 3 / 8
    crop = cut_crop(ramp(), box(64, 48, 64, 64), 0.0)
    assert crop[0, 2::4, 0].tolist() == list(range(65, 96, 2))  # 64.75, 66.75, ... rounded
    assert (crop[:, -1, 0] == WIDTH - 1).all()
    assert (crop[-2:, :, 1] == HEIGHT - 1).all()


def test_the_margin_too_is_cut_to_the_image():
    assert (cut_crop(ramp(), box(0, 0, 80, 64), 0.2) == cut_crop(ramp(), box(0, 0, 96, 64), 0.0)).all()


def test_crops_cover_the_region_that_the_simulator_cuts():
    regions = Film.regions(
        SimpleNamespace(
            sensor=SimpleNamespace(config=SimpleNamespace(context_share=0.25)),
            camera=SimpleNamespace(image_size_px=(WIDTH, HEIGHT)),
        ),
        np.array([[-20.5, 10.5, 40, 16], [80.5, 40.5, 32, 40]]),  # counted from the first pixel's centre
    )
    for region, ours in zip(regions, (box(-20, 11, 40, 16), box(81, 41, 32, 40)), strict=True):
        whole = box(*np.add(region, [0.5, 0.5, 0, 0]))
        assert (cut_crop(ramp(), ours, 0.25) == cut_crop(ramp(), whole, 0.0)).all()


def test_a_large_box_is_averaged_not_sampled():
    stripes = np.zeros((128, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = cut_crop(stripes, box(0, 0, 256, 128), 0.0)
    assert crop.shape == (64, 64, 3)
    assert (crop == 100).all()


def test_a_box_below_one_pixel_still_gives_a_crop():
    assert (cut_crop(ramp(), box(5.1, 7.1, 0.2, 0.2), 0.0)[..., 0] == 5).all()


@pytest.fixture
def video(tmp_path):
    """Make a video of 6 frames of one grey each: 30, 60, ... 180."""
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 7, (WIDTH, HEIGHT))
    for number in range(1, 7):
        writer.write(np.full((HEIGHT, WIDTH, 3), 30 * number, np.uint8))
    writer.release()
    return Video(path)


def table(tmp_path, *lines):
    path = tmp_path / "boxes.txt"
    path.write_text("\n".join(lines))
    return read_mot(path, "tracks")


def stream(video, boxes, longest=100):
    return list(stream_tracks(video, boxes, confidences(boxes, "probability"), 0.1, longest))


def test_every_crop_shows_its_own_frame(tmp_path, video):
    boxes = table(tmp_path, "2,5,10,10,20,20,0.5", "3,5,10,10,20,20,0.6", "6,5,10,10,20,20,0.7")
    (track,) = stream(video, boxes)
    assert track.track_id == 5
    assert track.frames.tolist() == [2, 3, 6]
    assert track.confidences.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert track.crops.mean(axis=(1, 2, 3)) == pytest.approx(np.array([60, 90, 180]), abs=3)


def test_a_track_counts_from_the_centre_of_the_first_pixel_and_its_crops_do_not_move(tmp_path, video):
    boxes = table(tmp_path, "1,5,10,12,20,24,1", "2,5,11.25,12,20,24,1")
    (track,) = stream(video, boxes)
    assert track.boxes_xywh_px.tolist() == [[9.5, 11.5, 20, 24], [10.75, 11.5, 20, 24]]
    assert boxes.boxes_xywh_px.tolist() == [[10, 12, 20, 24], [11.25, 12, 20, 24]]
    image = next(iter(video.frames(1)))
    assert (track.crops[0] == cut_crop(image, box(10, 12, 20, 24), 0.1)).all()


def test_a_track_is_handed_out_as_soon_as_it_ended(tmp_path, video):
    boxes = table(tmp_path, "1,1,0,0,9,9,1", "2,1,0,0,9,9,1", "1,2,0,0,9,9,1", "5,3,0,0,9,9,1", "4,1,0,0,9,9,1")
    assert [track.track_id for track in stream(video, boxes)] == [2, 1, 3]


def test_a_long_track_is_cut_to_its_first_boxes(tmp_path, video):
    boxes = table(tmp_path, *(f"{frame},1,0,0,9,9,1" for frame in range(1, 7)))
    (track,) = stream(video, boxes, longest=4)
    assert track.frames.tolist() == [1, 2, 3, 4]
    assert len(track.crops) == 4


def test_a_box_that_overhangs_the_border_is_fine(tmp_path, video):
    (track,) = stream(video, table(tmp_path, "1,1,-15,50,20,40,1"))
    assert track.crops.mean() == pytest.approx(30, abs=3)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,2,96,0,9,9,1", r"line 2: box 96, 0, 9, 9 lies outside the image of 96 x 64 px"),
        ("1,2,-9,0,9,9,1", "line 2: box .* lies outside the image"),
        ("1,2,0,64,9,9,1", "line 2: box .* lies outside the image"),
        ("1,2,0,-20,9,9,1", "line 2: box .* lies outside the image"),
        ("1,2,0,0,9,900,1", "line 2: box size .* is more than 2 times the image"),
        ("7,2,0,0,9,9,1", "frame 7 is asked for, but the video has 6 decodable frames"),
    ],
)
def test_a_box_that_the_video_cannot_hold_is_named(tmp_path, video, line, expected):
    with pytest.raises(VideoError, match=expected):
        check_boxes(table(tmp_path, "1,1,0,0,9,9,1", line), video)
