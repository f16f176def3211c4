import hashlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from track_persistence.core import tables
from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.storage import (
    read_features,
    read_provenance,
    read_scenes,
    shard_paths,
    verify_features,
    write_features,
    write_scenes,
)
from track_persistence.core.types import LabelledFeatures, StereoScene, Track, Trajectory

PROVENANCE = {"generator_digest": "abc", "code": "1"}
MakeScene = Callable[..., StereoScene]
MakeFeatures = Callable[..., LabelledFeatures]


def assert_same(got: object, want: object) -> None:
    """Compare two objects of the data model field by field, dtypes included."""
    assert type(got) is type(want)
    for field in fields(want):  # type: ignore[arg-type]
        one, other = getattr(got, field.name), getattr(want, field.name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype, field.name
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        elif isinstance(other, Track | Trajectory):
            assert_same(one, other)
        else:
            assert one == other, field.name


def test_scenes_come_back_as_they_went(tmp_path: Path, scene: MakeScene) -> None:
    scenes = [scene(3, 6), scene(11, 2)]
    write_scenes(tmp_path / "a.h5", scenes, PROVENANCE)
    for got, want in zip(read_scenes(tmp_path / "a.h5"), scenes, strict=True):
        assert got.scene_id == want.scene_id
        for camera in (0, 1):
            for one, other in zip(got.tracks[camera], want.tracks[camera], strict=True):
                assert_same(one, other)
            for name in ("intrinsics", "distortion", "cam_from_world"):
                np.testing.assert_array_equal(
                    getattr(got.rig.cameras[camera], name), getattr(want.rig.cameras[camera], name)
                )
            assert got.rig.cameras[camera].image_size_px == (640, 480)
            assert got.rig.cameras[camera].frame_rate_hz == 30
        assert_same(got.trajectories[0], want.trajectories[0])
    assert read_provenance(tmp_path / "a.h5") == PROVENANCE


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_features_come_back_as_they_went(tmp_path: Path, labelled_features: MakeFeatures, dtype: str) -> None:
    tracks = [labelled_features(i, dtype) for i in range(3)]
    write_features(tmp_path / "a.h5", tracks, 16, dtype, PROVENANCE)
    for got, want in zip(read_features(tmp_path / "a.h5"), tracks, strict=True):
        assert_same(got, want)


def test_the_digest_of_the_arrays_is_that_of_their_names_types_shapes_and_bytes(
    tmp_path: Path, labelled_features: MakeFeatures
) -> None:
    write_features(tmp_path / "a.h5", [labelled_features(i) for i in range(70)], 16, "float16", {"encoder": "one"})
    content = b""
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert len(file["frames/features"]) > tables.FEATURES_PER_CHUNK  # more than one piece
        for name in (
            "frames/boxes_xywh_px",
            "frames/confidences",
            "frames/features",
            "frames/frames",
            "frames/offsets",
            "tracks/camera",
            "tracks/ghost",
            "tracks/kind",
            "tracks/object_id",
            "tracks/scene_id",
            "tracks/track_id",
        ):
            values = file[name][:]
            content += f"{name} {values.dtype.str} {values.shape}\n".encode() + values.tobytes()
        assert file.attrs["arrays_sha256"] == hashlib.sha256(content).hexdigest()
    verify_features(tmp_path / "a.h5")
    write_features(tmp_path / "empty.h5", [], 16, "float16", {})
    verify_features(tmp_path / "empty.h5")


def test_a_changed_number_is_noticed_in_features_and_in_labels(tmp_path: Path, labelled_features: MakeFeatures) -> None:
    for name, change in (("frames/features", 0.5), ("tracks/kind", 2)):
        write_features(tmp_path / "a.h5", [labelled_features(0)], 16, "float16", {})
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            assert (file[name][0] != change).any()
            file[name][0] = change
        with pytest.raises(StorageError, match=r"a\.h5: arrays_sha256 is [0-9a-f]{64}, but .* run its stage again"):
            verify_features(tmp_path / "a.h5")


def test_a_scene_without_tracks_or_objects_is_kept(tmp_path: Path, scene: MakeScene) -> None:
    empty = StereoScene(9, scene().rig, ((), ()), ())
    write_scenes(tmp_path / "a.h5", [empty, scene()], {})
    got = list(read_scenes(tmp_path / "a.h5"))
    assert [item.scene_id for item in got] == [9, 3]
    assert got[0].tracks == ((), ())
    assert len(got[1].tracks[0]) == 2


def test_only_the_wanted_scenes_are_read(tmp_path: Path, scene: MakeScene) -> None:
    write_scenes(tmp_path / "a.h5", [scene(1), scene(2), scene(3)], {})
    assert [item.scene_id for item in read_scenes(tmp_path / "a.h5", {3, 1})] == [1, 3]
    assert_same(next(read_scenes(tmp_path / "a.h5", {3})).tracks[0][0], scene(3).tracks[0][0])


def test_the_same_scenes_are_the_same_bytes(tmp_path: Path, scene: MakeScene) -> None:
    for name in ("a", "b"):
        write_scenes(tmp_path / f"{name}.h5", [scene(1), scene(2)], PROVENANCE)
    write_scenes(tmp_path / "c.h5", [scene(1), scene(2)], dict(reversed(PROVENANCE.items())))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "c.h5").read_bytes()


def test_the_same_scenes_are_the_same_bytes_in_another_process(tmp_path: Path, scene: MakeScene) -> None:
    write_scenes(tmp_path / "a.h5", [scene(1)], PROVENANCE)
    code = (
        "import sys; from pathlib import Path; from track_persistence.core.storage import *;"
        "a, b = map(Path, sys.argv[1:]); write_scenes(b, read_scenes(a), read_provenance(a))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.h5", tmp_path / "b.h5"], check=True)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_one_clear_line(tmp_path: Path, scene: MakeScene, share: float) -> None:
    path = tmp_path / "a.h5"
    write_scenes(path, [scene()], {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError, match=r"a.h5: not a readable HDF5 file, truncated perhaps") as caught:
        list(read_scenes(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(StorageError, match="truncated"):
        read_provenance(path)


def test_a_file_with_a_hole_is_one_clear_line(tmp_path: Path, scene: MakeScene) -> None:
    path = tmp_path / "a.h5"
    write_scenes(path, [scene()], {})
    with h5py.File(path, "r+") as file:
        del file["frames/crops"]
    with pytest.raises(StorageError, match=r"a.h5: .*crops.*run its stage again"):
        list(read_scenes(path))


def test_another_schema_or_version_is_refused(tmp_path: Path, scene: MakeScene) -> None:
    path = tmp_path / "a.h5"
    write_scenes(path, [scene()], {})
    with pytest.raises(StorageError, match=r"schema 'track_persistence.scenes' version 2; expected 'track_persist"):
        list(read_features(path))
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = tables.SCHEMA_VERSION + 1
    with pytest.raises(StorageError, match=r"version 3; expected .* version 2; make the file again"):
        list(read_scenes(path))
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(StorageError, match="schema None version None"):
        list(read_scenes(tmp_path / "foreign.h5"))


def test_content_that_breaks_the_data_model_names_the_file(tmp_path: Path, scene: MakeScene) -> None:
    path = tmp_path / "a.h5"
    write_scenes(path, [scene()], {})
    with h5py.File(path, "r+") as file:
        file["frames/confidences"][0] = 1.5
    with pytest.raises(DataError, match=r"a.h5: track .* confidence 1.5; must lie in"):
        list(read_scenes(path))
    with h5py.File(path, "r+") as file:
        file["frames/confidences"][0] = 0.5
        file["tracks/kind"][0] = 9
    with pytest.raises(StorageError, match=r"a.h5: not a readable HDF5 file.*9 is not a valid Kind"):
        list(read_scenes(path))


@pytest.mark.parametrize("group", ["tracks", "trajectories"])
def test_rows_of_a_scene_that_lie_apart_are_refused(tmp_path: Path, scene: MakeScene, group: str) -> None:
    path = tmp_path / "a.h5"
    write_scenes(path, [scene(scene_id=number) for number in (1, 2, 3)], {})
    with h5py.File(path, "r+") as file:
        file[group]["scene_id"][-1] = 1
    with pytest.raises(StorageError, match=r"a.h5: rows of scene 1 lie apart; delete it and run its stage again"):
        list(read_scenes(path))


def test_a_missing_file_or_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    for read in (read_scenes, read_features, read_provenance):
        with pytest.raises(StorageError, match="no such file; run the stage that writes it or `dvc pull`"):
            list(read(tmp_path / "a.h5"))
    with pytest.raises(StorageError, match=r"holds no .h5 shard"):
        shard_paths(tmp_path)


def test_shards_are_listed_in_order(tmp_path: Path) -> None:
    for name in ("b.h5", "a.h5", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in shard_paths(tmp_path)] == ["a.h5", "b.h5"]


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path, scene: MakeScene) -> None:
    def scenes() -> Iterator[StereoScene]:
        yield scene()
        raise RuntimeError("the second scene failed")

    with pytest.raises(RuntimeError, match="second scene"):
        write_scenes(tmp_path / "a.h5", scenes(), {})
    assert list(tmp_path.iterdir()) == []


FILL_THE_DISK = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from track_persistence.core.command import run_command
from track_persistence.core.storage import read_scenes, write_scenes
source, target = map(Path, sys.argv[1:3])
limit, count = map(int, sys.argv[3:])
scene = next(iter(read_scenes(source)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def scenes():
    for i in range(count):
        print(i)
        yield replace(scene, scene_id=i)
run_command(lambda: write_scenes(target, scenes(), {}))
"""


@pytest.mark.parametrize(("share", "scenes"), [(0.01, 200), (1.5, 200), (0.99, 1)], ids=["early", "midway", "closing"])
def test_a_disk_that_fills_up_is_one_clear_line(tmp_path: Path, scene: MakeScene, share: float, scenes: int) -> None:
    # a limit on the size of a file makes write() fail inside HDF5, as a full disk does
    source, target = tmp_path / "a.h5", tmp_path / "out" / "b.h5"
    write_scenes(source, [scene()], {})
    limit_bytes = int(share * source.stat().st_size)  # the size of one scene
    command = [sys.executable, "-c", FILL_THE_DISK, source, target, str(limit_bytes), str(scenes)]
    got = subprocess.run(command, capture_output=True, text=True)
    assert got.returncode == 2, got.stderr
    assert got.stderr.startswith(f"error: {target}: cannot be written: [Errno 27] File too large; free some space")
    assert got.stderr.count("\n") == 1
    assert "Traceback" not in got.stderr
    assert "199" not in got.stdout.split()  # it stopped early
    assert list(target.parent.iterdir()) == []


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_scenes(tmp_path: Path, scene: MakeScene) -> None:
    # crops of one scene: (30 + 2 + 1) * 64 * 64 * 3 = 405 kB; 12 more scenes would be 4.9 MB
    def write(count: int) -> None:
        write_scenes(tmp_path / f"{count}.h5", (scene(i, 30) for i in range(count)), {})

    def read(count: int) -> None:
        assert sum(1 for _ in read_scenes(tmp_path / f"{count}.h5")) == count

    few, many = (peak_bytes(lambda n=n: write(n)) for n in (4, 16))
    assert many - few < 1_000_000
    few, many = (peak_bytes(lambda n=n: read(n)) for n in (4, 16))
    assert many - few < 1_000_000
