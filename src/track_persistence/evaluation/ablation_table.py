"""The tracks of the ablation as one cue describes them, in memory.

N tracks, F frames of all tracks, D width of the cue, A ages.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TRAIN, split_of
from track_persistence.core.storage import read_features
from track_persistence.core.types import LabelledFeatures

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Describe = Callable[[LabelledFeatures], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class AblationTable:
    """All tracks in the order of their shards.

    labels: (N,) bool. scene_ids: (N,) int64. ghosts, splits: (N,) str. starts, lengths: (N,) int64 frames. frames:
    (F, D) float, what the cue says of every frame.
    """

    labels: NDArray[np.bool_]
    scene_ids: Rows
    ghosts: NDArray[np.str_]
    splits: NDArray[np.str_]
    starts: Rows
    lengths: Rows
    frames: NDArray[Any]

    @property
    def profiles(self) -> NDArray[np.str_]:
        """One name for all tracks, (N,): they are of one profile."""
        return np.full(len(self.labels), "", np.str_)

    def read(self, row: int, count: int) -> NDArray[Any]:
        """Return the values (min(count, T), D) of a track's first frames."""
        start = int(self.starts[row])
        return self.frames[start : start + min(count, int(self.lengths[row]))]

    def frames_of(self, rows: Rows) -> NDArray[Any]:
        """Return the values of all frames of the tracks, one track after another."""
        return np.concatenate([self.read(row, int(self.lengths[row])) for row in rows.tolist()])

    def rows_of(self, *splits: str) -> Rows:
        """Return the rows of the named splits; raises `DataError` when one is empty, or for training lacks a class."""
        for split in splits:
            own = self.labels[self.splits == split]
            if len(own) == 0 or (split == TRAIN and (own.all() or not own.any())):
                raise DataError(
                    f"ablate: the {split} split holds {int(own.sum())} real tracks and {int((~own).sum())} others; "
                    "raise ablate.shards or the number of scenes"
                )
        return np.flatnonzero(np.isin(self.splits, splits))

    def mean_of_first(self, rows: Rows, age: int) -> Floats:
        """Return the mean (len(rows), D) over the first min(age, T) frames of each track."""
        counts = np.minimum(self.lengths[rows], age)
        means = [self.read(row, count).mean(axis=0, dtype=np.float64) for row, count in _pairs(rows, counts)]
        return np.stack(means)


def read_table(shards: Sequence[Path], describe: Describe, seed: int, split: SplitConfig) -> AblationTable:
    """Read the tracks of the sample shards; describe: what of a track is kept of its frames, (T, D)."""
    columns: dict[str, list[Any]] = defaultdict(list)
    for path in shards:
        for track in read_features(path):
            columns["labels"].append(track.is_persistent)
            columns["scene_ids"].append(track.scene_id)
            columns["ghosts"].append(track.ghost.value)
            columns["lengths"].append(len(track))
            columns["frames"].append(describe(track))
    if not columns:
        raise DataError("ablate: the shards hold no track; generate more scenes")
    parts = {scene: split_of(scene, seed, split) for scene in dict.fromkeys(columns["scene_ids"])}
    lengths = np.array(columns["lengths"], np.int64)
    return AblationTable(
        labels=np.array(columns["labels"], np.bool_),
        scene_ids=np.array(columns["scene_ids"], np.int64),
        ghosts=np.array(columns["ghosts"], np.str_),
        splits=np.array([parts[scene] for scene in columns["scene_ids"]], np.str_),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        frames=np.concatenate(columns["frames"]),
    )


def _pairs(rows: Rows, counts: Rows) -> list[tuple[int, int]]:
    return list(zip(rows.tolist(), counts.tolist(), strict=True))
