"""A stereo scene to 3D, with or without the persistence filter.

python simple_3d_tracker.py                                              a simulated scene, every track kept
python simple_3d_tracker.py --use-persistence-filter                     the same scene through the trained filter
python simple_3d_tracker.py --scenes data/scenes/SHARD.h5 --scene-id 3   a stored scene
python simple_3d_tracker.py --tracks1 a.txt --tracks2 b.txt --video1 a.mp4 --video2 b.mp4 \
    --rig rig.yml --confidence probability                               MOT files of two synchronised videos
"""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from track_persistence.core.command import run_command
from track_persistence.core.errors import CheckpointError, DataError, ParamsError, StorageError
from track_persistence.core.files import write_text
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.rig import Camera
from track_persistence.core.seeding import generator
from track_persistence.core.storage import read_scenes
from track_persistence.core.types import CameraTracks, LabelledTrack, StereoScene, Track
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, draw_counts, simulate_scene
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.triangulation import Status
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.tracking.tracker import Integrated3DTracker, Judge
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

MOT_FLAGS = ("tracks1", "tracks2", "video1", "video2", "rig", "confidence")
COUNT_FLAGS = ("persistent", "brief", "noise")
HEADER = ("track", "id1", "id2", "points", "x m", "y m", "z m", "sigma m", "repr px", "persist.", "truth", "error m")
COLUMNS = ("track", "frame", "x_m", "y_m", "z_m", "sigma_m", "reprojection_px", "persistence", "status", "id1", "id2")


@dataclass(frozen=True)
class Input:
    """What is to be tracked, what to call it, and its truth where there is one."""

    name: str
    views: tuple[CameraTracks, CameraTracks]
    scene: StereoScene | None


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--use-persistence-filter", action="store_true", help="drop tracks that are no real objects")
    parser.add_argument("--model-checkpoint", type=Path, default=Path("models/persistence/persistence.safetensors"))
    parser.add_argument("--magvit-checkpoint", type=Path, default=Path("models/tokenizer/magvit.safetensors"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the filter runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--output", type=Path, help="CSV file for the 3D points")
    scene = parser.add_argument_group("simulated or stored scene")
    scene.add_argument("--scene-id", type=int, help="which scene (default: 0 simulated, the first one stored)")
    scene.add_argument("--scenes", type=Path, help="HDF5 shard of stored scenes; without it the scene is simulated")
    for kind in COUNT_FLAGS:
        scene.add_argument(f"--{kind}", type=int, help=f"{kind} tracks to simulate; give all three or none")
    files = parser.add_argument_group("track files of two synchronised videos")
    for number in (1, 2):
        files.add_argument(f"--tracks{number}", type=Path, help="MOT file: frame,id,x,y,w,h,conf")
        files.add_argument(f"--video{number}", type=Path, help="the video those boxes are of")
    files.add_argument("--rig", type=Path, help="OpenCV calibration of the pair (stereo.calibration)")
    files.add_argument("--confidence", choices=("probability", "raw"), help="what the MOT files' seventh column is")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Track one scene and print what came out."""
    given = parse_arguments(arguments)
    tracker = Integrated3DTracker(
        persistence_filter=load_filter(given) if given.use_persistence_filter else None,
        use_filter=given.use_persistence_filter,
        config=load_section(given.params, "tracking", TrackingConfig),
    )
    found = load_input(given)
    reconstructed, _ = tracker.process_scene(*found.views)
    print(f"{found.name}: {len(found.views[0])} + {len(found.views[1])} 2D tracks")
    print_table(reconstructed, found.scene)
    print_statistics(tracker.get_statistics(), given.use_persistence_filter)
    if given.output is not None:
        write_text(given.output, points_csv(reconstructed))


def load_filter(given: argparse.Namespace) -> Judge:
    """Return the trained filter; raises `CheckpointError` when it was not trained or fetched yet."""
    for flag, path in (("model", given.model_checkpoint), ("magvit", given.magvit_checkpoint)):
        if not path.is_file():
            raise CheckpointError(
                f"{path}: no such file; train it with `make repro`, fetch it with `dvc pull`, "
                f"or pass --{flag}-checkpoint"
            )
    # torch is loaded only when the filter is wanted
    from track_persistence.tracking.filter import PersistenceFilter

    return PersistenceFilter(given.model_checkpoint, given.magvit_checkpoint, given.device)


def load_input(given: argparse.Namespace) -> Input:
    """Return the scene or the track files that the flags ask for; raises `ParamsError` on flags that do not fit."""
    mot = [f"--{name}" for name in MOT_FLAGS if getattr(given, name) is not None]
    scene = [f"--{name}" for name in ("scenes", *COUNT_FLAGS) if getattr(given, name) is not None]
    if mot and len(mot) < len(MOT_FLAGS):
        raise ParamsError(f"{', '.join(mot)}: track files need all of --{', --'.join(MOT_FLAGS)}")
    if mot and (scene or given.scene_id is not None):
        raise ParamsError(f"{mot[0]} and {[*scene, '--scene-id'][0]}: choose track files or a scene")
    if given.scenes is not None and len(scene) > 1:
        raise ParamsError(f"--scenes and {scene[1]}: a stored scene has the tracks it has; leave one of them out")
    if mot:
        return read_track_files(given)
    found = read_stored(given.scenes, given.scene_id) if given.scenes is not None else simulate(given)
    name = f"scene {found.scene_id}, {given.scenes or 'simulated'}"
    return Input(name, (found.camera_tracks(0), found.camera_tracks(1)), found)


def simulate(given: argparse.Namespace) -> StereoScene:
    """Simulate a scene with its own random stream, which no training scene shares."""
    config = load_section(given.params, "generate", GenerateConfig)
    scene_id = 0 if given.scene_id is None else given.scene_id
    asked = {kind: getattr(given, kind) for kind in COUNT_FLAGS if getattr(given, kind) is not None}
    if scene_id < 0 or any(count < 0 for count in asked.values()):
        raise ParamsError("--scene-id, --persistent, --brief, --noise: must be at least 0")
    if asked and len(asked) < len(COUNT_FLAGS):
        raise ParamsError(f"--{', --'.join(asked)}: give all of --{', --'.join(COUNT_FLAGS)} or none")
    rng = generator(load_seed(given.params), "simple_3d_tracker", scene_id)
    counts = TrackCounts(**asked) if asked else draw_counts(config, rng)
    return simulate_scene(config, scene_id, counts, rng)


def read_stored(path: Path, scene_id: int | None) -> StereoScene:
    """Return one scene of a shard, the first one when `scene_id` is None."""
    ids = []
    for scene in read_scenes(path):
        if scene_id is None or scene.scene_id == scene_id:
            return scene
        ids.append(scene.scene_id)
    held = f"it holds {min(ids)} to {max(ids)}" if ids else "it is empty"
    raise StorageError(f"{path}: scene {scene_id} is not in this shard; {held}")


def read_track_files(given: argparse.Namespace) -> Input:
    """Read both MOT files, cut the crops from the videos and attach the calibration."""
    rig = load_rig(given.rig)
    margin = load_section(given.params, "generate", GenerateConfig).image.context_share
    first, second = (
        CameraTracks(camera, read_tracks(index, camera, (tracks, video), given.confidence, margin))
        for index, (camera, tracks, video) in enumerate(
            zip(rig.cameras, (given.tracks1, given.tracks2), (given.video1, given.video2), strict=True)
        )
    )
    return Input(f"{given.tracks1}, {given.tracks2}", (first, second), None)


def read_tracks(index: int, camera: Camera, paths: tuple[Path, Path], scale: str, margin: float) -> tuple[Track, ...]:
    """Return the tracks of one MOT file with crops from its video, sorted by id."""
    table, video = read_mot(paths[0], "tracks"), Video(paths[1])
    if video.size_px != camera.image_size_px:
        raise DataError(
            f"{paths[1]}: frames of {video.size_px} px, but camera {camera.name} is calibrated for "
            f"{camera.image_size_px} px; use the video's own calibration"
        )
    probabilities = confidences(table, "raw" if scale == "raw" else "probability")
    tracks = stream_tracks(video, table, probabilities, margin, longest=len(table))
    return tuple(sorted((replace(track, camera=index) for track in tracks), key=lambda track: track.track_id))


def print_table(reconstructed: Sequence[Reconstructed3DTrack], scene: StereoScene | None) -> None:
    """Print one line per 3D track: mean position, mean deviation, and the truth where it is known."""
    rows: list[tuple[str, ...]] = [HEADER]
    for number, track in enumerate(reconstructed):
        name, error_m = truth_of(track, scene)
        rows.append((str(number), *map(str, track.track_ids), str(track.ok.sum()), *_means(track), name, error_m))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _means(track: Reconstructed3DTrack) -> tuple[str, ...]:
    persistence = "-" if track.persistence is None else f"{track.persistence:.3f}"
    if not track.ok.any():
        return ("-",) * 5 + (persistence,)
    x, y, z = track.positions_m[track.ok].mean(axis=0)
    sigma = _sigmas_m(track)[track.ok].mean()
    error = track.reprojection_px[track.ok].mean()
    return (f"{x:.2f}", f"{y:.2f}", f"{z:.2f}", f"{sigma:.2f}", f"{error:.2f}", persistence)


def _sigmas_m(track: Reconstructed3DTrack) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    deviations: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.sqrt(
        np.trace(track.covariances_m2, axis1=1, axis2=2)
    )
    return deviations


def truth_of(track: Reconstructed3DTrack, scene: StereoScene | None) -> tuple[str, str]:
    """Return what the pair really shows and, for a real object, the root mean square distance from its path."""
    if scene is None:
        return "-", "-"
    labels = [_label(scene, camera, track_id) for camera, track_id in enumerate(track.track_ids)]
    cause = labels[0].object_id
    if cause is None or cause != labels[1].object_id:
        return "mismatch", "-"
    if not labels[0].is_persistent:
        return labels[0].ghost.value, "-"
    (path,) = (item for item in scene.trajectories if item.object_id == cause)
    _, mine, true = np.intersect1d(track.frames[track.ok], path.frames, return_indices=True)
    if len(mine) == 0:
        return f"object {cause}", "-"
    offsets = track.positions_m[track.ok][mine] - path.positions_m[true]
    return f"object {cause}", f"{np.sqrt((offsets**2).sum(axis=1).mean()):.2f}"


def _label(scene: StereoScene, camera: int, track_id: int) -> LabelledTrack:
    return next(item for item in scene.tracks[camera] if item.track.track_id == track_id)


def print_statistics(statistics: dict[str, float], used: bool) -> None:
    """Print the totals of 2D tracks and of 3D points."""
    print(
        f"filter {'on' if used else 'off'}: {statistics['total_tracks']} tracks, {statistics['filtered_out']} filtered "
        f"out ({statistics['filter_rate']:.0%}), {statistics['kept']} kept; {statistics['pairs']} pairs, "
        f"{statistics['reconstructed']} 3D tracks, {statistics['points']} points"
    )


def points_csv(reconstructed: Sequence[Reconstructed3DTrack]) -> str:
    """Return one line per joint frame; numbers are empty where the status says that there is no point."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, track in enumerate(reconstructed):
        persistence = "" if track.persistence is None else f"{track.persistence:.6f}"
        values = np.column_stack([track.positions_m, _sigmas_m(track), track.reprojection_px.mean(axis=1)])
        for frame, row, status in zip(track.frames, values, track.status, strict=True):
            numbers = ["" if np.isnan(value) else f"{value:.4f}" for value in row]
            writer.writerow([number, frame, *numbers, persistence, Status(status).name.lower(), *track.track_ids])
    return text.getvalue()


if __name__ == "__main__":
    run_command(main)
