import numpy as np
import pytest

from track_persistence.classifier.channels import CHANNELS, ConfidenceScale, model_inputs, no_pixel_channels
from track_persistence.classifier.table import Boxes
from track_persistence.core.errors import DataError

SCALE = ConfidenceScale(0.0, 1.0)


@pytest.fixture
def track() -> Boxes:
    """Boxes of side 4, 4 and 8; the centre moves 5 px in one frame and then 10 px in two."""
    boxes = np.array([[0, 0, 8, 2], [5, 2, 4, 4], [9, 8, 8, 8]], np.float32)
    return Boxes(np.array([10, 11, 13], np.int32), boxes, np.array([0.5, 0.75, 0.25], np.float32))


def test_channels_are_those_computed_by_hand(track: Boxes) -> None:
    # centres (4, 1), (7, 4 + ... ): the second is (7, 4), the third (13, 12): steps sqrt(18) and 10 px
    found = dict(zip(CHANNELS, no_pixel_channels(track, SCALE).T, strict=True))
    assert found["confidence"] == pytest.approx([0, np.log(3), -np.log(3)], abs=1e-6)
    assert found["log_side"] == pytest.approx(np.log([4 / 64, 4 / 64, 8 / 64]), rel=1e-6)
    assert found["log_aspect"] == pytest.approx([np.log(4), 0, 0], abs=1e-6)
    assert found["displacement"] == pytest.approx([0, np.sqrt(18) / 4, 10 / 4 / 2], rel=1e-6)
    assert found["size_change"] == pytest.approx([0, 0, np.log(2) / 2], abs=1e-6)
    assert found["gap"] == pytest.approx([0, 0, np.log(2)], abs=1e-6)


def test_later_frames_do_not_change_earlier_channels(track: Boxes) -> None:
    first = Boxes(track.frames[:2], track.boxes_xywh_px[:2], track.confidences[:2])
    assert np.array_equal(no_pixel_channels(first, SCALE), no_pixel_channels(track, SCALE)[:2])


def test_a_certain_detector_and_a_jump_stay_finite() -> None:
    boxes = np.array([[0, 0, 1, 1], [9000, 0, 500, 500]], np.float32)
    track = Boxes(np.array([0, 1], np.int32), boxes, np.array([0.0, 1.0], np.float32))
    channels = no_pixel_channels(track, SCALE)
    assert np.isfinite(channels).all()
    assert np.abs(channels).max() < 7  # logit(.999) = 6.9


def test_a_source_is_measured_in_its_own_spread() -> None:
    # logits -log 3 and log 3: mean 0, standard deviation log 3
    scale = ConfidenceScale.of(np.array([0.25, 0.75], np.float32))
    assert (scale.mean, scale.std) == pytest.approx((0, np.log(3)), abs=1e-6)
    assert ConfidenceScale.of(np.array([0.5, 0.5])).std == 1


def test_a_source_without_boxes_and_a_scale_without_spread_are_refused() -> None:
    with pytest.raises(DataError, match="no confidence"):
        ConfidenceScale.of(np.empty(0))
    with pytest.raises(DataError, match="std above 0"):
        ConfidenceScale(0.0, 0.0)


def test_inputs_are_features_then_channels(track: Boxes) -> None:
    features = np.arange(6, dtype=np.float16).reshape(3, 2)
    both = model_inputs(features, track, "both", SCALE)
    assert np.array_equal(both[:, :2], features)
    assert np.array_equal(both[:, 2:], model_inputs(None, track, "no_pixels", SCALE))
    assert np.array_equal(model_inputs(features, track, "pixels", None), features)


def test_what_an_input_needs_is_named(track: Boxes) -> None:
    with pytest.raises(DataError, match="need the encoder's features"):
        model_inputs(None, track, "both", SCALE)
    with pytest.raises(DataError, match="need a confidence scale"):
        model_inputs(np.zeros((3, 2)), track, "both", None)
