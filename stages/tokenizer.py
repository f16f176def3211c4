"""Stage `tokenizer`: train the MagVIT tokenizer without labels on the crops of the training scenes."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.train import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of scene shards")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the checkpoint and its metrics")
    args = parser.parse_args()
    run(
        load_section(args.params, "tokenizer", TokenizerConfig),
        load_section(args.params, "split", SplitConfig),
        load_section(args.params, "run", RunConfig),
        load_seed(args.params),
        args.data_dir,
        args.output_dir,
    )


if __name__ == "__main__":
    run_command(main)
