from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from track_persistence.core.errors import DataError, StorageError
from track_persistence.stereo import chessboard
from track_persistence.stereo.board import Pictures
from track_persistence.stereo.calibration import load_rig
from track_persistence.stereo.chessboard import calibrate_chessboard

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "stereo_chessboard" / "stereo_calib.xml"

SQUARE_M, SIZE = 0.03, (640, 480)
MATRICES = tuple(np.array([[f, 0, cx], [0, f, 241.0], [0, 0, 1]]) for f, cx in ((600.0, 322.0), (620.0, 315.0)))
BENDS = (np.array([-0.2, 0.05, 0.001, -0.001, 0.0]), np.array([-0.15, 0.03, 0.0, 0.002, 0.0]))
TURN, SHIFT_M = np.array([0.01, -0.05, 0.02]), np.array([-0.2, 0.005, 0.01])


def pictures(count: int, sigma_px: float, seed: int, stretch: float = 1.0) -> Pictures:
    """Corners of a 7x5 board in random poses, as two known cameras see them with noise; the last board is stretched."""
    rng = np.random.default_rng(seed)
    names = tuple(f"pair{index}" for index in range(count))
    found = Pictures((5, 7), names, ([], []), (SIZE, SIZE), ("dark.png",))
    rotation = cv2.Rodrigues(TURN)[0]
    for index in range(count):
        board = cv2.Rodrigues(rng.uniform(-0.6, 0.6, 3))[0]
        place = np.array([*rng.uniform(-0.15, 0.1, 2), rng.uniform(0.5, 0.9)])
        across = stretch if index == count - 1 else 1.0
        in_left = (SQUARE_M * (found.grid - [3, 2, 0]) * [across, 1, 1]) @ board.T + place
        for view, matrix, bends, points in zip(
            found.corners_px, MATRICES, BENDS, (in_left, in_left @ rotation.T + SHIFT_M), strict=True
        ):
            pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, bends)[0][:, 0]
            view.append(pixels + sigma_px * rng.standard_normal(pixels.shape))
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts pictures in the place of images."""

    def put(found: Pictures) -> None:
        monkeypatch.setattr(chessboard, "find_pictures", lambda pairs, corners: found)

    return put


def test_exact_corners_give_back_the_cameras(seen) -> None:
    seen(pictures(8, 0.0, 1))
    rig, report = calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, 4)
    for camera, matrix, bends in zip(rig.cameras, MATRICES, BENDS, strict=True):
        np.testing.assert_allclose(camera.intrinsics, matrix, atol=0.05)
        np.testing.assert_allclose(camera.distortion, bends, atol=2e-3)
        assert (camera.image_size_px, camera.frame_rate_hz) == (SIZE, 25.0)
    left, right = rig.cameras
    assert (left.name, right.name) == ("left", "right")
    np.testing.assert_array_equal(left.cam_from_world, np.eye(3, 4))
    np.testing.assert_allclose(right.rotation, cv2.Rodrigues(TURN)[0], atol=1e-4)
    np.testing.assert_allclose(right.translation_m, SHIFT_M, atol=1e-4)
    assert report.not_found == ("dark.png",)
    assert max(report.reprojection_px) < 0.01 and report.epipolar_px < 0.01
    assert abs(report.recovered_square_m / SQUARE_M - 1) < 1e-3


def test_every_pair_is_judged_once_by_a_calibration_without_it(seen) -> None:
    """A right image 3 px too low across its epipolar lines is 3 / sqrt(2) px of Sampson error in each image."""
    found = pictures(9, 0.1, 2)
    found.corners_px[1][4] += [0.0, 3.0]
    seen(found)
    _, report = calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, 3)
    assert [pair.name for pair in report.held_out] == list(report.used)
    assert [pair.fold for pair in report.held_out] == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    # Folds 0 and 2 calibrate with the wrong pair; fold 1, which judges it, does not.
    of_fold = {pair.name: pair.epipolar_px for pair in report.held_out if pair.fold == 1}
    assert abs(of_fold.pop("pair4") - 3 / np.sqrt(2)) < 0.3
    assert max(of_fold.values()) < 0.3


def test_the_square_is_measured_along_both_sides_of_the_board(seen) -> None:
    """The last board is 6 % longer along its 7 corners: 5 * 6 of its 5 * 6 + 4 * 7 = 58 sides are 1.06 squares."""
    seen(pictures(8, 0.0, 8, stretch=1.06))
    _, report = calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, 8)
    last = report.held_out[-1]
    assert abs(last.square_m / SQUARE_M - (30 * 1.06 + 28) / 58) < 1e-3
    # Two values 0.06 apart with shares 30/58 and 28/58 have this deviation.
    assert abs(last.square_spread_m / SQUARE_M - 0.06 * np.sqrt(30 * 28) / 58) < 1e-3


def test_errors_are_those_of_the_noise(seen) -> None:
    """The Sampson error of pixels with deviation s per axis has deviation s: chi-square with 12 times 35 corners.

    The calibration adds its own error: 11 pairs give 1540 equations for 9 + 9 lens, 6 rig and 66 board unknowns.
    """
    sigma_px = 0.2
    seen(pictures(12, sigma_px, 4))
    _, report = calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, 12)
    low, high = np.sqrt(chi2.ppf([1e-4, 1 - 1e-4], 12 * 35) / (12 * 35))
    assert low < report.epipolar_px / sigma_px < high * (1 + 90 / 1540)
    # Root mean square distance over two axes.
    for error in report.reprojection_px:
        assert 0.9 < error / (np.sqrt(2) * sigma_px) < 1.1
    assert abs(report.recovered_square_m / SQUARE_M - 1) < 4 * report.recovered_spread_m / SQUARE_M / np.sqrt(12) + 1e-3


@pytest.mark.parametrize(
    ("count", "folds", "reason"),
    [
        (4, 2, r"4 pairs show the board and 2 folds leave 2 to calibrate from, at least 3 .*dark\.png"),
        (3, 3, "3 pairs show the board and 3 folds leave 2"),
        (8, 1, "folds: 1; expected 2 to 8"),
        (8, 9, "folds: 9; expected 2 to 8"),
    ],
)
def test_too_few_pairs_are_refused(seen, count: int, folds: int, reason: str) -> None:
    seen(pictures(count, 0.0, 5))
    with pytest.raises(DataError, match=reason):
        calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, folds)


@pytest.mark.parametrize("square_m", [0.0, -0.03, float("nan")])
def test_a_square_has_a_size(square_m: float) -> None:
    with pytest.raises(DataError, match=r"square_m: .*above 0"):
        calibrate_chessboard([], (7, 5), square_m, 25.0, 4)


def test_a_pair_that_cannot_be_from_these_cameras_is_named(seen) -> None:
    found = pictures(8, 0.0, 6)
    found.corners_px[1][2] = found.corners_px[1][2] + np.array([400.0, 0.0])
    seen(found)
    with pytest.raises(DataError, match=r"pair2: \d+ of its corners have no position"):
        calibrate_chessboard([], (7, 5), SQUARE_M, 25.0, 8)


def rendered(folder: Path, count: int) -> list[Path]:
    """Images of a 7x5 board from the two cameras without their distortion, four samples a pixel."""
    rng = np.random.default_rng(7)
    dark = np.indices((6, 8)).sum(axis=0) % 2 == 0
    texture = np.where(np.kron(dark, np.ones((40, 40))), 30, 225).astype(np.uint8)
    texture = cv2.copyMakeBorder(texture, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=225)
    # The texture's pixel (x, y) is the board's point (x + 0.5 - 80, y + 0.5 - 80) / 40 squares from the first corner.
    board_from_texture = np.array([[1 / 40, 0, (0.5 - 80) / 40], [0, 1 / 40, (0.5 - 80) / 40], [0, 0, 1]])
    fine = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1.0]])
    files = []
    for index in range(count):
        turn = cv2.Rodrigues(rng.uniform(-0.5, 0.5, 3))[0]
        place = rng.uniform((0.09, -0.04, 0.6), (0.17, 0.04, 0.6))
        start = place - turn @ [3 * SQUARE_M, 2 * SQUARE_M, 0]
        for side, matrix, pose in zip(
            "lr", MATRICES, ((np.eye(3), np.zeros(3)), (cv2.Rodrigues(TURN)[0], SHIFT_M)), strict=True
        ):
            flat = np.column_stack([turn[:, 0] * SQUARE_M, turn[:, 1] * SQUARE_M, start])
            seen_flat = pose[0] @ flat + np.outer(pose[1], [0, 0, 1])
            large = cv2.warpPerspective(
                texture, fine @ matrix @ seen_flat @ board_from_texture, (4 * SIZE[0], 4 * SIZE[1]), borderValue=128
            )
            files.append(folder / f"{side}{index}.png")
            assert cv2.imwrite(str(files[-1]), cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA))
    return files


def test_the_program_goes_from_images_to_a_rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in rendered(tmp_path, 6)]
    cv2.imwrite(str(tmp_path / "blank.png"), np.full(SIZE[::-1], 128, np.uint8))
    files += [str(tmp_path / "blank.png")] * 2
    output = tmp_path / "rig.toml"
    flags = ["--corners", "7x5", "--square-m", str(SQUARE_M), "--frame-rate-hz", "25", "--folds", "3"]
    chessboard.main([*files, *flags, "--output", str(output)])
    rig = load_rig(output)
    for camera, matrix in zip(rig.cameras, MATRICES, strict=True):
        np.testing.assert_allclose(camera.intrinsics[0, 0], matrix[0, 0], rtol=0.01)
    np.testing.assert_allclose(rig.cameras[1].translation_m, SHIFT_M, atol=0.004)
    printed = capsys.readouterr().out
    assert "6 pairs used; no board found in: blank.png, blank.png" in printed
    assert "fold 2: l5.png, r5.png: epipolar 0." in printed


def test_the_program_names_wrong_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--square-m", "0.03", "--frame-rate-hz", "25", "--folds", "3", "--output", str(tmp_path / "rig.toml")]
    with pytest.raises(SystemExit):
        chessboard.main(["a.png", "b.png", "--corners", "seven", *flags])
    assert "'seven': expected COLUMNSxROWS" in capsys.readouterr().err
    with pytest.raises(StorageError, match=r"a\.png: 3 images; expected pairs"):
        chessboard.main(["a.png", "b.png", "c.png", "--corners", "7x5", *flags])


@pytest.mark.skipif(not RECORDED.is_file(), reason="the shared data is not here")
def test_the_square_of_a_real_board_is_recovered_on_pairs_left_out(tmp_path: Path) -> None:
    """13 real pairs, each measured by a calibration from the other 12.

    A corner of a printed board is found to a few tenths of a pixel, so each pair's epipolar error is below 0.5 px; a
    square of 30 px between corners that good is known to better than 1 % when 93 of them are averaged.
    """
    listed = chessboard.read_image_list(RECORDED)
    pairs: list[tuple[Path, Path]] = list(zip(listed[::2], listed[1::2], strict=True))
    rig, report = calibrate_chessboard(pairs, (9, 6), 0.025, 25.0, 13)
    assert (len(report.used), report.not_found) == (13, ())
    assert max(report.reprojection_px) < 0.5
    assert max(pair.epipolar_px for pair in report.held_out) < 0.5 and report.epipolar_px < 0.25
    errors: NDArray[np.float64] = np.array([pair.square_m for pair in report.held_out]) / 0.025 - 1
    assert np.abs(errors).max() < 0.01
    assert abs(report.recovered_square_m / 0.025 - 1) < 0.002
    assert rig.cameras[0].image_size_px == (640, 480)
