from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from track_persistence.classifier.battery import (
    battery_metrics,
    battery_rows,
    shown_lengths,
    variant_loader,
    variants_of,
)
from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.intervals import Resamples


@dataclass
class Source:
    """Tracks whose only feature is the number of the frame."""

    lengths: np.ndarray
    labels: np.ndarray

    @property
    def profiles(self) -> np.ndarray:
        return np.array(["one", "other"])[np.arange(len(self.lengths)) % 2]

    def read(self, row: int, count: int) -> np.ndarray:
        return np.arange(count, dtype=np.float16)[:, None]


@pytest.fixture
def source() -> Source:
    labels = np.arange(100) < 60
    return Source(np.where(labels, 20, 3), labels)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole", [0, 1, 2, 3]),
        ("truncated_1", [0]),
        ("truncated_3", [0, 1, 2]),
        ("tiled_10", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
        ("mean_frame", [1.5] * 4),
    ],
)
def test_every_variant_does_what_its_name_says(config: TrainConfig, name: str, expected: list[float]) -> None:
    frames = np.arange(4, dtype=np.float16)[:, None]
    changed = variants_of(config.battery)[name](frames, np.random.default_rng(0))
    assert changed[:, 0].tolist() == expected
    assert shown_lengths(np.array([4]), name).tolist() == [len(expected)]


def test_shuffling_keeps_the_frames_and_changes_their_order(config: TrainConfig) -> None:
    frames = np.arange(30)[:, None]
    changed = variants_of(config.battery)["shuffled"](frames, np.random.default_rng(0))[:, 0]
    assert sorted(changed) == list(range(30))
    assert not np.array_equal(changed, frames[:, 0])


def test_the_same_number_of_each_class_and_profile_is_taken(source: Source, config: TrainConfig) -> None:
    rows = battery_rows(source, np.arange(100), config.battery)  # 30 real and 20 false ones in each profile
    cells = [(source.profiles[row], source.labels[row]) for row in rows]
    assert {cell: cells.count(cell) for cell in set(cells)} == {
        (profile, label): 20 for profile in ("one", "other") for label in (False, True)
    }


def test_a_loader_shows_the_changed_tracks_in_order(source: Source, config: TrainConfig) -> None:
    loader = variant_loader(source, np.array([0, 1, 70]), "tiled_10", config, 7)
    (batch,) = loader
    assert batch.valid.sum(dim=1).tolist() == [10, 10, 10]
    assert batch.labels.tolist() == [1, 1, 0]
    assert batch.features[2, :, 0].tolist() == [0, 1, 2] * 3 + [0]


Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]


def measured(source: Source, config: TrainConfig, judge: Judge) -> dict:
    """The battery's result when `judge` gives the logits from the frames shown and the labels."""
    rows = battery_rows(source, np.arange(100), config.battery)
    lengths, labels = source.lengths[rows], source.labels[rows]
    logits = {name: judge(shown_lengths(lengths, name), labels) for name in variants_of(config.battery)}
    resamples = Resamples.of(np.arange(len(rows)), np.random.default_rng(0), 20)
    return battery_metrics(logits, (lengths, labels), Calibration.constant(1.0), config, resamples)


def test_a_judge_that_counts_frames_fails(source: Source, config: TrainConfig) -> None:
    found = measured(source, config, lambda shown, _: shown - 5.0)
    assert found["variants"]["whole"]["accuracy"]["value"] == 1
    assert found["checks"]["recall_lost_by_truncation"] == {"value": 1.0, "limit": 0.1, "passes": False}
    assert found["checks"]["ghosts_gained_by_tiling"] == {"value": 1.0, "limit": 0.05, "passes": False}
    assert not found["passes"]


def test_a_judge_that_knows_the_object_passes(source: Source, config: TrainConfig) -> None:
    found = measured(source, config, lambda _, labels: np.where(labels, 2.0, -2.0))
    assert found["passes"]
    assert found["variants"]["truncated_1"]["auc"]["value"] == 1
    assert (found["real"], found["ghosts"]) == (40, 40)


def test_a_judge_that_needs_the_order_of_frames_fails(source: Source, config: TrainConfig) -> None:
    rows = battery_rows(source, np.arange(100), config.battery)
    lengths, labels = source.lengths[rows], source.labels[rows]
    logits = {name: np.where(labels, 2.0, -2.0) for name in variants_of(config.battery)}
    logits["shuffled"] = -logits["shuffled"]
    resamples = Resamples.of(np.arange(len(rows)), np.random.default_rng(0), 20)
    found = battery_metrics(logits, (lengths, labels), Calibration.constant(1.0), config, resamples)
    assert [name for name, check in found["checks"].items() if not check["passes"]] == ["accuracy_lost_by_shuffling"]
