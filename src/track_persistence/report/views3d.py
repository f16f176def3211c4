"""A 3D scene seen along a world axis: from above and from the side, and what of it each camera covers.

Axes keep the world's own coordinates and only turn round where "up" or "ahead" is their negative end. N points.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, CameraRig
from track_persistence.stereo.geometry import undistort_normalised

Floats = NDArray[np.float64]
NAMES = "xyz"
# A wedge wider than this, or of a camera that looks this little along the picture, says nothing.
WIDEST_RAD = 0.8 * np.pi
LEAST_AHEAD = 0.1


@dataclass(frozen=True)
class View:
    """Two world axes as a picture: the numbers of the horizontal and the vertical one, and which run backwards."""

    title: str
    axes: tuple[int, int]
    backwards: tuple[bool, bool]

    @property
    def labels(self) -> tuple[str, str]:
        """What to write at the horizontal and the vertical axis."""
        across, up = (f"{NAMES[axis]} in metres" for axis in self.axes)
        return across, up

    def flat(self, positions_m: Floats) -> Floats:
        """Return world points (N, 3) as they lie in the picture, (N, 2) metres."""
        picked: Floats = positions_m[:, list(self.axes)]
        return picked

    def flat_covariance(self, covariances_m2: Floats) -> Floats:
        """Return covariances (N, 3, 3) as they show in the picture, (N, 2, 2) square metres."""
        picked: Floats = covariances_m2[:, list(self.axes)][:, :, list(self.axes)]
        return picked


def plan_and_side(rig: CameraRig) -> tuple[View, View]:
    """Return the views from above and from the side, both with the cameras' direction to the right.

    Up is the world axis nearest to the mean upward direction of the images, which is wrong where they look down by more
    than 45 degrees; ahead is the one of the other two nearest to the mean direction of sight.
    """
    up = _nearest_axis(-np.mean([camera.rotation[1] for camera in rig.cameras], axis=0))
    sight = np.mean([camera.rotation[2] for camera in rig.cameras], axis=0)
    ahead = _nearest_axis(np.where(up == 0, sight, 0.0))
    left = np.cross(up, ahead)
    return _view("from above", ahead, left), _view("from the side", ahead, up)


def field_of_view(camera: Camera, view: View) -> tuple[Floats, Floats]:
    """Return the camera's place (2,) in the picture and the two outermost directions (2, 2) that it sees, of length 1.

    The directions go through the middles of the image's four borders; those two that lie widest apart in the picture.
    There are none, (0, 2), for a camera that looks along the line of sight of the picture and covers no wedge of it.
    Raises `DataError` where the distortion has no inverse at the border.
    """
    width, height = camera.image_size_px
    middle = np.array([width - 1, height - 1]) / 2
    borders = np.array([[0, middle[1]], [width - 1, middle[1]], [middle[0], 0], [middle[0], height - 1]])
    rays = np.column_stack([undistort_normalised(camera, borders), np.ones(4)]) @ camera.rotation
    flat, ahead = view.flat(rays), view.flat(camera.rotation[2][None])[0]
    across = flat @ np.array([-ahead[1], ahead[0]])
    angles = np.arctan2(across, flat @ ahead)
    covers = np.linalg.norm(ahead) > LEAST_AHEAD and np.ptp(angles) < WIDEST_RAD
    outermost = flat[[int(np.argmin(angles)), int(np.argmax(angles))] if covers else []]
    return view.flat(camera.centre_m[None])[0], outermost / np.linalg.norm(outermost, axis=1, keepdims=True)


def _nearest_axis(direction: Floats) -> Floats:
    axis = int(np.argmax(np.abs(direction)))
    nearest = np.zeros(3)
    nearest[axis] = -1.0 if direction[axis] < 0 else 1.0
    return nearest


def _view(title: str, across: Floats, upwards: Floats) -> View:
    picked = [int(np.argmax(np.abs(axis))) for axis in (across, upwards)]
    return View(title, (picked[0], picked[1]), (bool(across.sum() < 0), bool(upwards.sum() < 0)))
