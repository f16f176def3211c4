import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.observations import box_sigma_px, check_in_image, observe


def track_at(camera: int, frames: list[int], corner_px: tuple[float, float], side_px: float = 4.0) -> BoxTrack:
    boxes = np.tile(np.float32([*corner_px, side_px, side_px]), (len(frames), 1))
    return BoxTrack(camera, 3, np.array(frames, np.int32), boxes, np.linspace(0.5, 1, len(frames), dtype=np.float32))


def test_larger_boxes_are_less_certain(config: StereoConfig) -> None:
    # 3-4-5: hypot(3, 0.1 * mean(30, 50)) = 5.
    noisy = config.model_copy(update={"pixel_sigma_px": 3.0, "size_sigma": 0.1})
    assert box_sigma_px(np.array([[0, 0, 30, 50]], np.float32), np.ones(1, np.float32), noisy).tolist() == [5.0]


def test_a_detector_that_doubts_is_less_certain_but_never_without_end(config: StereoConfig) -> None:
    # 0.25 to the power of -1/2 is 2; a confidence of 0 counts as 0.05.
    doubting = config.model_copy(update={"confidence_exponent": 0.5})
    found = box_sigma_px(np.ones((2, 4), np.float32), np.array([0.25, 0], np.float32), doubting)
    assert found.tolist() == pytest.approx([2, 0.05**-0.5])


def test_what_a_camera_did_not_see_is_nan(config: StereoConfig) -> None:
    seen = observe([track_at(0, [4, 6], (10, 20)), None, track_at(2, [5, 6, 9], (30, 40))], config)
    assert seen.frames.tolist() == [4, 5, 6, 9]
    assert seen.seen.tolist() == [[True, False, True, False], [False] * 4, [False, True, True, True]]
    assert seen.views.tolist() == [1, 1, 2, 1]
    # The centre of a box is half its side from its corner.
    assert seen.pixels[0, 2].tolist() == [12, 22] and seen.pixels[2, 2].tolist() == [32, 42]
    for values in (seen.pixels[..., 0], seen.sigmas_px, seen.confidences):
        assert np.array_equal(np.isnan(values), ~seen.seen)
    assert seen.confidences[2, 1:].tolist() == [0.5, 0.75, 1.0]


def test_a_group_without_a_track_is_refused(config: StereoConfig) -> None:
    with pytest.raises(DataError, match="no track in any of 3 cameras; drop empty groups"):
        observe([None, None, None], config)


@pytest.mark.parametrize("corner_px", [(-4.4, 50), (100.4, 50), (50, -4.4), (50, 100.4)])
def test_a_box_that_overlaps_the_image_by_a_tenth_of_a_pixel_is_inside(
    parallel_rig: StereoRig, corner_px: tuple[float, float]
) -> None:
    # The image of 101 px reaches from -0.5 to 100.5.
    check_in_image(parallel_rig.cameras[0], track_at(0, [0], corner_px))


@pytest.mark.parametrize("corner_px", [(-4.6, 50), (100.6, 50), (50, -4.6), (50, 100.6)])
def test_a_box_outside_the_calibrated_image_is_refused_with_its_frame(
    parallel_rig: StereoRig, corner_px: tuple[float, float]
) -> None:
    track = track_at(0, [3, 7], (50, 50))
    track.boxes_xywh_px[1, :2] = corner_px
    with pytest.raises(
        DataError, match=r"track 3 of camera 0: frame 7: box .* lies outside the 101 x 101 px that camera left is calib"
    ):
        check_in_image(parallel_rig.cameras[0], track)
