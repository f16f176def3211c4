"""Stage `scenarios`: with and without the filter on the specified scenes and on hard cases, scored in 2D and 3D."""

import argparse
from pathlib import Path

from track_persistence.core.command import run_command
from track_persistence.core.params import RunConfig, load_section, load_seed
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.scenarios import Checkpoints, Settings, run
from track_persistence.simulation.config import GenerateConfig
from track_persistence.tracking.config import TrackingConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="the params file")
    parser.add_argument(
        "--scenarios", default="all", help="all, or the one to run: 1, 2, 3 or a key of scenarios.cases"
    )
    parser.add_argument("--magvit-checkpoint", type=Path, required=True, help="weights of the encoder")
    parser.add_argument("--model-checkpoint", type=Path, required=True, help="weights of the classifier")
    parser.add_argument("--geometry-model", type=Path, required=True, help="model of stage geometry")
    parser.add_argument("--fusion-model", type=Path, required=True, help="model of stage fuse")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the metrics, counts and examples")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of run.device")
    arguments = parser.parse_args()
    params = arguments.params
    settings = Settings(
        load_section(params, "scenarios", ScenariosConfig),
        load_section(params, "generate", GenerateConfig),
        load_section(params, "tracking", TrackingConfig),
        load_section(params, "run", RunConfig),
        load_seed(params),
    )
    names = settings.scenarios.names if arguments.scenarios == "all" else (arguments.scenarios,)
    checkpoints = Checkpoints(
        arguments.magvit_checkpoint, arguments.model_checkpoint, arguments.geometry_model, arguments.fusion_model
    )
    run(settings, checkpoints, arguments.device or settings.run.device, names, arguments.output_dir)


if __name__ == "__main__":
    run_command(main)
