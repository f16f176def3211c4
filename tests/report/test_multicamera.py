import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, VideoError
from track_persistence.core.params import load_section
from track_persistence.core.rig import Camera, CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.report.multicamera import MulticameraInputs, open_recording, parse_arguments, run
from track_persistence.report.multicamera_config import MulticameraConfig
from track_persistence.report.multicamera_people import transitivity, upwards
from track_persistence.report.multicamera_picture import busiest_frame
from track_persistence.stereo.calibration import save_rig
from track_persistence.stereo.geometry import project
from track_persistence.tracking.config import TrackingConfig
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

ROOT = Path(__file__).parents[2]
POSE2SIM = ROOT.parent / "shared" / "data" / "pose2sim_multiperson"
TRACKING = load_section(ROOT / "params.yaml", "tracking", TrackingConfig)
CONFIG = MulticameraConfig.model_validate(
    {
        "scale": 0.25,
        "hog": {
            "hit_threshold": 0.0,
            "stride_px": 8,
            "padding_px": 16,
            "pyramid_step": 1.05,
            "merge_iou": 0.6,
            "nms_iou": 0.4,
        },
        "link": {"method": "sort", "min_iou": 0.3, "max_missed_frames": 15, "high_confidence": 0.6},
        "stereo": {
            "pixel_sigma_px": 3.0,
            "size_sigma": 0.02,
            "correlated_frames": 12.0,
            "bias_sigma_px": 10.0,
            "min_joint_frames": 5,
            "max_depth_m": 15.0,
        },
        "smoothing": {"process_psd": 2.0, "speed_sigma_mps": 1.5, "max_sigma_m": 0.15},
    }
)
SIZE_PX = (160, 240)
FRAMES = 12
HEIGHT_M, WIDTH_M = 1.8, 0.6
Walk = Callable[[int], tuple[float, float]]
WALKS: tuple[Walk, ...] = (lambda frame: (0.05 * frame - 0.5, 0.6), lambda frame: (0.2, 0.03 * frame - 1.0))


def ring(count: int = 4) -> CameraRig:
    """Cameras 5 m from the origin of a floor with z up, 2 m high, looking at a point 1 m above it."""
    cameras = []
    for index in range(count):
        angle = 0.3 + 2 * np.pi * index / count
        centre = np.array([5 * np.cos(angle), 5 * np.sin(angle), 2.0])
        ahead = np.array([0, 0, 1.0]) - centre
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        intrinsics = np.array([[200.0, 0, 79.5], [0, 200, 119.5], [0, 0, 1]])
        pose = np.column_stack([rotation, -rotation @ centre])
        cameras.append(Camera(f"c{index}", intrinsics, np.empty(0), pose, SIZE_PX, 20.0))
    return CameraRig(tuple(cameras))


def box(camera: Camera, walk: Walk, frame: int) -> tuple[float, ...]:
    """The box of somebody 1.8 m tall and 0.6 m wide, as pixels count from the first one's centre."""
    x, y = walk(frame)
    centre, top, bottom = project(camera, np.array([[x, y, HEIGHT_M / 2], [x, y, HEIGHT_M], [x, y, 0.0]]))
    height = float(np.linalg.norm(bottom - top))
    width = height * WIDTH_M / HEIGHT_M
    return float(centre[0]) - width / 2, float(centre[1]) - height / 2, width, height


def write_video(path: Path, size_px: tuple[int, int] = SIZE_PX, rate_hz: float = 20.0, frames: int = FRAMES) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, size_px)
    for _ in range(frames):
        writer.write(np.full((size_px[1], size_px[0], 3), 90, np.uint8))
    writer.release()
    return path


def recording(folder: Path, rig: CameraRig) -> MulticameraInputs:
    """Write the two walks as every camera sees them, in frames 1 to 12, and a false alarm that camera 0 alone has."""
    save_rig(folder / "rig.toml", rig)
    detections = []
    for index, camera in enumerate(rig.cameras):
        boxes = [(frame, *box(camera, walk, frame)) for frame in range(1, FRAMES + 1) for walk in WALKS]
        boxes += [(frame, 5, 5, 12, 30) for frame in range(1, FRAMES + 1) if index == 0]
        lines = [f"{frame},-1,{x + 0.5},{y + 0.5},{w},{h},0.8,-1,-1,-1\n" for frame, x, y, w, h in sorted(boxes)]
        detections.append(folder / f"det{index}.txt")
        detections[-1].write_text("".join(lines))
    videos = tuple(write_video(folder / f"{camera.name}.avi") for camera in rig.cameras)
    return MulticameraInputs(folder / "rig.toml", videos, tuple(detections), "probability")


def test_two_walks_seen_by_four_cameras_become_two_people_and_the_false_alarm_stays_alone(tmp_path: Path) -> None:
    run(CONFIG, TRACKING, recording(tmp_path, ring()), tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert numbers["groups_by_cameras"] == {"2": 0, "3": 0, "4": 2}
    # 2 walks x 4 cameras of 9 tracks of 12 boxes each
    assert numbers["explained_share_of_boxes"] == pytest.approx(8 / 9, abs=1e-5)
    assert numbers["cameras"]["c0"]["boxes_per_frame"] == 3
    assert numbers["cameras"]["c0"]["explained_boxes_per_frame"] == 2
    # each of the 4 triples of cameras has a chain about each of its 3 cameras, for each walk
    assert numbers["transitivity"] == {"closed": 24, "chains": 24}
    middles = [walk(6.5) for walk in WALKS]
    places = sorted(person["median_position_m"] for person in numbers["people"])
    assert np.array(places) == pytest.approx(np.array(sorted((x, y, HEIGHT_M / 2) for x, y in middles)), abs=0.02)
    assert [person["height_m"] for person in numbers["people"]] == pytest.approx([HEIGHT_M] * 2, rel=0.02)


def test_a_run_leaves_tracks_of_every_camera_the_table_and_a_picture(tmp_path: Path) -> None:
    run(CONFIG, TRACKING, recording(tmp_path, ring(3)), tmp_path / "out")
    for index in range(3):
        tracks = read_mot(tmp_path / "out" / f"tracks_c{index}.txt", "tracks")
        assert len(tracks.rows_by_id()) == (3 if index == 0 else 2)
    header, *rows = (tmp_path / "out" / "tracks3d.csv").read_text().splitlines()
    assert header.startswith("track,frame,time_s,x_m,y_m,z_m")
    assert len(rows) == 2 * FRAMES
    picture = cv2.imread(str(tmp_path / "out" / "picture.png"))
    assert min(picture.shape[:2]) > 1000
    colours = np.unique(picture.reshape(-1, 3), axis=0)[:, ::-1].astype(int)
    for person in ((242, 61, 61), (61, 108, 242)):  # export_table.colours_of(2)
        assert np.abs(colours - person).sum(axis=1).min() < 12


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    inputs = recording(tmp_path, ring(2))
    for name in ("one", "two"):
        run(CONFIG, TRACKING, inputs, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("size_px", "advice"), [((240, 160), "turn the video by 90 degrees"), ((80, 120), "in its order of cameras")]
)
def test_a_video_of_another_size_contradicts_the_calibration(
    tmp_path: Path, size_px: tuple[int, int], advice: str
) -> None:
    inputs = recording(tmp_path, ring(2))
    write_video(inputs.videos[1], size_px)
    with pytest.raises(DataError, match=rf"c1\.avi: .* image size that contradicts the calibration: .*c1; .*{advice}"):
        open_recording(inputs)


def test_videos_of_different_frame_rates_are_refused(tmp_path: Path) -> None:
    inputs = recording(tmp_path, ring(2))
    write_video(inputs.videos[1], rate_hz=10.0)
    with pytest.raises(DataError, match=r"c0\.avi 20 Hz, .*c1\.avi 10 Hz: cameras of different frame rates"):
        open_recording(inputs)


@pytest.mark.parametrize(("flag", "field"), [("--videos", "videos"), ("--detections", "detections")])
def test_there_must_be_one_file_for_each_camera(tmp_path: Path, flag: str, field: str) -> None:
    inputs = recording(tmp_path, ring(3))
    fewer = {**vars(inputs), field: getattr(inputs, field)[:2]}
    with pytest.raises(DataError, match=rf"{flag}: 2 files, but .*rig\.toml holds 3 cameras \(c0, c1, c2\)"):
        open_recording(MulticameraInputs(**fewer))


def test_detections_past_the_end_of_their_video_are_refused(tmp_path: Path) -> None:
    inputs = recording(tmp_path, ring(2))
    write_video(inputs.videos[0], frames=FRAMES - 2)
    with pytest.raises(VideoError, match=r"c0\.avi: frame 12 is asked for, but the video has 10 decodable frames"):
        run(CONFIG, TRACKING, inputs, tmp_path / "out")


def test_detections_and_what_their_scores_are_go_together() -> None:
    arguments = ["--rig", "r", "--videos", "a", "b", "--output-dir", "o", "--detections", "c", "d"]
    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    assert parse_arguments([*arguments, "--confidence", "raw"]).detections == [Path("c"), Path("d")]


def test_up_is_the_axis_that_the_images_agree_on() -> None:
    assert upwards(ring()).tolist() == [0, 0, 1]
    plain = [
        Camera(str(x), np.diag([200.0, 200, 1]), np.empty(0), np.column_stack([np.eye(3), [x, 0, 0]]), SIZE_PX, 20.0)
        for x in (0.0, -1.0)
    ]
    assert upwards(CameraRig(tuple(plain))).tolist() == [0, -1, 0]  # a camera's y points down


def test_noise_and_motion_of_the_section_replace_those_of_tracking() -> None:
    made = CONFIG.tracking(TRACKING)
    assert (made.stereo.bias_sigma_px, made.smoothing.process_psd) == (10.0, 2.0)
    assert made.stereo.log_size_sigma == TRACKING.stereo.log_size_sigma
    assert made.smoothing.student_dof == TRACKING.smoothing.student_dof


def test_a_chain_without_its_third_pair_is_open() -> None:
    # camera 0 and camera 2 see the walk at different times, camera 1 all the time: 0-1 and 1-2 are pairs, 0-2 is none
    rig, tracks = ring(3), []
    for index, frames in enumerate((range(1, 21), range(1, 41), range(21, 41))):
        boxes = np.array([box(rig.cameras[index], WALKS[0], min(frame, 30)) for frame in frames], np.float32)
        tracks.append([BoxTrack(index, 7, np.array(frames, np.int32), boxes, np.full(len(frames), 0.5, np.float32))])
    assert transitivity(rig, tracks, CONFIG.tracking(TRACKING).stereo) == (0, 1)


def test_the_picture_shows_the_first_frame_with_most_boxes(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text(
        "".join(f"{frame},{i},{50 * i},0,20,40,1\n" for frame, i in [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)])
    )
    assert busiest_frame([], [read_mot(path, "tracks")]) == 2


@pytest.mark.slow
@pytest.mark.skipif(not POSE2SIM.is_dir(), reason="the recording is not beside the repository")
def test_two_people_in_a_room_are_found_by_several_of_its_cameras(tmp_path: Path) -> None:
    # The first 12 of 100 frames. By eye: a man and a woman before all four cameras, a bystander before the first two.
    videos = []
    for index in range(1, 5):
        source = Video(POSE2SIM / f"cam0{index}.mp4")
        videos.append(tmp_path / f"cam0{index}.avi")
        writer = cv2.VideoWriter(str(videos[-1]), cv2.VideoWriter.fourcc(*"MJPG"), 60, source.size_px)
        for image in source.frames(12):
            writer.write(image[..., ::-1])
        writer.release()
    inputs = MulticameraInputs(POSE2SIM / "Calib.qca.txt", tuple(videos), None, "raw")
    run(CONFIG, TRACKING, inputs, tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "summary.json").read_text())
    people = sorted(numbers["people"], key=lambda person: -len(person["track_ids"]))
    assert [len(person["track_ids"]) for person in people] == [4, 3, 2]
    # where heads and feet, clicked by eye in frame 1 of all cameras and triangulated, put the middle of each body
    for person, place_m in zip(people, [(0.19, -0.39, 0.71), (-1.32, -0.05, 0.91), (-4.28, 0.39, 0.63)], strict=True):
        assert person["median_position_m"] == pytest.approx(place_m, abs=0.15)
        assert 1.3 < person["height_m"] < 1.85
