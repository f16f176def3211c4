import numpy as np
import pytest
from tests.evaluation.ablation_shards import stripes

from track_persistence.classifier.curves import area_under_roc
from track_persistence.core.errors import DataError
from track_persistence.evaluation.cheap_pixels import CheapPixelsModel, cheap_descriptors
from track_persistence.video.descriptors import (
    COLOURS_SIZE,
    DESCRIPTOR_SIZE,
    GRADIENTS_SIZE,
    THUMBNAIL_SIZE,
    colour_histograms,
    frame_descriptors,
    gradient_histograms,
    thumbnails,
)

GRADIENTS = slice(GRADIENTS_SIZE)
COLOURS = slice(GRADIENTS_SIZE, GRADIENTS_SIZE + COLOURS_SIZE)
THUMBNAIL = slice(COLOURS.stop, COLOURS.stop + THUMBNAIL_SIZE)
CHANGE = slice(THUMBNAIL.stop, None)


def flat(*levels: int) -> np.ndarray:
    """One grey crop per level."""
    return np.stack([np.full((64, 64, 3), level, np.uint8) for level in levels])


def random_crops(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), np.uint8)


def test_the_descriptor_has_49_blocks_of_4_cells_of_9_orientations_64_colours_and_two_thumbnails_of_64_pixels():
    assert GRADIENTS_SIZE == 49 * 4 * 9
    assert DESCRIPTOR_SIZE == 49 * 4 * 9 + 64 + 2 * 64 * 3
    assert cheap_descriptors(random_crops(2), (1, 2)).shape == (2, DESCRIPTOR_SIZE)


def test_the_parts_of_flat_crops_are_what_one_expects():
    found = cheap_descriptors(flat(51, 102, 204), (1, 3))[1]
    assert not found[GRADIENTS].any()
    # levels 51, 102 and 204 lie in the cells 0, 1 and 3 of each colour
    expected = np.zeros(64, np.float32)
    expected[[0, 16 + 4 + 1, 3 * (16 + 4 + 1)]] = 1 / 3
    assert found[COLOURS] == pytest.approx(expected)
    assert found[THUMBNAIL] == pytest.approx(np.full(192, (51 + 102 + 204) / 3 / 255))
    assert found[CHANGE] == pytest.approx(np.full(192, (204 - 51) / 255))


def test_after_one_frame_nothing_has_changed():
    assert not cheap_descriptors(random_crops(5), (1,))[0, CHANGE].any()


def test_a_thumbnail_pixel_is_the_mean_of_its_64_pixels():
    crops = np.zeros((1, 64, 64, 3), np.uint8)
    crops[0, 8:16, 56:64, 1] = np.arange(64).reshape(8, 8)  # row 1, column 7, green
    expected = np.zeros((8, 8, 3))
    expected[1, 7, 1] = 63 / 2 / 255
    assert thumbnails(crops).reshape(8, 8, 3) == pytest.approx(expected)


def test_colours_are_shares_of_pixels_and_red_is_not_blue():
    crops = np.zeros((2, 64, 64, 3), np.uint8)
    crops[0, :16, :, 0] = 255
    crops[1, :, :, 2] = 255
    shares = colour_histograms(crops)
    assert shares[0, 3 * 16] == 16 / 64
    assert shares[0, 0] == 48 / 64
    assert shares[1, 3] == 1
    assert shares.sum(axis=1) == pytest.approx([1, 1])


def test_gradients_see_the_direction_of_stripes_and_not_their_brightness():
    rng = np.random.default_rng(0)
    crops = stripes(1, upright=True, rng=rng)
    darker = crops // 2
    turned = np.ascontiguousarray(crops.transpose(0, 2, 1, 3))
    own, dark, other = (gradient_histograms(each)[0] for each in (crops, darker, turned))
    assert np.linalg.norm(own - dark) < 0.3 * np.linalg.norm(own - other)


def test_later_frames_are_not_looked_at():
    crops = random_crops(6)
    assert np.array_equal(cheap_descriptors(crops, (1, 3)), cheap_descriptors(crops[:3], (1, 3)))


def test_a_short_track_is_described_by_all_it_has():
    crops = random_crops(2)
    short, whole = cheap_descriptors(crops, (10, 2))
    assert np.array_equal(short, whole)
    assert whole[:-THUMBNAIL_SIZE] == pytest.approx(frame_descriptors(crops).mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("ages", [(), (0, 1)])
def test_ages_that_are_none_are_an_error(ages):
    with pytest.raises(DataError, match="from 1 on"):
        cheap_descriptors(random_crops(1), ages)


def test_crops_of_another_size_are_an_error():
    with pytest.raises(DataError, match="crops"):
        cheap_descriptors(np.zeros((1, 32, 32, 3), np.uint8), (1,))


def striped(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 0
    return np.concatenate([cheap_descriptors(stripes(1, bool(own), rng), (1,)) for own in labels]), labels


def test_the_model_learns_the_direction_of_stripes_and_gives_the_same_scores_again():
    model = CheapPixelsModel.fit(*striped(60, 1))
    descriptors, labels = striped(40, 2)
    scores = model.score(descriptors)
    assert area_under_roc(scores, labels) > 0.95
    assert ((scores >= 0) & (scores <= 1)).all()
    assert np.array_equal(scores, CheapPixelsModel.fit(*striped(60, 1)).score(descriptors))


def test_it_can_be_fitted_on_fewer_tracks_than_components():
    descriptors, labels = striped(12, 3)
    assert area_under_roc(CheapPixelsModel.fit(descriptors, labels).score(descriptors), labels) == 1


def test_one_class_alone_is_an_error():
    descriptors, _ = striped(4, 4)
    with pytest.raises(DataError, match="4 tracks of one class"):
        CheapPixelsModel.fit(descriptors, np.ones(4, bool))
