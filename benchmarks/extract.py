"""Frames per second of the encoder and the share of this machine's convolution rate that it reaches.

Run `python benchmarks/extract.py --seconds 5`. Each of the worker processes first measures the rate of one large
convolution of the encoder's kind, then encodes tracks as long as the simulator's; the ratio of the two says how much
of the machine is left unused, and hardly depends on what else the machine is doing.
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from track_persistence.core.command import run_command
from track_persistence.core.params import load_section
from track_persistence.engine.shards import one_thread_processes, worker_count
from track_persistence.magvit.config import ArchitectureConfig, Precision, TokenizerConfig
from track_persistence.magvit.encoder import Encoder
from track_persistence.magvit.features import DTYPES, MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer

GIGA = 1e9
FRAMES = 10
# One scene of the nominal profile: per camera four objects, two ghosts and one false alarm.
SCENE_LENGTHS = (23, 31, 38, 46, 2, 4, 1, 23, 31, 38, 46, 3, 5, 1)


@dataclass(frozen=True)
class Rates:
    """What one worker measured, per second of its own processor time and per second on the wall."""

    convolution_gflop_per_cpu_s: float
    encoder_frames_per_cpu_s: float
    encoder_frames_per_s: float


def gflop_per_frame(config: ArchitectureConfig) -> float:
    with torch.device("meta"):
        encoder, video = Encoder(config), torch.empty(1, 3, FRAMES, 64, 64)
    with FlopCounterMode(display=False) as counter:
        encoder(video)
    return float(counter.get_total_flops() / FRAMES / GIGA)


def repeated(work: Callable[[], object], seconds: float) -> tuple[int, float, float]:
    """Repeat `work` for `seconds`; returns the count, the processor seconds and the wall seconds."""
    work()
    count, cpu_start, start = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        count += 1
    return count, time.process_time() - cpu_start, time.perf_counter() - start


def large_convolution(dtype: torch.dtype) -> tuple[nn.Module, Tensor, float]:
    """Return the 3x3x3 convolution of the middle level on a long clip, its input, and its GFLOP."""
    channels, frames, side = 128, 128, 8
    layer = nn.Conv3d(channels, channels, 3, padding=1).to(dtype)
    layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    video = torch.rand(1, channels, frames, side, side).to(dtype).to(memory_format=torch.channels_last_3d)
    return layer, video, 2 * 27 * channels**2 * frames * side**2 / GIGA


def measure(config: ArchitectureConfig, precision: Precision, seconds: float) -> Rates:
    torch.set_num_threads(1)
    layer, video, gflop = large_convolution(DTYPES[precision])
    with torch.inference_mode():
        passes, pass_cpu_s, _ = repeated(lambda: layer(video), seconds)
    encoder = MagvitEncoder(fresh_tokenizer(config, seed=0).eval(), "", precision, "cpu")
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (length, 64, 64, 3), dtype=np.uint8) for length in SCENE_LENGTHS]
    scenes, cpu_s, wall_s = repeated(lambda: encoder.encode(crops), seconds)
    frames = scenes * sum(SCENE_LENGTHS)
    return Rates(passes * gflop / pass_cpu_s, frames / cpu_s, frames / wall_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    args = parser.parse_args()
    config = load_section(args.params, "tokenizer", TokenizerConfig).architecture
    gflop, workers = gflop_per_frame(config), worker_count("auto")
    print(f"encoder: {gflop:.3f} GFLOP per frame; {workers} one-thread workers; load average {os.getloadavg()[0]:.2f}")
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        with one_thread_processes(workers) as pool:
            futures: list[Future[Rates]] = [
                pool.submit(measure, config, precision, args.seconds) for _ in range(workers)
            ]
            rates = [future.result() for future in futures]
        wall = sum(rate.encoder_frames_per_s for rate in rates)
        cpu = sum(rate.encoder_frames_per_cpu_s for rate in rates)
        convolution = sum(rate.convolution_gflop_per_cpu_s for rate in rates)
        print(
            f"{precision:9s} {wall:6.0f} frames/s on the wall, {cpu:6.0f} with the cores to itself: "
            f"{cpu * gflop:.0f} GFLOP/s, {cpu * gflop / convolution:.2f} of the convolutions' {convolution:.0f}"
        )
    print(f"load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    run_command(main)
