"""TOML of aniposelib, Pose2Sim and Caliscope: one table a camera.

Keys of a table: name, size (width, height), matrix (3x3), distortions, rotation (Rodrigues vector or 3x3, camera from
world), translation, fisheye (optional). Written besides, for an exact way back: cam_from_world (3x4) in each table and
frame_rate_hz under [metadata]; other readers skip both. Pose2Sim writes metres, aniposelib the unit of its board.
Tables without a camera's keys are skipped.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import cv2

from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.rig import Camera, CameraRig, Lens
from track_persistence.stereo.formats.draft import (
    CameraDraft,
    RigDraft,
    check_same_pose,
    coefficients,
    floats,
    image_size,
    pose,
    rotation_matrix,
    shaped,
    without_skew,
)
from track_persistence.stereo.pixels import FloatArray

FIRST_LINE = re.compile(r"""\s*(?:\#[^\n]*\n\s*)*(?:\[[\w\s."'-]+\]|[\w."'-]+\s*=)""")
CAMERA_KEYS = ("matrix", "distortions", "rotation", "translation")
METADATA, RATE = "metadata", "frame_rate_hz"


def recognises(text: str) -> bool:
    """Whether the first line of `text` that is no comment is a TOML table or assignment."""
    return FIRST_LINE.match(text) is not None


def parse(text: str) -> RigDraft:
    """Return the cameras of TOML; raises `StorageError` on a missing key, `DataError` on a wrong number."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"not valid TOML: {' '.join(str(error).split())}") from error
    tables = dict(_tables(content))
    rate = _rate(tables.get(METADATA, {}))
    cameras = [_camera(key, value, rate) for key, value in tables.items() if any(name in value for name in CAMERA_KEYS)]
    if not cameras:
        raise StorageError(f"no table holds {', '.join(CAMERA_KEYS)}; expected one table a camera")
    return RigDraft(tuple(cameras), f"{next(iter(tables))}.size", f"{METADATA}.{RATE}")


def render(rig: CameraRig) -> str:
    """Return `rig` as TOML; every number comes back exactly."""
    tables = [_table(index, camera) for index, camera in enumerate(rig.cameras)]
    return "\n".join([f"[{METADATA}]\n{RATE} = {float(rig.cameras[0].frame_rate_hz)!r}\n", *tables])


def _table(index: int, camera: Camera) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    name = json.dumps(camera.name, ensure_ascii=False).replace("\x7f", "\\u007f")
    # The translation comes last, so that a table cut off lacks it and is refused.
    lines = {
        "name": name,
        "size": list(camera.image_size_px),
        "fisheye": "true" if camera.lens is Lens.FISHEYE else "false",
        "matrix": camera.intrinsics.tolist(),
        "distortions": camera.distortion.tolist(),
        "cam_from_world": camera.cam_from_world.tolist(),
        "rotation": cv2.Rodrigues(camera.rotation)[0][:, 0].tolist(),
        "translation": camera.translation_m.tolist(),
    }
    return f"[cam_{index}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())


def _tables(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the tables at the top and those within them, as in [cameras.0]."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield key, value
            yield from ((f"{key}.{name}", inner) for name, inner in value.items() if isinstance(inner, dict))


def _rate(metadata: Mapping[str, Any]) -> float | None:
    return float(floats(f"{METADATA}.{RATE}", [metadata[RATE]])[0]) if RATE in metadata else None


def _camera(key: str, table: Mapping[str, Any], rate_hz: float | None) -> CameraDraft:
    fisheye = table.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise DataError(f"{key}.fisheye: expected true or false, got a {type(fisheye).__name__}")
    lens = Lens.FISHEYE if fisheye else Lens.BROWN_CONRADY
    return CameraDraft(
        str(table.get("name", key)),
        without_skew(f"{key}.matrix", shaped(*_numbers(key, table, "matrix"), (3, 3))),
        coefficients(*_numbers(key, table, "distortions"), lens),
        _pose(key, table),
        image_size(*_numbers(key, table, "size")) if "size" in table else None,
        rate_hz,
        lens,
    )


def _pose(key: str, table: Mapping[str, Any]) -> FloatArray:
    rotation = rotation_matrix(*_numbers(key, table, "rotation"))
    found = pose(rotation, shaped(*_numbers(key, table, "translation"), (3,)))
    if "cam_from_world" not in table:
        return found
    exact = shaped(*_numbers(key, table, "cam_from_world"), (3, 4))
    check_same_pose(f"{key}: cam_from_world and rotation, translation", exact, found)
    return exact


def _numbers(key: str, table: Mapping[str, Any], name: str) -> tuple[str, FloatArray]:
    """Return the full key and the numbers of a list or of a list of lists."""
    if name not in table:
        raise StorageError(f"key {key}.{name} is missing; add it to the calibration")
    rows = table[name] if isinstance(table[name], list) else [table[name]]
    return f"{key}.{name}", floats(
        f"{key}.{name}", [item for row in rows for item in (row if isinstance(row, list) else [row])]
    )
