"""Stage `geometry`: boxes of labelled scenes to a judge that sees no pixels, beside rules of one number."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_train import Settings, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--data-dir", type=Path, required=True, help="scene shards of the generate stage")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for model.json and metrics.json")
    flags = parser.parse_args()
    settings = Settings(
        load_section(flags.params, "geometry", GeometryConfig),
        load_section(flags.params, "tracking", TrackingConfig),
        load_section(flags.params, "split", SplitConfig),
        load_section(flags.params, "run", RunConfig),
        load_seed(flags.params),
    )
    run(settings, flags.data_dir, flags.output_dir)


if __name__ == "__main__":
    run_command(main)
