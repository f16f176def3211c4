"""Frames per second of every encoder that the ablate stage compares, on one thread.

Run `python benchmarks/encoders.py --seconds 3`. The crops are noise; no encoder's work depends on what they show.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from track_persistence.core.command import run_command
from track_persistence.core.params import load_section
from track_persistence.core.types import CropArray
from track_persistence.evaluation.cheap_pixels import cheap_descriptors
from track_persistence.magvit.config import ExtractConfig, TokenizerConfig
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.video.descriptors import (
    colour_histograms,
    gradient_histograms,
    thumbnails,
)

AGES = (1, 3, 5, 10)
TRACKS, FRAMES = 20, 10


def frames_per_second(encode: Callable[[list[CropArray]], object], seconds: float) -> float:
    """Return how many frames `encode` handles in a second of its own processor time."""
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (FRAMES, 64, 64, 3), dtype=np.uint8) for _ in range(TRACKS)]
    encode(crops)
    passes, cpu_start, start = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        encode(crops)
        passes += 1
    return passes * TRACKS * FRAMES / (time.process_time() - cpu_start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    config = load_section(args.params, "tokenizer", TokenizerConfig).architecture
    precision = load_section(args.params, "extract", ExtractConfig).precision
    magvit = MagvitEncoder(fresh_tokenizer(config, seed=0).eval(), "", precision, "cpu")
    encoders: dict[str, Callable[[list[CropArray]], object]] = {
        f"MagVIT, trained or not, {precision}": magvit.encode,
        "colour and gradient histograms": lambda crops: [
            (colour_histograms(own), gradient_histograms(own)) for own in crops
        ],
        "8x8 pixels": lambda crops: [thumbnails(own) for own in crops],
        "cheap pixels at all ages": lambda crops: [cheap_descriptors(own, AGES) for own in crops],
    }
    for name, encode in encoders.items():
        print(f"{name:32s} {frames_per_second(encode, args.seconds):7.0f} frames/s")
    print(f"load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    run_command(main)
