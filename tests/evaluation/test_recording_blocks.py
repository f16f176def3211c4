from collections import Counter

import pytest

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import split_of
from track_persistence.evaluation.recording_blocks import FIRST_SCENE_ID, Block, deal, scene_ids

SPLIT = SplitConfig(validation=0.15, test=0.15)


def blocks_with(*counts: tuple[int, int]) -> list[Block]:
    return [Block("yard", 50 * at + 1, 50 * at + 50, real, false) for at, (real, false) in enumerate(counts)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, {"train": 1, "validation": 1, "test": 1}),
        (5, {"train": 3, "validation": 1, "test": 1}),
        (20, {"train": 14, "validation": 3, "test": 3}),  # 0.7, 0.15 and 0.15 of 20
        (100, {"train": 70, "validation": 15, "test": 15}),
    ],
)
def test_every_part_has_blocks_and_its_share_of_them(count: int, expected: dict[str, int]) -> None:
    for seed in range(10):
        assert Counter(deal(blocks_with(*[(2, 3)] * count), seed, SPLIT)) == expected


def test_shares_too_small_for_a_block_get_one_all_the_same() -> None:
    parts = deal(blocks_with(*[(2, 3)] * 6), 7, SplitConfig(validation=0.01, test=0.01))
    assert Counter(parts) == {"train": 4, "validation": 1, "test": 1}


def test_the_seed_decides_which_blocks_and_not_their_order() -> None:
    blocks = blocks_with(*[(2, 3)] * 20)
    dealt = {tuple(deal(blocks, seed, SPLIT)) for seed in range(5)}
    assert len(dealt) == 5
    assert deal(blocks, 3, SPLIT) == deal(blocks, 3, SPLIT)


def test_blocks_of_both_classes_are_spread_over_the_parts() -> None:
    """Three such blocks among nine of one class: each part gets one, whatever the seed."""
    blocks = blocks_with(*[(0, 4)] * 9, *[(2, 2)] * 3)
    for seed in range(20):
        assert sorted(deal(blocks, seed, SPLIT)[9:]) == ["test", "train", "validation"]


@pytest.mark.parametrize("counts", [[(2, 3)] * 2, [(2, 0)] * 8, [(0, 3)] * 8])
def test_a_part_without_both_classes_says_what_to_do(counts: list[tuple[int, int]]) -> None:
    with pytest.raises(DataError, match=r"needs both: label more footage, or lower recordings\.block_frames"):
        deal(blocks_with(*counts), 7, SPLIT)


def test_the_number_of_a_block_sends_it_to_its_part() -> None:
    parts = deal(blocks_with(*[(2, 3)] * 40), 7, SPLIT)
    numbers = scene_ids(parts, 7, SPLIT)
    assert len(set(numbers)) == 40 and min(numbers) >= FIRST_SCENE_ID
    assert [split_of(number, 7, SPLIT) for number in numbers] == parts


def test_a_share_that_no_number_is_drawn_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("track_persistence.evaluation.recording_blocks.MOST_TRIES", 100)
    with pytest.raises(ParamsError, match=r"too few of 100 scene numbers belong to the test part.*raise its share"):
        scene_ids(["test"], 7, SplitConfig(validation=0.1, test=1e-9))
