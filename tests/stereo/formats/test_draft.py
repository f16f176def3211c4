import numpy as np
import pytest

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens
from track_persistence.stereo.formats.draft import (
    POSE_TOLERANCE,
    check_same_pose,
    coefficients,
    floats,
    image_size,
    rotation_matrix,
    shaped,
)


def test_numbers_and_their_texts_are_read() -> None:
    assert floats("K", ["1.5e2", 2, -0.25]).tolist() == [150.0, 2.0, -0.25]


@pytest.mark.parametrize("value", ["wide", True, None, [1.0], 10**400], ids=["text", "bool", "none", "list", "huge"])
def test_what_is_no_number_is_named_with_its_key(value: object) -> None:
    with pytest.raises(StorageError, match=r"K: expected numbers, got '"):
        floats("K", [1.0, value])


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(StorageError) as caught:
        floats("K", ["x" * 10_000])
    assert len(str(caught.value)) < 100


def test_the_count_of_numbers_is_checked() -> None:
    assert shaped("P", np.arange(12.0), (3, 4))[1].tolist() == [4.0, 5.0, 6.0, 7.0]
    with pytest.raises(DataError, match=r"P: expected \(3, 4\) numbers, got \(11,\)"):
        shaped("P", np.arange(11.0), (3, 4))


@pytest.mark.parametrize("size", [(640.5, 480), (0, 480), (640, -1), (np.nan, 480), (np.inf, 480)])
def test_an_image_size_is_two_whole_numbers_above_0(size: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="size: image size"):
        image_size("size", np.array(size))


def test_only_zeros_are_dropped_behind_the_last_coefficient() -> None:
    bends = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    assert coefficients("D", bends, Lens.FISHEYE).tolist() == [0.1, 0.2, 0.3, 0.4]
    assert coefficients("D", bends, Lens.BROWN_CONRADY).tolist() == bends.tolist()
    with pytest.raises(DataError, match="D: 5 coefficients; of a fisheye lens 4 are supported"):
        coefficients("D", bends + 0.1, Lens.FISHEYE)


def test_one_pose_given_twice_must_agree() -> None:
    kept, other = np.eye(3, 4), np.eye(3, 4)
    check_same_pose("a and b", kept, other + 0.9 * POSE_TOLERANCE)
    for wrong in (1.1 * POSE_TOLERANCE, np.nan):
        with pytest.raises(DataError, match="a and b differ by"):
            check_same_pose("a and b", kept, other + wrong)


def test_a_rotation_is_nine_numbers_or_a_turn_about_an_axis() -> None:
    quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(rotation_matrix("R", np.array([0, 0, np.pi / 2])), quarter, atol=1e-15)
    assert rotation_matrix("R", np.array(quarter, float).ravel()).tolist() == quarter
    with pytest.raises(DataError, match=r"R: expected \(3, 3\) numbers, got \(4,\)"):
        rotation_matrix("R", np.array([1.0, 0, 0, 0]))
