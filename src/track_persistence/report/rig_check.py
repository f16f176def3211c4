"""Whether a pair's calibration and synchronisation can be trusted, from its tracks alone: verdict, numbers, picture.

python -m track_persistence.report.rig_check --rig rig.toml --tracks1 a.txt --tracks2 b.txt --confidence probability \
    --params params.yaml --output-dir out

Writes rig_check.json and rig_check.png and prints the verdict. The params sections `tracking` and `self_check` say how
noisy boxes are and which errors count.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from track_persistence.core.command import run_command
from track_persistence.core.errors import DataError
from track_persistence.core.files import write_json
from track_persistence.core.params import load_section
from track_persistence.core.rig import Camera
from track_persistence.core.types import BoxTrack
from track_persistence.report.rig_picture import write_picture
from track_persistence.stereo.calibration import load_pair
from track_persistence.stereo.observations import check_in_image
from track_persistence.stereo.self_check import SelfCheck, self_check
from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.tracking.config import TrackingConfig
from track_persistence.video.confidence import Scale, confidences
from track_persistence.video.mot import read_mot

# MOT boxes count from the outer edge of the first pixel, the tracks' boxes from its centre.
FIRST_CENTRE_PX = np.array([0.5, 0.5, 0.0, 0.0], np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Check a rig and write what came out."""
    given = parse_arguments(arguments)
    stereo = load_section(given.params, "tracking", TrackingConfig).stereo
    config = load_section(given.params, "self_check", SelfCheckConfig)
    rig = load_pair(given.rig, given.cameras, given.image_size, given.frame_rate_hz, given.metres_per_unit)
    first, second = (
        read_tracks((index, camera), path, given.confidence)
        for index, (camera, path) in enumerate(zip(rig.cameras, (given.tracks1, given.tracks2), strict=True))
    )
    found = self_check(rig, first, second, stereo, config)
    write_json(given.output_dir / "rig_check.json", numbers(found))
    write_picture(given.output_dir / "rig_check.png", found)
    print("\n".join(found.verdict))  # noqa: T201 - a program prints its verdict


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rig", type=Path, required=True, help="calibration, any format that stereo.calibration reads")
    for number in (1, 2):
        parser.add_argument(f"--tracks{number}", type=Path, required=True, help="MOT file: frame,id,x,y,w,h,conf")
    parser.add_argument("--confidence", choices=("probability", "raw"), required=True, help="what the 7th column is")
    parser.add_argument("--cameras", type=int, nargs=2, help="which two of a calibration of more, counted from 1")
    parser.add_argument("--image-size", type=int, nargs=2, help="width and height, where the calibration lacks them")
    parser.add_argument("--frame-rate-hz", type=float, help="frames per second, where the calibration lacks it")
    parser.add_argument("--metres-per-unit", type=float, default=1.0, help="unit of positions, 0.001 for millimetres")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--output-dir", type=Path, required=True)
    return parser.parse_args(arguments)


def read_tracks(camera: tuple[int, Camera], path: Path, scale: Scale) -> list[BoxTrack]:
    """Return the tracks of a MOT file by id.

    camera: its index and calibration. Raises `VideoError` on a file or a confidence that is none, `DataError` on a box
    outside the calibrated image.
    """
    table = read_mot(path, "tracks")
    sure = confidences(table, scale).astype(np.float32)
    tracks = []
    for track_id, rows in table.rows_by_id().items():
        boxes = table.boxes_xywh_px[rows] - FIRST_CENTRE_PX
        tracks.append(BoxTrack(camera[0], track_id, table.frames[rows], boxes, sure[rows]))
        try:
            check_in_image(camera[1], tracks[-1])
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    return tracks


def numbers(found: SelfCheck) -> dict[str, Any]:
    """Return the answer as JSON has it; None where nothing was measured."""
    return {
        "state": found.state.value,
        "verdict": list(found.verdict),
        "pairs": found.seen.pairs,
        "tracks_sharing_frames": list(found.seen.sharing),
        "joint_frames": len(found.rows.pairs),
        "best_whole_offset_frames": found.best_offset,
        "offsets": [{"frames": frames, "log_likelihood_ratio": ratio} for frames, ratio in found.offset_curve],
        "quantities": {
            name: {
                "value": each.value,
                "sigma": each.sigma,
                "tolerated": each.tolerated,
                "state": each.state.value,
            }
            for name, each in found.quantities.items()
        },
        "regions": [
            {
                "edges_px": list(region.edges_px),
                "pairs": region.pairs,
                "frames": region.frames,
                "residual_px": region.residual_px.value,
                "sigma_px": region.residual_px.sigma,
            }
            for region in found.regions
        ],
    }


if __name__ == "__main__":
    run_command(main)
