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
from track_persistence.classifier.curves import Reliability, precision_recall, roc
from track_persistence.classifier.evaluate import Judged, age_names
from track_persistence.classifier.fit import EpochResult
from track_persistence.classifier.table import TrackTable
from track_persistence.core.files import rounded, write_text
from track_persistence.core.types import Kind

PERSISTENT, TRANSIENT = "persistent", "transient"


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows atomically."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([rounded(value) for value in row] for row in rows)
    write_text(path, content.getvalue())


def write_loss(path: Path, history: Sequence[EpochResult]) -> None:
    """Write one line per epoch."""
    lines = [asdict(result) for result in history]
    write_csv(path, list(lines[0]), [list(line.values()) for line in lines])


def write_curves(folder: Path, judged: Judged, config: TrainConfig) -> None:
    """Write the classifier's ROC and precision-recall curves at every age, and its confusion on whole tracks."""
    ages = age_names(config)
    probabilities = judged.scores["transformer"]
    roc_rows, pr_rows = [], []
    for age, name in enumerate(ages):
        roc_rows += [(*point, name) for point in zip(*roc(probabilities[:, age], judged.labels), strict=True)]
        points = zip(*precision_recall(probabilities[:, age], judged.labels), strict=True)
        pr_rows += [(recall, precision, name) for precision, recall in points]
    write_csv(folder / "roc.csv", ("fpr", "tpr", "frames_seen"), roc_rows)
    write_csv(folder / "pr.csv", ("recall", "precision", "frames_seen"), pr_rows)
    verdicts = zip(judged.labels, judged.kept("transformer")[:, -1], strict=True)
    names = {True: PERSISTENT, False: TRANSIENT}
    write_csv(
        folder / "confusion.csv", ("actual", "predicted"), [(names[bool(a)], names[bool(b)]) for a, b in verdicts]
    )


def write_calibration(path: Path, found: Reliability) -> None:
    """Write the bins of predicted probability."""
    columns = ("bin", "mean_predicted", "fraction_positive", "count")
    bins = zip(found.bins.tolist(), found.mean_predicted, found.fraction_positive, found.count.tolist(), strict=True)
    write_csv(path, columns, bins)


def write_by_frames(path: Path, by_frames: Mapping[str, Mapping[str, Any]]) -> None:
    """Write every method's AUC with its interval at every age."""
    rows = [
        (age, method, measured["auc"]["value"], measured["auc"]["low"], measured["auc"]["high"])
        for age, methods in by_frames.items()
        for method, measured in methods.items()
        if method != "tracks"
    ]
    write_csv(path, ("frames_seen", "method", "auc", "low", "high"), rows)


def write_predictions(path: Path, table: TrackTable, judged: Mapping[str, Judged]) -> None:
    """Write one line per held-back track: who it is, what it is, and its probability over all its frames."""
    columns = ("scene_id", "camera", "track_id", "split", "kind", "ghost", "frames", "probability", "is_persistent")
    rows = []
    for split, found in judged.items():
        for row, probability in zip(found.rows.tolist(), found.scores["transformer"][:, -1], strict=True):
            identity = (int(table.scene_ids[row]), int(table.cameras[row]), int(table.track_ids[row]), split)
            kind = Kind(int(table.kinds[row]))
            truth = (kind.name.lower(), str(table.ghosts[row]), int(table.lengths[row]))
            rows.append((*identity, *truth, np.float64(probability), int(kind is Kind.PERSISTENT)))
    write_csv(path, columns, rows)
