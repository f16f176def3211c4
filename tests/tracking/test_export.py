"""3D tracks written to every format and read back by the format's own or a hand-written reader."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from rerun.chunk import RrdReader
from scipy.spatial.transform import Rotation

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Camera, CameraRig, Lens, StereoRig
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.geometry import project
from track_persistence.stereo.triangulation import Status
from track_persistence.tracking.export import export_tracks
from track_persistence.tracking.results import Reconstructed3DTrack

COLUMNS = (
    "track,frame,time_s,x_m,y_m,z_m,vx_mps,vy_mps,vz_mps,cov_xx_m2,cov_xy_m2,cov_xz_m2,cov_yy_m2,cov_yz_m2,cov_zz_m2,"
    "views,reprojection_px,persistence,status"
).split(",")
FLOATS = set(COLUMNS) - {"track", "frame", "views", "status"}


def make_track(
    frames: Sequence[int], start_m: Sequence[float], persistence: float | None, lost: Sequence[int] = ()
) -> Reconstructed3DTrack:
    """A thing that moves 0.1 m along x per frame, seen by both cameras; `lost` frames have no point."""
    count = len(frames)
    positions = np.array(start_m) + np.outer(np.array(frames) - frames[0], (0.1, 0, 0))
    covariances = np.tile(np.array([[0.04, 0.01, 0], [0.01, 0.09, 0], [0, 0, 0.25]]), (count, 1, 1))
    reprojection = np.tile([0.5, 1.5], (count, 1))
    status = np.zeros(count, np.uint8)
    rows = np.isin(frames, lost)
    positions[rows], covariances[rows], reprojection[rows] = np.nan, np.nan, np.nan
    status[rows] = Status.ONE_VIEW
    return Reconstructed3DTrack(
        track_ids=(4, 9),
        frames=np.array(frames, np.int32),
        positions_m=positions,
        velocities_mps=np.full((count, 3), np.nan),
        covariances_m2=covariances,
        views=np.where(rows, 1, 2).astype(np.uint8),
        reprojection_px=reprojection,
        status=status,
        persistence=persistence,
        confidence=np.full(count, 0.5, np.float32),
    )


@pytest.fixture
def tracks() -> list[Reconstructed3DTrack]:
    """Frames 10 to 12, the middle one without a point, and frame 11 alone: three located points."""
    return [make_track([10, 11, 12], (0.2, -0.1, 5.0), 0.75, lost=[11]), make_track([11], (-1.0, 0.4, 8.0), None)]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_per_track_and_frame_and_empty_cells_where_nothing_is_known(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.csv", tracks, rig)
    rows = read_csv(tmp_path / "t.csv")
    assert list(rows[0]) == COLUMNS
    assert [(row["track"], row["frame"]) for row in rows] == [("0", "10"), ("0", "11"), ("0", "12"), ("1", "11")]
    assert float(rows[2]["time_s"]) == 12 / 25  # frame over the rig's 25 Hz
    assert [float(rows[2][name]) for name in ("x_m", "y_m", "z_m")] == tracks[0].positions_m[2].tolist()
    assert [float(rows[0][f"cov_{name}_m2"]) for name in ("xx", "xy", "xz", "yy", "yz", "zz")] == [
        0.04,
        0.01,
        0.0,
        0.09,
        0.0,
        0.25,
    ]
    assert float(rows[0]["reprojection_px"]) == (0.5 + 1.5) / 2
    assert {name for name in COLUMNS if rows[1][name] == ""} == FLOATS - {"time_s", "persistence"}
    assert [row["status"] for row in rows] == ["ok", "one_view", "ok", "ok"] and rows[1]["views"] == "1"
    assert (rows[0]["persistence"], rows[3]["persistence"]) == ("0.75", "")


def test_every_filled_cell_of_the_csv_is_a_number_or_a_status_so_no_spreadsheet_runs_it(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.csv", tracks, rig)
    rows = read_csv(tmp_path / "t.csv")
    assert {row["status"] for row in rows} <= {status.name.lower() for status in Status}
    cells = [cell for row in rows for name, cell in row.items() if cell and name != "status"]
    assert np.isfinite([float(cell) for cell in cells]).all()


def test_parquet_holds_the_same_table_with_nulls(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.csv", tracks, rig)
    export_tracks(tmp_path / "t.parquet", tracks, rig)
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == COLUMNS
    assert {name for name in COLUMNS if str(table.schema.field(name).type) == "double"} == FLOATS
    for row, expected in zip(table.to_pylist(), read_csv(tmp_path / "t.csv"), strict=True):
        assert {name: value for name, value in row.items() if value is not None} == {
            name: cell if name == "status" else float(cell) for name, cell in expected.items() if cell
        }


def read_ply(path: Path) -> np.ndarray:
    header, body = path.read_bytes().split(b"end_header\n", maxsplit=1)
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    types = {"double": "<f8", "float": "<f4", "int": "<i4", "uchar": "|u1"}
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex "))
    fields = [(line.split()[2], types[line.split()[1]]) for line in lines if line.startswith("property ")]
    return np.frombuffer(body, np.dtype(fields), count=count if count * np.dtype(fields).itemsize == len(body) else -1)


def test_ply_holds_the_located_points_with_track_colour_and_persistence(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.ply", tracks, rig)
    vertices = read_ply(tmp_path / "t.ply")
    assert len(vertices) == 3  # four rows, one of them without a point
    located = np.concatenate([tracks[0].positions_m[[0, 2]], tracks[1].positions_m])
    assert np.array_equal(np.column_stack([vertices[axis] for axis in "xyz"]), located)
    assert vertices["track"].tolist() == [0, 0, 1] and vertices["frame"].tolist() == [10, 12, 11]
    assert np.array_equal(vertices["persistence"], np.array([0.75, 0.75, np.nan], np.float32), equal_nan=True)
    colours = np.column_stack([vertices[name] for name in ("red", "green", "blue")])
    assert np.array_equal(colours[0], colours[1]) and not np.array_equal(colours[0], colours[2])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ply"])
def test_the_same_tracks_give_the_same_bytes(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig, suffix: str
) -> None:
    for name in ("a", "b"):
        export_tracks(tmp_path / f"{name}{suffix}", tracks, rig)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.ply", "t.rrd", "model"])
def test_no_tracks_make_a_file_without_points(tmp_path: Path, rig: StereoRig, name: str) -> None:
    export_tracks(tmp_path / name, [], rig)
    assert (tmp_path / name).exists()
    if name == "t.csv":
        assert (tmp_path / name).read_text() == ",".join(COLUMNS) + "\n"


LENSES = {
    "no distortion": (np.empty(0), Lens.BROWN_CONRADY, "PINHOLE"),
    "four coefficients": (np.array([-0.1, 0.03, 0.001, -0.002]), Lens.BROWN_CONRADY, "OPENCV"),
    "a fifth that is zero": (np.array([-0.1, 0.03, 0.001, -0.002, 0.0]), Lens.BROWN_CONRADY, "OPENCV"),
    "five coefficients": (np.array([-0.1, 0.03, 0.001, -0.002, 0.01]), Lens.BROWN_CONRADY, "FULL_OPENCV"),
    "fisheye": (np.array([-0.05, 0.01, 0.002, -0.001]), Lens.FISHEYE, "OPENCV_FISHEYE"),
}


@pytest.mark.parametrize("lens", LENSES)
def test_the_colmap_model_reads_back_as_the_rig(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig, lens: str
) -> None:
    distortion, kind, model = LENSES[lens]
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    right = replace(rig.cameras[1], cam_from_world=np.column_stack([turn, [0.1, -1.0, 0.2]]))
    cameras = tuple(replace(camera, distortion=distortion, lens=kind) for camera in (rig.cameras[0], right))
    export_tracks(tmp_path / "model", tracks, StereoRig((cameras[0], cameras[1])))
    assert (tmp_path / "model" / "cameras.txt").read_text().splitlines()[1].split()[1] == model
    read = load_rig(tmp_path / "model", frame_rate_hz=25.0)
    for camera, written in zip(read.cameras, cameras, strict=True):
        assert camera.name == written.name and camera.lens is written.lens
        assert camera.image_size_px == written.image_size_px
        assert np.allclose(camera.intrinsics, written.intrinsics, rtol=0, atol=1e-9)
        assert np.allclose(camera.cam_from_world, written.cam_from_world, rtol=0, atol=1e-12)
        for track in tracks:
            points = track.positions_m[track.located]
            assert np.allclose(project(camera, points), project(written, points), rtol=0, atol=1e-9)


def colmap_lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def test_every_colmap_point_stands_in_its_images_half_a_pixel_off_our_convention(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "model", tracks, rig)
    images = colmap_lines(tmp_path / "model" / "images.txt")
    points = colmap_lines(tmp_path / "model" / "points3D.txt")
    assert len(points) == 3
    for point in points:
        position = np.array(point[1:4], np.float64)
        assert float(point[7]) == (0.5 + 1.5) / 2
        assert point[8::2] == ["1", "2"]  # both images
        for image, index in zip(point[8::2], point[9::2], strict=True):
            x, y, number = images[2 * int(image) - 1][3 * int(index) : 3 * int(index) + 3]
            assert number == point[0]
            camera_x = position[0] - (int(image) - 1)  # the right camera stands 1 m to the right
            # f = 500 px and principal point (320, 240), moved by half a pixel
            assert float(x) == pytest.approx(320.5 + 500 * camera_x / position[2], abs=1e-9)
            assert float(y) == pytest.approx(240.5 + 500 * position[1] / position[2], abs=1e-9)


def test_a_smoothed_point_that_was_not_triangulated_is_in_no_colmap_image(tmp_path: Path, rig: StereoRig) -> None:
    track = make_track([1, 2], (0.0, 0.0, 6.0), 0.9)
    track.reprojection_px[1] = np.nan
    export_tracks(tmp_path / "model", [track], rig)
    points = colmap_lines(tmp_path / "model" / "points3D.txt")
    assert [len(point) for point in points] == [8 + 4, 8] and points[1][7] == "-1.0"


def test_a_camera_name_with_a_blank_is_refused_for_colmap(tmp_path: Path, rig: StereoRig) -> None:
    cameras = (replace(rig.cameras[0], name="left eye"), rig.cameras[1])
    with pytest.raises(DataError, match=r"'left eye'.*without blanks; rename"):
        export_tracks(tmp_path / "model", [], StereoRig(cameras))


def test_the_recording_has_both_timelines_and_the_points_of_each_frame(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.rrd", tracks, rig)
    chunks = list(RrdReader(tmp_path / "t.rrd").stream())
    by_entity = {str(chunk.entity_path): chunk for chunk in chunks}
    assert {"/world/cameras/left", "/world/cameras/right", "/world/paths"} <= set(by_entity)
    points: dict[int, list[list[float]]] = {}
    for chunk in chunks:
        if str(chunk.entity_path) == "/world/points":
            assert set(chunk.timeline_names) >= {"frame", "time"}
            table = chunk.to_record_batch().to_pydict()
            name = next(name for name in table if name.endswith("positions"))
            points |= dict(zip(table["frame"], table[name], strict=True))
    assert {frame: len(found or []) for frame, found in points.items()} == {10: 1, 11: 1, 12: 1, 13: 0}
    assert np.allclose(points[11], [[-1.0, 0.4, 8.0]])  # the first track has no point there


def columns_at(path: Path, entity: str, component: str) -> list[np.ndarray]:
    """Return what was logged for one component, one array per logged row that has any."""
    found = []
    for chunk in RrdReader(path).stream():
        if str(chunk.entity_path) == entity:
            for name, rows in chunk.to_record_batch().to_pydict().items():
                found += [np.array(row) for row in rows if row and name.endswith(f":{component}")]
    return found


def test_an_ellipsoid_of_the_recording_is_two_standard_deviations(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig
) -> None:
    export_tracks(tmp_path / "t.rrd", tracks, rig)
    half_sizes = columns_at(tmp_path / "t.rrd", "/world/ellipsoids", "half_sizes")
    quaternions = columns_at(tmp_path / "t.rrd", "/world/ellipsoids", "quaternions")
    assert len(half_sizes) == len(quaternions) == 3
    for axes, turn in zip(half_sizes, quaternions, strict=True):
        rotation = Rotation.from_quat(turn[0]).as_matrix()
        covariance = rotation @ np.diag((axes[0] / 2) ** 2) @ rotation.T
        assert np.allclose(covariance, [[0.04, 0.01, 0], [0.01, 0.09, 0], [0, 0, 0.25]], atol=1e-6)


def test_a_camera_of_the_recording_stands_where_the_rig_has_it(tmp_path: Path, rig: StereoRig) -> None:
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    right = replace(rig.cameras[1], cam_from_world=np.column_stack([turn, [0.1, -1.0, 0.2]]))
    export_tracks(tmp_path / "t.rrd", [], StereoRig((rig.cameras[0], right)))
    (translation,) = columns_at(tmp_path / "t.rrd", "/world/cameras/right", "translation")
    (matrix,) = columns_at(tmp_path / "t.rrd", "/world/cameras/right", "mat3x3")
    world_from_cam = np.array(matrix[0]).reshape(3, 3).T  # rerun stores columns
    point = np.array([0.3, 0.4, 5.0])
    assert np.allclose(world_from_cam @ (turn @ point + [0.1, -1.0, 0.2]) + translation[0], point, atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "package", "extra"), [(".rrd", "rerun", "rerun"), (".parquet", "pyarrow", "parquet")]
)
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, rig: StereoRig, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StorageError, match=rf"package '{package}'.*pip install track-persistence\[{extra}\]"):
        export_tracks(tmp_path / f"t{suffix}", [], rig)


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path, rig: StereoRig) -> None:
    with pytest.raises(StorageError, match=r"'\.xlsx'.*\.csv, \.parquet, \.ply, \.rrd, or none"):
        export_tracks(tmp_path / "t.xlsx", [], rig)


def test_tracks_of_another_rig_are_refused(tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig) -> None:
    third = Camera(
        "third", rig.cameras[0].intrinsics, np.empty(0), np.column_stack([np.eye(3), [2, 0, 0]]), (641, 481), 25.0
    )
    with pytest.raises(DataError, match=r"3D track 0.*3 cameras"):
        export_tracks(tmp_path / "t.csv", tracks, CameraRig((*rig.cameras, third)))


def test_a_failed_export_leaves_the_old_file_as_it_was(
    tmp_path: Path, tracks: list[Reconstructed3DTrack], rig: StereoRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", fail)
    with pytest.raises(StorageError, match="cannot be written"):
        export_tracks(path, tracks, rig)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
