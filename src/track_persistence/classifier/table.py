"""The tracks of a features folder: labels, boxes and no-pixel scores in memory, features in a scratch file.

N tracks, F frames of all of them, A ages (those asked for, then the whole track), S statistics, C feature width.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import statistics_by_count
from track_persistence.classifier.config import RECORDINGS, Source
from track_persistence.classifier.rules import RULES
from track_persistence.core.errors import DataError, StorageError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TRAIN, split_of
from track_persistence.core.storage import profile_of, read_features, read_provenance, shard_paths
from track_persistence.core.types import Kind, LabelledFeatures

WHOLE = "whole"
ENCODER_KEYS = ("encoder_digest", "precision", "published")
NO_PIXEL_COLUMNS = ("frames", "boxes_xywh_px", "confidences")


@dataclass(frozen=True)
class Encoder:
    """Which encoder made the features.

    digest: of its weights. precision: the arithmetic it ran in. published: the settings with which a published
    checkpoint is read, as JSON. dimension: its width C.
    """

    digest: str
    precision: str
    published: str
    dimension: int


@dataclass(frozen=True, eq=False)
class Boxes:
    """A track without its pixels; shapes as in `Track`."""

    frames: NDArray[np.int32]
    boxes_xywh_px: NDArray[np.float32]
    confidences: NDArray[np.float32]


@dataclass(frozen=True)
class FeatureFolders:
    """Where features lie: of simulated scenes (stage `extract`) and of recordings (stage `recordings`, or None).

    The second folder may hold no shard, for labelled recordings are something extra.
    """

    simulation: Path
    recordings: Path | None

    def shards(self) -> list[Path]:
        """Return the shards of both in order.

        Raises `StorageError` when there are none of simulated scenes, or when the folder of recordings is missing.
        """
        found = shard_paths(self.simulation)
        if self.recordings is not None:
            if not self.recordings.is_dir():
                raise StorageError(f"{self.recordings}: no such folder; run the recordings stage or `dvc pull`")
            found += sorted(self.recordings.glob("*.h5"))
        return found


@dataclass(frozen=True, eq=False)
class TrackTable:
    """All tracks of one or two folders of features in the order of their shards.

    ages: the A - 1 numbers of observed frames at which tracks are scored besides whole ones. scene_ids, cameras,
    track_ids, kinds: (N,) int64. profiles, ghosts, splits: (N,) str. starts, lengths: (N,) int64 frames. timeline: the
    F frames of all tracks end to end. scores: rule to (N, A) float64, larger means persistent. statistics: (N, A, S)
    float64.
    """

    encoder: Encoder
    dtype: np.dtype[Any]
    scratch: int
    ages: tuple[int, ...]
    scene_ids: NDArray[np.int64]
    cameras: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    kinds: NDArray[np.int64]
    profiles: NDArray[np.str_]
    ghosts: NDArray[np.str_]
    splits: NDArray[np.str_]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    timeline: Boxes
    scores: dict[str, NDArray[np.float64]]
    statistics: NDArray[np.float64]

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether each track is a real object, (N,)."""
        labels: NDArray[np.bool_] = self.kinds == int(Kind.PERSISTENT)
        return labels

    def read(self, row: int, count: int) -> NDArray[Any]:
        """Return the features (count, C) of a track's first frames."""
        frame_bytes = self.encoder.dimension * self.dtype.itemsize
        content = os.pread(self.scratch, count * frame_bytes, int(self.starts[row]) * frame_bytes)
        return np.frombuffer(content, self.dtype).reshape(count, self.encoder.dimension)

    def boxes(self, row: int, count: int) -> Boxes:
        """Return a track's first frames without their pixels."""
        rows = slice(self.starts[row], self.starts[row] + count)
        return Boxes(*(getattr(self.timeline, column)[rows] for column in NO_PIXEL_COLUMNS))

    def profile_names(self) -> list[str]:
        """Return the profiles that there are, in alphabetical order."""
        return sorted(set(self.profiles.tolist()))

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split; raises `DataError` when it is empty, or for training lacks a class."""
        rows = np.flatnonzero(self.splits == split)
        if len(rows) == 0:
            raise DataError(f"features: the {split} split holds no track; generate more scenes or raise its share")
        if split == TRAIN:
            self._check_classes(rows, "features")
        return rows

    def rows_from(self, split: str, source: Source) -> NDArray[np.int64]:
        """Return the rows of a split that come from `source`.

        Raises `DataError` when recordings are asked for and there are none, and as `rows_of` does.
        """
        rows = self.rows_of(split)
        recorded = self.profiles[rows] == RECORDINGS
        if source == "simulation":
            rows = rows[~recorded]
        elif not recorded.any():
            raise DataError(
                f"train.source is {source}, but there is no recording with {split} tracks; name some in "
                "recordings.sources and run the recordings stage, or set train.source to simulation"
            )
        elif source == "recordings":
            rows = rows[recorded]
        if split == TRAIN:
            self._check_classes(rows, f"features from {source}")
        return rows

    def _check_classes(self, rows: NDArray[np.int64], name: str) -> None:
        labels = self.labels[rows]
        if labels.all() or not labels.any():
            kind = "persistent" if labels.all() else "transient"
            raise DataError(f"{name}: all {len(rows)} training tracks are {kind}; both classes are needed")


@contextmanager
def open_table(
    features: Path | FeatureFolders, ages: Sequence[int], seed: int, split: SplitConfig, scratch_folder: Path
) -> Iterator[TrackTable]:
    """Read features, the vectors into a nameless file in `scratch_folder` that vanishes with the process.

    features: a folder of simulated scenes alone, or two folders, whose shards must come from one encoder. Raises
    `StorageError` for missing or broken shards, `DataError` for shards of different encoders, without profile, or with
    NaN.
    """
    folders = features if isinstance(features, FeatureFolders) else FeatureFolders(features, None)
    paths = folders.shards()
    encoder_labels = _common_provenance(paths)
    scratch_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch_folder, buffering=0) as scratch:
        builder = _Builder(tuple(ages))
        for path in paths:
            profile = profile_of(path)
            for track in _tracks(path):
                builder.add(path, profile, track)
                _append(scratch.fileno(), np.ascontiguousarray(track.features).tobytes(), scratch_folder)
        yield builder.table(encoder_labels, scratch.fileno(), seed, split)


def _tracks(path: Path) -> Iterator[LabelledFeatures]:
    try:
        yield from read_features(path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _append(scratch: int, content: bytes, folder: Path) -> None:
    try:
        while content:
            content = content[os.write(scratch, content) :]
    except OSError as error:
        raise StorageError(f"{folder}: cannot hold the features: {error}; free some space or move run.store") from error


def _common_provenance(paths: Sequence[Path]) -> tuple[str, str, str]:
    first: tuple[str, str, str] | None = None
    for path in paths:
        provenance = read_provenance(path)
        for key in ENCODER_KEYS:
            if key not in provenance:
                raise DataError(f"{path}: provenance names no {key}; run extract and recordings again")
        found = provenance["encoder_digest"], provenance["precision"], provenance["published"]
        if first is not None and found != first:
            raise DataError(
                f"{path}: {', '.join(ENCODER_KEYS)} {found} differ from {first} of {paths[0]}; "
                "run extract and recordings again so that one encoder makes all shards"
            )
        first = found
    assert first is not None
    return first


class _Builder:
    """Collects the columns of a `TrackTable` while its shards stream by."""

    def __init__(self, ages: tuple[int, ...]) -> None:
        self.ages = ages
        self.columns: dict[str, list[Any]] = defaultdict(list)
        self.timeline: dict[str, list[Any]] = defaultdict(list)
        self.scores: dict[str, list[Any]] = defaultdict(list)
        self.layout: tuple[int, np.dtype[Any]] | None = None

    def add(self, path: Path, profile: str, track: LabelledFeatures) -> None:
        layout = (track.features.shape[1], track.features.dtype)
        if self.layout not in (None, layout):
            raise DataError(
                f"{path}: features {layout} differ from {self.layout} of earlier shards; "
                "run extract and recordings again"
            )
        self.layout = layout
        counts = np.minimum([*self.ages, len(track)], len(track))
        values: dict[str, Any] = {
            "scene_ids": track.scene_id,
            "cameras": track.camera,
            "track_ids": track.track_id,
            "kinds": int(track.kind),
            "profiles": profile,
            "ghosts": track.ghost.value,
            "lengths": len(track),
            "statistics": statistics_by_count(track, counts),
        }
        for name, value in values.items():
            self.columns[name].append(value)
        for name in NO_PIXEL_COLUMNS:
            self.timeline[name].append(getattr(track, name))
        for name, rule in RULES.items():
            self.scores[name].append(rule(track)[counts - 1])

    def table(self, encoder: tuple[str, str, str], scratch: int, seed: int, split: SplitConfig) -> TrackTable:
        if self.layout is None:
            raise DataError("features: the shards hold no track; run generate and extract again")
        arrays = {name: np.array(column) for name, column in self.columns.items()}
        parts = {scene: split_of(scene, seed, split) for scene in dict.fromkeys(arrays["scene_ids"].tolist())}
        return TrackTable(
            encoder=Encoder(*encoder, self.layout[0]),
            dtype=self.layout[1],
            scratch=scratch,
            ages=self.ages,
            splits=np.array([parts[scene] for scene in arrays["scene_ids"].tolist()]),
            starts=np.cumsum(arrays["lengths"]) - arrays["lengths"],
            timeline=Boxes(*(np.concatenate(self.timeline[name]) for name in NO_PIXEL_COLUMNS)),
            scores={name: np.array(values) for name, values in self.scores.items()},
            **arrays,
        )
