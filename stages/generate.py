"""Stage `generate`: simulated stereo scenes with tracks, crops and truth."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, load_section, load_seed
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.generate import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the scene shards")
    parser.add_argument("--contact-sheets", type=Path, required=True, help="folder of one PNG per kind of track")
    flags = parser.parse_args()
    run(
        load_section(flags.params, "generate", GenerateConfig),
        load_section(flags.params, "run", RunConfig),
        load_seed(flags.params),
        flags.output_dir,
        flags.contact_sheets,
    )


if __name__ == "__main__":
    run_command(main)
