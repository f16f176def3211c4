"""Frames per second of `PersistenceFilter.update` for two cameras, and its cost beside that of its parts.

Run `python benchmarks/online.py --seconds 10`. Each camera holds so many live tracks; one that ends is followed by a
new one. `mixed`: lengths are drawn like those of the simulator's matched profile. `long`: no track ends, all have 64
frames and more, the worst case. Measured is one process with a thread per core for both
cameras, and one process with one thread per camera. Besides frames per second on the wall stands the processor time of
a frame, which hardly depends on what else the machine is doing, as a multiple of what the encoder alone needs for the
same crops in the same process; and the same multiple for judging every track from scratch with every frame.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from track_persistence.core.command import run_command
from track_persistence.engine.shards import one_thread_processes, worker_count
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import Precision
from track_persistence.magvit.streaming import StreamingEncoder
from track_persistence.tracking.filter import PersistenceFilter

CAMERAS = 2
SHORTEST_FRAMES, LONGEST_FRAMES = 1, 60
WARM_FRAMES = 64
CROPS = 32
# From scratch a frame costs seconds; a few of its tracks stand for all.
SCRATCH_TRACKS = 4


@dataclass(frozen=True)
class Setup:
    """What is measured: checkpoints, live tracks of this process, threads, seconds, and whether tracks end."""

    model: Path
    magvit: Path
    precision: Precision
    tracks: int
    threads: int
    seconds: float
    mixed: bool


@dataclass(frozen=True)
class Cost:
    """Of one frame: seconds on the wall, and processor seconds of `update`, the encoder alone and from scratch."""

    wall_s: float
    cpu_s: float
    encoder_cpu_s: float
    scratch_cpu_s: float


class Life:
    """Live tracks that end and begin: the keys and crops of every frame."""

    def __init__(self, setup: Setup) -> None:
        """Begin as many tracks as `setup` says."""
        self._rng = np.random.default_rng(0)
        self._crops = self._rng.integers(0, 256, (CROPS, 64, 64, 3), dtype=np.uint8)
        self._mixed, self._born = setup.mixed, setup.tracks
        self.ages = dict.fromkeys(range(setup.tracks), 0)
        self._lengths = {key: self._length() for key in self.ages}

    def _length(self) -> int:
        if not self._mixed:
            return 10**9
        return int(np.exp(self._rng.uniform(np.log(SHORTEST_FRAMES), np.log(LONGEST_FRAMES + 1))))

    def frame(self) -> tuple[list[int], dict[int, NDArray[np.uint8]]]:
        """Return the tracks that have ended since the frame before, and the crop of every live one."""
        ended = [key for key, age in self.ages.items() if age >= self._lengths[key]]
        for key in ended:
            del self.ages[key]
            self.ages[self._born] = 0
            self._lengths[self._born] = self._length()
            self._born += 1
        for key in self.ages:
            self.ages[key] += 1
        return ended, {key: self._crops[(key + age) % CROPS] for key, age in self.ages.items()}

    def pixels(self, key: int) -> NDArray[np.uint8]:
        """Return all crops of a live track so far."""
        return self._crops[(key + 1 + np.arange(self.ages[key])) % CROPS]


def repeated(work: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Repeat `work` for `seconds`; returns wall and processor seconds of one time."""
    count, cpu_start, start = 0, time.process_time(), time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        work()
        count += 1
    return (time.perf_counter() - start) / count, (time.process_time() - cpu_start) / count


def measure(setup: Setup) -> Cost:
    torch.set_num_threads(setup.threads)
    judge = PersistenceFilter(setup.model, setup.magvit)
    life = Life(setup)

    def step() -> None:
        ended, crops = life.frame()
        if ended:
            judge.end(ended)
        judge.update(crops)

    for _ in range(WARM_FRAMES):
        step()
    wall_s, cpu_s = repeated(step, setup.seconds)
    encoder = StreamingEncoder(load_tokenizer(setup.magvit), setup.precision, "cpu")
    _, crops = life.frame()
    encoder.push(crops)
    _, encoder_cpu_s = repeated(lambda: encoder.push(crops), setup.seconds / 2)
    chosen = sorted(life.ages, key=lambda key: life.ages[key])[:: max(1, setup.tracks // SCRATCH_TRACKS)]
    _, scratch_cpu_s = repeated(lambda: [judge.predict(life.pixels(key)) for key in chosen], setup.seconds / 4)
    return Cost(wall_s, cpu_s, encoder_cpu_s, scratch_cpu_s * setup.tracks / len(chosen))


def show(name: str, costs: list[Cost], cores: int) -> None:
    wall_s = max(cost.wall_s for cost in costs)
    cpu_s, encoder_s, scratch_s = (
        sum(getattr(cost, field) for cost in costs) for field in ("cpu_s", "encoder_cpu_s", "scratch_cpu_s")
    )
    print(
        f"{name:32s} {1 / wall_s:5.1f} frames/s on the wall, {cores / cpu_s:5.1f} with {cores} cores to itself; "
        f"{1e3 * cpu_s:4.0f} ms of processor a frame: {cpu_s / encoder_s:.2f} times the encoder alone, "
        f"from scratch {scratch_s / encoder_s:.1f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-checkpoint", type=Path, default=Path("models/persistence/persistence.safetensors"))
    parser.add_argument("--magvit-checkpoint", type=Path, default=Path("models/tokenizer/magvit.safetensors"))
    parser.add_argument("--tracks", type=int, default=20, help="live tracks in each of the two cameras")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16", help="of the encoder alone")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    args = parser.parse_args()
    cores = min(CAMERAS, worker_count("auto"))
    print(f"{CAMERAS} cameras, {args.tracks} live tracks each; {cores} cores; load average {os.getloadavg()[0]:.2f}")
    checkpoints = (args.model_checkpoint, args.magvit_checkpoint, args.precision)
    for mixed in (True, False):
        kind = "mixed" if mixed else "long"
        both = Setup(*checkpoints, CAMERAS * args.tracks, cores, args.seconds, mixed)
        show(f"{kind}, one process", [measure(both)], cores)
        with one_thread_processes(CAMERAS) as pool:
            own = Setup(*checkpoints, args.tracks, 1, args.seconds, mixed)
            costs = [future.result() for future in [pool.submit(measure, own) for _ in range(CAMERAS)]]
        show(f"{kind}, a process per camera", costs, cores)
    print(f"load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    run_command(main)
