import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.tracking.explanation import describe_attention


def test_attention_is_told_as_lift_with_its_largest_and_its_end_frames() -> None:
    # Lift = 4 a: 0.4, 2.0, 1.2, 0.4; only 1.2 lies between 0.8 and 1.25.
    text = describe_attention(np.array([0.1, 0.5, 0.3, 0.1], np.float32), 4)
    assert "most on frame 2 (2.00), frame 3 (1.20), frame 1 (0.40)" in text
    assert "first frame 0.40, last frame 0.40" in text
    assert "1 of 4 frames lie within 0.8 and 1.25" in text


def test_an_even_spread_is_called_even() -> None:
    assert "spread almost evenly" in describe_attention(np.full(8, 1 / 8), 8)


def test_attention_is_never_sold_as_a_cause() -> None:
    text = describe_attention(np.array([0.9, 0.1]), 2)
    assert "not a cause" in text and "because" not in text


def test_one_frame_explains_nothing() -> None:
    assert "says nothing" in describe_attention(np.array([1.0]), 1)


@pytest.mark.parametrize(
    ("attention", "duration", "reason"),
    [
        ([0.5, 0.5], 3, r"expected one number for each of 3 frames .*got shape \(2,\)"),
        ([], 0, "at least 1"),
        ([[0.5, 0.5]], 2, r"got shape \(1, 2\)"),
        ([0.5, 0.4], 2, "sums to 0.9"),
        ([1.5, -0.5], 2, "smallest weight -0.5"),
        ([np.nan, 1.0], 2, "sums to nan"),
        (["a", "b"], 2, "expected one number"),
    ],
)
def test_what_is_no_attention_is_refused(attention: list, duration: int, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        describe_attention(attention, duration)
