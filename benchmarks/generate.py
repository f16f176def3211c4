"""Crops per second of `generate` on one core, beside the least any crop costs: a warp, a JPEG and back, gzip.

Run from the repository root: `.venv/bin/python benchmarks/generate.py [--scenes 8]`.
"""

import argparse
import tempfile
import time
import zlib
from pathlib import Path

import cv2
import numpy as np

from track_persistence.core.params import load_section, load_seed
from track_persistence.core.storage import read_scenes
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.generate import make_shard, plan_shards

PARAMS = Path("params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=8)
    scenes = parser.parse_args().scenes
    cv2.setNumThreads(1)
    config = load_section(PARAMS, "generate", GenerateConfig)
    config = config.model_copy(update={"scenes": scenes + 1, "scenes_per_shard": 1})
    warm_up, *jobs = plan_shards(config, load_seed(PARAMS))
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / job.name for job in jobs]
        make_shard(warm_up.payload, Path(name) / warm_up.name)
        started = time.process_time()
        for job, path in zip(jobs, paths, strict=True):
            make_shard(job.payload, path)
        generate_s = time.process_time() - started
        crops = np.concatenate(
            [
                one.track.crops
                for path in paths
                for scene in read_scenes(path)
                for one in (*scene.tracks[0], *scene.tracks[1])
            ]
        )
        size_mb = sum(path.stat().st_size for path in paths) / 1e6
    plain_s = plain(crops)
    print(f"generate: {len(crops) / generate_s:.0f} crops/s per core ({1e3 * generate_s / len(crops):.2f} ms each)")
    print(f"plain warp, JPEG and gzip: {len(crops) / plain_s:.0f} crops/s per core")
    print(f"ratio generate / plain: {generate_s / plain_s:.2f}")
    print(f"{size_mb / scenes:.2f} MB and {len(crops) / scenes:.0f} crops a scene")


def plain(crops: np.ndarray) -> float:
    """Seconds of processor time to warp, compress, restore and gzip every crop."""
    turn = cv2.getRotationMatrix2D((31.5, 31.5), 3.0, 1.1)
    started = time.process_time()
    for crop in crops:
        warped = cv2.warpAffine(crop, turn, (64, 64), borderMode=cv2.BORDER_REPLICATE)
        _, data = cv2.imencode(".jpg", warped, (cv2.IMWRITE_JPEG_QUALITY, 85))
        restored = cv2.imdecode(data, cv2.IMREAD_COLOR)
        # HDF5's shuffle filter does nothing to single bytes, so this is what storage adds.
        zlib.compress(restored.tobytes(), 4)
    return time.process_time() - started


if __name__ == "__main__":
    main()
