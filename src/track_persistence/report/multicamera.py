"""People on the synchronised videos of a calibrated rig: detected, linked, associated over all cameras, drawn in 3D.

`python -m track_persistence.report.multicamera --help` says how to call it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.command import run_command
from track_persistence.core.errors import DataError
from track_persistence.core.files import make_folder, write_json
from track_persistence.core.params import load_section
from track_persistence.core.progress import log
from track_persistence.core.rig import Camera, CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.report.multicamera_config import MulticameraConfig
from track_persistence.report.multicamera_people import find_people, summary, upwards
from track_persistence.report.multicamera_picture import write_picture
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.level_view import LevelView, level_view
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.export import export_tracks
from track_persistence.video.confidence import Scale, confidences
from track_persistence.video.crops import FIRST_CENTRE_PX, check_boxes
from track_persistence.video.detect import Detections, Detector, HogPeopleDetector, detect_video, video_clock
from track_persistence.video.linking import link
from track_persistence.video.mot import MotTable, read_mot, write_mot
from track_persistence.video.reader import Video


@dataclass(frozen=True)
class MulticameraInputs:
    """What a run reads.

    videos: one per camera, in the order of the calibration. detections: MOT files without ids, one per video, None to
    look for people. scale: what the scores of their seventh column are.
    """

    rig: Path
    videos: tuple[Path, ...]
    detections: tuple[Path, ...] | None
    scale: Scale


class LevelledDetector:
    """A detector that sees the level view of a camera and answers in the camera's own pixels."""

    def __init__(self, detector: Detector, view: LevelView) -> None:
        """Put `view` before `detector`."""
        self._detector, self._view = detector, view

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Return what is in `image`, (H, W, 3) uint8 RGB."""
        found = self._detector.detect(self._view.take(image))
        return Detections(self._view.boxes_in_camera(found.boxes_xywh_px), found.scores)


def run(config: MulticameraConfig, tracking: TrackingConfig, inputs: MulticameraInputs, output: Path) -> None:
    """Write detections and tracks by camera, tracks3d.csv, summary.json and picture.png to `output`; log the result."""
    rig, videos, frames = open_recording(inputs)
    make_folder(output)
    up = upwards(rig)
    linked, tracks = [], []
    for index, (camera, video) in enumerate(zip(rig.cameras, videos, strict=True)):
        if inputs.detections is None:
            detector = LevelledDetector(HogPeopleDetector(config.hog), level_view(camera, up, config.scale))
            found = detect_video(video, detector, frames[index], output / f"detections_{camera.name}.txt")
        else:
            found = read_mot(inputs.detections[index], "detections")
            check_boxes(found, video)
        table = link(found, confidences(found, inputs.scale), config.link)
        write_mot(output / f"tracks_{camera.name}.txt", table, table.rows_by_id())
        linked.append(table)
        tracks.append(box_tracks(index, table, inputs.scale))
    people, association = find_people(rig, tracks, config.tracking(tracking), up)
    numbers = summary(rig, tracks, people, association, frames)
    export_tracks(output / "tracks3d.csv", [person.path for person in people], rig)
    write_json(output / "summary.json", numbers)
    write_picture(output / "picture.png", rig, videos, linked, people)
    _log(numbers, output)


def open_recording(inputs: MulticameraInputs) -> tuple[CameraRig, list[Video], list[int]]:
    """Return the rig, its videos and their numbers of frames.

    The frame rate is the one that the videos state. Raises `DataError` unless there is one video for each camera, of
    the size that it is calibrated for, all of one frame rate.
    """
    videos = [Video(path) for path in inputs.videos]
    clocks = [video_clock(path) for path in inputs.videos]
    rates = {rate_hz for rate_hz, _ in clocks}
    if len(rates) > 1:
        stated = ", ".join(f"{path} {rate_hz:g} Hz" for path, (rate_hz, _) in zip(inputs.videos, clocks, strict=True))
        raise DataError(f"{stated}: cameras of different frame rates; resample the videos to one")
    rig = load_rig(inputs.rig, frame_rate_hz=clocks[0][0])
    given = {"--videos": len(videos)} | ({} if inputs.detections is None else {"--detections": len(inputs.detections)})
    for flag, count in given.items():
        if count != len(rig.cameras):
            names = ", ".join(camera.name for camera in rig.cameras)
            raise DataError(
                f"{flag}: {count} files, but {inputs.rig} holds {len(rig.cameras)} cameras ({names}); pass one "
                "file for each camera, in this order"
            )
    for camera, video in zip(rig.cameras, videos, strict=True):
        _check_size(camera, video, inputs.rig)
    return rig, videos, [count for _, count in clocks]


def _check_size(camera: Camera, video: Video, calibration: Path) -> None:
    if video.size_px == camera.image_size_px:
        return
    turned = video.size_px == camera.image_size_px[::-1]
    raise DataError(
        f"{video.path}: frames of {video.size_px[0]} x {video.size_px[1]} px, an image size that contradicts the "
        f"calibration: {calibration} has {camera.image_size_px[0]} x {camera.image_size_px[1]} px for camera "
        f"{camera.name}; {'turn the video by 90 degrees' if turned else 'pass the videos in its order of cameras'} or "
        "use the calibration of this recording"
    )


def box_tracks(camera: int, table: MotTable, scale: Scale) -> list[BoxTrack]:
    """Return the tracks of one camera, their boxes counted from the centre of the first pixel, not its outer edge."""
    probabilities = confidences(table, scale).astype(np.float32)
    found = []
    for track_id, rows in table.rows_by_id().items():
        boxes_xywh_px = table.boxes_xywh_px[rows]  # indexing by rows copies: the table keeps its own
        boxes_xywh_px[:, :2] -= FIRST_CENTRE_PX
        found.append(BoxTrack(camera, track_id, table.frames[rows], boxes_xywh_px, probabilities[rows]))
    return found


def _log(numbers: dict[str, Any], output: Path) -> None:
    groups, share = numbers["groups_by_cameras"], numbers["explained_share_of_boxes"]
    log(f"{output}: groups by number of cameras {groups}, {share:.0%} of the boxes explained")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's values, of the process when `arguments` is None."""
    parser = argparse.ArgumentParser(description="Find people on synchronised videos of calibrated cameras, in 3D.")
    parser.add_argument("--rig", type=Path, required=True, help="calibration in any format that load_rig reads")
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="one per camera, in the rig's order")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--output-dir", type=Path, required=True, help="for tracks, summary.json and picture.png")
    parser.add_argument("--detections", type=Path, nargs="+", help="MOT files without ids, of any detector")
    parser.add_argument(
        "--confidence",
        choices=("probability", "raw"),
        help="what the seventh column of --detections is; raw scores s become 1 / (1 + exp(-s))",
    )
    given = parser.parse_args(arguments)
    if (given.detections is None) != (given.confidence is None):
        parser.error("--detections and --confidence go together")
    return given


def main() -> None:
    """Run on what the command line names."""
    given = parse_arguments()
    config = load_section(given.params, "multicamera", MulticameraConfig)
    tracking = load_section(given.params, "tracking", TrackingConfig)
    inputs = MulticameraInputs(
        given.rig,
        tuple(given.videos),
        None if given.detections is None else tuple(given.detections),
        given.confidence or "raw",  # our own detector's margins
    )
    run(config, tracking, inputs, given.output_dir)


if __name__ == "__main__":
    run_command(main)
