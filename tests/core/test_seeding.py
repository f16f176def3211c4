import numpy as np

from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TEST, TRAIN, VALIDATION, generator, seed_sequence, split_of, torch_seed

SPLIT = SplitConfig(validation=0.15, test=0.15)


def test_the_same_key_draws_the_same_numbers() -> None:
    assert generator(7, "generate", 3).random(5).tolist() == generator(7, "generate", 3).random(5).tolist()


def test_every_part_of_the_key_changes_the_numbers() -> None:
    keys = [(7, "generate", 3), (8, "generate", 3), (7, "train", 3), (7, "generate", 4), (7, "generate"), (7, 3)]
    assert len({generator(*key).random() for key in keys}) == len(keys)


def test_a_numbered_child_is_the_one_spawn_would_give() -> None:
    # scene i does not depend on how many scenes there are
    spawned = np.random.SeedSequence(7).spawn(5)[3]
    assert seed_sequence(7, 3).generate_state(4).tolist() == spawned.generate_state(4).tolist()


def test_a_torch_seed_fits_into_a_signed_64_bit_integer() -> None:
    seeds = [torch_seed(7, "train", i) for i in range(200)]
    assert min(seeds) >= 0
    assert max(seeds) < 2**63
    assert len(set(seeds)) == 200


def test_the_split_holds_the_shares() -> None:
    parts = [split_of(i, 7, SPLIT) for i in range(4000)]
    # standard deviation of a share of 0.15 over 4000 draws is 0.0056; five of them
    assert abs(parts.count(TEST) / 4000 - 0.15) < 0.03
    assert abs(parts.count(VALIDATION) / 4000 - 0.15) < 0.03
    assert set(parts) == {TRAIN, VALIDATION, TEST}


def test_the_test_part_stays_when_the_validation_share_changes() -> None:
    wider = SplitConfig(validation=0.4, test=0.15)
    before = {i for i in range(500) if split_of(i, 7, SPLIT) == TEST}
    assert before == {i for i in range(500) if split_of(i, 7, wider) == TEST}
