"""CSV files of the training run: DVC plots and the predictions of the held-back tracks.

Curves are those of the test split, on which nothing was fitted. Floats have six significant digits; what is undefined
is an empty cell.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.curves import precision_recall, reliability, roc
from track_persistence.classifier.evaluate import TRANSFORMER, Judged, age_names
from track_persistence.classifier.fit import EpochResult
from track_persistence.classifier.table import TrackTable
from track_persistence.core.files import rounded, write_text
from track_persistence.core.seeding import TEST
from track_persistence.core.types import Kind

PERSISTENT, TRANSIENT = "persistent", "transient"


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows atomically."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([rounded(value) for value in row] for row in rows)
    write_text(path, content.getvalue())


def write_plots(
    folder: Path,
    metrics: Mapping[str, Any],
    judged: Mapping[str, Mapping[str, Judged]],
    history: Sequence[EpochResult],
    config: TrainConfig,
) -> None:
    """Write all CSV files of the folder; judged: profile to split to what the methods said."""
    tested = {profile: splits[TEST] for profile, splits in judged.items()}
    _write_loss(folder / "loss.csv", history)
    _write_curves(folder, tested, age_names(config.frames_seen))
    _write_calibration(folder / "calibration.csv", tested, age_names(config.frames_seen))
    _write_by_frames(folder / "by_frames.csv", {name: metrics[name][TEST]["by_frames"] for name in tested})
    _write_delays(folder / "delays.csv", {name: metrics[name]["early"]["curves"] for name in tested})


def _write_loss(path: Path, history: Sequence[EpochResult]) -> None:
    """Write one line per epoch."""
    lines = [asdict(result) for result in history]
    write_csv(path, list(lines[0]), [list(line.values()) for line in lines])


def _write_curves(folder: Path, judged: Mapping[str, Judged], names: Sequence[str]) -> None:
    """Write the classifier's ROC and precision-recall curves at every age, and its confusion on whole tracks."""
    roc_rows, pr_rows, confusion = [], [], []
    words = {True: PERSISTENT, False: TRANSIENT}
    for profile, found in judged.items():
        for name in names:
            probabilities = found.scores[TRANSFORMER][:, found.names.index(name)]
            roc_rows += [(*point, name, profile) for point in zip(*roc(probabilities, found.labels), strict=True)]
            points = zip(*precision_recall(probabilities, found.labels), strict=True)
            pr_rows += [(recall, precision, name, profile) for precision, recall in points]
        verdicts = zip(found.labels.tolist(), found.kept(TRANSFORMER)[:, -1].tolist(), strict=True)
        confusion += [(words[actual], words[kept], profile) for actual, kept in verdicts]
    write_csv(folder / "roc.csv", ("fpr", "tpr", "frames_seen", "profile"), roc_rows)
    write_csv(folder / "pr.csv", ("recall", "precision", "frames_seen", "profile"), pr_rows)
    write_csv(folder / "confusion.csv", ("actual", "predicted", "profile"), confusion)


def _write_calibration(path: Path, judged: Mapping[str, Judged], names: Sequence[str]) -> None:
    """Write the bins of predicted probability by profile and age."""
    rows = []
    for profile, judgements in judged.items():
        for name in names:
            found = reliability(judgements.scores[TRANSFORMER][:, judgements.names.index(name)], judgements.labels)
            bins = (found.bins.tolist(), found.mean_predicted, found.fraction_positive, found.count.tolist())
            rows += [(*values, name, profile) for values in zip(*bins, strict=True)]
    write_csv(path, ("bin", "mean_predicted", "fraction_positive", "count", "frames_seen", "profile"), rows)


def _write_by_frames(path: Path, profiles: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Write every method's AUC with its interval at every age."""
    rows = [
        (age, method, measured["auc"]["value"], measured["auc"]["low"], measured["auc"]["high"], profile)
        for profile, by_frames in profiles.items()
        for age, methods in by_frames.items()
        for method, measured in methods.items()
        if method != "tracks"
    ]
    write_csv(path, ("frames_seen", "method", "auc", "low", "high", "profile"), rows)


def _write_delays(path: Path, profiles: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> None:
    """Write every method's curve of mean frames until decided against error."""
    rows = [
        (point["error"], point["frames"], method, point["setting"], profile)
        for profile, curves in profiles.items()
        for method, points in curves.items()
        for point in points
    ]
    write_csv(path, ("error", "frames", "method", "setting", "profile"), rows)


def write_predictions(path: Path, table: TrackTable, judged: Mapping[str, Mapping[str, Judged]]) -> None:
    """Write one line per held-back track: who it is, what it is, and its probability over all its frames."""
    columns = (
        *("scene_id", "camera", "track_id", "split", "profile", "kind", "ghost"),
        *("frames", "probability", "is_persistent"),
    )
    rows = []
    for profile, split, found in (
        (name, split, item) for name, parts in judged.items() for split, item in parts.items()
    ):
        for row, probability in zip(found.rows.tolist(), found.scores[TRANSFORMER][:, -1], strict=True):
            identity = (int(table.scene_ids[row]), int(table.cameras[row]), int(table.track_ids[row]), split, profile)
            kind = Kind(int(table.kinds[row]))
            truth = (kind.name.lower(), str(table.ghosts[row]), int(table.lengths[row]))
            rows.append((*identity, *truth, np.float64(probability), int(kind is Kind.PERSISTENT)))
    write_csv(path, columns, rows)
