"""Crops of any length become one feature per frame, whatever they are batched with."""

import numpy as np
import pytest
import torch

from track_persistence.core.errors import DataError, DeviceError
from track_persistence.magvit import features as features_module
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer, to_video

LENGTHS = (1, 2, 5, 17, 50)


def make_encoder(architecture, precision="float32", **fields) -> MagvitEncoder:
    return MagvitEncoder(fresh_tokenizer(architecture(**fields), 7).eval(), "digest", precision, "cpu")


@pytest.mark.parametrize("time_stride", [1, 2, 4])
def test_every_length_gives_one_feature_per_frame(architecture, crops_of, time_stride):
    features = make_encoder(architecture, time_stride=time_stride).encode([crops_of(length) for length in LENGTHS])
    assert [value.shape for value in features] == [(length, 16) for length in LENGTHS]
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in features)


@pytest.mark.parametrize("time_stride", [1, 4])
def test_a_track_alone_has_the_features_it_has_in_a_batch(architecture, crops_of, time_stride):
    encoder = make_encoder(architecture, time_stride=time_stride)
    crops = [crops_of(length) for length in (3, 4, 4, 1, 17, 17)]
    for alone, together in zip([encoder.encode([one])[0] for one in crops], encoder.encode(crops), strict=True):
        np.testing.assert_allclose(alone, together, atol=1e-5, rtol=0)


def test_features_come_back_in_the_order_of_the_tracks(architecture, crops_of):
    encoder = make_encoder(architecture)
    crops = [crops_of(length) for length in (17, 1, 5)]
    for given, backwards in zip(encoder.encode(crops), encoder.encode(crops[::-1])[::-1], strict=True):
        np.testing.assert_allclose(given, backwards, atol=1e-5, rtol=0)


def test_a_changed_frame_leaves_earlier_features_exactly_as_they_were(architecture, crops_of):
    encoder, crops = make_encoder(architecture), crops_of(17)
    changed = crops.copy()
    changed[9] = 200
    before, after = encoder.encode([crops])[0], encoder.encode([changed])[0]
    assert np.array_equal(before[:9], after[:9])
    assert (np.abs(before[9:12] - after[9:12]).max(axis=1) > 1e-4).all()


def test_a_feature_is_the_spatial_mean_of_the_latents(architecture, crops_of):
    tokenizer = fresh_tokenizer(architecture(), 7).eval()
    crops = crops_of(5)
    with torch.inference_mode():
        latents, _ = tokenizer.encoder(to_video(crops[None], torch.float32, torch.device("cpu")))
    expected = latents[0].mean(dim=(2, 3)).T.numpy()
    np.testing.assert_allclose(make_encoder(architecture).encode([crops])[0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("time_stride", [1, 4])
def test_a_track_longer_than_one_pass_is_encoded_as_if_in_one(architecture, crops_of, monkeypatch, time_stride):
    encoder, crops = make_encoder(architecture, time_stride=time_stride), crops_of(50)
    whole = encoder.encode([crops])[0]
    monkeypatch.setattr(features_module, "FRAMES_PER_PASS", 16)
    np.testing.assert_allclose(encoder.encode([crops])[0], whole, atol=1e-5, rtol=0)


def test_strided_features_lie_on_the_line_between_the_latents(architecture, crops_of):
    features = make_encoder(architecture, time_stride=4).encode([crops_of(5)])[0]
    np.testing.assert_allclose(features[1], 0.75 * features[0] + 0.25 * features[4], atol=1e-6, rtol=0)


def test_no_pass_holds_more_frames_than_the_cap(architecture):
    lengths = [1] * 100 + [3] * 40 + [30] * 5 + [300]
    batches = list(features_module._batches(lengths))
    assert all(len(rows) * length <= 64 or len(rows) == 1 for rows, length in batches)
    assert sorted(row for rows, _ in batches for row in rows) == list(range(len(lengths)))


@pytest.mark.parametrize("time_stride", [1, 4])
def test_bfloat16_points_where_float32_does(architecture, crops_of, time_stride):
    crops = [crops_of(length) for length in LENGTHS]
    precise = np.concatenate(make_encoder(architecture, time_stride=time_stride).encode(crops))
    fast = np.concatenate(make_encoder(architecture, precision="bfloat16", time_stride=time_stride).encode(crops))
    cosine = (precise * fast).sum(axis=1) / np.linalg.norm(precise, axis=1) / np.linalg.norm(fast, axis=1)
    assert cosine.min() >= 0.999
    assert not np.array_equal(precise, fast)


def test_an_encoder_says_where_its_features_come_from(architecture):
    encoder = make_encoder(architecture, precision="bfloat16", time_stride=4)
    assert encoder.provenance == {
        "dtype": "bfloat16",
        "ema": False,
        "family": "native",
        "pixel_range": "[-1, 1]",
        "sha256": "digest",
        "tap": "latent_mean",
        "time_stride": 4,
    }


def test_only_an_encoder_with_time_stride_looks_ahead(architecture, crops_of):
    for time_stride in (1, 2, 4):
        encoder, crops = make_encoder(architecture, time_stride=time_stride), crops_of(5)
        changed = crops.copy()
        changed[-1] = 200
        looks_ahead = not np.array_equal(encoder.encode([crops])[0][:-1], encoder.encode([changed])[0][:-1])
        assert encoder.is_causal == (not looks_ahead) == (time_stride == 1)


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), r"crops of track 1: expected shape \(T, 64, 64, 3\) uint8"),
        (np.zeros((2, 64, 64, 3), np.float32), r"crops of track 1: .*float32"),
        (np.zeros((0, 64, 64, 3), np.uint8), r"crops of track 1: .*at least one frame"),
    ],
)
def test_crops_of_another_shape_or_dtype_are_refused_by_number(architecture, crops_of, crops, message):
    with pytest.raises(DataError, match=message):
        make_encoder(architecture).encode([crops_of(2), crops])


def test_an_encoder_from_a_checkpoint_knows_its_digest_and_width(tmp_path, tiny, crops_of):
    path = tmp_path / "magvit.safetensors"
    save_tokenizer(path, tiny)
    encoder = MagvitEncoder.from_checkpoint(path, "float32", "cpu")
    assert (encoder.dimension, len(encoder.digest)) == (16, 32)
    direct = MagvitEncoder(tiny, "", "float32", "cpu").encode([crops_of(5)])[0]
    assert np.array_equal(encoder.encode([crops_of(5)])[0], direct)


def test_an_absent_gpu_is_refused_before_the_checkpoint_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError):
        MagvitEncoder.from_checkpoint(tmp_path / "missing.safetensors", "float32", "cuda")
