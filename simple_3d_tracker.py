"""A stereo scene to 3D, with or without the persistence filter.

python simple_3d_tracker.py                                              a simulated scene, every track kept
python simple_3d_tracker.py --use-persistence-filter                     the same scene through the trained filter
python simple_3d_tracker.py --scenes data/scenes/SHARD.h5 --scene-id 3   a stored scene
python simple_3d_tracker.py --tracks1 a.txt --tracks2 b.txt --video1 a.mp4 --video2 b.mp4 \
    --rig rig.yml --confidence probability                               MOT files of two synchronised videos

The params key tracking.fusion says what the filter rests on: pixels, statistics, geometry, or several of them. --output
writes CSV, Parquet, PLY, a COLMAP folder or a rerun recording, by its suffix.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from track_persistence.core.command import run_command
from track_persistence.core.errors import CheckpointError, DataError, ParamsError, StorageError
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.seeding import generator
from track_persistence.core.storage import read_scenes
from track_persistence.core.types import CameraTracks, LabelledTrack, StereoScene, Track
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, draw_counts, simulate_scene
from track_persistence.stereo.calibration import load_pair
from track_persistence.tracking.config import TrackingConfig, needs_fusion
from track_persistence.tracking.export import export_tracks
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.results import Reconstructed3DTrack
from track_persistence.tracking.tracker import Integrated3DTracker, Judge
from track_persistence.video.confidence import confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.mot import read_mot
from track_persistence.video.reader import Video

MOT_FLAGS = ("tracks1", "tracks2", "video1", "video2", "rig", "confidence")
RATE_TOLERANCE = 0.01
COUNT_FLAGS = ("persistent", "brief", "noise")
HEADER = ("track", "id1", "id2", "points", "x m", "y m", "z m", "sigma m", "repr px", "persist.", "truth", "error m")


@dataclass(frozen=True)
class Input:
    """What is to be tracked, what to call it, and its truth where there is one."""

    name: str
    views: tuple[CameraTracks[Track], CameraTracks[Track]]
    scene: StereoScene | None


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--use-persistence-filter", action="store_true", help="drop tracks that are no real objects")
    parser.add_argument("--model-checkpoint", type=Path, default=Path("models/persistence/persistence.safetensors"))
    parser.add_argument("--magvit-checkpoint", type=Path, default=Path("models/tokenizer/magvit.safetensors"))
    parser.add_argument(
        "--profile", help="scenes whose calibration the filter takes, nominal say; else the shipped one's"
    )
    parser.add_argument("--geometry-model", type=Path, default=Path("models/geometry/model.json"))
    parser.add_argument("--fusion-model", type=Path, default=Path("models/fusion/fusion.json"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the filter runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--output", type=Path, help="3D tracks: .csv, .parquet, .ply or .rrd file, or a COLMAP folder")
    scene = parser.add_argument_group("simulated or stored scene")
    scene.add_argument("--scene-id", type=int, help="which scene (default: 0 simulated, the first one stored)")
    scene.add_argument("--scenes", type=Path, help="HDF5 shard of stored scenes; without it the scene is simulated")
    for kind in COUNT_FLAGS:
        scene.add_argument(f"--{kind}", type=int, help=f"{kind} tracks to simulate; give all three or none")
    files = parser.add_argument_group("track files of two synchronised videos")
    for number in (1, 2):
        files.add_argument(f"--tracks{number}", type=Path, help="MOT file: frame,id,x,y,w,h,conf")
        files.add_argument(f"--video{number}", type=Path, help="the video those boxes are of")
    files.add_argument("--rig", type=Path, help="calibration of the pair, any format that stereo.calibration reads")
    files.add_argument("--cameras", type=int, nargs=2, help="which two of a calibration of more, counted from 1")
    files.add_argument("--image-size", type=int, nargs=2, help="width and height, where the calibration lacks them")
    files.add_argument("--frame-rate-hz", type=float, help="frames per second, where the calibration lacks it")
    files.add_argument(
        "--metres-per-unit", type=float, default=1.0, help="unit of its positions, 0.001 for millimetres"
    )
    files.add_argument("--confidence", choices=("probability", "raw"), help="what the MOT files' seventh column is")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Track one scene and print what came out."""
    given = parse_arguments(arguments)
    config = load_section(given.params, "tracking", TrackingConfig)
    wanted = config.fusion if given.use_persistence_filter else ()
    tracker = Integrated3DTracker(
        persistence_filter=load_filter(given) if "appearance" in wanted else None,
        use_filter=given.use_persistence_filter,
        config=config,
        geometry=GeometryModel.load(given.geometry_model) if "geometry" in wanted else None,
        fusion=FusionModel.load(given.fusion_model) if needs_fusion(wanted) else None,
    )
    found = load_input(given)
    reconstructed, _ = tracker.process_scene(*found.views)
    print(f"{found.name}: {len(found.views[0])} + {len(found.views[1])} 2D tracks")
    print_table(reconstructed, found.scene)
    print_statistics(tracker.get_statistics(), given.use_persistence_filter)
    if given.output is not None:
        export_tracks(given.output, reconstructed, StereoRig((found.views[0].camera, found.views[1].camera)))


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

    return PersistenceFilter(given.model_checkpoint, given.magvit_checkpoint, given.device, profile=given.profile)


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
    rig = load_pair(given.rig, given.cameras, given.image_size, given.frame_rate_hz, given.metres_per_unit)
    check_rates(given.video1, given.video2)
    margin = load_section(given.params, "generate", GenerateConfig).image.context_share
    first, second = (
        CameraTracks(camera, read_tracks(index, camera, (tracks, video), given.confidence, margin))
        for index, (camera, tracks, video) in enumerate(
            zip(rig.cameras, (given.tracks1, given.tracks2), (given.video1, given.video2), strict=True)
        )
    )
    return Input(f"{given.tracks1}, {given.tracks2}", (first, second), None)


def check_rates(path1: Path, path2: Path) -> None:
    """Refuse videos whose containers say different frame rates, for frames are paired by their number.

    A container that knows none says 0. The calibration's rate is not compared: containers of image sequences often hold
    another one than the cameras had.
    """
    rates = []
    for path in (path1, path2):
        Video(path)  # names a file that is missing or cannot be decoded
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        rates.append(float(capture.get(cv2.CAP_PROP_FPS)))
        capture.release()
    if min(rates) > 0 and max(rates) > (1 + RATE_TOLERANCE) * min(rates):
        raise DataError(
            f"{path1} runs at {rates[0]:g} Hz, {path2} at {rates[1]:g} Hz; frames are paired by their number, so "
            "resample one of the recordings first"
        )


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
        rows.append((str(number), *map(str, track.track_ids), str(track.located.sum()), *_means(track), name, error_m))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _means(track: Reconstructed3DTrack) -> tuple[str, ...]:
    persistence = "-" if track.persistence is None else f"{track.persistence:.3f}"
    if not track.located.any():
        return ("-",) * 5 + (persistence,)
    x, y, z = track.positions_m[track.located].mean(axis=0)
    sigma = _sigmas_m(track)[track.located].mean()
    error = np.nanmean(track.reprojection_px)
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
    labels = [_label(scene, camera, own) for camera, own in enumerate(track.track_ids) if own is not None]
    cause = labels[0].object_id
    if cause is None or cause != labels[1].object_id:
        return "mismatch", "-"
    if not labels[0].is_persistent:
        return labels[0].ghost.value, "-"
    (path,) = (item for item in scene.trajectories if item.object_id == cause)
    _, mine, true = np.intersect1d(track.frames[track.located], path.frames, return_indices=True)
    if len(mine) == 0:
        return f"object {cause}", "-"
    offsets = track.positions_m[track.located][mine] - path.positions_m[true]
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


if __name__ == "__main__":
    run_command(main)
