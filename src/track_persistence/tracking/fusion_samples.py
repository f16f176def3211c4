"""What every witness says of the held-back tracks at every age, from the features, the classifier and the geometry.

N samples: a track at an age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.classifier.baselines import STATISTICS, statistics_by_count
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.table import TrackTable
from track_persistence.core.errors import DataError
from track_persistence.core.types import Ghost
from track_persistence.tracking.aged_logistic import AgedLogistic
from track_persistence.tracking.config import Witness
from track_persistence.tracking.held_back import WHOLE, HeldVerdict
from track_persistence.tracking.reading import TrackReader

Floats = NDArray[np.float64]
Shown = tuple[int, int]
"""A row of the table, and how many of its frames were seen."""
# Frames of one pass of the transformer, all tracks together.
FRAMES_PER_PASS = 4096


@dataclass(frozen=True, eq=False)
class Samples:
    """All arrays are (N,).

    hits: frames seen of the track. views: cameras that see its group. frames_seen: mean over those. said: log-odds by
    witness.
    """

    profiles: NDArray[np.str_]
    splits: NDArray[np.str_]
    scenes: NDArray[np.int64]
    ages: NDArray[np.str_]
    ghosts: NDArray[np.str_]
    hits: NDArray[np.int64]
    views: NDArray[np.int64]
    frames_seen: Floats
    said: dict[Witness, Floats]

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether the track is a real object."""
        labels: NDArray[np.bool_] = self.ghosts == Ghost.NONE.value
        return labels

    @property
    def repeated(self) -> NDArray[np.bool_]:
        """Whether the track had ended before this age, so that another sample has the same frames of it."""
        repeats = [
            age != WHOLE and count < int(age) for age, count in zip(self.ages.tolist(), self.hits.tolist(), strict=True)
        ]
        return np.array(repeats, np.bool_)

    def where(self, rows: NDArray[np.bool_]) -> "Samples":
        """Return the samples of these rows, (N,) bool."""
        return Samples(
            self.profiles[rows],
            self.splits[rows],
            self.scenes[rows],
            self.ages[rows],
            self.ghosts[rows],
            self.hits[rows],
            self.views[rows],
            self.frames_seen[rows],
            {witness: values[rows] for witness, values in self.said.items()},
        )


def training_statistics(
    table: TrackTable, rows: NDArray[np.int64]
) -> tuple[dict[str, Floats], Floats, NDArray[np.bool_]]:
    """Return statistics by name, frames seen and labels of the tracks `rows` at the ages of the table and whole.

    A track gives one sample for every age that it outlives, and one for its end.
    """
    lengths = table.lengths[rows]
    counts = np.minimum([[*table.ages, np.iinfo(np.int64).max]], lengths[:, None])  # (tracks, A)
    used = np.column_stack([np.array(table.ages) < lengths[:, None], np.ones(len(rows), np.bool_)])
    values = table.statistics[rows][used]  # (samples, S)
    labels = np.broadcast_to(table.labels[rows][:, None], used.shape)[used]
    columns = dict(zip(STATISTICS, values.T.astype(np.float64), strict=True))
    return columns, counts[used].astype(np.float64), labels


def gather(
    verdicts: Sequence[HeldVerdict], table: TrackTable, readers: Mapping[str, TrackReader], statistics: AgedLogistic
) -> Samples:
    """Ask the witnesses about every track of `verdicts`; raises `DataError` when the features lack one of them.

    readers: the classifier with the calibration of each profile.
    """
    views = _views(verdicts, table)
    shown = sorted({view for own in views for view in own})
    by_pixels, by_boxes = _appearance(shown, table, readers), _statistics(shown, table, statistics)
    said: dict[Witness, Floats] = {
        "appearance": _mean(views, by_pixels),
        "statistics": _mean(views, by_boxes),
        "geometry": np.array([verdict.likelihood_ratio for verdict in verdicts], np.float64),
    }
    return Samples(
        np.array([verdict.profile for verdict in verdicts], np.str_),
        np.array([verdict.split for verdict in verdicts], np.str_),
        np.array([verdict.scene_id for verdict in verdicts], np.int64),
        np.array([verdict.age for verdict in verdicts], np.str_),
        np.array([verdict.ghost for verdict in verdicts], np.str_),
        np.array([verdict.hits for verdict in verdicts], np.int64),
        np.array([len(own) for own in views], np.int64),
        _mean(views, {view: float(view[1]) for view in shown}),
        said,
    )


def _views(verdicts: Sequence[HeldVerdict], table: TrackTable) -> list[list[Shown]]:
    """Return for every verdict the track itself and its partner, if any, as they were shown."""
    keys = zip(table.scene_ids.tolist(), table.cameras.tolist(), table.track_ids.tolist(), strict=True)
    rows = {key: row for row, key in enumerate(keys)}
    views = []
    for verdict in verdicts:
        seen = [(verdict.camera, verdict.track_id, verdict.hits)]
        if verdict.partner_id is not None:
            seen.append((1 - verdict.camera, verdict.partner_id, verdict.partner_hits))
        own = []
        for camera, track_id, hits in seen:
            row = rows.get((verdict.scene_id, camera, track_id))
            if row is None or table.lengths[row] < hits:
                raise DataError(
                    f"features: hold no track {track_id} of camera {camera} of scene {verdict.scene_id} with {hits} "
                    "frames, which geometry has judged; run extract and geometry again on the same scenes"
                )
            own.append((row, hits))
        views.append(own)
    return views


def _appearance(shown: Sequence[Shown], table: TrackTable, readers: Mapping[str, TrackReader]) -> dict[Shown, float]:
    found: dict[Shown, float] = {}
    for profile, reader in readers.items():
        source = InputSource.of(table, reader.inputs)
        own = [view for view in shown if table.profiles[view[0]] == profile]
        for some in _passes(sorted(own, key=lambda view: view[1])):
            inputs = [np.asarray(source.read(row, count), np.float32) for row, count in some]
            found |= dict(zip(some, reader.log_odds(inputs), strict=True))
    return found


def _passes(shown: Sequence[Shown]) -> list[list[Shown]]:
    """Cut views, shortest first, into passes of about `FRAMES_PER_PASS` frames."""
    passes: list[list[Shown]] = [[]]
    for view in shown:
        if passes[-1] and (len(passes[-1]) + 1) * view[1] > FRAMES_PER_PASS:
            passes.append([])
        passes[-1].append(view)
    return [some for some in passes if some]


def _statistics(shown: Sequence[Shown], table: TrackTable, model: AgedLogistic) -> dict[Shown, float]:
    counts: dict[int, list[int]] = {}
    for row, count in shown:
        counts.setdefault(row, []).append(count)
    values = np.concatenate(
        [statistics_by_count(table.boxes(row, max(own)), np.array(own)) for row, own in counts.items()]
    )
    views = [(row, count) for row, own in counts.items() for count in own]
    columns = dict(zip(STATISTICS, values.T, strict=True))
    log_odds = model.log_odds(columns, np.array([count for _, count in views], np.float64))
    return dict(zip(views, log_odds.tolist(), strict=True))


def _mean(views: Sequence[Sequence[Shown]], values: dict[Shown, float]) -> Floats:
    return np.array([sum(values[view] for view in own) / len(own) for own in views], np.float64)
