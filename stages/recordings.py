"""Stage `recordings`: MagVIT features of labelled recordings, cut into blocks of time; none when params name none."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.recording_features import RecordingsParams, run
from track_persistence.evaluation.recordings_config import RecordingsConfig
from track_persistence.magvit.config import ExtractConfig
from track_persistence.simulation.config import GenerateConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="params file")
    parser.add_argument("--footage-dir", type=Path, required=True, help="folder of the files that params name")
    parser.add_argument(
        "--magvit-checkpoint", type=Path, required=True, help="the encoder: the tokenizer stage's or published"
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the feature shards")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of run.device of the params file")
    flags = parser.parse_args()
    run_config = load_section(flags.params, "run", RunConfig)
    if flags.device is not None:
        run_config = run_config.model_copy(update={"device": flags.device})
    params = RecordingsParams(
        load_section(flags.params, "recordings", RecordingsConfig),
        load_section(flags.params, "footage", FootageConfig),
        load_section(flags.params, "extract", ExtractConfig),
        load_section(flags.params, "split", SplitConfig),
        load_section(flags.params, "generate", GenerateConfig).image.context_share,  # crops as the simulated ones
        load_seed(flags.params),
    )
    run(params, run_config, flags.footage_dir, flags.magvit_checkpoint, flags.output_dir)


if __name__ == "__main__":
    run_command(main)
