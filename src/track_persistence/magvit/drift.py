"""How far features of the same tracks lie apart that were made twice: on another machine, or with another library.

Run `python -m track_persistence.magvit.drift ONE OTHER` on two feature shards, or on two folders of them.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.command import run_command
from track_persistence.core.errors import DataError
from track_persistence.core.progress import log
from track_persistence.core.storage import read_features, shard_paths, verify_features
from track_persistence.core.types import LabelledFeatures


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare shard by shard; the lowest cosine over all frames says whether both can be used side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path, help="feature shard, or a folder of them")
    parser.add_argument("other", type=Path, help="the same made again")
    args = parser.parse_args(arguments)
    found = []
    for one, other in shard_pairs(args.one, args.other):
        cosines = frame_cosines(one, other)
        log(f"{one.name}: {_summary(cosines)}")
        found.append(cosines)
    log(f"all: {_summary(np.concatenate(found))}")


def shard_pairs(one: Path, other: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the shards of two folders by name, or the two files; raises `DataError` when a folder lacks a shard."""
    if not one.is_dir():
        yield one, other
        return
    for path in shard_paths(one):
        if not (other / path.name).is_file():
            raise DataError(f"{other / path.name}: no such file, but {path} is there; compare folders of equal shards")
        yield path, other / path.name


def frame_cosines(one: Path, other: Path) -> NDArray[np.float64]:
    """Return the cosine between the two features of every frame (F,), in [-1, 1].

    Raises `DataError` when the shards are not of the same tracks, `StorageError` when one is damaged.
    """
    for path in (one, other):
        verify_features(path)
    first, second = list(read_features(one)), list(read_features(other))
    if [_key(track) for track in first] != [_key(track) for track in second]:
        raise DataError(f"{other}: holds other tracks or frames than {one}; compare shards of the same scenes")
    return np.concatenate([np.empty(0), *map(_cosines, first, second)])


def _key(track: LabelledFeatures) -> tuple[object, ...]:
    return track.scene_id, track.camera, track.track_id, track.frames.tolist(), track.features.shape[1]


def _cosines(one: LabelledFeatures, other: LabelledFeatures) -> NDArray[np.float64]:
    a, b = one.features.astype(np.float64), other.features.astype(np.float64)
    lengths: NDArray[np.float64] = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    equal = (a == b).all(axis=1)  # two features of length zero are the same, though they have no cosine
    return np.where(equal, 1.0, (a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))


def _summary(cosines: NDArray[np.float64]) -> str:
    if not len(cosines):
        return "no frames"
    return f"{len(cosines)} frames, cosine {cosines.mean():.6f} on average, {cosines.min():.6f} at the lowest"


if __name__ == "__main__":
    run_command(main)
