"""3D tracks to files that other programs open: CSV, Parquet, PLY, COLMAP's text model and rerun's recording.

The same tracks give the same bytes, except for `.rrd`, in which rerun stamps the time of writing.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from track_persistence.core.errors import StorageError
from track_persistence.core.files import atomic_path, write_bytes, write_text
from track_persistence.core.rig import CameraRig
from track_persistence.tracking.export_colmap import write_colmap
from track_persistence.tracking.export_rerun import write_rerun
from track_persistence.tracking.export_table import Columns, colours_of, columns_of, readable
from track_persistence.tracking.results import Reconstructed3DTrack

Tracks = Sequence[Reconstructed3DTrack]
PLY_TYPES = {"<f8": "double", "<f4": "float", "<i4": "int", "|u1": "uchar"}


def export_tracks(path: Path, tracks: Tracks, rig: CameraRig) -> None:
    """Write the 3D tracks to `path`, whose suffix chooses the format; `rig` is the one they were made with.

    `.csv`, `.parquet`: a row per track and frame, columns as `export_table.columns_of` returns them but the status as a
    word (ok, behind, parallel, outlier, one_view); what is not known is empty or null. `.ply`: binary, a vertex per row
    that has a position. `.rrd`: recording for the rerun viewer. A path without suffix: folder with COLMAP's text model.
    All files appear whole or not at all.
    Raises `StorageError` on another suffix, a package that is not installed, or a path that cannot be written,
    `DataError` when the tracks do not fit the rig.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise StorageError(
            f"{path}: suffix {path.suffix!r} is no format of 3D tracks; expected one of "
            f"{', '.join(filter(None, WRITERS))}, or none for a folder with COLMAP's text model"
        )
    writer(path, tracks, rig)


def _write_csv(path: Path, tracks: Tracks, rig: CameraRig) -> None:
    columns = readable(columns_of(tracks, rig))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    cells = [["" if value != value else value for value in column.tolist()] for column in columns.values()]
    writer.writerows(zip(*cells, strict=True))
    write_text(path, text.getvalue())


def _write_parquet(path: Path, tracks: Tracks, rig: CameraRig) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StorageError(
            f"{path}: Parquet needs the package {error.name!r}; run `pip install track-persistence[parquet]` or "
            "export to .csv"
        ) from error
    columns = {
        name: pyarrow.array(column, mask=np.isnan(column) if column.dtype.kind == "f" else None)
        for name, column in readable(columns_of(tracks, rig)).items()
    }
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(columns), temporary)


def _write_ply(path: Path, tracks: Tracks, rig: CameraRig) -> None:
    """Write the located points as vertices; persistence is NaN where no filter judged."""
    columns = columns_of(tracks, rig)
    vertices = _vertices(columns, len(tracks))
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment 3D tracks: world coordinates in metres, track is the track's position in the export",
        f"element vertex {len(vertices)}",
        *(f"property {PLY_TYPES[vertices.dtype[name].str]} {name}" for name in vertices.dtype.names or ()),
        "end_header",
    ]
    write_bytes(path, "\n".join([*header, ""]).encode() + vertices.tobytes())


def _vertices(columns: Columns, tracks: int) -> np.ndarray:
    located = np.isfinite(columns["x_m"]) & np.isfinite(columns["y_m"]) & np.isfinite(columns["z_m"])
    colours = colours_of(tracks)[columns["track"][located]]
    fields: Mapping[str, tuple[str, np.ndarray]] = {
        **{axis: ("<f8", columns[f"{axis}_m"][located]) for axis in "xyz"},
        **{name: ("|u1", colours[:, i]) for i, name in enumerate(("red", "green", "blue"))},
        "track": ("<i4", columns["track"][located]),
        "frame": ("<i4", columns["frame"][located]),
        "persistence": ("<f4", columns["persistence"][located]),
    }
    vertices = np.empty(int(located.sum()), [(name, dtype) for name, (dtype, _) in fields.items()])
    for name, (_, values) in fields.items():
        vertices[name] = values
    return vertices


WRITERS: Mapping[str, Callable[[Path, Tracks, CameraRig], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".ply": _write_ply,
    ".rrd": write_rerun,
    "": write_colmap,
}
