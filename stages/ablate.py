"""Stage `ablate`: the same classifiers on other descriptions of the same tracks, to see what each input is worth."""

import argparse
from pathlib import Path

from track_persistence.classifier.config import TrainConfig
from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.evaluation.ablation import Inputs, Settings, run
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.magvit.config import ExtractConfig, TokenizerConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--data-dir", type=Path, required=True, help="scene shards of the generate stage")
    parser.add_argument("--features-dir", type=Path, required=True, help="feature shards of the extract stage")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for metrics.json")
    flags = parser.parse_args()
    settings = Settings(
        load_section(flags.params, "ablate", AblateConfig),
        load_section(flags.params, "tokenizer", TokenizerConfig).architecture,
        load_section(flags.params, "extract", ExtractConfig),
        load_section(flags.params, "train", TrainConfig),
        load_section(flags.params, "split", SplitConfig),
        load_section(flags.params, "run", RunConfig),
        load_seed(flags.params),
    )
    run(settings, Inputs(flags.data_dir, flags.features_dir), flags.output_dir)


if __name__ == "__main__":
    run_command(main)
