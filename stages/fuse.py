"""Stage `fuse`: how much pixels, statistics and geometry count beside each other, and what each set is worth."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.fusion_config import FuseConfig
from track_persistence.tracking.fusion_train import Inputs, Settings, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--data-dir", type=Path, required=True, help="feature shards of the extract stage")
    parser.add_argument("--model-checkpoint", type=Path, required=True, help="classifier of the train stage")
    parser.add_argument("--geometry-verdicts", type=Path, required=True, help="verdicts.csv of the geometry stage")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for fusion.json and metrics.json")
    flags = parser.parse_args()
    settings = Settings(
        load_section(flags.params, "fuse", FuseConfig),
        load_section(flags.params, "tracking", TrackingConfig),
        load_section(flags.params, "split", SplitConfig),
        load_section(flags.params, "run", RunConfig),
        load_seed(flags.params),
    )
    run(settings, Inputs(flags.data_dir, flags.model_checkpoint, flags.geometry_verdicts), flags.output_dir)


if __name__ == "__main__":
    run_command(main)
