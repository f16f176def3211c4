"""The decoder gives back as many frames and pixels as went in."""

import pytest
import torch

from track_persistence.magvit.decoder import depth_to_space
from track_persistence.magvit.tokenizer import fresh_tokenizer


def test_depth_to_space_lays_four_channels_out_as_a_square():
    x = torch.arange(4.0).reshape(1, 4, 1, 1, 1)
    assert depth_to_space(x, 2)[0, 0, 0].tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_depth_to_space_agrees_with_pixel_shuffle():
    x = torch.randn(2, 12, 3, 5, 7)
    by_frame = torch.nn.functional.pixel_shuffle(x.transpose(1, 2), 2).transpose(1, 2)
    torch.testing.assert_close(depth_to_space(x, 2), by_frame)


@pytest.mark.parametrize(("time_stride", "frames"), [(1, 1), (1, 6), (2, 7), (4, 9)])
@torch.inference_mode()
def test_a_reconstruction_has_the_shape_of_its_clip(architecture, time_stride, frames):
    tokenizer = fresh_tokenizer(architecture(time_stride=time_stride), seed=1)
    video = torch.rand(2, 3, frames, 64, 64)
    assert tokenizer(video).reconstruction.shape == video.shape
