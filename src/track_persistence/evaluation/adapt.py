"""The filter adapted to a site, by a few labelled minutes or by its own tracks alone, and what that brought.

`python -m track_persistence.evaluation.adapt --help` says how to call it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from track_persistence.classifier.adapter import SAME_DETECTOR, Adapter
from track_persistence.classifier.adapter_file import save_adapted
from track_persistence.classifier.channels import ConfidenceScale
from track_persistence.classifier.checkpoint import load_classifier
from track_persistence.core.command import run_command
from track_persistence.core.errors import ParamsError
from track_persistence.core.files import make_folder, write_json
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.progress import log
from track_persistence.evaluation.adapt_config import AdaptConfig
from track_persistence.evaluation.adapt_methods import (
    adapted_to,
    for_other_detector,
    scores_in_time_blocks,
    scores_on_other,
    self_taught,
)
from track_persistence.evaluation.adapt_metrics import adaptation_metrics, table_lines
from track_persistence.evaluation.adapt_samples import SiteSamples, TrackFilter, read_samples
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.recordings import read_recording
from track_persistence.evaluation.recordings_config import SiteConfig
from track_persistence.magvit.checkpoint import load_tokenizer
from track_persistence.magvit.config import Precision
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.simulation.config import GenerateConfig
from track_persistence.tracking.filter import PersistenceFilter
from track_persistence.video.confidence import confidences
from track_persistence.video.mot import read_mot


@dataclass(frozen=True)
class AdaptInputs:
    """Recordings: of the site, and perhaps another to test on. same_detector: whether one detector made both."""

    site: SiteConfig
    test: SiteConfig | None
    same_detector: bool


@dataclass(frozen=True)
class AdaptParams:
    """Sections of the params file. crop_margin: share of a box's size added on each side of a crop."""

    adapt: AdaptConfig
    footage: FootageConfig
    crop_margin: float
    seed: int


def run(
    params: AdaptParams,
    inputs: AdaptInputs,
    networks: tuple[TrackFilter, LevelEncoder],
    model_checkpoint: Path,
    output: Path,
) -> dict[str, Any]:
    """Write the adapted checkpoint and metrics.json to `output`, log the table and return the metrics.

    networks: the filter before adaptation and the levels of its encoder. The adapter in persistence_adapted.safetensors
    is fitted on all tracks of the site, those without a label included; where nothing is labelled the filter itself
    teaches it. A test recording of another detector gives a second one, persistence_adapted_other_detector.safetensors,
    fitted on that detector's tracks without their labels. The metrics are of adapters that were fitted without the
    labels of the tracks they score; without any label they only count. The decision rules keep the error budget and
    the longest wait of the rule in `model_checkpoint`.
    """
    make_folder(output)
    config = params.adapt
    rule = load_classifier(model_checkpoint, "cpu").profile(None).decision
    if rule.longest_wait_frames > config.longest_frames:
        raise ParamsError(
            f"adapt.longest_frames: {config.longest_frames} is less than the {rule.longest_wait_frames} frames that "
            f"the decision rule of {model_checkpoint} may wait; raise it"
        )
    site = _samples(params, inputs.site, networks, rule.longest_wait_frames)
    if inputs.site.is_labelled:
        adapter = adapted_to(config, site, site.labelled, rule.error_budget)
    else:
        adapter = self_taught(config, site, site.everyone, rule.error_budget)
    save_adapted(model_checkpoint, output / "persistence_adapted.safetensors", adapter)
    if inputs.test is not None:
        title = f"{inputs.site.name} to {inputs.test.name}"
        seen = _samples(params, inputs.test, networks, rule.longest_wait_frames)
        if not inputs.same_detector:
            adapter = for_other_detector(config, adapter, seen, rule.error_budget)
            save_adapted(model_checkpoint, output / "persistence_adapted_other_detector.safetensors", adapter)
        scored = scores_on_other(config, adapter, site, seen)
    elif inputs.site.is_labelled:
        title, seen = f"{inputs.site.name}, {params.footage.folds} blocks of time", site
        scored = scores_in_time_blocks(config, site, params.footage.folds, rule.error_budget)
    else:
        return _without_labels(config, adapter, site, output)
    threshold = float(networks[0].threshold)
    recording = seen.recording.of(seen.labelled)
    metrics = adaptation_metrics(recording, scored, threshold, params.seed, params.footage.bootstrap_replicates)
    write_json(output / "metrics.json", metrics)
    for line in table_lines(title, metrics):
        log(line)
    return metrics


def _without_labels(config: AdaptConfig, adapter: Adapter, site: SiteSamples, output: Path) -> dict[str, Any]:
    """Write and return what can be said where nothing is known: how many tracks the adapter calls real."""
    rows = site.at(config.adapter.training_ages_frames[-1], site.everyone)
    real = int((adapter.log_odds(rows, SAME_DETECTOR) > 0).sum())
    metrics = {"tracks": {"read": len(site.everyone), "called_real": real}}
    write_json(output / "metrics.json", metrics)
    log(
        f"{site.recording.name}: learned from {len(site.everyone)} tracks without labels, calls {real} of them real; "
        "only labels can tell how often that is right"
    )
    return metrics


def _samples(
    params: AdaptParams, source: SiteConfig, networks: tuple[TrackFilter, LevelEncoder], longest_wait_frames: int
) -> SiteSamples:
    recording = read_recording(
        source, params.footage, params.crop_margin, params.adapt.longest_frames, every_track=False
    )
    recording = recording.born_before(params.footage.full_view_frames)
    return read_samples(recording, params.adapt, longest_wait_frames, *networks)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Adapt the persistence filter to a site by its tracks. Labels of some tell what it brought."
    )
    _add_recording(parser, "", "of the site", True)
    _add_recording(parser, "test-", "of the recording to test on; without it, the site's own blocks of time", False)
    parser.add_argument(
        "--test-detector",
        choices=("same", "other"),
        help="whether the test recording's tracks come from the same detector; if not, its confidences are learned "
        "anew and a second checkpoint, for it, is written",
    )
    parser.add_argument("--model-checkpoint", type=Path, required=True, help="persistence.safetensors")
    parser.add_argument("--magvit-checkpoint", type=Path, required=True, help="magvit.safetensors")
    parser.add_argument("--output-dir", type=Path, required=True, help="for adapted checkpoints and metrics.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the networks run")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()
    test = (arguments.test_video, arguments.test_tracks, arguments.test_confidence, arguments.test_detector)
    has_truth = arguments.test_labels is not None or arguments.test_ground_truth is not None
    if any(value is not None for value in (*test, arguments.test_labels, arguments.test_ground_truth)) and not (
        all(value is not None for value in test) and has_truth
    ):
        parser.error(
            "a test recording needs --test-video, --test-tracks, --test-confidence, --test-detector and --test-labels "
            "or --test-ground-truth"
        )
    return arguments


def _add_recording(parser: argparse.ArgumentParser, prefix: str, whose: str, required: bool) -> None:
    parser.add_argument(f"--{prefix}video", type=Path, required=required, help=f"video {whose}")
    parser.add_argument(f"--{prefix}tracks", type=Path, required=required, help=f"MOT file of tracks {whose}")
    parser.add_argument(
        f"--{prefix}confidence",
        choices=("probability", "raw"),
        required=required,
        help="what the tracks' seventh column is; raw scores s become 1 / (1 + exp(-s))",
    )
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument(
        f"--{prefix}labels",
        type=Path,
        help="track_id,label a line: 1 real, 0 false, others left out; tracks without a line teach, too",
    )
    truth.add_argument(f"--{prefix}ground-truth", type=Path, help="MOT ground truth; tracks are labelled by overlap")


def _recording(arguments: argparse.Namespace, prefix: str) -> SiteConfig:
    values = {
        name: getattr(arguments, f"{prefix}{name}")
        for name in ("video", "tracks", "confidence", "labels", "ground_truth")
    }
    return SiteConfig(name=Path(values["tracks"]).stem, **values)


def _load_networks(arguments: argparse.Namespace, site: SiteConfig) -> tuple[PersistenceFilter, LevelEncoder]:
    """Load the filter, should it need it with the scale of the site's confidences, and its encoder's early levels."""
    table = read_mot(site.tracks, "tracks")
    scale = ConfidenceScale.of(confidences(table, site.confidence))
    model, encoder, device = arguments.model_checkpoint, arguments.magvit_checkpoint, arguments.device
    persistence_filter = PersistenceFilter(model, encoder, device, scale)
    precision: Precision = load_classifier(model, device).metadata["precision"]
    return persistence_filter, LevelEncoder(load_tokenizer(encoder), precision, device)


def main() -> None:
    """Parse the command line and run."""
    arguments = _parse_arguments()
    params = AdaptParams(
        load_section(arguments.params, "adapt", AdaptConfig),
        load_section(arguments.params, "footage", FootageConfig),
        load_section(arguments.params, "generate", GenerateConfig).image.context_share,
        load_seed(arguments.params),
    )
    site = _recording(arguments, "")
    test = None if arguments.test_video is None else _recording(arguments, "test_")
    networks = _load_networks(arguments, site)
    inputs = AdaptInputs(site, test, arguments.test_detector != "other")
    run(params, inputs, networks, arguments.model_checkpoint, arguments.output_dir)


def console() -> None:
    """Run with one line for bad input."""
    run_command(main)


if __name__ == "__main__":
    console()
