from dataclasses import dataclass

import numpy as np
import pytest
import torch

from track_persistence.classifier.config import TrainConfig
from track_persistence.classifier.dataset import (
    balance_weights,
    collate,
    draw_prefixes,
    evaluation_loader,
    length_bins,
    training_loader,
)
from track_persistence.core.errors import DataError


@dataclass
class Source:
    """Tracks whose features spell their row and frame."""

    lengths: np.ndarray
    labels: np.ndarray

    @property
    def profiles(self) -> np.ndarray:
        return np.array(["one", "other"])[np.arange(len(self.lengths)) % 2]

    def read(self, row: int, count: int) -> np.ndarray:
        return np.column_stack((np.full(count, row), np.arange(count))).astype(np.float16)


@pytest.fixture
def unbalanced(config: TrainConfig) -> TrainConfig:
    return config.model_copy(update={"balance_lengths": "off"})


@pytest.fixture
def source() -> Source:
    lengths = np.random.default_rng(0).integers(1, 90, 100)
    return Source(lengths, lengths > 40)


def test_a_batch_is_padded_with_zeros_and_a_mask() -> None:
    batch = collate([np.ones((2, 3), np.float16), np.ones((1, 3), np.float16)], [True, False])
    assert batch.features.dtype == torch.float32
    assert batch.valid.tolist() == [[True, True], [True, False]]
    assert batch.features[:, :, 0].tolist() == [[1, 1], [1, 0]]
    assert batch.labels.tolist() == [1, 0]


def test_a_batch_needs_as_many_labels_as_tracks() -> None:
    with pytest.raises(DataError, match="2 tracks and 1 labels"):
        collate([np.ones((2, 3)), np.ones((1, 3))], [True])


def test_an_epoch_shows_every_track_once_cut_to_the_longest_allowed(source: Source, unbalanced: TrainConfig) -> None:
    config = unbalanced
    loader = training_loader(source, np.arange(100), config, 7, 0)
    shown = [
        (int(track[0, 0]), int(mask.sum()), bool(label))
        for batch in loader
        for track, mask, label in zip(*batch, strict=True)
    ]
    assert sorted(row for row, _, _ in shown) == list(range(100))
    assert all(count <= min(source.lengths[row], config.max_frames) for row, count, _ in shown)
    assert all(label == source.labels[row] for row, _, label in shown)
    assert len(loader) == len(list(loader)) == 7  # 100 tracks in batches of at most 16


def test_an_epoch_is_a_function_of_seed_and_number(source: Source, config: TrainConfig) -> None:
    def content(seed: int, epoch: int) -> bytes:
        loader = training_loader(source, np.arange(100), config, seed, epoch)
        return b"".join(batch.features.numpy().tobytes() for batch in loader)

    assert content(7, 1) == content(7, 1)
    assert len({content(7, 1), content(7, 2), content(8, 1)}) == 3


def test_a_prefix_starts_at_the_first_frame(source: Source, config: TrainConfig) -> None:
    for features, valid, _ in training_loader(source, np.arange(100), config, 7, 0):
        expected = torch.arange(valid.shape[1]).expand_as(valid) * valid
        assert torch.equal(features[..., 1], expected.float())


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("uniform", [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        ("log_uniform", np.diff(np.log([1, 2, 3, 4, 5])) / np.log(5)),
    ],
)
def test_prefix_lengths_follow_their_distribution(distribution: str, expected: list[float]) -> None:
    counts = draw_prefixes(np.full(20_000, 4), 1.0, distribution, np.random.default_rng(0))
    shares = np.bincount(counts, minlength=6)[1:5] / 20_000
    assert shares == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 20_000))
    assert counts.min() == 1
    assert counts.max() == 4


def test_the_share_of_prefixes_is_the_one_asked_for() -> None:
    lengths = np.full(10_000, 1000)
    cut = (draw_prefixes(lengths, 0.3, "uniform", np.random.default_rng(0)) < 1000).mean()
    assert cut == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 10_000) + 1 / 1000)
    assert (draw_prefixes(lengths, 0.0, "uniform", np.random.default_rng(0)) == 1000).all()


@pytest.mark.parametrize("frames_seen", [1, 3, None])
def test_evaluation_shows_every_track_once_at_its_age(
    source: Source, config: TrainConfig, frames_seen: int | None
) -> None:
    rows = np.arange(10, 90)
    loader = evaluation_loader(source, rows, frames_seen, config)
    shown = {
        int(track[0, 0]): int(mask.sum())
        for features, valid, _ in loader
        for track, mask in zip(features, valid, strict=True)
    }
    assert shown == {row: min(frames_seen or 1000, source.lengths[row]) for row in rows}
    assert sorted(np.concatenate(loader.batches)) == list(range(80))


def test_evaluation_batches_of_very_long_tracks_are_small(config: TrainConfig) -> None:
    source = Source(np.array([2000, 1, 2000, 1]), np.zeros(4, bool))
    loader = evaluation_loader(source, np.arange(4), None, config)  # 16 tracks x 64 frames = 1024 frames at most
    assert [len(batch) for batch in loader.batches] == [2, 1, 1]


def test_length_bins_are_exact_for_short_tracks_and_grow() -> None:
    bins = length_bins(np.arange(1, 129))
    assert len(set(bins[:8].tolist())) == 8
    assert (np.diff(bins) >= 0).all()
    assert bins[127] - bins[63] == 4  # from 64 to 128 frames: an octave of four bins


def test_weights_make_the_length_silent_about_the_class() -> None:
    # at 1 frame 6 real and 2 false, wanted 1/2: the real ones are thinned to 1/3; at 4 frames real ones only: no weight
    lengths = np.array([1] * 8 + [4] * 3)
    labels = np.array([True] * 6 + [False] * 2 + [True] * 3)
    weights = balance_weights(np.full(11, "a"), lengths, labels, 0.5, "within_profile")
    assert weights == pytest.approx([1 / 3] * 6 + [1] * 2 + [0] * 3)


def test_weights_are_those_of_each_profile_on_its_own() -> None:
    # length 4 has both classes, but never in one profile: there the profile and the length tell the class
    profiles = np.array(["a", "a", "b", "b", "b"])
    lengths = np.array([4, 4, 4, 1, 1])
    labels = np.array([True, True, False, True, False])
    assert balance_weights(profiles, lengths, labels, 0.5, "within_profile").tolist() == [0, 0, 0, 1, 1]
    assert balance_weights(profiles, lengths, labels, 0.5, "pooled").tolist() == [0.5, 0.5, 1, 1, 1]
    assert balance_weights(profiles, lengths, labels, 0.5, "off").tolist() == [1] * 5


def test_a_balanced_epoch_shows_as_many_real_as_false_tracks_of_every_length(config: TrainConfig) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(40_000) < 0.6
    source = Source(np.where(labels, rng.integers(3, 20, 40_000), rng.integers(1, 6, 40_000)), labels)
    shown = [
        (int(mask.sum()), bool(label))
        for _, valid, truth in training_loader(source, np.arange(40_000), config, 7, 0)
        for mask, label in zip(valid, truth, strict=True)
    ]
    counts, truths = np.array(shown).T
    assert counts.max() <= 5  # false tracks are no longer
    for length in range(1, 6):
        of_length = truths[counts == length]
        assert of_length.mean() == pytest.approx(0.6, abs=4 * np.sqrt(0.24 / len(of_length)))


def test_the_wanted_share_of_samples_stands_in_random_order(unbalanced: TrainConfig) -> None:
    config = unbalanced.model_copy(update={"prefix_share": 0.0, "shuffled_share": 0.3})
    source = Source(np.full(4000, 20), np.zeros(4000, bool))  # that 20 shuffled frames stay in order is out of reach
    loader = training_loader(source, np.arange(4000), config, 7, 0)
    orders = torch.cat([batch.features[:, :, 1] for batch in loader])
    in_order = (orders == torch.arange(20)).all(dim=1)
    assert float(in_order.float().mean()) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / 4000))
    assert (orders.sort(dim=1).values == torch.arange(20)).all()  # no frame is lost or shown twice
    again = torch.cat([batch.features[:, :, 1] for batch in loader])
    assert torch.equal(again, orders)


def test_classes_without_a_common_length_cannot_be_balanced(config: TrainConfig) -> None:
    source = Source(np.array([1, 1, 9, 9]), np.array([False, False, True, True]))
    whole = config.model_copy(update={"prefix_share": 0.0})
    with pytest.raises(DataError, match="no length is common"):
        training_loader(source, np.arange(4), whole, 7, 0)
