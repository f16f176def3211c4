import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import VideoError
from track_persistence.video.detect import Detections, HogConfig, HogPeopleDetector, detect_video, video_clock
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

CONFIG = HogConfig(hit_threshold=0.0, stride_px=8, padding_px=16, pyramid_step=1.05, merge_iou=0.6, nms_iou=0.4)
PETS = Path(__file__).parents[3] / "shared" / "data" / "pets09"
IMAGE = np.zeros((480, 640, 3), np.uint8)


class Windows:
    """Stands for OpenCV's descriptor: answers with given windows and margins."""

    def __init__(self, windows: list[tuple[int, ...]], margins: list[float]) -> None:
        self._answer = (np.array(windows, np.int32).reshape(-1, 4), np.array(margins))

    def detectMultiScale(self, image: np.ndarray, **settings: object) -> tuple[np.ndarray, np.ndarray]:
        return self._answer


def merged(windows: list[tuple[int, ...]], margins: list[float], **changes: float) -> Detections:
    detector = HogPeopleDetector(CONFIG.model_copy(update=changes))
    detector._hog = Windows(windows, margins)
    return detector.detect(IMAGE)


def test_a_box_is_the_person_in_the_middle_of_the_window() -> None:
    # 64 x 128 px hold a person of 32 x 96; 0.5 px from the outer edge of the first pixel to its centre
    found = merged([(100, 40, 64, 128)], [0.7])
    assert found.boxes_xywh_px.tolist() == [[115.5, 55.5, 32, 96]]
    assert found.scores.tolist() == [0.7]


def test_windows_on_one_person_become_their_mean_with_the_best_score() -> None:
    # moved by 8 of 64 px they overlap by 56 / 72 = 0.78; moved by 22 by 42 / 86 = 0.49: suppressed, but not merged
    found = merged([(100, 40, 64, 128), (108, 40, 64, 128), (130, 40, 64, 128)], [0.7, 0.9, 0.1])
    assert found.boxes_xywh_px[:, 0].tolist() == [119.5]  # 16 px into the mean of 100 and 108
    assert found.scores.tolist() == [0.9]


def test_with_a_merge_iou_of_one_the_best_window_stands_alone() -> None:
    found = merged([(100, 40, 64, 128), (108, 40, 64, 128)], [0.7, 0.9], merge_iou=1.0)
    assert found.boxes_xywh_px[:, 0].tolist() == [123.5]


def test_people_apart_stay_apart_best_first() -> None:
    found = merged([(0, 0, 64, 128), (200, 0, 64, 128)], [0.2, 0.8])
    assert found.boxes_xywh_px[:, 0].tolist() == [215.5, 15.5]


def test_the_order_in_which_threads_hand_in_windows_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    windows = [(int(x), int(y), 64, 128) for x, y in rng.integers(0, 120, (40, 2))]
    margins = rng.choice([0.2, 0.4, 0.6], 40).tolist()  # with ties
    order = rng.permutation(40)
    one, other = merged(windows, margins), merged([windows[i] for i in order], [margins[i] for i in order])
    assert one.boxes_xywh_px.tolist() == other.boxes_xywh_px.tolist()


def test_an_empty_image_has_nobody() -> None:
    found = HogPeopleDetector(CONFIG).detect(IMAGE)
    assert (found.boxes_xywh_px.shape, found.scores.shape) == ((0, 4), (0,))


@pytest.mark.skipif(not PETS.is_dir(), reason="PETS09 is not beside the repository")
def test_real_people_are_found_where_the_ground_truth_has_them() -> None:
    truth = read_mot(PETS / "gt" / "gt.txt", "ground truth")
    *_, image = Video(PETS / "PETS09-S2L1.avi").frames(60)
    people = truth.boxes_xywh_px[truth.frames == 60]
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)  # people of 96 px and more
    found = HogPeopleDetector(CONFIG).detect(large)
    centres = (found.boxes_xywh_px[:, :2] + found.boxes_xywh_px[:, 2:] / 2 + 0.5) / 2
    offsets = np.abs(centres[:, None] - (people[:, :2] + people[:, 2:] / 2)) / people[:, 2:]
    hits = (offsets < 0.25).all(axis=2)
    assert hits.any(axis=0).mean() >= 0.5  # a weak detector: half of the people
    assert hits.any(axis=1)[: len(people) // 2].all()  # and its surest boxes are people


class Scripted:
    """A detector that answers image by image."""

    def __init__(self, *answers: Detections) -> None:
        self._answers = iter(answers)

    def detect(self, image: np.ndarray) -> Detections:
        return next(self._answers)


NOBODY = Detections(np.empty((0, 4)), np.empty(0))


def small_video(path: Path, count: int, rate_hz: float = 7.0) -> Video:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, (96, 64))
    for _ in range(count):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    return Video(path)


def test_detections_are_written_as_mot_with_frames_from_one_and_edges_from_zero(tmp_path: Path) -> None:
    one = Detections(np.array([[9.5, 19.5, 20, 30], [90.0, 0, 20, 30]]), np.array([0.25, 0.5]))
    table = detect_video(small_video(tmp_path / "v.avi", 3), Scripted(NOBODY, one, NOBODY), 3, tmp_path / "det.txt")
    # the second box's centre, x = 100, lies outside of the 96 px
    assert (tmp_path / "det.txt").read_text() == "2,-1,10.00,20.00,20.00,30.00,0.2500,-1,-1,-1\n"
    assert table.frames.tolist() == [2]
    assert table.boxes_xywh_px.tolist() == [[10, 20, 20, 30]]


def test_a_video_without_people_is_an_error_that_says_what_to_turn(tmp_path: Path) -> None:
    video = small_video(tmp_path / "v.avi", 2)
    with pytest.raises(VideoError, match=r"v\.avi: nobody found in 2 frames; lower multicamera\.hog\.hit_threshold"):
        detect_video(video, Scripted(NOBODY, NOBODY), 2, tmp_path / "det.txt")


def test_the_clock_of_a_video_is_its_rate_and_its_decodable_frames(tmp_path: Path) -> None:
    assert video_clock(small_video(tmp_path / "v.avi", 5).path) == (7.0, 5)


def test_a_video_without_a_frame_rate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no.avi"
    path.write_bytes(b"nothing")
    with pytest.raises(VideoError, match=r"no\.avi: states no frame rate"):
        video_clock(path)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(VideoError, match="needs the package 'supervision'; run `pip install"):
        HogPeopleDetector(CONFIG)
