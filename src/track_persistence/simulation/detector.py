"""A YOLO-like detector and the tracker behind it: misses, box jitter, confidences, false alarms.

T frames of a cause.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.config import DetectorConfig

Array = NDArray[np.float64]
SMALLEST_BOX_PX = 4.0


def detected(rng: np.random.Generator, config: DetectorConfig, visible: Array, fewest: int) -> NDArray[np.bool_]:
    """Draw in which frames (T,) the cause is detected, given its visible shares (T,).

    The clearest missed frames are given back while fewer than `fewest` are left: shorter tracks are not of the profile.
    """
    chance = np.clip(config.miss_share + config.occluded_miss_share * (1 - visible), 0, 1)
    hit: NDArray[np.bool_] = rng.random(len(visible)) >= chance
    lacking = fewest - int(hit.sum())
    if lacking > 0:
        missed = np.flatnonzero(~hit)
        clearest = missed[np.argsort(-visible[missed], kind="stable")]
        hit[clearest[:lacking]] = True
    return hit


def jittered(
    rng: np.random.Generator, config: DetectorConfig, boxes_xywh_px: Array, image_size_px: tuple[int, int]
) -> Array:
    """Boxes (T, 4) as the detector reports them: relatively worse the smaller the box, correlated over frames."""
    size = boxes_xywh_px[:, 2:]
    sides = np.concatenate([boxes_xywh_px[:, :2], boxes_xywh_px[:, :2] + size], axis=1)
    steps = rng.standard_normal(sides.shape)
    error = np.empty_like(steps)
    error[0] = steps[0]
    keep = config.jitter_memory
    for index in range(1, len(steps)):
        error[index] = keep * error[index - 1] + np.sqrt(1 - keep**2) * steps[index]
    sides = sides + error * np.tile(config.jitter_px + config.jitter_share * size, 2)
    limit = np.array(image_size_px) - 0.5
    low = np.clip(sides[:, :2], -0.5, limit - SMALLEST_BOX_PX)
    high = np.clip(sides[:, 2:], low + SMALLEST_BOX_PX, limit)
    return np.concatenate([low, high - low], axis=1)


@dataclass(frozen=True)
class Scores:
    """How a detector scores a class of things: median confidence, and the logit's spread between tracks and frames."""

    median: float
    track_spread: float
    frame_spread: float


def nominal_scores(config: DetectorConfig, kind: Literal["persistent", "brief", "noise"]) -> Scores:
    """Return the scores of a kind of track in the nominal profile."""
    return Scores(config.confidence[kind], config.track_spread, config.frame_spread)


def confidences(
    rng: np.random.Generator, config: DetectorConfig, scores: Scores, boxes_xywh_px: Array, clear: Array
) -> NDArray[np.float32]:
    """Confidences (T,) in [0, 1]: higher for large boxes (T, 4) and for `clear` (T,), the share not hidden or faded."""
    side = np.sqrt(boxes_xywh_px[:, 2:].prod(axis=1))
    logit = np.log(scores.median / (1 - scores.median))
    logit = logit + config.size_slope * np.clip(np.log(side / config.size_reference_px), -2, 2)
    logit -= config.hidden_slope * (1 - clear)
    logit += rng.normal(0, scores.track_spread) + rng.normal(0, scores.frame_spread, len(clear))
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)


def false_alarm_box(
    rng: np.random.Generator, noise_size_px: tuple[float, float], image_size_px: tuple[int, int]
) -> Array:
    """Draw a box (4,) anywhere in the image, its side log-uniform in a range."""
    side = np.exp(rng.uniform(*np.log(noise_size_px)))
    stretch = np.exp(rng.uniform(-0.6, 0.6))
    size = np.minimum([side * stretch, side / stretch], np.array(image_size_px) * 0.5)
    return np.concatenate([rng.uniform(-0.5, np.array(image_size_px) - 0.5 - size), size])
