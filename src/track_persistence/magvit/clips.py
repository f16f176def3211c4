"""Where training clips come from: a bounded pool of tracks, and each step's draw from it.

N clips of one step, F frames of one clip.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.params import SplitConfig
from track_persistence.core.progress import track_progress
from track_persistence.core.seeding import TRAIN, VALIDATION, generator, split_of
from track_persistence.core.storage import profile_of, read_scenes, shard_paths
from track_persistence.core.types import CropArray, Ghost, StereoScene
from track_persistence.magvit.config import TokenizerConfig

CAUSES = tuple(Ghost)
UNKNOWN_CAUSE = -1


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive observed frames of one track.

    crops: (T, 64, 64, 3) uint8 RGB. cause: position in `CAUSES`, or `UNKNOWN_CAUSE`.
    """

    scene_id: int
    camera: int
    track_id: int
    crops: CropArray
    cause: int

    def __len__(self) -> int:
        """Return the number of frames T."""
        return len(self.crops)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two views of the same tracks, for one step. first, second: (N, F, 64, 64, 3) uint8; distinct: (N,) bool.

    The second is recoloured: without that, telling tracks apart takes no more than their mean colour. causes: (N,)
    int64, positions in `CAUSES`, `UNKNOWN_CAUSE` of recorded tracks.
    """

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    distinct: NDArray[np.bool_]
    causes: NDArray[np.int64]

    @classmethod
    def same(cls, crops: NDArray[np.uint8]) -> "Pair":
        """Return clips (N, F, 64, 64, 3) as both views, to look at and not to train on."""
        return cls(crops, crops, np.zeros(len(crops), np.bool_), np.zeros(len(crops), np.int64))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What the tokenizer trains on: a folder of scene shards, and clips of recordings with the files they came from."""

    scenes: Path
    recorded: Sequence[Clip]
    files: Sequence[Path]


@dataclass
class ClipReservoir:
    """Keeps the `size` clips of lowest rank; what it ends up with does not depend on the order they come in."""

    size: int
    heap: list[tuple[float, tuple[int, int, int], Clip]] = field(default_factory=list)

    def offer(self, rank: float, clip: Clip) -> None:
        """Take the clip unless `size` others have a lower rank."""
        entry = (-rank, (-clip.scene_id, -clip.camera, -clip.track_id), clip)
        if len(self.heap) < self.size:
            heapq.heappush(self.heap, entry)
        elif entry[:2] > self.heap[0][:2]:
            heapq.heapreplace(self.heap, entry)

    def clips(self) -> list[Clip]:
        """Return what was kept, in order of scene, camera and track."""
        return sorted((entry[2] for entry in self.heap), key=lambda clip: (clip.scene_id, clip.camera, clip.track_id))


def draw_pools(
    config: TokenizerConfig, split: SplitConfig, seed: int, data_dir: Path
) -> tuple[list[Clip], list[Clip], list[Path]]:
    """Return training clips, validation clips and the shards they were drawn from.

    Every track of one profile in the drawn shards' training scenes is equally likely; no test scene is kept. Scenes are
    read one at a time, so memory is that of the pool. Raises `DataError` when no shard holds a validation track or a
    training track of a wanted profile.
    """
    shards = shard_paths(data_dir)
    chosen = generator(seed, "tokenizer shards").permutation(len(shards))[: config.pool_shards]
    drawn = [shards[index] for index in sorted(chosen)]
    pools = {profile: ClipReservoir(size) for profile, size in config.pool_tracks.items()}
    validation = ClipReservoir(config.validation_tracks)
    for path in track_progress(drawn, len(drawn), "drawing clips", "shards"):
        parts = {TRAIN: pools.get(profile_of(path)), VALIDATION: validation}
        for scene in read_scenes(path):
            reservoir = parts.get(split_of(scene.scene_id, seed, split))
            if reservoir is not None:
                for rank, clip in _ranked_clips(scene, config.pool_frames, seed):
                    reservoir.offer(rank, clip)
    for profile, reservoir in pools.items():
        _check_filled(f"{TRAIN} track of profile {profile}", reservoir, data_dir, len(drawn), len(shards))
    _check_filled(f"{VALIDATION} track", validation, data_dir, len(drawn), len(shards))
    return [clip for pool in pools.values() for clip in pool.clips()], validation.clips(), drawn


def _check_filled(name: str, reservoir: ClipReservoir, data_dir: Path, drawn: int, shards: int) -> None:
    if not reservoir.heap:
        raise DataError(
            f"{data_dir}: no {name} in {drawn} of {shards} shards; generate more scenes, raise tokenizer.pool_shards, "
            "or leave the profile out of tokenizer.pool_tracks"
        )


def _ranked_clips(scene: StereoScene, frames: int, seed: int) -> Iterator[tuple[float, Clip]]:
    rng = generator(seed, "tokenizer clips", scene.scene_id)
    for labelled in (*scene.tracks[0], *scene.tracks[1]):
        track = labelled.track
        rank, start = rng.random(), rng.integers(max(len(track) - frames, 0) + 1)
        yield (
            float(rank),
            Clip(
                scene.scene_id,
                track.camera,
                track.track_id,
                track.crops[start : start + frames].copy(),
                CAUSES.index(labelled.ghost),
            ),
        )


class PairSampler:
    """Draws each step's clips; a step's draw depends on the seed and the step's number alone."""

    def __init__(self, pool: Sequence[Clip], config: TokenizerConfig, seed: int) -> None:
        """Draw from `pool` clips of `config.clip_lengths` frames."""
        self._pool = pool
        self._seed = seed
        self._frames = config.frames_per_step
        self._recolouring = config.recolouring
        self._shift_px = config.shift_px
        self._long_enough = {
            length: np.flatnonzero([len(clip) >= length for clip in pool]) for length in config.clip_lengths
        }
        self._lengths = [length for length in config.clip_lengths if len(self._long_enough[length]) > 0]

    def draw(self, step: int) -> Pair:
        """Return the two views of step `step`: all clips of one length, of tracks that have so many frames.

        Half of the tracks, drawn anew in each step, are mirrored left to right in both views; each view is shifted on
        its own, as if its box were a little off.
        Where a track has frames to spare the two views start at different frames and may overlap; a track that is just
        as long as the clip gives the same view twice and is marked as not distinct.
        """
        rng = generator(self._seed, "tokenizer step", step)
        length = int(rng.choice(self._lengths))
        rows = self._long_enough[length]
        rows = rng.choice(rows, size=min(self._frames // length, len(rows)), replace=False)
        spare = np.array([len(self._pool[int(row)]) - length for row in rows])
        starts = rng.integers(spare + 1)
        others = (starts + rng.integers(1, np.maximum(spare, 1) + 1)) % (spare + 1)
        first, second = self._cut(rows, starts, length), self._cut(rows, others, length)
        mirrored = rng.random(len(rows)) < 0.5
        for view in (first, second):
            view[mirrored] = view[mirrored, :, :, ::-1]
        first, second = (shifted(view, self._shift_px, rng) for view in (first, second))
        causes = np.array([self._pool[int(row)].cause for row in rows])
        return Pair(first, recoloured(second, self._recolouring, rng), spare > 0, causes)

    def _cut(self, rows: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> NDArray[np.uint8]:
        return np.stack(
            [self._pool[int(row)].crops[start : start + length] for row, start in zip(rows, starts, strict=True)]
        )


def shifted(crops: NDArray[np.uint8], most_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Move each clip (N, F, H, W, 3) by up to `most_px` pixels, the same in all its frames; edges are repeated."""
    height, width = crops.shape[2:4]
    margin = (most_px, most_px)
    padded = np.pad(crops, ((0, 0), (0, 0), margin, margin, (0, 0)), mode="edge")
    corners = rng.integers(2 * most_px + 1, size=(len(crops), 2))
    return np.stack([clip[:, y : y + height, x : x + width] for clip, (y, x) in zip(padded, corners, strict=True)])


def recoloured(crops: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change contrast, brightness and colour balance of each clip (N, F, 64, 64, 3), the same in all its frames.

    Gains lie in 1 +- `strength`, offsets in +- `strength` of half the pixel range, one for all channels, then one each.
    """

    def draw(channels: int) -> NDArray[np.float32]:
        return rng.uniform(-strength, strength, (len(crops), 1, 1, 1, channels)).astype(np.float32)

    pixels = crops.astype(np.float32) / np.float32(127.5) - 1
    for channels in (1, 3):
        pixels = pixels * (1 + draw(channels)) + draw(channels)
    return ((pixels + 1) * np.float32(127.5)).round().clip(0, 255).astype(np.uint8)
