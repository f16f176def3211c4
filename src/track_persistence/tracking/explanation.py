"""An attention vector in words, and no more than it says."""

from typing import Any

import numpy as np

from track_persistence.core.errors import DataError
from track_persistence.core.types import FloatArray

SUM_TOLERANCE = 1e-3
FRAMES_NAMED = 3
NEAR_EVEN = (0.8, 1.25)


def check_attention(attention: Any, duration: int) -> FloatArray:
    """Return `attention` as (duration,) float32; raises `DataError` unless it is that long, >= 0 and sums to 1."""
    weights = np.asarray(attention)
    if not np.issubdtype(weights.dtype, np.number) or weights.shape != (duration,) or duration < 1:
        raise DataError(
            f"attention: expected one number for each of {duration} frames (at least 1), "
            f"got shape {weights.shape} {weights.dtype}"
        )
    total = float(weights.sum())
    if not abs(total - 1) <= SUM_TOLERANCE or (weights < 0).any():
        raise DataError(
            f"attention: sums to {total:.4g}, smallest weight {weights.min():.4g}; weights must be at least 0 and sum "
            "to 1, pass what predict returned"
        )
    return weights.astype(np.float32)


def describe_attention(attention: Any, duration: int) -> str:
    """Say where the attention of a track of `duration` observed frames lay, as lift (1 = an even spread)."""
    weights = check_attention(attention, duration)
    if duration == 1:
        return (
            "1 observed frame: its weight is 1 whatever it shows, so the attention says nothing about this track. "
            "The decision rests on that single frame."
        )
    lift = weights * duration
    order = np.argsort(-lift, kind="stable")[:FRAMES_NAMED]
    named = ", ".join(f"frame {index + 1} ({lift[index]:.2f})" for index in order)
    even = int(((lift >= NEAR_EVEN[0]) & (lift <= NEAR_EVEN[1])).sum())
    if even == duration:
        shape = f"All lie within {NEAR_EVEN[0]:g} and {NEAR_EVEN[1]:g}: the attention is spread almost evenly."
    else:
        shape = f"{even} of {duration} frames lie within {NEAR_EVEN[0]:g} and {NEAR_EVEN[1]:g}, close to even."
    return (
        f"{duration} observed frames, counted from 1. Attention as lift (weight times number of frames; 1 is an even "
        f"spread): most on {named}; first frame {lift[0]:.2f}, last frame {lift[-1]:.2f}. {shape} "
        "Attention tells where the model looked; it is not a cause of the decision."
    )
