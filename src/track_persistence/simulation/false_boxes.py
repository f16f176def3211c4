"""False tracks that a detector and a 2D tracker make of real objects: duplicates, merged boxes, ID switches; and noise.

T frames of the boxes of one track.
"""

import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.matched_config import TrackerErrorsConfig

Array = NDArray[np.float64]
TRIES = 200
LARGEST_OFFSET = 1.2


def duplicate_offset(rng: np.random.Generator, config: TrackerErrorsConfig) -> Array:
    """Draw a duplicate box relative to its object's: x, y, w, h in units of the object's width and height.

    Its overlap (IoU) with the unit box lies within `duplicate_iou`; the last draw stands when none fits.
    """
    low, high = np.log(config.duplicate_scale)
    for _ in range(TRIES):
        size = np.exp(rng.uniform(low, high)) * np.exp(rng.uniform(-0.3, 0.3, 2) * (1, -1))
        middle = 0.5 + rng.uniform(-LARGEST_OFFSET, LARGEST_OFFSET, 2)
        box = np.concatenate([middle - size / 2, size])
        if config.duplicate_iou[0] <= _iou_with_unit(box) <= config.duplicate_iou[1]:
            break
    return box


def _iou_with_unit(box: Array) -> float:
    low, high = np.maximum(box[:2], 0), np.minimum(box[:2] + box[2:], 1)
    common = float(np.maximum(high - low, 0).prod())
    return common / (1 + float(box[2:].prod()) - common)


def duplicated(boxes_xywh_px: Array, offset: Array) -> Array:
    """Boxes (T, 4) at `offset` (4,) of the object's boxes (T, 4)."""
    size = boxes_xywh_px[:, 2:]
    return np.concatenate([boxes_xywh_px[:, :2] + offset[:2] * size, offset[2:] * size], axis=1)


def merged(first: Array, second: Array) -> Array:
    """Smallest boxes (T, 4) around two objects' boxes (T, 4)."""
    low = np.minimum(first[:, :2], second[:, :2])
    high = np.maximum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    return np.concatenate([low, high - low], axis=1)


def covered_shares(first: Array, second: Array) -> Array:
    """Share (T,) of the smaller of two boxes (T, 4) that the other one covers."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    shares: Array = common / np.minimum(first[:, 2:].prod(axis=1), second[:, 2:].prod(axis=1))
    return shares


def switched(rng: np.random.Generator, boxes_xywh_px: Array, after: int, way_frames: int) -> Array:
    """Boxes (T, 4) that follow an object for `after` frames, then go aside in `way_frames` and stay there."""
    count = len(boxes_xywh_px)
    if count <= after:
        return boxes_xywh_px
    last = boxes_xywh_px[after - 1]
    size = last[2:] * np.exp(rng.uniform(-0.3, 0.3, 2))
    side = 1.0 if rng.random() < 0.5 else -1.0
    away = np.array([side * rng.uniform(1.0, 1.8), rng.uniform(-0.3, 0.3)]) * last[2:]
    share = np.minimum(np.arange(1, count - after + 1) / way_frames, 1.0)[:, None]
    wander = rng.normal(0, 0.01, (count - after, 2)).cumsum(axis=0) * last[2:]
    middle = last[:2] + last[2:] / 2 + share * away + wander
    sizes = last[2:] * (1 - share) + size * share
    return np.concatenate([boxes_xywh_px[:after], np.concatenate([middle - sizes / 2, sizes], axis=1)])


def drifting(rng: np.random.Generator, box: Array, count: int, step_px: float) -> Array:
    """Boxes (count, 4) of noise that wanders from `box` (4,), keeping its size but for a slow change."""
    steps = rng.normal(0, step_px, (count, 2))
    steps[0] = 0
    grow = np.exp(np.concatenate([[0.0], rng.normal(0, 0.01, count - 1)]).cumsum())[:, None]
    size = box[2:] * grow
    middle = box[:2] + box[2:] / 2 + steps.cumsum(axis=0)
    return np.concatenate([middle - size / 2, size], axis=1)
