"""Stage `explain`: evidence to analyses, by fixed rules or by a language model bound to the evidence."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import load_section
from track_persistence.explain.config import ExplainConfig
from track_persistence.explain.explain import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--attention-data", type=Path, required=True, help="evidence.json of the analyze stage")
    parser.add_argument("--responses", type=Path, required=True, help="folder of stored answers")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for analysis.json and analysis.md")
    flags = parser.parse_args()
    config = load_section(flags.params, "explain", ExplainConfig)
    run(config, flags.attention_data, flags.responses, flags.output_dir)


if __name__ == "__main__":
    run_command(main)
