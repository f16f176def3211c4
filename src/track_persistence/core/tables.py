"""Append-only tables in HDF5: what makes a shard streamed, byte-deterministic, atomic and checked.

A ragged table holds items of different length end to end; `offsets` cuts item i as rows offsets[i] to offsets[i + 1].
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.disk import SteadyFile
from track_persistence.core.errors import DataError, StorageError, TrackPersistenceError
from track_persistence.core.files import atomic_path

SCHEMA_VERSION = 2
PROVENANCE = "provenance_"
ROWS_PER_CHUNK = 8192
CROPS_PER_CHUNK = 8
FEATURES_PER_CHUNK = 256

# name: (shape of one row, dtype)
Columns = dict[str, tuple[tuple[int, ...], str]]


@dataclass
class Table:
    """Rows that are appended to one HDF5 group; `offsets`, when kept, cut the rows into items.

    The datasets stay open: closing one empties its chunk cache, and every append would compress its last chunk anew.
    """

    datasets: dict[str, h5py.Dataset]
    columns: Columns
    ragged: bool

    @classmethod
    def create(cls, file: h5py.File, name: str, columns: Columns, ragged: bool) -> "Table":
        """Make an empty group `name` of these columns, and of offsets when it is ragged."""
        group = file.create_group(name, track_order=False)
        datasets = {}
        for column in sorted(columns):
            shape, dtype = columns[column]
            rows = {"crops": CROPS_PER_CHUNK, "features": FEATURES_PER_CHUNK}.get(column, ROWS_PER_CHUNK)
            datasets[column] = group.create_dataset(
                column,
                shape=(0, *shape),
                maxshape=(None, *shape),
                chunks=(rows, *shape),
                dtype=dtype,
                compression="gzip",
                compression_opts=4,
                shuffle=True,
                track_times=False,
            )
        if ragged:
            datasets["offsets"] = group.create_dataset(
                "offsets", data=np.zeros(1, "i8"), maxshape=(None,), chunks=(1024,), track_times=False
            )
        return cls(datasets, columns, ragged)

    def append(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Append items, each an array of rows for every column, all of one length.

        What a call costs hardly depends on the number of items: give those of a scene at once.
        """
        if not items:
            return
        ends: NDArray[np.int64] = np.zeros(0, np.int64)
        for column in self.columns:
            arrays = [np.asarray(item[column]) for item in items]
            start = len(self.datasets[column])
            ends = start + np.cumsum([len(array) for array in arrays])
            _extend(self.datasets[column], np.concatenate(arrays))
        if self.ragged:
            _extend(self.datasets["offsets"], ends)


def _extend(dataset: h5py.Dataset, rows: NDArray[Any]) -> None:
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


@contextmanager
def created(
    path: Path, schema: str, attributes: Mapping[str, Any], provenance: Mapping[str, str]
) -> Iterator[tuple[h5py.File, SteadyFile]]:
    """Yield a new file and the disk it goes to; `check` the disk between items. The file appears when all is well."""
    with (
        atomic_path(path) as temporary,
        SteadyFile(temporary, "w+b") as disk,
        h5py.File(disk, "w", libver="v110") as file,
    ):
        file.attrs["schema"] = schema
        file.attrs["schema_version"] = SCHEMA_VERSION
        for key in sorted(attributes):
            file.attrs[key] = attributes[key]
        for key in sorted(provenance):
            file.attrs[f"{PROVENANCE}{key}"] = provenance[key]
        yield file, disk


@contextmanager
def opened(path: Path, schema: str) -> Iterator[h5py.File]:
    """Yield the file for reading; raises `StorageError` when it is missing, broken, or of another schema or version."""
    if not path.is_file():
        raise StorageError(f"{path}: no such file; run the stage that writes it or `dvc pull`")
    try:
        with h5py.File(path, "r") as file:
            found, version = file.attrs.get("schema"), file.attrs.get("schema_version")
            if found != schema or version != SCHEMA_VERSION:
                raise StorageError(
                    f"{path}: schema {found!r} version {version}; expected {schema!r} version "
                    f"{SCHEMA_VERSION}; make the file again with this version of track_persistence"
                )
            yield file
    except StorageError:
        raise
    except TrackPersistenceError as error:
        raise DataError(f"{path}: {error}") from error
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise StorageError(
            f"{path}: not a readable HDF5 file, truncated perhaps: {error}; delete it and run its stage again"
        ) from error


class RaggedItems:
    """The items of a ragged table, for reading."""

    def __init__(self, group: h5py.Group, columns: Columns) -> None:
        """Open the columns and read the offsets once."""
        self._datasets = {column: group[column] for column in columns}
        self._offsets = group["offsets"][:].tolist()

    def rows(self, index: int) -> slice:
        """Return which rows item `index` has."""
        return slice(self._offsets[index], self._offsets[index + 1])

    def items(self, indices: range) -> list[dict[str, Any]]:
        """Read every column of neighbouring items; a call reads each column once, whatever the number of items."""
        cuts = [self.rows(index) for index in indices]
        if not cuts:
            return []
        first, end = cuts[0].start, cuts[-1].stop
        read = {column: dataset[first:end] for column, dataset in self._datasets.items()}
        return [
            {column: rows[cut.start - first : cut.stop - first].copy() for column, rows in read.items()} for cut in cuts
        ]
