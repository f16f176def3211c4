from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.stereo.board import find_pictures, read_image_list

SQUARE_PX = 24


def flat_board(columns: int, rows: int) -> np.ndarray:
    """Return a picture of (columns, rows) inner corners, the first at x = y = 2 squares less half a pixel."""
    dark = np.indices((rows + 1, columns + 1)).sum(axis=0) % 2 == 0
    squares = np.where(np.kron(dark, np.ones((SQUARE_PX, SQUARE_PX))), 0, 255).astype(np.uint8)
    return cv2.copyMakeBorder(squares, *[SQUARE_PX] * 4, cv2.BORDER_CONSTANT, value=255)


def write(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def test_corners_are_found_between_pixels(tmp_path: Path) -> None:
    """The first corner is the edge between pixels 47 and 48, at 47.5 where pixel centres are whole numbers."""
    pair = tuple(write(tmp_path / f"{side}.png", flat_board(5, 4)) for side in ("left", "right"))
    found = find_pictures([pair], (5, 4))
    assert (len(found), found.shape, found.sizes_px[0]) == (1, (4, 5), (8 * SQUARE_PX, 7 * SQUARE_PX))
    expected = 47.5 + SQUARE_PX * found.grid[:, :2]
    for view in found.corners_px:
        in_order = view[0] if view[0][0, 0] < view[0][-1, 0] else view[0][::-1]
        np.testing.assert_allclose(in_order, expected, atol=0.02)


def test_both_images_name_the_same_corner_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector may begin at either end of the board; here it does so in the second image."""
    detect, calls = cv2.findChessboardCorners, []

    def either_way(image: np.ndarray, corners: tuple[int, int]) -> tuple[bool, np.ndarray]:
        calls.append(image)
        found, seen = detect(image, corners)
        return found, seen if len(calls) == 1 else np.ascontiguousarray(seen[::-1])

    monkeypatch.setattr(cv2, "findChessboardCorners", either_way)
    board = write(tmp_path / "board.png", flat_board(5, 4))
    found = find_pictures([(board, board)], (5, 4))
    np.testing.assert_allclose(found.corners_px[0][0], found.corners_px[1][0], atol=0.02)


def test_images_without_the_board_are_named(tmp_path: Path) -> None:
    board = write(tmp_path / "board.png", flat_board(5, 4))
    blank = write(tmp_path / "blank.png", np.full_like(flat_board(5, 4), 128))
    found = find_pictures([(board, board), (board, blank), (blank, blank)], (5, 4))
    assert found.names == ("board.png, board.png",)
    assert found.not_found == ("blank.png", "blank.png", "blank.png")
    with pytest.raises(DataError, match="no board of 5x4 inner corners in both images of any of 1 pairs"):
        find_pictures([(board, blank)], (5, 4))
    with pytest.raises(DataError, match=r"corners: .*at least 3"):
        find_pictures([(board, board)], (5, 2))


def test_images_of_one_camera_must_have_one_size(tmp_path: Path) -> None:
    board = write(tmp_path / "board.png", flat_board(5, 4))
    wide = write(tmp_path / "wide.png", flat_board(6, 4))
    with pytest.raises(DataError, match=r"wide\.png: \(216, 168\) px, but earlier images .* have \(192, 168\) px"):
        find_pictures([(board, board), (wide, board)], (5, 4))


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    board = write(tmp_path / "board.png", flat_board(5, 4))
    with pytest.raises(StorageError, match=r"gone\.png: no such image"):
        find_pictures([(board, tmp_path / "gone.png")], (5, 4))
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(StorageError, match=r"text\.png: cannot be read as an image"):
        find_pictures([(board, tmp_path / "text.png")], (5, 4))


def test_an_image_list_is_relative_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    path.write_text('<?xml version="1.0"?><opencv_storage><imagelist>"a.jpg" "b c.jpg"</imagelist></opencv_storage>')
    assert read_image_list(path) == [tmp_path / "a.jpg", tmp_path / "b c.jpg"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<opencv_storage><a>1</a></opencv_storage>", "list.xml: expected a list of image files"),
        ('<opencv_storage><a>"x" 1</a></opencv_storage>', "list.xml: expected a list of image files"),
        ("<opencv_storage><a>", "list.xml: not an OpenCV FileStorage"),
        ("<!DOCTYPE a []><opencv_storage/>", "list.xml: document type definitions"),
    ],
)
def test_a_wrong_image_list_is_named(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "list.xml"
    path.write_text('<?xml version="1.0"?>' + content)
    with pytest.raises(StorageError, match=reason):
        read_image_list(path)
    with pytest.raises(StorageError, match=r"none\.xml: cannot be read"):
        read_image_list(tmp_path / "none.xml")
