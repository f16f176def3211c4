"""Qualisys Track Manager's `.qca.txt`: XML, one element a camera.

`transform` holds the camera's place in millimetres and, row by row, the axes of a camera that looks along -z with y up;
`intrinsic` focal lengths and principal point in 1/64 pixel, `fov_video` the part of the sensor that the video shows,
last row and column included; without it the video shows the whole sensor (`sensorMinU` to `sensorMaxU`, 1/64 pixel).
Distortion coefficients are plain numbers: on the walls and doors of Pose2Sim's recording they leave lines 0.46 px bent
over 450 px and more on average, divided by 64 as Pose2Sim does 0.72 px. Cameras with active="0" are skipped. There is
no frame rate; `viewrotation` is not applied to the calibration.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    camera_matrix,
    coefficients,
    floats,
    image_size,
    pose,
    shaped,
)
from track_persistence.stereo.formats.markup import root_element
from track_persistence.stereo.pixels import FloatArray

SUBPIXELS = 64.0
METRES_PER_MM = 1e-3
LOOKING_FORWARD = np.diag([1.0, -1.0, -1.0])
AXES = [f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
DISTORTION = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")


def recognises(text: str) -> bool:
    """Whether `text` is XML with a `calibration` at its root."""
    return root_element(text) == "calibration"


def parse(text: str) -> RigDraft:
    """Return the active cameras; raises `StorageError` on a missing key, `DataError` on a wrong number."""
    root_element(text)
    try:
        # Entities are refused above, so the parser has none to expand.
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise StorageError(f"not valid XML: {error}; is the file cut off?") from error
    cameras = [element for element in root.iter("camera") if element.get("active") != "0"]
    return RigDraft(tuple(_camera(index, camera) for index, camera in enumerate(cameras, start=1)), "fov_video")


def _camera(index: int, element: ElementTree.Element) -> CameraDraft:
    name = element.get("serial", f"camera{index}")
    axes = shaped(f"camera {name}: transform", _numbers(name, element, "transform", AXES), (3, 3))
    rotation = LOOKING_FORWARD @ axes
    centre_m = METRES_PER_MM * _numbers(name, element, "transform", "xyz")
    left, top, right, bottom = _video(name, element)
    pixels = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    fx, fy, cx, cy = _numbers(name, element, "intrinsic", pixels) / SUBPIXELS
    skew, third = _numbers(name, element, "intrinsic", ("skew", "radialDistortion3"))
    if skew != 0:
        raise DataError(f"camera {name}: intrinsic skew {skew:g}; only cameras without skew are supported")
    lens = Lens.BROWN_CONRADY
    distortion = np.append(_numbers(name, element, "intrinsic", DISTORTION), third)
    return CameraDraft(
        name,
        camera_matrix(fx, fy, cx - left, cy - top),
        coefficients(f"camera {name}: intrinsic", distortion, lens),
        pose(rotation, -rotation @ centre_m),
        image_size(f"camera {name}: fov_video", np.array([right - left + 1, bottom - top + 1])),
    )


def _video(name: str, element: ElementTree.Element) -> FloatArray:
    """Return the first and the last column and row of the video: left, top, right, bottom."""
    if element.find("fov_video") is not None:
        return _numbers(name, element, "fov_video", ("left", "top", "right", "bottom"))
    sensor = _numbers(name, element, "intrinsic", ("sensorMinU", "sensorMinV", "sensorMaxU", "sensorMaxV"))
    corners: FloatArray = np.floor(sensor / SUBPIXELS)
    return corners


def _numbers(name: str, element: ElementTree.Element, child: str, keys: Sequence[str]) -> FloatArray:
    found = element.find(child)
    if found is None:
        raise StorageError(f"camera {name}: element {child} is missing; export the calibration again")
    missing = [key for key in keys if key not in found.attrib]
    if missing:
        raise StorageError(f"camera {name}: key {child}.{missing[0]} is missing; export the calibration again")
    return np.concatenate([floats(f"camera {name}: {child}.{key}", [found.attrib[key]]) for key in keys])
