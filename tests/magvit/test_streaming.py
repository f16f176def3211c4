"""A track that is encoded frame by frame has the features that it has as a whole."""

import numpy as np
import pytest
import torch

from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.magvit.features import MagvitEncoder
from track_persistence.magvit.levels import LevelEncoder
from track_persistence.magvit.streaming import StreamingEncoder
from track_persistence.magvit.tokenizer import fresh_tokenizer

BORN = {"a": 0, (1, 4): 2, "c": 2, 7: 5}  # frame of each track's first crop
LENGTHS = {"a": 9, (1, 4): 1, "c": 6, 7: 4}
MISSED = {"c": {3, 4}}  # frames between, in which the detector missed the track


@pytest.fixture
def streaming(tiny) -> StreamingEncoder:
    return StreamingEncoder(tiny, "float32", "cpu")


def streamed(encoder: StreamingEncoder, crops: dict) -> dict:
    """Push the tracks of `BORN` frame by frame, ending each after its last crop."""
    shown, found = dict.fromkeys(crops, 0), {key: [] for key in crops}
    for frame in range(20):
        seen = [
            key
            for key in crops
            if frame >= BORN[key] and frame not in MISSED.get(key, ()) and shown[key] < LENGTHS[key]
        ]
        features = encoder.push({key: crops[key][shown[key]] for key in seen})
        assert list(features) != [] or seen == []
        for key in seen:
            found[key].append(features[key])
            shown[key] += 1
        encoder.end([key for key in seen if shown[key] == LENGTHS[key]])
    return {key: np.stack(values) for key, values in found.items()}


@pytest.mark.parametrize("blocks", [1, 2])
def test_streamed_features_are_those_of_the_whole_tracks(architecture, crops_of, blocks):
    tokenizer = fresh_tokenizer(architecture(blocks_per_level=blocks), 7).eval()
    crops = {key: crops_of(length) for key, length in LENGTHS.items()}
    whole = MagvitEncoder(tokenizer, "digest", "float32", "cpu").encode(list(crops.values()))
    encoder = StreamingEncoder(tokenizer, "float32", "cpu")
    found = streamed(encoder, crops)
    assert all(value.dtype == np.float32 for value in found.values())
    for key, expected in zip(crops, whole, strict=True):
        np.testing.assert_allclose(found[key], expected, atol=1e-5, rtol=0)
    assert len(encoder) == 0


def test_the_levels_of_the_same_pass_are_those_of_the_whole_track(tiny, streaming, crops_of):
    crops = {"a": crops_of(4), "b": crops_of(4)[::-1]}
    whole = {key: LevelEncoder(tiny, "float32", "cpu").encode(np.ascontiguousarray(own)) for key, own in crops.items()}
    features = MagvitEncoder(tiny, "digest", "float32", "cpu").encode(
        [np.ascontiguousarray(own) for own in crops.values()]
    )
    for frame in range(4):
        seen = streaming.push_with_levels({key: own[frame] for key, own in crops.items()})
        for key, feature in zip(crops, features, strict=True):
            np.testing.assert_allclose(seen[key].feature, feature[frame], atol=1e-5, rtol=0)
            np.testing.assert_allclose(seen[key].texture, whole[key][0][frame], atol=1e-5, rtol=0)
            np.testing.assert_allclose(seen[key].layout, whole[key][1][frame], atol=1e-5, rtol=0)
    assert not any(level._forward_hooks for level in tiny.encoder.levels)


def test_the_past_of_a_track_matters(streaming, crops_of):
    crops = crops_of(3)
    streaming.push({"long": crops[0]})
    found = streaming.push({"long": crops[2], "new": crops[2]})
    assert np.abs(found["long"] - found["new"]).max() > 1e-4


def test_a_key_that_ended_starts_anew(streaming, crops_of):
    crops = crops_of(2)
    first = streaming.push({"a": crops[0], "b": crops[1]})
    streaming.end(["a"])
    assert "a" not in streaming and "b" in streaming
    np.testing.assert_allclose(streaming.push({"a": crops[0]})["a"], first["a"], atol=1e-6, rtol=0)


def test_the_state_does_not_grow_with_time_and_is_freed(streaming, crops_of):
    crops = crops_of(12)
    sizes = []
    for crop in crops:
        streaming.push({"a": crop, "b": crop})
        sizes.append(held_bytes(streaming))
    assert len(set(sizes[1:])) == 1 and sizes[1] > 0
    streaming.end(["b"])
    assert held_bytes(streaming) <= sizes[-1] / 2
    streaming.end(["a"])
    assert held_bytes(streaming) == 0
    streaming.push({"a": crops[0]})
    streaming.reset()
    assert held_bytes(streaming) == 0 and len(streaming) == 0


def held_bytes(encoder: StreamingEncoder) -> int:
    storages = {past.untyped_storage().data_ptr(): past.untyped_storage() for level in encoder._state for past in level}
    return sum(storage.nbytes() for storage in storages.values())


def test_more_tracks_than_a_pass_holds_are_split(monkeypatch: pytest.MonkeyPatch, tiny, crops_of):
    crops = {number: crops_of(3) for number in range(5)}
    together = StreamingEncoder(tiny, "float32", "cpu")
    whole = [together.push({key: value[t] for key, value in crops.items()}) for t in range(3)]
    monkeypatch.setattr("track_persistence.magvit.streaming.FRAMES_PER_PASS", 2)
    pieces = StreamingEncoder(tiny, "float32", "cpu")
    for t in range(3):
        found = pieces.push({key: value[t] for key, value in crops.items()})
        assert set(found) == set(whole[t])
        for key in crops:
            np.testing.assert_allclose(found[key], whole[t][key], atol=1e-5, rtol=0)


def test_a_frame_without_tracks_is_no_error(streaming):
    assert streaming.push({}) == {}


def test_a_time_stride_is_refused(architecture):
    with pytest.raises(CheckpointError, match="time_stride is 4, so the feature of a frame needs up to 3 later ones"):
        StreamingEncoder(fresh_tokenizer(architecture(time_stride=4), 7), "float32", "cpu")


def test_other_pixels_and_unknown_tracks_are_refused(streaming):
    with pytest.raises(DataError, match=r"crop of track \(0, 3\): expected shape \(64, 64, 3\) uint8"):
        streaming.push({(0, 3): np.zeros((1, 64, 64, 3), np.uint8)})
    assert len(streaming) == 0
    with pytest.raises(DataError, match="track 9: is not alive"):
        streaming.end([9])


def test_no_gradient_is_recorded(streaming, crops_of):
    streaming.push({"a": crops_of(1)[0]})
    assert not any(past.requires_grad for level in streaming._state for past in level)
    assert torch.is_grad_enabled()
