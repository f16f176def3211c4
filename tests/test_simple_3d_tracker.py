import csv
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import CheckpointError, DataError, ParamsError, StorageError, VideoError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.storage import write_scenes
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Track, Trajectory
from track_persistence.stereo.calibration import save_rig

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., str]
FRAMES = np.arange(1, 7, dtype=np.int32)
OBJECT_M, GLARE_M = np.array([0.3, -0.4, 6.0]), np.array([0.5, 0.6, 4.0])


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simple_3d_tracker", ROOT / "simple_3d_tracker.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*flags: object) -> str:
        program.main(["--params", str(ROOT / "params.yaml"), *map(str, flags)])
        return capsys.readouterr().out

    return call


def make_rig(width: int = 320) -> StereoRig:
    def camera(name: str, x_m: float) -> Camera:
        intrinsics = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
        pose = np.column_stack([np.eye(3), [-x_m, 0, 0]])
        return Camera(name, intrinsics, np.empty(0), pose, (width, 240), 25.0)

    return StereoRig((camera("left", 0.0), camera("right", 0.5)))


def boxes(camera: int, position_m: np.ndarray) -> np.ndarray:
    x, y, z = position_m - [0.5 * camera, 0, 0]
    side = 300 * 0.5 / z
    corner = [160 + 300 * x / z - side / 2, 120 + 300 * y / z - side / 2]
    return np.tile([*corner, side, side], (6, 1)).astype(np.float32)


def make_track(camera: int, track_id: int, position_m: np.ndarray) -> Track:
    crops = np.zeros((6, 64, 64, 3), np.uint8)
    return Track(camera, track_id, FRAMES, boxes(camera, position_m), np.full(6, 0.8, np.float32), crops)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Scenes 4 and 5: one object (ids 7 and 9) and one glare (8 and 6)."""

    def scene(scene_id: int) -> StereoScene:
        first = (
            LabelledTrack(make_track(0, 7, OBJECT_M), Kind.PERSISTENT, object_id=2),
            LabelledTrack(make_track(0, 8, GLARE_M), Kind.BRIEF, Ghost.GLARE, object_id=3),
        )
        second = (
            LabelledTrack(make_track(1, 6, GLARE_M), Kind.BRIEF, Ghost.GLARE, object_id=3),
            LabelledTrack(make_track(1, 9, OBJECT_M), Kind.PERSISTENT, object_id=2),
        )
        # The stored truth stands 0.25 m beside where the boxes point.
        path = Trajectory(2, FRAMES, np.tile(OBJECT_M + np.array([0, 0.25, 0]), (6, 1)), np.ones((6, 2), np.bool_))
        return StereoScene(scene_id, make_rig(), (first, second), (path,))

    file = tmp_path / "scenes.h5"
    write_scenes(file, [scene(4), scene(5)], {})
    return file


def write_video(path: Path, rate_hz: float) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, (320, 240))
    for _ in FRAMES:
        writer.write(np.full((240, 320, 3), 90, np.uint8))
    writer.release()


@pytest.fixture
def mot_flags(tmp_path: Path) -> list[object]:
    """The same two things as MOT files of two real videos; their boxes count from the first pixel's outer edge."""
    flags: list[object] = ["--rig", tmp_path / "rig.yml", "--confidence", "probability"]
    save_rig(tmp_path / "rig.yml", make_rig())
    for camera, ids in enumerate(((7, 8), (9, 6))):
        video, tracks = tmp_path / f"video{camera}.avi", tmp_path / f"tracks{camera}.txt"
        write_video(video, 25)
        rows = [
            f"{frame},{track_id},{','.join(f'{value:.4f}' for value in np.add(box, [0.5, 0.5, 0, 0]))},0.8"
            for track_id, position in zip(ids, (OBJECT_M, GLARE_M), strict=True)
            for frame, box in zip(FRAMES, boxes(camera, position), strict=True)
        ]
        tracks.write_text("\n".join(rows) + "\n")
        flags += [f"--video{camera + 1}", video, f"--tracks{camera + 1}", tracks]
    return flags


def test_a_stored_scene_is_reconstructed_and_held_against_its_truth(run: Run, shard: Path, tmp_path: Path) -> None:
    lines = run("--scenes", shard, "--scene-id", 5, "--output", tmp_path / "points.csv").splitlines()
    assert lines[0].startswith("scene 5, ") and lines[0].endswith("2 + 2 2D tracks")
    # track, ids, points, mean x y z, ... , truth, error
    assert lines[2].split()[:7] == ["0", "7", "9", "6", "0.30", "-0.40", "6.00"]
    assert lines[2].split()[-3:] == ["object", "2", "0.25"]
    assert lines[3].split()[:4] == ["1", "8", "6", "6"] and lines[3].split()[-2:] == ["glare", "-"]
    assert lines[4] == "filter off: 4 tracks, 0 filtered out (0%), 4 kept; 2 pairs, 2 3D tracks, 12 points"
    rows = list(csv.DictReader((tmp_path / "points.csv").read_text().splitlines()))
    assert len(rows) == 12
    np.testing.assert_allclose([float(rows[0][f"{axis}_m"]) for axis in "xyz"], OBJECT_M, atol=1e-3)
    assert (rows[0]["frame"], rows[0]["status"], rows[0]["persistence"]) == ("1", "ok", "")


def test_the_first_stored_scene_is_the_default(run: Run, shard: Path) -> None:
    assert run("--scenes", shard).startswith("scene 4, ")


def test_track_files_of_two_videos_are_reconstructed(run: Run, mot_flags: list[object]) -> None:
    lines = run(*mot_flags).splitlines()
    assert lines[2].split()[:7] == ["0", "7", "9", "6", "0.30", "-0.40", "6.00"]
    assert lines[3].split()[:7] == ["1", "8", "6", "6", "0.50", "0.60", "4.00"]
    assert lines[2].split()[-2:] == ["-", "-"]


def test_a_video_of_another_size_than_the_calibration_is_refused(
    run: Run, mot_flags: list[object], tmp_path: Path
) -> None:
    save_rig(tmp_path / "rig.yml", make_rig(width=640))
    with pytest.raises(DataError, match=r"video0\.avi: frames of \(320, 240\) px, but camera left"):
        run(*mot_flags)


def test_a_calibration_in_millimetres_gives_the_same_metres(run: Run, mot_flags: list[object], tmp_path: Path) -> None:
    expected = run(*mot_flags)
    left, right = make_rig().cameras
    apart = replace(right, cam_from_world=right.cam_from_world * [1, 1, 1, 1000])
    save_rig(tmp_path / "rig.yml", StereoRig((left, apart)))
    assert run(*mot_flags, "--metres-per-unit", 0.001) == expected


def test_videos_of_different_frame_rates_are_refused(run: Run, mot_flags: list[object], tmp_path: Path) -> None:
    write_video(tmp_path / "video1.avi", 30)
    with pytest.raises(DataError, match=r"video0\.avi runs at 25 Hz, .*video1\.avi at 30 Hz; .*resample one"):
        run(*mot_flags)


def test_boxes_of_larger_images_than_the_calibration_is_for_are_refused(
    run: Run, mot_flags: list[object], tmp_path: Path
) -> None:
    # The boxes of images three times as large, such as a tracker makes that ran before the video was scaled down.
    tracks = tmp_path / "tracks0.txt"
    rows = [line.split(",") for line in tracks.read_text().splitlines()]
    scaled = [[*row[:2], *(str(3 * float(value)) for value in row[2:6]), row[6]] for row in rows]
    tracks.write_text("\n".join(",".join(row) for row in scaled) + "\n")
    with pytest.raises(VideoError, match=r"tracks0\.txt: line 1: box 489, .* lies outside the image of 320 x 240 px"):
        run(*mot_flags)


def test_a_simulated_scene_runs_to_3d_and_twice_alike(run: Run) -> None:
    flags = ("--scene-id", 3, "--persistent", 1, "--brief", 0, "--noise", 1)
    text = run(*flags)
    assert text == run(*flags)
    lines = text.splitlines()
    assert lines[0] == "scene 3, simulated: 2 + 2 2D tracks"
    assert float(lines[2].split()[-1]) < 5
    assert lines[-1].startswith("filter off: 4 tracks, 0 filtered out (0%), 4 kept; 1 pairs, 1 3D tracks")


def test_the_filter_drops_what_it_does_not_believe(
    program: ModuleType, run: Run, shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from track_persistence.tracking.results import Verdict

    class Nobody:
        threshold = 0.5

        def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
            return [Verdict(False, 0.25, -np.log(3), np.full(len(track), 1 / len(track))) for track in tracks]

    monkeypatch.setattr(program, "load_filter", lambda given: Nobody())
    lines = run("--scenes", shard, "--use-persistence-filter").splitlines()
    assert lines[-1] == "filter on: 4 tracks, 4 filtered out (100%), 0 kept; 2 pairs, 0 3D tracks, 0 points"


def test_the_filter_is_that_of_the_named_profile(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(
        "track_persistence.tracking.filter.PersistenceFilter", lambda *_paths, profile: asked.append(profile)
    )
    for name in ("model", "magvit"):
        (tmp_path / name).touch()
    flags = ["--model-checkpoint", str(tmp_path / "model"), "--magvit-checkpoint", str(tmp_path / "magvit")]
    program.load_filter(program.parse_arguments(flags))
    program.load_filter(program.parse_arguments([*flags, "--profile", "nominal"]))
    assert asked == [None, "nominal"]


@pytest.mark.parametrize(
    ("flags", "error", "reason"),
    [
        (["--use-persistence-filter", "--model-checkpoint", "none"], CheckpointError, "make repro.*dvc pull"),
        (["--tracks1", "a.txt"], ParamsError, "--tracks1: track files need all of --tracks1, --tracks2, --video1"),
        (["--brief", "1"], ParamsError, "--brief: give all of --persistent, --brief, --noise or none"),
        (["--persistent", "-1", "--brief", "1", "--noise", "1"], ParamsError, "must be at least 0"),
        (["--scenes", "none.h5"], StorageError, "none.h5: no such file"),
        (["--scenes", "none.h5", "--noise", "1"], ParamsError, "--scenes and --noise"),
    ],
)
def test_flags_that_do_not_fit_are_named(run: Run, flags: list[str], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        run(*flags)


def test_track_files_and_a_scene_exclude_each_other(run: Run, mot_flags: list[object], shard: Path) -> None:
    with pytest.raises(ParamsError, match="--tracks1 and --scenes: choose track files or a scene"):
        run(*mot_flags, "--scenes", shard)


@pytest.mark.parametrize("scene_id", [0, 3])
def test_a_scene_id_beside_track_files_is_refused(run: Run, mot_flags: list[object], scene_id: int) -> None:
    with pytest.raises(ParamsError, match="--tracks1 and --scene-id: choose track files or a scene"):
        run(*mot_flags, "--scene-id", scene_id)


def test_a_scene_that_is_not_in_the_shard_is_named(run: Run, shard: Path) -> None:
    with pytest.raises(StorageError, match="scene 9 is not in this shard; it holds 4 to 5"):
        run("--scenes", shard, "--scene-id", 9)


def test_bad_input_is_one_line_and_exit_code_2_and_torch_stays_away() -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['simple', '--noise', '1']\n"
        "try: runpy.run_path('simple_3d_tracker.py', run_name='__main__')\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: --noise: give all of --persistent, --brief, --noise or none\n"
