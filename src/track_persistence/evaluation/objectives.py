"""Which objective the encoder is best trained for: one training each, features scored on simulated and real tracks.

`python -m track_persistence.evaluation.objectives --help` says how to call it. It writes objectives.md, the checkpoints
of all candidates and objectives.json, which holds:
- `steps`, `reference`: optimiser steps of every candidate; the one with the objective of section `tokenizer`
- `losses`: candidate to its weights
- `quality`: encoder to what `magvit.evaluate` measures on validation clips: PSNR, use of the codes, recognition
- `simulated`: counts and, by age and as the mean over ages, head and encoder, `auc` and `minus_<reference>`
- `choice`: the candidate that validation scenes speak for, and each candidate's `minus_chosen`
- `transfer_frames`, `transfer`: `<fitted>_to_<tested>` to counts and, by method, `auc` and `minus_<reference>`
where a measured number is `value`, `low`, `high`. Encoders are the candidates, `random_weights`, `colour_hog` and, when
there is one, the `given` checkpoint.
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

from track_persistence.classifier.config import TrainConfig
from track_persistence.core.command import run_command
from track_persistence.core.errors import CheckpointError
from track_persistence.core.files import make_folder, write_json, write_text
from track_persistence.core.params import RunConfig, SplitConfig, load_section, load_seed
from track_persistence.core.progress import log
from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_cues import COLOUR_HOG
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.objective_metrics import choose, simulated_metrics
from track_persistence.evaluation.objective_report import markdown
from track_persistence.evaluation.objective_scores import Fitting, describer, score_tracks
from track_persistence.evaluation.objective_training import TrainingSetup, measure_quality, train_candidates
from track_persistence.evaluation.objective_transfer import (
    TransferParams,
    describe_recording,
    read_first_frames,
    transfer_metrics,
)
from track_persistence.evaluation.objectives_config import GIVEN, ObjectivesConfig
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import ExtractConfig, TokenizerConfig
from track_persistence.simulation.config import GenerateConfig


@dataclass(frozen=True)
class ObjectiveParams:
    """Sections of the params file."""

    objectives: ObjectivesConfig
    tokenizer: TokenizerConfig
    fitting: Fitting
    transfer: TransferParams
    run: RunConfig


@dataclass(frozen=True)
class ObjectiveInputs:
    """What a run reads: scene shards, and perhaps a checkpoint to set beside the candidates and a folder of footage."""

    scenes: Path
    given: Path | None
    footage: Path | None


def run(params: ObjectiveParams, inputs: ObjectiveInputs, output: Path) -> dict[str, Any]:
    """Train the candidates, measure what their features are worth, write objectives.json and objectives.md.

    The choice is made on validation scenes alone; test scenes are not scored. Trainings, shards and fits are kept in
    the store, so a killed run goes on. Raises `CheckpointError` when the given checkpoint has another architecture.
    """
    make_folder(output)
    config, fitting = params.objectives, params.fitting
    _check_given(inputs.given, params.tokenizer)
    recordings = [] if inputs.footage is None else read_first_frames(params.transfer, inputs.footage)
    setup = TrainingSetup(params.tokenizer, fitting.split, fitting.seed, inputs.scenes)
    checkpoints = train_candidates(config, setup, params.run, output / "checkpoints")
    if inputs.given is not None:
        checkpoints[GIVEN] = inputs.given
    encoders: Mapping[str, Path | None] = {**checkpoints, COLOUR_HOG: None}
    with tempfile.TemporaryDirectory(dir=params.run.store, prefix=".objectives-") as name:
        folder = Path(name)
        quality = measure_quality(checkpoints, setup, fitting.ablate.shards, params.run, folder / "quality")
        table, scores = score_tracks(encoders, fitting, inputs.scenes, params.run, folder)
    simulated = simulated_metrics(table, scores, config.reference, fitting.ablate, fitting.seed)
    describe = {name: describer(path, fitting.extract)[0] for name, path in encoders.items()}
    described = [describe_recording(recording, describe, config.transfer_frames) for recording in recordings]
    metrics = {
        "steps": config.steps,
        "reference": config.reference,
        "losses": {name: config.loss_of(name, params.tokenizer.loss).model_dump() for name in config.candidates},
        "quality": quality,
        "simulated": {"profile": fitting.ablate.profile, **simulated},
        "choice": choose(table, scores, config.candidates, fitting.ablate, fitting.seed),
        "transfer_frames": config.transfer_frames,
        "transfer": transfer_metrics(described, params.transfer),
    }
    write_json(output / "objectives.json", metrics)
    text = markdown(metrics)
    write_text(output / "objectives.md", text)
    for line in text.splitlines():
        log(line)
    return metrics


def _check_given(checkpoint: Path | None, tokenizer: TokenizerConfig) -> None:
    if checkpoint is not None and load_tokenizer(checkpoint).config != tokenizer.architecture:
        raise CheckpointError(
            f"{checkpoint}: its architecture is not tokenizer.architecture, so what it scores says nothing about "
            "objectives; pass the checkpoint of stage tokenizer with these params"
        )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare objectives of the encoder's training by what features tell.")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of scene shards")
    parser.add_argument("--output-dir", type=Path, required=True, help="for checkpoints, objectives.json and .md")
    parser.add_argument(
        "--magvit-checkpoint", type=Path, help="magvit.safetensors, set beside the candidates and not chosen among"
    )
    parser.add_argument(
        "--footage-dir", type=Path, help="folder of the recordings in objectives.recordings; without it none is read"
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    return parser.parse_args()


def _load_params(path: Path) -> ObjectiveParams:
    objectives = load_section(path, "objectives", ObjectivesConfig)
    seed, ablate = load_seed(path), load_section(path, "ablate", AblateConfig)
    fitting = Fitting(
        ablate,
        load_section(path, "extract", ExtractConfig),
        load_section(path, "train", TrainConfig),
        load_section(path, "split", SplitConfig),
        seed,
    )
    crop_margin = load_section(path, "generate", GenerateConfig).image.context_share
    footage = load_section(path, "footage", FootageConfig)
    return ObjectiveParams(
        objectives,
        load_section(path, "tokenizer", TokenizerConfig),
        fitting,
        TransferParams(objectives, footage, ablate, crop_margin, seed),
        load_section(path, "run", RunConfig),
    )


def main() -> None:
    """Parse the command line and run."""
    arguments = _parse_arguments()
    params = _load_params(arguments.params)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    inputs = ObjectiveInputs(arguments.data_dir, arguments.magvit_checkpoint, arguments.footage_dir)
    run(params, inputs, arguments.output_dir)


def console() -> None:
    """Run with one line for bad input."""
    run_command(main)


if __name__ == "__main__":
    console()
