"""Stage `tokenizer`: train the MagVIT tokenizer on crops of the training scenes, and of footage that params name."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.evaluation.unlabelled import recorded_clips
from track_persistence.magvit.clips import TrainingData
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.train import run
from track_persistence.simulation.config import GenerateConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of scene shards")
    parser.add_argument("--footage-dir", type=Path, required=True, help="folder of the recordings that params name")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the checkpoint and its metrics")
    args = parser.parse_args()
    config, seed = load_section(args.params, "tokenizer", TokenizerConfig), load_seed(args.params)
    margin = load_section(args.params, "generate", GenerateConfig).image.context_share  # crops as the simulated ones
    recorded, files = recorded_clips(config, args.footage_dir, margin, seed)
    run(
        config,
        load_section(args.params, "split", SplitConfig),
        load_section(args.params, "run", RunConfig),
        seed,
        TrainingData(args.data_dir, recorded, files),
        args.output_dir,
    )


if __name__ == "__main__":
    run_command(main)
