"""COLMAP's text model: a folder with `cameras.txt` and `images.txt`; one image is one camera of the rig, by its name.

COLMAP puts the centre of the top-left pixel at (0.5, 0.5), so principal points move by half a pixel. Its scale is
arbitrary unless the reconstruction was scaled: give load_rig the metres of one unit. There is no frame rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Lens
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    camera_matrix,
    check_finite,
    floats,
    image_size,
    pose,
    shaped,
)
from track_persistence.stereo.pixels import FloatArray

CAMERAS, IMAGES = "cameras.txt", "images.txt"
HALF_PIXEL = 0.5
NORM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Model:
    """How many focal lengths and coefficients a COLMAP model has, and how many our lens model wants."""

    focal_lengths: int
    coefficients: int
    wanted: int
    lens: Lens


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """A line of `cameras.txt`."""

    size_px: tuple[int, int]
    matrix: FloatArray
    distortion: FloatArray
    lens: Lens


MODELS = {
    "SIMPLE_PINHOLE": Model(1, 0, 0, Lens.BROWN_CONRADY),
    "PINHOLE": Model(2, 0, 0, Lens.BROWN_CONRADY),
    "SIMPLE_RADIAL": Model(1, 1, 4, Lens.BROWN_CONRADY),
    "RADIAL": Model(1, 2, 4, Lens.BROWN_CONRADY),
    "OPENCV": Model(2, 4, 4, Lens.BROWN_CONRADY),
    "FULL_OPENCV": Model(2, 8, 8, Lens.BROWN_CONRADY),
    "SIMPLE_RADIAL_FISHEYE": Model(1, 1, 4, Lens.FISHEYE),
    "RADIAL_FISHEYE": Model(1, 2, 4, Lens.FISHEYE),
    "OPENCV_FISHEYE": Model(2, 4, 4, Lens.FISHEYE),
}


def parse(cameras: str, images: str) -> RigDraft:
    """Return the cameras of the two texts, sorted by image name.

    Raises `StorageError` on a line cut short or an unknown camera, `DataError` on a wrong number or an unknown model.
    """
    known = dict(_intrinsics(cameras))
    return RigDraft(tuple(sorted(_images(images, known), key=lambda camera: camera.name)), CAMERAS)


def _intrinsics(text: str) -> Iterator[tuple[str, Intrinsics]]:
    for number, line in enumerate(text.splitlines(), start=1):
        tokens = line.split()
        if not tokens or tokens[0].startswith("#"):
            continue
        place = f"{CAMERAS}: line {number}"
        if len(tokens) < 4:
            raise StorageError(f"{place}: expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS, got {len(tokens)} fields")
        if tokens[1] not in MODELS:
            raise DataError(f"{place}: model {tokens[1][:40]}; expected one of {', '.join(MODELS)}")
        yield tokens[0], _described(place, MODELS[tokens[1]], floats(place, tokens[2:]))


def _described(place: str, model: Model, numbers: FloatArray) -> Intrinsics:
    given = shaped(f"{place}: PARAMS", numbers[2:], (model.focal_lengths + 2 + model.coefficients,))
    centre = given[model.focal_lengths : model.focal_lengths + 2] - HALF_PIXEL
    bends = given[model.focal_lengths + 2 :]
    return Intrinsics(
        image_size(place, numbers[:2]),
        camera_matrix(given[0], given[model.focal_lengths - 1], *centre),
        np.append(bends, np.zeros(model.wanted - len(bends))),
        model.lens,
    )


def _images(text: str, known: dict[str, Intrinsics]) -> Iterator[CameraDraft]:
    """Read every image's pose; the line after it holds its 2D points, may be empty and is skipped."""
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        _skip_points(*next(lines, (number + 1, "")))
        place, tokens = f"{IMAGES}: line {number}", line.split(maxsplit=9)
        if len(tokens) != 10:
            raise StorageError(
                f"{place}: expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {len(tokens)} fields"
            )
        camera = known.get(tokens[8])
        if camera is None:
            raise StorageError(f"{place}: camera {tokens[8][:40]} is missing in {CAMERAS}")
        numbers = check_finite(place, floats(place, tokens[1:8]))
        yield CameraDraft(
            tokens[9].strip(),
            camera.matrix,
            camera.distortion,
            pose(_rotation(place, numbers[:4]), numbers[4:]),
            camera.size_px,
            None,
            camera.lens,
        )


def _skip_points(number: int, line: str) -> None:
    """Refuse a line of 2D points that is none: without its empty line, an image would swallow the next one."""
    place, tokens = f"{IMAGES}: line {number}", line.split()
    if len(tokens) % 3:
        raise StorageError(
            f"{place}: expected X Y POINT3D_ID of 2D points, or an empty line after an image; got {len(tokens)} fields"
        )
    floats(f"{place}: 2D points", tokens)


def _rotation(place: str, quaternion: FloatArray) -> FloatArray:
    """Return R (3, 3), camera from world, of the unit quaternion w x y z."""
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1) > NORM_TOLERANCE:
        raise DataError(
            f"{place}: quaternion of length {norm:.6g} is no rotation; expected 1 within {NORM_TOLERANCE:g}"
        )
    w, x, y, z = quaternion / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
