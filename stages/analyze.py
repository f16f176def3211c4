"""Stage `analyze`: attention, decisions and failures on held-back tracks, as numbers that statements can cite."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.explain.config import AnalyzeConfig
from track_persistence.explain.evidence import EvidencePaths, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--data-dir", type=Path, required=True, help="feature shards of the extract stage")
    parser.add_argument("--model-checkpoint", type=Path, required=True, help="persistence.safetensors")
    parser.add_argument("--scenarios-dir", type=Path, required=True, help="folder with the scenarios' metrics.json")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for evidence.json and examples.json")
    flags = parser.parse_args()
    run(
        load_section(flags.params, "analyze", AnalyzeConfig),
        load_section(flags.params, "run", RunConfig),
        load_section(flags.params, "split", SplitConfig),
        load_seed(flags.params),
        EvidencePaths(flags.data_dir, flags.model_checkpoint, flags.scenarios_dir, flags.output_dir),
    )


if __name__ == "__main__":
    run_command(main)
