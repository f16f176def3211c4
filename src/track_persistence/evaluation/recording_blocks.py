"""Blocks of time of labelled recordings, and which of them train, validate and test.

Boxes of one place a moment apart are nearly the same picture, so a recording is not split by tracks but by time: a
block is what a scene is in simulated data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator, split_of
from track_persistence.evaluation.recordings import RecordingBoxes, block_start

FIRST_SCENE_ID = 2_000_000  # nominal scenes count from 0, matched ones from 1 000 000
MOST_TRIES = 1_000_000


@dataclass(frozen=True)
class Block:
    """Consecutive frames of a recording, both ends included, and how many clearly labelled tracks are born in them."""

    recording: str
    first_frame: int
    last_frame: int
    real: int
    false: int


def blocks_of(name: str, boxes: RecordingBoxes, block_frames: int) -> list[Block]:
    """Return the blocks of a recording in which a clearly labelled track is born, in order of time."""
    counts: dict[int, list[int]] = {}
    for track_id, birth in boxes.births().items():
        counts.setdefault(block_start(birth, block_frames), [0, 0])[boxes.labels[track_id]] += 1
    return [
        Block(name, start, start + block_frames - 1, real, false) for start, (false, real) in sorted(counts.items())
    ]


def deal(blocks: Sequence[Block], seed: int, split: SplitConfig) -> list[str]:
    """Return the part of every block: `train`, `validation` or `test`.

    In an order drawn by `seed`, blocks with both classes before the others, each goes to the part that lacks most of
    its share; a part without any block comes first, so three blocks suffice for three parts. Raises `DataError` when a
    part is left without tracks of both classes.
    """
    shares = {TRAIN: 1 - split.validation - split.test, VALIDATION: split.validation, TEST: split.test}
    drawn = generator(seed, "recordings-parts").permutation(len(blocks)).tolist()
    order = sorted(drawn, key=lambda at: min(blocks[at].real, blocks[at].false) == 0)
    parts = dict.fromkeys(order, "")
    counts = dict.fromkeys(shares, 0)
    for place, at in enumerate(order, start=1):
        part = max(shares, key=lambda name: (counts[name] == 0, shares[name] * place - counts[name]))
        counts[part] += 1
        parts[at] = part
    for part in shares:
        _check_classes(part, [block for at, block in enumerate(blocks) if parts[at] == part], len(blocks))
    return [parts[at] for at in range(len(blocks))]


def _check_classes(part: str, own: Sequence[Block], total: int) -> None:
    real, false = sum(block.real for block in own), sum(block.false for block in own)
    if not real or not false:
        raise DataError(
            f"recordings: of {total} blocks with labelled tracks the {part} part has {len(own)}, with {real} real and "
            f"{false} false tracks; it needs both: label more footage, or lower recordings.block_frames"
        )


def scene_ids(parts: Sequence[str], seed: int, split: SplitConfig) -> list[int]:
    """Return a scene id for every block, such that `split_of` sends it to the part it was dealt to.

    Whoever reads the shards later needs no table of parts: a scene's number alone says where it belongs. Ids grow from
    `FIRST_SCENE_ID` within a part. Raises `ParamsError` when a share is so small that no number is drawn for it.
    """
    numbers = {part: _numbers_of(part, seed, split) for part in dict.fromkeys(parts)}
    return [next(numbers[part]) for part in parts]


def _numbers_of(part: str, seed: int, split: SplitConfig) -> Iterator[int]:
    for number in range(FIRST_SCENE_ID, FIRST_SCENE_ID + MOST_TRIES):
        if split_of(number, seed, split) == part:
            yield number
    raise ParamsError(
        f"params.yaml: split: too few of {MOST_TRIES} scene numbers belong to the {part} part (got {split!r}); "
        "raise its share"
    )
