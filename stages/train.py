"""Stage `train`: features to a calibrated persistence classifier, beside its baselines."""

import argparse
from pathlib import Path

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.table import FeatureFolders
from track_persistence.classifier.train import run
from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--data-dir", type=Path, required=True, help="feature shards of the extract stage")
    parser.add_argument("--recordings-dir", type=Path, required=True, help="shards of the recordings stage, if any")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for weights, metrics and plots")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of run.device")
    flags = parser.parse_args()
    run_config = load_section(flags.params, "run", RunConfig)
    if flags.device is not None:
        run_config = run_config.model_copy(update={"device": flags.device})
    run(
        load_section(flags.params, "train", TrainConfig),
        run_config,
        load_section(flags.params, "split", SplitConfig),
        load_seed(flags.params),
        FeatureFolders(flags.data_dir, flags.recordings_dir),
        flags.output_dir,
    )


if __name__ == "__main__":
    run_command(main)
