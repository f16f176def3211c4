"""Stage `extract`: MagVIT features (T, 256) of every track, sharded as the scenes are."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, load_section
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.extract import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of scene shards")
    parser.add_argument(
        "--magvit-checkpoint", type=Path, required=True, help="the encoder: the tokenizer stage's or published"
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the feature shards")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of run.device of the params file")
    args = parser.parse_args()
    run_config = load_section(args.params, "run", RunConfig)
    if args.device is not None:
        run_config = run_config.model_copy(update={"device": args.device})
    run(
        load_section(args.params, "extract", ExtractConfig),
        run_config,
        args.data_dir,
        args.magvit_checkpoint,
        args.output_dir,
    )


if __name__ == "__main__":
    run_command(main)
