"""Calibration of two cameras from pictures of a chessboard, judged on pairs that it did not see.

Zhang 2000 through OpenCV: each camera alone, then the pose between them with both kept. Refining everything together
took 20 times as long and changed the epipolar error of held-out real pairs by 0.003 px.

python -m track_persistence.stereo.chessboard stereo_calib.xml --corners 9x6 --square-m 0.025 --frame-rate-hz 25 \
    --folds 13 --output rig.toml
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.command import run_command
from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.stereo.board import Pictures, find_pictures, read_image_list
from track_persistence.stereo.calibration import save_rig
from track_persistence.stereo.geometry import sampson_px
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.triangulation import triangulate

NAMES = ("left", "right")
MIN_PAIRS = 3
MIN_SIGMA_PX = 1e-3
# A third radial term made the held-out epipolar error of real pairs 0.001 px larger.
LENS_FLAGS = cv2.CALIB_FIX_K3


@dataclass(frozen=True)
class HeldOutPair:
    """One pair, measured with a calibration from the other folds.

    fold: which one held it out. epipolar_px: root mean square Sampson error. reprojection_px: root mean square distance
    of the triangulated corners per camera. square_m, square_spread_m: mean and deviation of the distances between
    neighbouring triangulated corners.
    """

    name: str
    fold: int
    epipolar_px: float
    reprojection_px: tuple[float, float]
    square_m: float
    square_spread_m: float


@dataclass(frozen=True)
class ChessboardReport:
    """How well the board was recovered.

    used: names of the pairs. not_found: the images without a board, whose pairs were left out. reprojection_px: root
    mean square of all used pairs per camera. held_out: one entry a used pair, from `folds` calibrations.
    """

    square_m: float
    used: tuple[str, ...]
    not_found: tuple[str, ...]
    reprojection_px: tuple[float, float]
    held_out: tuple[HeldOutPair, ...]

    @property
    def epipolar_px(self) -> float:
        """Root mean square Sampson error of all held-out pairs."""
        return float(np.sqrt(np.mean([pair.epipolar_px**2 for pair in self.held_out])))

    @property
    def epipolar_spread_px(self) -> float:
        """Deviation of the held-out pairs' errors."""
        return float(np.std([pair.epipolar_px for pair in self.held_out]))

    @property
    def recovered_square_m(self) -> float:
        """Mean over the held-out pairs of the square that they show."""
        return float(np.mean([pair.square_m for pair in self.held_out]))

    @property
    def recovered_spread_m(self) -> float:
        """Deviation of the held-out pairs' squares."""
        return float(np.std([pair.square_m for pair in self.held_out]))

    def lines(self) -> list[str]:
        """Return the report as text: totals, then one line a held-out pair."""
        left, right = self.reprojection_px
        head = [
            f"{len(self.used)} pairs used; no board found in: {', '.join(self.not_found) or 'none'}",
            f"reprojection: left {left:.3f} px, right {right:.3f} px",
            f"held out: epipolar {self.epipolar_px:.3f} px (spread over pairs {self.epipolar_spread_px:.3f}), square "
            f"{self.recovered_square_m:.6g} m (spread {self.recovered_spread_m:.2g}) for {self.square_m:g} m told",
        ]
        return head + [
            f"  fold {pair.fold}: {pair.name}: epipolar {pair.epipolar_px:.3f} px, reprojection "
            f"{pair.reprojection_px[0]:.3f} and {pair.reprojection_px[1]:.3f} px, square "
            f"{100 * (pair.square_m / self.square_m - 1):+.2f} % (spread in the board "
            f"{100 * pair.square_spread_m / self.square_m:.2f} %)"
            for pair in self.held_out
        ]


def calibrate_chessboard(
    pairs: Sequence[tuple[Path, Path]], corners: tuple[int, int], square_m: float, frame_rate_hz: float, folds: int
) -> tuple[StereoRig, ChessboardReport]:
    """Calibrate two cameras from (left, right) images of a board; the world is the left camera's frame.

    corners: inner corners along both sides of the board. square_m: side of a square in metres. folds: how many
    calibrations are made to judge: pair i is left out of number i modulo `folds`, and the rig comes from all pairs.
    Raises `StorageError` when an image cannot be read, `DataError` when too few pairs show the board, images of a
    camera differ in size or the views do not determine the cameras.
    """
    if not (np.isfinite(square_m) and square_m > 0):
        raise DataError(f"square_m: {square_m}; expected the side of a square in metres, above 0")
    found = find_pictures(pairs, corners)
    _check_folds(found, folds)
    rig, reprojection = _calibrate(found, range(len(found)), square_m, frame_rate_hz)
    held_out = []
    for fold in range(folds):
        kept = [index for index in range(len(found)) if index % folds != fold]
        judge, training_px = _calibrate(found, kept, square_m, frame_rate_hz)
        held_out += [_judge(found, index, fold, judge, training_px) for index in range(fold, len(found), folds)]
    held_out.sort(key=lambda pair: found.names.index(pair.name))
    return rig, ChessboardReport(square_m, found.names, found.not_found, reprojection, tuple(held_out))


def _check_folds(found: Pictures, folds: int) -> None:
    count = len(found)
    if not 2 <= folds <= max(count, 2):
        raise DataError(f"folds: {folds}; expected 2 to {count}, the number of pairs that show the board")
    left = count - -(-count // folds)
    if left < MIN_PAIRS:
        raise DataError(
            f"{count} pairs show the board and {folds} folds leave {left} to calibrate from, at least {MIN_PAIRS} are "
            f"needed; no board found in: {', '.join(found.not_found) or 'none'}"
        )


def _calibrate(
    found: Pictures, chosen: Sequence[int], square_m: float, frame_rate_hz: float
) -> tuple[StereoRig, tuple[float, float]]:
    """Return the rig of the chosen pairs and the reprojection error of each camera on them."""
    board = [(square_m * found.grid).astype(np.float32)] * len(chosen)
    left_px, right_px = ([view[index].astype(np.float32) for index in chosen] for view in found.corners_px)
    try:
        left = _lens(board, left_px, found.sizes_px[0])
        right = _lens(board, right_px, found.sizes_px[1])
        solved = cv2.stereoCalibrateExtended(
            board, left_px, right_px, *left, *right, found.sizes_px[0],
            np.eye(3), np.zeros((3, 1)), flags=cv2.CALIB_FIX_INTRINSIC,
        )  # fmt: skip
    except cv2.error as error:
        reason = " ".join(str(error.err).split())
        raise DataError(f"the views do not determine the cameras ({reason}); turn the board in depth") from error
    poses = (np.eye(3, 4), np.hstack([np.asarray(part, np.float64) for part in solved[5:7]]))
    cameras = [
        Camera(name, matrix, bends.reshape(-1), pose, size, frame_rate_hz)
        for name, (matrix, bends), pose, size in zip(NAMES, (left, right), poses, found.sizes_px, strict=True)
    ]
    per_view = np.asarray(solved[-1], np.float64)
    errors = np.sqrt((per_view**2).mean(axis=0))
    return StereoRig((cameras[0], cameras[1])), (float(errors[0]), float(errors[1]))


def _lens(
    board: list[NDArray[np.float32]], seen: list[NDArray[np.float32]], size_px: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return K (3, 3) and the distortion of one camera."""
    start = np.eye(3), np.zeros(5)
    _, matrix, bends, _, _ = cv2.calibrateCamera(board, seen, size_px, *start, flags=LENS_FLAGS)
    return np.asarray(matrix, np.float64), np.asarray(bends, np.float64)


def _judge(found: Pictures, index: int, fold: int, rig: StereoRig, training_px: tuple[float, float]) -> HeldOutPair:
    """Measure one pair with a rig that was calibrated without it."""
    pixels = np.stack([view[index] for view in found.corners_px])
    # A distance of two axes has the square root of two times the deviation of one.
    sigma = np.maximum(np.array(training_px) / np.sqrt(2), MIN_SIGMA_PX)
    points = triangulate(rig, pixels, sigma)
    if not points.ok.all():
        raise DataError(
            f"{found.names[index]}: {(~points.ok).sum()} of its corners have no position in the calibration from "
            "the other pairs; look at the images, the pair does not belong to them"
        )
    sides = _sides_m(points.positions_m.reshape(*found.shape, 3))
    reprojection = np.sqrt((points.reprojection_px**2).mean(axis=0))
    return HeldOutPair(
        found.names[index],
        fold,
        float(np.sqrt((sampson_px(rig, *pixels) ** 2).mean())),
        (float(reprojection[0]), float(reprojection[1])),
        float(sides.mean()),
        float(sides.std()),
    )


def _sides_m(grid_m: FloatArray) -> FloatArray:
    """Return the distances between neighbours of a grid of points (rows, columns, 3)."""
    steps = [np.linalg.norm(np.diff(grid_m, axis=axis), axis=2).ravel() for axis in (0, 1)]
    return np.concatenate(steps)


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate, write the rig and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+", help="OpenCV's image list, or files: left right left right ...")
    parser.add_argument("--corners", type=_corners, required=True, help="inner corners of the board, such as 9x6")
    parser.add_argument("--square-m", type=float, required=True, help="side of a square in metres")
    parser.add_argument("--frame-rate-hz", type=float, required=True, help="of the videos that the rig is for")
    parser.add_argument("--folds", type=int, required=True, help="calibrations made to judge the result, at least 2")
    parser.add_argument("--output", type=Path, required=True, help=".toml, or .yml, .xml, .json for OpenCV")
    given = parser.parse_args(arguments)
    files = read_image_list(given.images[0]) if len(given.images) == 1 else given.images
    if len(files) % 2:
        raise StorageError(f"{given.images[0]}: {len(files)} images; expected pairs: left, right, left, right, ...")
    pairs = list(zip(files[::2], files[1::2], strict=True))
    rig, report = calibrate_chessboard(pairs, given.corners, given.square_m, given.frame_rate_hz, given.folds)
    save_rig(given.output, rig)
    print("\n".join(report.lines()))  # noqa: T201 - a program prints its report


def _corners(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected COLUMNSxROWS, such as 9x6")
    return int(columns), int(rows)


if __name__ == "__main__":
    run_command(main)
