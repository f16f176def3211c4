"""The encoder made ready to run is the trained one, only faster."""

import copy

import numpy as np
import pytest
import torch

from track_persistence.magvit import inference as inference_module
from track_persistence.magvit.inference import ready_encoder
from track_persistence.magvit.tokenizer import fresh_tokenizer, to_video

CPU = torch.device("cpu")


@pytest.mark.parametrize("time_stride", [1, 4])
@pytest.mark.parametrize("frames", [1, 5, 17])
def test_a_ready_encoder_gives_what_the_trained_one_gives(architecture, crops_of, time_stride, frames):
    encoder = fresh_tokenizer(architecture(time_stride=time_stride), 7).encoder.eval()
    ready = ready_encoder(encoder, "float32", CPU)
    video = to_video(np.stack([crops_of(frames), crops_of(frames)[::-1]]), torch.float32, CPU)
    with torch.inference_mode():
        (want, want_state), (got, got_state) = encoder(video), ready(video)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
        if frames > 1:  # and what is carried to the next piece of the clip is the same, too
            want, got = encoder(video[:, :, 1:], want_state)[0], ready(video[:, :, 1:], got_state)[0]
            torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_the_trained_encoder_is_left_as_it_was(architecture):
    encoder = fresh_tokenizer(architecture(), 7).encoder.train()
    before = copy.deepcopy(encoder.state_dict())
    ready_encoder(encoder, "bfloat16", CPU)
    assert encoder.training and all(weight.requires_grad for weight in encoder.parameters())
    for name, weight in encoder.state_dict().items():
        assert weight.dtype == torch.float32 and torch.equal(weight, before[name])


def test_weights_are_packed_where_the_processor_can_and_are_the_same_without(architecture, crops_of, monkeypatch):
    encoder = fresh_tokenizer(architecture(), 7).encoder
    video = to_video(crops_of(5)[None], torch.float32, CPU)
    packed = ready_encoder(encoder, "float32", CPU)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    plain = ready_encoder(encoder, "float32", CPU)
    kinds = [{type(module) for module in ready.modules()} for ready in (packed, plain)]
    assert inference_module.PackedConv3d in kinds[0] and torch.nn.Conv3d not in kinds[0]
    assert inference_module.PackedConv3d not in kinds[1] and torch.nn.Conv3d in kinds[1]
    with torch.inference_mode():
        torch.testing.assert_close(packed(video)[0], plain(video)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 3])
def test_videos_stay_in_the_memory_order_that_convolutions_are_fastest_with(architecture, crops_of, frames):
    level = ready_encoder(fresh_tokenizer(architecture(), 7).encoder, "float32", CPU).levels[0]
    seen = []
    level.blocks[0].convs[1].conv.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    video = to_video(np.stack([crops_of(frames)] * 2), torch.float32, CPU)
    with torch.inference_mode():
        _, carried = level(video, None)
        level(video, carried)  # the first call on one frame convolves it alone
    assert len(seen) == (1 if frames == 1 else 2)
    assert all(x.is_contiguous(memory_format=torch.channels_last_3d) for x in seen)
