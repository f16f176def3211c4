"""The trained filter on real footage: a video and a MOT file in, the kept tracks and how good that is out.

`python -m track_persistence.evaluation.footage --help` says how to call it.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.command import run_command
from track_persistence.core.files import make_folder, write_json, write_text
from track_persistence.core.params import load_section, load_seed
from track_persistence.core.progress import log, track_progress
from track_persistence.core.types import Track
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_metrics import WHOLE, Scores, footage_metrics, table_lines
from track_persistence.evaluation.footage_rules import box_tracks
from track_persistence.simulation.config import GenerateConfig
from track_persistence.video.confidence import Scale, confidences
from track_persistence.video.crops import stream_tracks
from track_persistence.video.labels import label_by_overlap, read_labels
from track_persistence.video.linking import link
from track_persistence.video.mot import MotTable, read_mot, write_mot
from track_persistence.video.reader import Video

COLUMNS = ("track_id", "age_frames", "boxes_seen", "frame", "probability", "whole", "kept")


class PrefixFilter(Protocol):
    """What is asked of the filter: the probability after the first k boxes of a track, and where it cuts."""

    threshold: float

    def prefix_probabilities(self, pixels: NDArray[np.uint8], lengths: Sequence[int]) -> NDArray[Any]:
        """Return the probability (K,) that a track (T, 64, 64, 3) is real after its first `lengths` (K,) boxes."""
        ...


@dataclass(frozen=True)
class FootageInputs:
    """What a run reads.

    boxes: a MOT file, of tracks or, when `has_ids` is False, of detections that are linked first. scale: what the
    scores of its seventh column are. labels, ground_truth: at most one of them; both None for footage without truth.
    """

    video: Path
    boxes: Path
    has_ids: bool
    scale: Scale
    labels: Path | None = None
    ground_truth: Path | None = None


def run(
    config: FootageConfig,
    seed: int,
    inputs: FootageInputs,
    crop_margin: float,
    persistence_filter: PrefixFilter,
    output: Path,
) -> None:
    """Write kept.txt, persistence.csv and, where labels are known, metrics.json to `output`; log the table.

    crop_margin: share of a box's width and height added on each side of a crop, as the filter was trained.
    """
    make_folder(output)
    video = Video(inputs.video)
    table, probabilities = _read_tracks(config, inputs)
    labels = _read_labels(config, inputs, table)
    ids = len(table.rows_by_id())
    log(f"{inputs.boxes}: {len(table)} boxes in {ids} tracks")
    streamed = stream_tracks(video, table, probabilities, crop_margin, config.longest_frames)
    by_track: dict[int, dict[int | str, float]] = {}
    rows: list[tuple[Any, ...]] = []
    threshold = float(persistence_filter.threshold)
    for track in track_progress(streamed, ids, "persistence", "tracks"):
        by_track[track.track_id] = score_track(track, persistence_filter, config.ages_frames)
        rows.extend(_csv_rows(track, by_track[track.track_id], threshold))
    kept = {track_id for track_id, scores in by_track.items() if scores[WHOLE] >= threshold}
    write_mot(output / "kept.txt", table, kept)
    _write_csv(output / "persistence.csv", sorted(rows))
    log(f"{output}: {len(kept)} of {ids} tracks kept at a probability of {threshold:.3f} or more")
    metrics_file = output / "metrics.json"
    if labels is None:
        metrics_file.unlink(missing_ok=True)
        return
    metrics = footage_metrics(config, seed, box_tracks(table, probabilities), labels, Scores(by_track, threshold))
    write_json(metrics_file, metrics)
    for line in table_lines(metrics):
        log(line)


def score_track(track: Track, persistence_filter: PrefixFilter, ages_frames: Sequence[int]) -> dict[int | str, float]:
    """Return the probability of a track at every age, in frames passed since its first box, and of the whole."""
    boxes_seen = {age: _boxes_seen(track, age) for age in ages_frames}
    lengths = sorted({*boxes_seen.values(), len(track)})
    probabilities = np.asarray(persistence_filter.prefix_probabilities(track.crops, lengths), np.float64)
    by_length = dict(zip(lengths, probabilities.tolist(), strict=True))
    return {**{age: by_length[seen] for age, seen in boxes_seen.items()}, WHOLE: by_length[len(track)]}


def _boxes_seen(track: Track, age: int) -> int:
    return int(np.searchsorted(track.frames, track.frames[0] + age))


def _csv_rows(track: Track, scores: Mapping[int | str, float], threshold: float) -> Iterator[tuple[Any, ...]]:
    """Yield one row for every age below the track's own, and one for the whole track."""
    first, span = int(track.frames[0]), int(track.frames[-1] - track.frames[0]) + 1
    ages: list[tuple[int, int | str]] = [(age, age) for age in scores if isinstance(age, int) and age < span]
    for age, name in [*ages, (span, WHOLE)]:
        probability = scores[name]
        yield (
            track.track_id,
            age,
            _boxes_seen(track, age),
            first + age - 1,
            f"{probability:.6f}",
            int(name == WHOLE),
            int(probability >= threshold),
        )


def _write_csv(path: Path, rows: Iterable[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _read_tracks(config: FootageConfig, inputs: FootageInputs) -> tuple[MotTable, NDArray[np.float64]]:
    """Return the tracks and their boxes' confidences in [0, 1]."""
    if inputs.has_ids:
        table = read_mot(inputs.boxes, "tracks")
        return table, confidences(table, inputs.scale)
    detections = read_mot(inputs.boxes, "detections")
    linked = link(detections, confidences(detections, inputs.scale), config.link)
    return linked, confidences(linked, inputs.scale)


def _read_labels(config: FootageConfig, inputs: FootageInputs, table: MotTable) -> dict[int, int] | None:
    if inputs.labels is not None:
        return read_labels(inputs.labels, table)
    if inputs.ground_truth is not None:
        return label_by_overlap(table, read_mot(inputs.ground_truth, "ground truth"), config.labels)
    return None


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the trained persistence filter on a video with tracks.")
    parser.add_argument("--video", type=Path, required=True, help="video file that OpenCV can decode")
    boxes = parser.add_mutually_exclusive_group(required=True)
    boxes.add_argument("--tracks", type=Path, help="MOT file of tracks: frame,id,x,y,w,h,conf")
    boxes.add_argument("--detections", type=Path, help="MOT file without ids; footage.link in params links them")
    parser.add_argument(
        "--confidence",
        choices=("probability", "raw"),
        required=True,
        help="what the seventh column is; raw scores s become 1 / (1 + exp(-s))",
    )
    parser.add_argument("--model-checkpoint", type=Path, required=True, help="persistence.safetensors")
    parser.add_argument("--magvit-checkpoint", type=Path, required=True, help="weights of the encoder")
    parser.add_argument("--output-dir", type=Path, required=True, help="for kept.txt, persistence.csv, metrics.json")
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument("--labels", type=Path, help="track_id,label a line: 1 real, 0 false, -1 and -2 left out")
    truth.add_argument("--ground-truth", type=Path, help="MOT ground truth; tracks are labelled by overlap")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the filter runs")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()
    if arguments.labels is not None and arguments.tracks is None:
        parser.error("--labels needs --tracks: linking detections makes new ids; pass --ground-truth instead")
    return arguments


def main() -> None:
    """Parse the command line and run."""
    arguments = _parse_arguments()
    config = load_section(arguments.params, "footage", FootageConfig)
    seed = load_seed(arguments.params)
    crop_margin = load_section(arguments.params, "generate", GenerateConfig).image.context_share
    inputs = FootageInputs(
        arguments.video,
        arguments.tracks or arguments.detections,
        arguments.tracks is not None,
        arguments.confidence,
        arguments.labels,
        arguments.ground_truth,
    )
    # torch is loaded only when the inputs' names and the params are in order
    from track_persistence.tracking.filter import PersistenceFilter

    persistence_filter = PersistenceFilter(
        model_checkpoint=arguments.model_checkpoint,
        magvit_checkpoint=arguments.magvit_checkpoint,
        device=arguments.device,
    )
    run(config, seed, inputs, crop_margin, persistence_filter, arguments.output_dir)


def console() -> None:
    """Run as the console script `persistence-footage`."""
    run_command(main)


if __name__ == "__main__":
    console()
