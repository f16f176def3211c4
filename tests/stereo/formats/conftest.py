"""Two cameras with different lenses, toed in, and what OpenCV's own rectification makes of them."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIZE = (640, 480)


@dataclass(frozen=True)
class Rectified:
    """A stereo pair before and after cv2.stereoRectify."""

    matrices: tuple[Array, Array]
    distortions: tuple[Array, Array]
    right_from_left: tuple[Array, Array]
    rotations: tuple[Array, Array]
    projections: tuple[Array, Array]


@pytest.fixture
def rectified() -> Rectified:
    matrices = tuple(np.array([[f, 0, cx], [0, f + 2, 235.5], [0, 0, 1]]) for f, cx in ((500.0, 320.5), (510.0, 315.0)))
    distortions = (np.array([-0.2, 0.05, 0.001, -0.002, 0.01]), np.array([-0.25, 0.07, -0.001, 0.0005, 0.0]))
    rotation = cv2.Rodrigues(np.array([0.01, -0.06, 0.02]))[0]
    translation = np.array([-0.4, 0.01, 0.02])
    found = cv2.stereoRectify(matrices[0], distortions[0], matrices[1], distortions[1], SIZE, rotation, translation)
    return Rectified(matrices, distortions, (rotation, translation), found[:2], found[2:4])


@pytest.fixture
def points_m() -> Array:
    """Points that both cameras of `rectified` see, (20, 3) in the left camera's frame."""
    return np.random.default_rng(3).uniform((-0.5, -0.5, 2), (0.5, 0.5, 4), (20, 3))
