"""How close the extract stage comes to what this machine can do, and what it costs beside a published encoder.

Run `python benchmarks/extract.py [--magvit-checkpoint models/tokenizer/magvit.safetensors]`; without a checkpoint the
weights are random, which changes no time. Every worker measures the rate of one large convolution of the encoder's
kind, then encodes simulated scenes in memory and, in turns with that, from file to file as the stage does. Ratios
hardly depend on what else the machine is doing; rates on the wall do, so the load average stands beside them.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from track_persistence.core.command import run_command
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.storage import read_scenes, write_features, write_scenes
from track_persistence.core.types import CropArray, FloatArray
from track_persistence.engine.shards import one_thread_processes, worker_count
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig, ExtractConfig, Precision, TokenizerConfig
from track_persistence.magvit.encoder import Encoder
from track_persistence.magvit.encoders import TrackEncoder, load_encoder
from track_persistence.magvit.extract import encode_shard, encoder_provenance
from track_persistence.magvit.inference import DTYPES
from track_persistence.magvit.published.features import PublishedEncoder
from track_persistence.magvit.published.open_magvit2 import PUBLISHED
from track_persistence.magvit.published.residual_encoder import ResidualEncoder, published_network
from track_persistence.magvit.tokenizer import fresh_tokenizer
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.generate import MATCHED, make_shard, plan_shards

GIGA = 1e9
FRAMES = 10
SCENES, COPIES = 4, 4
WALL_TARGETS = {"bfloat16": 1000, "float32": 500}


@dataclass(frozen=True)
class Job:
    """What a worker measures: the encoder of `config` in `checkpoint` on the scenes of a shard, for `seconds`."""

    checkpoint: Path
    config: ExtractConfig
    scenes: Path
    seconds: float


@dataclass(frozen=True)
class Rates:
    """What one worker measured. cpu_s: per second of its own processor time; s: per second on the wall."""

    convolution_gflop_per_cpu_s: float
    encoder_frames_per_cpu_s: float
    encoder_frames_per_s: float
    stage_frames_per_cpu_s: float
    stage_frames_per_s: float


def gflop_per_frame(config: ArchitectureConfig) -> float:
    with torch.device("meta"):
        encoder, video = Encoder(config), torch.empty(1, 3, FRAMES, 64, 64)
    with FlopCounterMode(display=False) as counter:
        encoder(video)
    return float(counter.get_total_flops() / FRAMES / GIGA)


def convolution_rate(dtype: torch.dtype, seconds: float) -> float:
    """Return the GFLOP per processor second of the middle level's 3x3x3 convolution on a long clip."""
    channels, frames, side = 128, 128, 8
    layer = nn.Conv3d(channels, channels, 3, padding=1).to(dtype)
    layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    video = torch.rand(1, channels, frames, side, side).to(dtype).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        layer(video)
        count, cpu_start, start = 0, time.process_time(), time.perf_counter()
        while time.perf_counter() - start < seconds:
            layer(video)
            count += 1
    return 2 * 27 * channels**2 * frames * side**2 / GIGA * count / (time.process_time() - cpu_start)


def crops_of(path: Path) -> list[list[CropArray]]:
    return [[item.track.crops for camera in scene.tracks for item in camera] for scene in read_scenes(path)]


def frame_count(scenes: list[list[CropArray]]) -> int:
    return sum(len(crops) for scene in scenes for crops in scene)


def seconds_of(work: Callable[[], object]) -> np.ndarray:
    """Return the wall and processor seconds of `work`."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - cpu])


def make_features(encoder: TrackEncoder, job: Job, output: Path) -> None:
    """Do what the stage does for one shard once its encoder is loaded."""
    tracks = encode_shard(encoder, job.scenes, job.config.dtype)
    write_features(output, tracks, encoder.dimension, job.config.dtype, encoder_provenance(encoder, job.config))


def measure(job: Job) -> Rates:
    torch.set_num_threads(1)
    convolution = convolution_rate(DTYPES[job.config.precision], job.seconds)
    encoder, scenes = load_encoder(job.checkpoint, job.config, "cpu"), crops_of(job.scenes)
    encoder.encode(scenes[0])
    encoding, stage, passes = np.zeros(2), np.zeros(2), 0
    with tempfile.TemporaryDirectory() as name:
        while passes == 0 or stage[0] + encoding[0] < 2 * job.seconds:
            encoding += seconds_of(lambda: [encoder.encode(crops) for crops in scenes])
            stage += seconds_of(lambda: make_features(encoder, job, Path(name) / "features.h5"))
            passes += 1
    frames = passes * frame_count(scenes)
    return Rates(convolution, frames / encoding[1], frames / encoding[0], frames / stage[1], frames / stage[0])


def peak_mb(job: Job) -> float:
    """Return the most memory in MB that making one shard took. The kernel's `ru_maxrss` would count the parent, too."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        make_features(load_encoder(job.checkpoint, job.config, "cpu"), job, Path(name) / "features.h5")
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def published_rate(config: ExtractConfig) -> float:
    """Return the frames per processor second of Open-MAGVIT2 at its published size, with random weights."""
    torch.set_num_threads(1)
    network = published_network("open_magvit2", ResidualEncoder(PUBLISHED).eval(), PUBLISHED, ema=False)
    encoder = PublishedEncoder(network, "random", config, "cpu")
    crops = np.random.default_rng(0).integers(0, 256, (config.published.clip_frames, 64, 64, 3), dtype=np.uint8)
    encoder.encode([crops[:1]])
    return len(crops) / float(seconds_of(lambda: encoder.encode([crops]))[1])


def lowest_cosine(job: Job) -> float:
    """Return the lowest cosine over frames between features in bfloat16 and in float32."""
    torch.set_num_threads(1)
    crops = crops_of(job.scenes)[0]
    one, other = (np.concatenate(encoder_in(job, precision).encode(crops)) for precision in ("bfloat16", "float32"))
    lengths: FloatArray = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def encoder_in(job: Job, precision: str, device: str = "cpu") -> TrackEncoder:
    return load_encoder(job.checkpoint, job.config.model_copy(update={"precision": precision}), device)


def gpu_rates(job: Job) -> tuple[float, float]:
    """Return frames per second on the wall of the GPU, and the share of that time in which its kernels ran."""
    encoder, scenes = load_encoder(job.checkpoint, job.config, "cuda"), crops_of(job.scenes)
    encoder.encode(scenes[0])
    wall_s = float(seconds_of(lambda: [encoder.encode(crops) for crops in scenes])[0])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for crops in scenes:
            encoder.encode(crops)
    kernels_s = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    return frame_count(scenes) / wall_s, kernels_s / wall_s


def make_scenes(folder: Path, params: Path) -> tuple[Path, Path]:
    """Simulate a shard of a few matched scenes; returns it and one of the same scenes several times over."""
    config = load_section(params, "generate", GenerateConfig)
    config = config.model_copy(
        update={"scenes_per_shard": SCENES, "matched": config.matched.model_copy(update={"scenes": SCENES})}
    )
    (job,) = [job for job in plan_shards(config, load_seed(params)) if job.name.startswith(MATCHED)]
    small, large = folder / "small.h5", folder / "large.h5"
    make_shard(job.payload, small)
    copies = (
        replace(scene, scene_id=copy * SCENES + number)
        for copy in range(COPIES)
        for number, scene in enumerate(read_scenes(small))
    )
    write_scenes(large, copies, job.payload.provenance)
    return small, large


def row(what: str, value: str, target: str) -> None:
    print(f"{what:66s} {value:>22s}   {target}")


def show_rates(job: Job, gflop: float, workers: int) -> float:
    """Measure one precision in all workers at once; returns the encoder's frames per processor second of one."""
    with one_thread_processes(workers) as pool:
        rates = list(pool.map(measure, [job] * workers))
    totals = {name: sum(getattr(rate, name) for rate in rates) for name in vars(rates[0])}
    wall, encoder = totals["stage_frames_per_s"], totals["encoder_frames_per_s"]
    cpu, convolution = totals["encoder_frames_per_cpu_s"], totals["convolution_gflop_per_cpu_s"]
    name = job.config.precision
    row(f"{name}: stage, frames/s on the wall, {workers} workers", f"{wall:.0f}", f">= {WALL_TARGETS[name]} on 2 cores")
    in_cpu = totals["stage_frames_per_cpu_s"] / cpu
    row(f"{name}: stage / encoder alone (in processor time)", f"{wall / encoder:.2f} ({in_cpu:.2f})", ">= 0.85")
    row(f"{name}: encoder, frames per processor second, all workers", f"{cpu:.0f}", "")
    share = f"{cpu * gflop / convolution:.2f} of {convolution:.0f} GFLOP/s"
    row(f"{name}: share of the rate of a large convolution", share, ">= 0.70")
    return cpu / workers


def show_memory(job: Job, large: Path) -> None:
    for scenes, count in ((job.scenes, SCENES), (large, SCENES * COPIES)):
        with one_thread_processes(1) as pool:
            peak = pool.submit(peak_mb, replace(job, scenes=scenes)).result()
        row(f"{job.config.precision}: peak memory of a worker, shard of {count} scenes", f"{peak:.0f} MB", "<= 1000 MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--magvit-checkpoint", type=Path, help="of the tokenizer stage; random weights without it")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement, at least")
    args = parser.parse_args()
    architecture = load_section(args.params, "tokenizer", TokenizerConfig).architecture
    config, workers = load_section(args.params, "extract", ExtractConfig), worker_count("auto")
    print(f"{workers} one-thread workers, load average {os.getloadavg()[0]:.2f} at the start")
    with tempfile.TemporaryDirectory() as name:
        small, large = make_scenes(Path(name), args.params)
        checkpoint = args.magvit_checkpoint or Path(name) / "random.safetensors"
        if args.magvit_checkpoint is None:
            save_tokenizer(checkpoint, fresh_tokenizer(architecture, load_seed(args.params)))
        job = Job(checkpoint, config, small, args.seconds)
        show(job, large, gflop_per_frame(architecture), workers)
    print(f"load average {os.getloadavg()[0]:.2f} at the end")


def show(job: Job, large: Path, gflop: float, workers: int) -> None:
    row(f"encoder: {gflop:.3f} GFLOP per frame", "measured", "target")
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    native = {}
    for precision in precisions:
        own = replace(job, config=job.config.model_copy(update={"precision": precision}))
        native[precision] = show_rates(own, gflop, workers)
    show_memory(job, large)
    with one_thread_processes(1) as pool:
        published = pool.submit(published_rate, job.config).result()
        cosine = pool.submit(lowest_cosine, job).result()
    precision = job.config.precision
    ratio = f"{native[precision] / published:.0f} ({published:.2f} frames/s)"
    row(f"{precision}: times as fast as Open-MAGVIT2 at published size, one thread", ratio, ">= 150")
    row("bfloat16 beside float32: lowest cosine of a frame's features", f"{cosine:.5f}", ">= 0.999")
    if torch.cuda.is_available():
        rate, share = gpu_rates(job)
        row(f"GPU, {precision}: encoder, frames/s on the wall", f"{rate:.0f}", "")
        row(f"GPU, {precision}: share of that time in which kernels ran", f"{share:.2f}", "")


if __name__ == "__main__":
    run_command(main)
