import numpy as np
import pytest
import torch

from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.features import FRAMES_PER_PASS
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.tokenizer import TrackTokenizer

ARCHITECTURE = {
    "encoder_widths": (8, 12, 8),
    "decoder_widths": (8, 8, 8),
    "blocks_per_level": 1,
    "latent_dim": 16,
    "time_stride": 1,
    "code_bits": 4,
    "code_groups": 1,
}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(1)
    return LevelEncoder(TrackTokenizer(ArchitectureConfig(**ARCHITECTURE)), "float32", "cpu")


def crops(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_every_frame_has_a_texture_and_a_layout(encoder):
    texture, layout = encoder.encode(crops(3))
    assert texture.shape == (3, 8)
    assert layout.shape == (3, 4 * 4 * 12)


def test_a_frame_depends_on_those_before_it_alone(encoder):
    pixels = crops(6)
    whole, start = encoder.encode(pixels), encoder.encode(pixels[:4])
    for all_frames, first_frames in zip(whole, start, strict=True):
        assert all_frames[:4] == pytest.approx(first_frames, abs=1e-5)


def test_a_long_track_in_pieces_is_the_same_track(encoder, monkeypatch):
    pixels = crops(9)
    whole = encoder.encode(pixels)
    monkeypatch.setattr("track_persistence.magvit.levels.FRAMES_PER_PASS", 4)
    assert FRAMES_PER_PASS > len(pixels)
    for one, other in zip(whole, encoder.encode(pixels), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_layout_knows_where_and_texture_does_not(encoder):
    """A bright patch moved from one corner to the opposite one: texture hardly changes, its cells swap places."""
    here, there = (np.full((1, 64, 64, 3), 60, np.uint8) for _ in range(2))
    here[:, 8:24, 8:24] = 220
    there[:, 40:56, 40:56] = 220
    (texture_here, layout_here), (texture_there, layout_there) = encoder.encode(here), encoder.encode(there)
    moved = np.abs(texture_here - texture_there).max() / np.abs(texture_here).max()
    assert moved < 0.02
    corners_here, corners_there = layout_here.reshape(4, 4, 12), layout_there.reshape(4, 4, 12)
    assert np.abs(corners_here[0, 0] - corners_there[0, 0]).max() > 5 * np.abs(texture_here - texture_there).max()


def test_an_encoder_with_a_time_stride_is_refused():
    tokenizer = TrackTokenizer(ArchitectureConfig(**{**ARCHITECTURE, "time_stride": 4}))
    with pytest.raises(CheckpointError, match="time_stride is 4"):
        LevelEncoder(tokenizer, "float32", "cpu")


def test_other_crops_are_refused(encoder):
    with pytest.raises(DataError, match="crops"):
        encoder.encode(np.zeros((1, 32, 32, 3), np.uint8))
