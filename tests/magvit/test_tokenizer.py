"""Crops to video and back, and weights named by a seed."""

import numpy as np
import pytest
import torch

from track_persistence.magvit.tokenizer import fresh_tokenizer, padded_length, to_crops, to_video

CPU = torch.device("cpu")


def test_crops_come_back_from_a_video_unchanged(crops_of):
    crops = crops_of(3)[None]
    assert np.array_equal(to_crops(to_video(crops, torch.float32, CPU)), crops)


def test_black_is_minus_one_and_white_is_one():
    crops = np.zeros((1, 1, 64, 64, 3), np.uint8)
    crops[..., 32:, :] = 255
    video = to_video(crops, torch.float32, CPU)
    assert video.shape == (1, 3, 1, 64, 64)
    assert (float(video[0, 0, 0, 0, 0]), float(video[0, 0, 0, 0, 63])) == (-1.0, 1.0)


def test_a_video_is_in_the_memory_order_the_convolutions_want(crops_of):
    assert to_video(crops_of(3)[None], torch.float32, CPU).is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("frames", "stride", "padded"), [(1, 1, 1), (5, 1, 5), (1, 4, 1), (2, 4, 5), (5, 4, 5), (6, 4, 9)]
)
def test_a_clip_is_padded_to_one_and_a_multiple_of_the_stride(frames, stride, padded):
    assert padded_length(frames, stride) == padded


def test_one_seed_gives_one_set_of_weights_and_leaves_the_global_generator_alone(architecture):
    state = torch.random.get_rng_state()
    first, second = fresh_tokenizer(architecture(), 1).state_dict(), fresh_tokenizer(architecture(), 1).state_dict()
    other = fresh_tokenizer(architecture(), 2).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.latents.weight"], other["encoder.latents.weight"])
    assert torch.equal(state, torch.random.get_rng_state())
