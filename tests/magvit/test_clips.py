"""Clips come from the right scenes, in bounded number, and every draw is named by its step."""

import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import TRAIN, VALIDATION, split_of
from track_persistence.core.storage import read_scenes
from track_persistence.magvit.clips import Clip, PairSampler, draw_pools, recoloured, shifted


def scenes_of(clips: list[Clip]) -> set[int]:
    return {clip.scene_id for clip in clips}


def test_training_clips_come_from_training_scenes_only(tokenizer_config, split, scenes):
    config = tokenizer_config(pool_tracks={"nominal": 1000}, validation_tracks=1000)
    train, validation, shards = draw_pools(config, split, 7, scenes)
    parts = {part: {i for i in range(12) if split_of(i, 7, split) == part} for part in (TRAIN, VALIDATION)}
    assert scenes_of(train) == parts[TRAIN] != set()
    assert scenes_of(validation) == parts[VALIDATION] != set()
    assert len(train) == 6 * len(parts[TRAIN])  # every track of every scene
    assert len(shards) == 3


def test_the_pool_is_bounded_in_tracks_and_frames(tokenizer_config, split, scenes):
    train, validation, _ = draw_pools(
        tokenizer_config(pool_tracks={"nominal": 5}, validation_tracks=2), split, 7, scenes
    )
    assert (len(train), len(validation)) == (5, 2)
    assert max(len(clip) for clip in train) <= 6


def test_a_small_pool_is_part_of_a_larger_one(tokenizer_config, split, scenes):
    small, large = (
        draw_pools(tokenizer_config(pool_tracks={"nominal": size}), split, 7, scenes)[0] for size in (5, 20)
    )

    def keys(clips):
        return {(clip.scene_id, clip.camera, clip.track_id) for clip in clips}

    assert keys(small) < keys(large)


def test_a_clip_is_a_run_of_consecutive_frames_of_its_track(tokenizer_config, split, scenes):
    train, _, shards = draw_pools(tokenizer_config(pool_tracks={"nominal": 1000}), split, 7, scenes)
    clip = next(clip for clip in train if len(clip) == 6)
    scene = next(scene for path in shards for scene in read_scenes(path) if scene.scene_id == clip.scene_id)
    crops = next(item.track.crops for item in scene.tracks[clip.camera] if item.track.track_id == clip.track_id)
    assert any(np.array_equal(crops[start : start + 6], clip.crops) for start in range(len(crops) - 5))


def test_fewer_shards_than_there_are_can_be_drawn(tokenizer_config, scenes):
    split = SplitConfig(validation=0.45, test=0.05)
    _, _, shards = draw_pools(tokenizer_config(pool_shards=2), split, 7, scenes)
    assert len(shards) == 2


def test_no_validation_track_is_an_error_that_says_what_to_do(tokenizer_config, scenes):
    with pytest.raises(DataError, match=r"no validation track in 3 of 3 shards; generate more"):
        draw_pools(tokenizer_config(), SplitConfig(validation=0.001, test=0.001), 7, scenes)


def test_a_profile_that_no_shard_holds_is_an_error_that_names_it(tokenizer_config, split, scenes):
    config = tokenizer_config(pool_tracks={"nominal": 5, "matched": 5})
    with pytest.raises(DataError, match=r"no train track of profile matched in 3 of 3 shards; .*pool_tracks"):
        draw_pools(config, split, 7, scenes)


@pytest.fixture
def pool(crops_of) -> list[Clip]:
    return [Clip(0, 0, index, crops_of(frames), index) for index, frames in enumerate((1, 2, 3, 5, 6, 6))]


def test_a_step_draws_the_same_clips_each_time_and_steps_differ(pool, tokenizer_config):
    sampler = PairSampler(pool, tokenizer_config(), 7)
    draws = [sampler.draw(step).first for step in range(20)]
    assert all(np.array_equal(sampler.draw(step).first, draw) for step, draw in enumerate(draws))
    assert {draw.shape[1] for draw in draws} == {1, 2, 4}
    assert not np.array_equal(PairSampler(pool, tokenizer_config(), 8).draw(0).first, draws[0])


def test_two_views_are_distinct_unless_the_track_is_just_as_long_as_the_clip(pool, tokenizer_config):
    sampler = PairSampler(pool, tokenizer_config(recolouring=0, shift_px=0), 7)
    for step in range(30):
        pair = sampler.draw(step)
        same = np.array([np.array_equal(*views) for views in zip(pair.first, pair.second, strict=True)])
        assert np.array_equal(same, ~pair.distinct)
        assert pair.first.shape[0] <= 8 // pair.first.shape[1]


def test_a_length_given_three_times_is_drawn_three_times_as_often(pool, tokenizer_config):
    sampler = PairSampler(pool, tokenizer_config(clip_lengths=(1, 1, 1, 2)), 7)
    ones = sum(sampler.draw(step).first.shape[1] == 1 for step in range(200))
    assert 130 <= ones <= 170  # 150 expected, standard deviation 6


def test_clip_lengths_no_track_has_are_not_drawn(crops_of, tokenizer_config):
    sampler = PairSampler([Clip(0, 0, 0, crops_of(1), 0)], tokenizer_config(), 7)
    assert {sampler.draw(step).first.shape[1] for step in range(10)} == {1}


def test_recolouring_is_one_line_per_channel_for_the_whole_clip():
    levels = np.arange(100, 150, dtype=np.uint8)
    clip = np.zeros((1, 2, 64, 64, 3), np.uint8)
    clip[0, :, 0, :50] = levels[None, :, None]
    changed = recoloured(clip, 0.2, np.random.default_rng(0))[0].astype(float)
    assert np.array_equal(changed[0], changed[1])
    for channel in range(3):
        gain, offset = np.polyfit(levels, changed[0, 0, :50, channel], 1)
        assert 0.8**2 <= gain <= 1.2**2
        assert np.abs(changed[0, 0, :50, channel] - gain * levels - offset).max() <= 1  # rounding alone
    assert np.ptp(changed[0, 0, 0]) > 0  # the colour balance moved


def test_recolouring_of_zero_changes_nothing(crops_of):
    crops = crops_of(3)[None]
    assert np.array_equal(recoloured(crops, 0.0, np.random.default_rng(0)), crops)


def test_a_shift_moves_all_frames_of_a_clip_alike_and_repeats_the_edge(crops_of):
    clips = np.stack([crops_of(3)] * 20)
    moved = shifted(clips, 2, np.random.default_rng(0))
    offsets = set()
    for clip in moved:
        (found,) = [
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if np.array_equal(clip[:, 2:-2, 2:-2], clips[0][:, 2 + y : 62 + y, 2 + x : 62 + x])
        ]
        offsets.add(found)
        if found[0] < 0:
            assert np.array_equal(clip[:, 0], clip[:, -found[0]])
    assert len(offsets) > 5


def test_a_shift_of_zero_changes_nothing(crops_of):
    crops = crops_of(3)[None]
    assert np.array_equal(shifted(crops, 0, np.random.default_rng(0)), crops)
