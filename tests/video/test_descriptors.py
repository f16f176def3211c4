import numpy as np
import pytest

from track_persistence.core.errors import DataError
from track_persistence.video.descriptors import (
    COLOURS_SIZE,
    DESCRIPTOR_SIZE,
    FRAME_SIZE,
    GRADIENTS_SIZE,
    THUMBNAIL_SIZE,
    colour_histograms,
    frame_descriptors,
    gradient_histograms,
    pooled,
    thumbnails,
)


def test_a_vertical_edge_has_a_horizontal_gradient_where_it_stands():
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[:, :, 32:] = 255
    blocks = gradient_histograms(crop).reshape(7, 7, 4, 9)  # OpenCV lists blocks column by column
    assert blocks[3].max() > 0
    assert blocks[0].max() == 0
    assert blocks[6].max() == 0
    assert blocks.sum(axis=(0, 1, 2)).argmax() in (0, 8)  # the two orientations beside 0 degrees


def test_colours_are_shares_of_pixels():
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[:, :16] = (255, 0, 0)
    shares = colour_histograms(crop)[0]
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == 3 / 4
    assert shares[3 * 16] == 1 / 4


def test_a_thumbnail_averages_eight_by_eight_pixels():
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[:, :8, :4] = 255
    small = thumbnails(crop).reshape(8, 8, 3)
    assert small[0, 0].tolist() == [0.5] * 3
    assert small.sum() == 1.5


def test_pooling_takes_the_mean_and_the_change_of_the_thumbnail():
    frames = np.arange(3)[:, None] + np.zeros((3, FRAME_SIZE))
    rows = pooled(frames, [1, 2, 9])
    assert rows.shape == (3, DESCRIPTOR_SIZE)
    assert rows[:, 0].tolist() == [0, 1 / 2, 1]
    assert rows[:, -1].tolist() == [0, 1, 2]


def test_a_frame_is_described_by_all_three():
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert frame_descriptors(crops).shape == (2, GRADIENTS_SIZE + COLOURS_SIZE + THUMBNAIL_SIZE)


def test_an_age_of_no_frame_is_refused():
    with pytest.raises(DataError, match="each a number of frames from 1 on"):
        pooled(np.zeros((1, FRAME_SIZE)), [0])
