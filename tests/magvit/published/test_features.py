"""Crops to features: which frame gets which latent, what the network is shown, and what the settings change."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.magvit.published.made_checkpoints import O2, OPEN, make_config, make_weights
from torch import Tensor, nn

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.magvit.published import o2_magvit2, open_magvit2
from track_persistence.magvit.published.features import FRAMES_PER_PASS, PublishedEncoder
from track_persistence.magvit.published.network import LATENT, PRE_OUT, PublishedNetwork
from track_persistence.magvit.published.projection import orthogonal_matrix

STRIDE = 4
FILE = Path("published.ckpt")


class EveryFourthFrame(nn.Module):
    """Latent j is frame 4 j, on two by two voxels; keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def forward(self, video: Tensor) -> dict[str, Tensor]:
        self.shown.append(video)
        latents = video[:, :, ::STRIDE, ::32, ::32]
        return {LATENT: latents, PRE_OUT: torch.cat([latents, -latents], dim=1)}


def network(module: nn.Module, taps: Mapping[str, int], **fields: object) -> PublishedNetwork:
    values: dict = {"pixel_range": (-1.0, 1.0), "time_stride": STRIDE, "ema": False, "is_causal": True}
    return PublishedNetwork(family="open_magvit2", module=module, taps=taps, **(values | fields))


@pytest.fixture
def every_fourth() -> PublishedNetwork:
    return network(EveryFourthFrame(), {LATENT: 3, PRE_OUT: 6})


def flat(*levels: int) -> np.ndarray:
    """Crops of one grey level a frame."""
    return np.broadcast_to(np.uint8(levels)[:, None, None, None], (len(levels), 64, 64, 3)).copy()


def noise(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8)


def encode(network: PublishedNetwork, *tracks: np.ndarray, **settings: object) -> list[np.ndarray]:
    return PublishedEncoder(network, "file", make_config(**settings), "cpu").encode(tracks)


def test_a_frame_takes_the_latent_of_the_last_frame_that_time_stride_keeps(every_fourth):
    levels = (0, 255, 51, 102, 153, 0, 255)
    (features,) = encode(every_fourth, flat(*levels), clip_frames=9)
    # -1 + 2 * 0 / 255 for frames 0 to 3, -1 + 2 * 153 / 255 = 0.2 for frames 4 to 6
    np.testing.assert_allclose(features, np.repeat([[-1.0], [0.2]], [4, 3], axis=0) * np.ones(3), atol=1e-6)


def test_latents_that_trail_their_frame_are_given_to_the_frame_they_have_seen():
    trailing = network(EveryFourthFrame(), {LATENT: 3}, lag=3)
    (features,) = encode(trailing, flat(0, 51, 51, 51, 102, 102), clip_frames=9)
    # Latent 1 has seen frames up to 4 - 3 = 1, so frames 1 to 4 take it; latent 2, of padded frame 8, is frame 5's.
    np.testing.assert_allclose(features[:, 0], [-1, -0.2, -0.2, -0.2, -0.2, -0.2], atol=1e-6)


def test_a_clip_is_padded_with_its_last_frame(every_fourth):
    encode(every_fourth, flat(10, 20), clip_frames=5)
    (video,) = every_fourth.module.shown
    levels = (video[0, 0, :, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(levels, [10, 20, 20, 20, 20], atol=1e-4)


@pytest.mark.parametrize(("pixel_range", "black", "white"), [((-1.0, 1.0), -1, 1), ((0.0, 1.0), 0, 1)])
def test_pixels_are_mapped_to_the_range_of_the_family(pixel_range, black, white):
    given = network(EveryFourthFrame(), {LATENT: 3}, pixel_range=pixel_range)
    dark, light = encode(given, flat(0), flat(255))
    np.testing.assert_allclose(dark, [[black] * 3], atol=1e-6)
    np.testing.assert_allclose(light, [[white] * 3], atol=1e-6)


def test_colours_and_places_arrive_where_they_belong(every_fourth):
    crops = noise(1, seed=0)
    encode(every_fourth, crops)
    (video,) = every_fourth.module.shown
    assert video.shape == (1, 3, 1, 64, 64)
    expected = crops[0, 5, 7].astype(np.float32) / 127.5 - 1  # row 5, column 7
    np.testing.assert_allclose(video[0, :, 0, 5, 7], expected, atol=1e-6)


def test_a_longer_track_is_cut_into_clips_that_start_anew(every_fourth):
    (features,) = encode(every_fourth, flat(*range(0, 70, 10)), clip_frames=5)
    levels = (features[:, 0] + 1) * 127.5
    np.testing.assert_allclose(levels, [0, 0, 0, 0, 40, 50, 50], atol=1e-4)  # frame 5 begins the second clip


def test_a_feature_is_the_mean_over_space(every_fourth):
    crops = flat(0)
    crops[0, 32:] = 255  # two of the four voxels
    (features,) = encode(every_fourth, crops)
    np.testing.assert_allclose(features, [[0, 0, 0]], atol=1e-6)


def test_tap_and_projection_set_the_width(every_fourth):
    crops = noise(2, seed=1)
    (plain,) = encode(every_fourth, crops, tap=PRE_OUT)
    (projected,) = encode(every_fourth, crops, tap=PRE_OUT, projection="orthogonal", dimension=4)
    assert plain.shape == (2, 6)
    np.testing.assert_allclose(plain[:, :3], -plain[:, 3:])
    np.testing.assert_allclose(projected, plain @ orthogonal_matrix(6, 4, seed=7), atol=1e-6)
    assert projected.dtype == plain.dtype == np.float32
    wide = PublishedEncoder(every_fourth, "file", make_config(projection="orthogonal", dimension=9), "cpu")
    assert wide.dimension == 9
    assert wide.encode([crops])[0].shape == (2, 9)


def test_passes_hold_few_frames_and_every_track_keeps_its_place(every_fourth):
    lengths = (1, 7, 5, 1, 13, 2, 5, 1, 1, 1, 1, 1, 1, 1)
    tracks = [flat(*range(row, row + length)) for row, length in enumerate(lengths)]
    together = encode(every_fourth, *tracks)
    for video in every_fourth.module.shown:
        assert video.shape[0] == 1 or video.shape[0] * video.shape[2] <= FRAMES_PER_PASS
    assert len(every_fourth.module.shown) < len(tracks)
    for track, features in zip(tracks, together, strict=True):
        np.testing.assert_array_equal(features, encode(every_fourth, track)[0])


def test_no_tracks_give_no_features(every_fourth):
    assert encode(every_fourth) == []


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (noise(1, 0)[:0], "at least one frame, got 0"),
        (np.zeros((1, 32, 32, 3), np.uint8), r"crops of track 1: expected .*64, 64, 3"),
        (np.zeros((1, 64, 64, 3), np.float32), "uint8"),
    ],
)
def test_crops_of_another_kind_are_refused_before_any_work(every_fourth, crops, message):
    with pytest.raises(DataError, match=message):
        encode(every_fourth, noise(1, 0), crops)
    assert every_fourth.module.shown == []


def test_settings_that_do_not_fit_the_network_are_refused(every_fourth):
    with pytest.raises(ParamsError, match=r"extract.published.clip_frames: expected 1 \+ 4 k, .* got 8"):
        encode(every_fourth, clip_frames=8)
    with pytest.raises(ParamsError, match=r"extract.published.tap: open_magvit2 has latent, got pre_out"):
        encode(network(EveryFourthFrame(), {LATENT: 3}), tap=PRE_OUT)


def test_every_setting_and_the_file_are_in_the_digest(every_fourth):
    changes: list[dict] = [
        {},
        {"tap": PRE_OUT},
        {"projection": "orthogonal"},
        {"dimension": 5},
        {"projection_seed": 8},
        {"clip_frames": 9},
    ]
    digests = [PublishedEncoder(every_fourth, "file", make_config(**change), "cpu").digest for change in changes]
    digests.append(PublishedEncoder(every_fourth, "other", make_config(), "cpu").digest)
    assert len(set(digests)) == len(changes) + 1
    assert PublishedEncoder(every_fourth, "file", make_config(), "cpu").digest == digests[0]


def test_what_was_done_is_recorded(every_fourth):
    given = network(every_fourth.module, every_fourth.taps, ema=True, pixel_range=(0.0, 1.0), is_causal=False)
    encoder = PublishedEncoder(given, "abc", make_config(tap=PRE_OUT, projection="orthogonal"), "cpu")
    assert encoder.provenance == {
        "family": "open_magvit2",
        "sha256": "abc",
        "ema": True,
        "tap": PRE_OUT,
        "pixel_range": "[0, 1]",
        "dtype": "float32",
        "projection": "orthogonal 6 to 4",
        "time_stride": 4,
    }
    assert not encoder.is_causal


@pytest.mark.parametrize(("names", "family", "same"), [(OPEN, open_magvit2, False), (O2, o2_magvit2, True)])
def test_only_a_causal_network_gives_a_prefix_the_features_it_has_in_the_whole_track(names, family, same):
    built = family.build(FILE, make_weights(names, seed=1, blocks=1))
    crops = noise(5, seed=2)
    whole, prefix = encode(built, crops, crops[:3])
    assert np.allclose(whole[:3], prefix, atol=1e-5) == same == built.is_causal


def test_bfloat16_gives_nearly_the_same_features():
    built = o2_magvit2.build(FILE, make_weights(O2, seed=1, blocks=1))
    crops = noise(3, seed=2)
    (exact,) = encode(built, crops, tap=PRE_OUT)
    config = make_config(tap=PRE_OUT).model_copy(update={"precision": "bfloat16"})
    coarse_encoder = PublishedEncoder(built, "file", config, "cpu")
    (coarse,) = coarse_encoder.encode([crops])
    assert coarse_encoder.provenance["dtype"] == "bfloat16"
    cosine = (exact * coarse).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(coarse, axis=1)
    assert not np.array_equal(exact, coarse)
    assert cosine.min() > 0.999
