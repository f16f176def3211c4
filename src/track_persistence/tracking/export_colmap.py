"""3D tracks as COLMAP's text model: a folder with `cameras.txt`, `images.txt` and `points3D.txt`.

The cameras stand still, so each camera is one image, and the points of all frames are points of one scene:
`stereo.calibration.load_rig` reads such a folder back as the same rig. COLMAP puts the centre of the top-left pixel at
(0.5, 0.5), hence the half pixels. Its 2D points are the projections of the 3D points, since tracks keep the distance
from the measured pixel and not the pixel.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from track_persistence.core.errors import DataError
from track_persistence.core.files import write_text
from track_persistence.core.rig import Camera, CameraRig, Lens
from track_persistence.stereo.geometry import project
from track_persistence.tracking.export_table import Floats, colours_of, columns_of, measured
from track_persistence.tracking.results import Reconstructed3DTrack

HALF_PIXEL = 0.5
UNKNOWN_ERROR = -1.0
LENGTHS = {"PINHOLE": 0, "OPENCV": 4, "FULL_OPENCV": 8, "OPENCV_FISHEYE": 4}


def write_colmap(path: Path, tracks: Sequence[Reconstructed3DTrack], rig: CameraRig) -> None:
    """Write the model to the folder `path`: a 3D point per track and frame that has a position.

    A point is in the images of the cameras that were triangulated, in none where the path was only smoothed. Raises
    `DataError` when the tracks do not fit the rig or a camera's name has blanks.
    """
    for camera in rig.cameras:
        if not camera.name or camera.name.split() != [camera.name]:
            raise DataError(f"camera {camera.name!r}: a COLMAP image has a name without blanks; rename the camera")
    columns = columns_of(tracks, rig)
    all_positions = np.column_stack([columns["x_m"], columns["y_m"], columns["z_m"]])
    located = np.isfinite(all_positions).all(axis=1)
    positions = all_positions[located]
    seen = measured([track.reprojection_px for track in tracks], (len(rig.cameras),))[located]
    ranks = np.cumsum(np.isfinite(seen), axis=0) - 1  # (N, V) position of a point's projection in its image
    # points3D.txt last: a folder without it is recognisably half a model.
    write_text(path / "cameras.txt", _cameras(rig))
    write_text(path / "images.txt", _images(rig, positions, np.isfinite(seen)))
    colours = colours_of(len(tracks))[columns["track"][located]]
    errors = np.nan_to_num(columns["reprojection_px"][located], nan=UNKNOWN_ERROR)
    write_text(path / "points3D.txt", _points(positions, colours, errors, np.where(np.isfinite(seen), ranks, -1)))


def _cameras(rig: CameraRig) -> str:
    lines = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    for number, camera in enumerate(rig.cameras, start=1):
        model = _model(camera)
        k = camera.intrinsics
        bends = [*camera.distortion.tolist(), *[0.0] * LENGTHS[model]][: LENGTHS[model]]
        values = [k[0, 0], k[1, 1], k[0, 2] + HALF_PIXEL, k[1, 2] + HALF_PIXEL, *bends]
        width, height = camera.image_size_px
        lines.append(f"{number} {model} {width} {height} {_numbers(values)}")
    return _text(lines)


def _model(camera: Camera) -> str:
    if camera.lens is Lens.FISHEYE:
        return "OPENCV_FISHEYE"
    if not camera.distortion.any():
        return "PINHOLE"
    return "FULL_OPENCV" if camera.distortion[4:].any() else "OPENCV"


def _images(rig: CameraRig, positions: Floats, seen: NDArray[np.bool_]) -> str:
    lines = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", "# POINTS2D[] as X Y POINT3D_ID"]
    for number, camera in enumerate(rig.cameras, start=1):
        x, y, z, w = Rotation.from_matrix(camera.rotation).as_quat(canonical=True).tolist()
        pose = _numbers([w, x, y, z, *camera.translation_m.tolist()])
        lines.append(f"{number} {pose} {number} {camera.name}")
        points = np.flatnonzero(seen[:, number - 1])
        pixels = project(camera, positions[points]) + HALF_PIXEL
        lines.append(
            " ".join(f"{_numbers(pixel)} {point + 1}" for pixel, point in zip(pixels.tolist(), points, strict=True))
        )
    return _text(lines)


def _points(positions: Floats, colours: NDArray[np.uint8], errors: Floats, ranks: NDArray[np.intp]) -> str:
    """ranks: (N, V) position of the point in each image's list, -1 where the camera did not see it."""
    lines = ["# POINT3D_ID X Y Z R G B ERROR TRACK[] as IMAGE_ID POINT2D_IDX"]
    rows = zip(positions.tolist(), colours.tolist(), errors.tolist(), ranks.tolist(), strict=True)
    for number, (position, colour, error, own) in enumerate(rows, start=1):
        track = [f"{image} {rank}" for image, rank in enumerate(own, start=1) if rank >= 0]
        lines.append(" ".join([f"{number} {_numbers(position)}", *map(str, colour), repr(error), *track]))
    return _text(lines)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
