"""The encoder sees the past only, and a clip may come in pieces."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from track_persistence.core.params import load_section
from track_persistence.magvit.config import TokenizerConfig
from track_persistence.magvit.encoder import Encoder
from track_persistence.magvit.layers import RMS_EPSILON, VoxelNorm

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def make_encoder(architecture, time_stride: int) -> Encoder:
    torch.manual_seed(3)
    return Encoder(architecture(time_stride=time_stride)).eval()


def noise_video(frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(2, 3, frames, 64, 64, generator=generator) * 2 - 1


@pytest.mark.parametrize(("time_stride", "changed_frame"), [(1, 0), (1, 5), (1, 8), (2, 5), (4, 5)])
@torch.inference_mode()
def test_outputs_before_a_changed_frame_stay_exactly_the_same(architecture, time_stride, changed_frame):
    encoder, video = make_encoder(architecture, time_stride), noise_video(9)
    before, _ = encoder(video)
    changed = video.clone()
    changed[:, :, changed_frame] = 0.3
    after, _ = encoder(changed)
    first_seeing = -(-changed_frame // time_stride)  # latent j stands at frame s j
    assert torch.equal(before[:, :, :first_seeing], after[:, :, :first_seeing])
    assert not torch.equal(before[:, :, first_seeing], after[:, :, first_seeing])


@torch.inference_mode()
def test_the_causality_check_sees_a_norm_that_averages_over_time(architecture, monkeypatch):
    monkeypatch.setattr(
        VoxelNorm,
        "forward",
        lambda self, x: torch.nn.functional.group_norm(x, 1, self.gain, torch.zeros_like(self.gain)),
    )
    encoder, video = make_encoder(architecture, 1), noise_video(9)
    before, _ = encoder(video)
    video[:, :, 5] = 0.3
    after, _ = encoder(video)
    assert not torch.equal(before[:, :, :5], after[:, :, :5])


def test_the_norm_and_its_gradients_are_those_of_torch():
    rng = torch.Generator().manual_seed(1)
    norm = VoxelNorm(6)
    with torch.no_grad():
        norm.gain.copy_(torch.rand(6, generator=rng) + 0.5)
    video = torch.randn(2, 6, 3, 4, 4, generator=rng, requires_grad=True)
    pull = torch.randn(2, 6, 3, 4, 4, generator=rng)
    plain = torch.nn.functional.rms_norm(video.movedim(1, -1), (6,), norm.gain, RMS_EPSILON).movedim(-1, 1)
    ours = norm(video)
    assert torch.allclose(ours, plain, atol=1e-6)
    of_ours = torch.autograd.grad(ours, (video, norm.gain), pull)
    of_plain = torch.autograd.grad(plain, (video, norm.gain), pull)
    assert all(torch.allclose(one, two, rtol=1e-5, atol=1e-5) for one, two in zip(of_ours, of_plain, strict=True))


@pytest.mark.parametrize(
    ("time_stride", "frames", "cuts"), [(1, 9, (4, 5)), (1, 9, (1, 2)), (2, 9, (1, 5)), (4, 13, (5, 9))]
)
@torch.inference_mode()
def test_a_clip_in_pieces_gives_what_the_whole_clip_gives(architecture, time_stride, frames, cuts):
    encoder, video = make_encoder(architecture, time_stride), noise_video(frames)
    whole, _ = encoder(video)
    state, pieces = None, []
    for start, end in zip((0, *cuts), (*cuts, frames), strict=True):
        latents, state = encoder(video[:, :, start:end], state)
        pieces.append(latents)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("time_stride", "latent_frames"), [(1, 9), (2, 5), (4, 3)])
@torch.inference_mode()
def test_nine_frames_give_one_latent_frame_and_one_more_for_every_stride(architecture, time_stride, latent_frames):
    latents, _ = make_encoder(architecture, time_stride)(noise_video(9))
    assert latents.shape == (2, 16, latent_frames, 4, 4)


@pytest.mark.parametrize("time_stride", [1, 4])
@torch.inference_mode()
def test_a_lone_frame_is_encoded_as_the_first_of_a_longer_clip(architecture, time_stride):
    encoder, video = make_encoder(architecture, time_stride), noise_video(5)
    longer, _ = encoder(video)
    alone, _ = encoder(video[:, :, :1])
    torch.testing.assert_close(alone, longer[:, :, :1], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_still_clip_has_the_same_latents_in_every_frame(architecture):
    still = noise_video(1).expand(-1, -1, 6, -1, -1)
    latents, _ = make_encoder(architecture, 1)(still)
    torch.testing.assert_close(latents, latents[:, :, :1].expand_as(latents), atol=1e-5, rtol=0)


def test_the_default_encoder_costs_at_most_0_4_gflop_a_frame():
    config = load_section(PARAMS, "tokenizer", TokenizerConfig).architecture
    with torch.device("meta"):
        encoder, video = Encoder(config), torch.empty(1, 3, 10, 64, 64)
    with FlopCounterMode(display=False) as counter:
        encoder(video)
    assert counter.get_total_flops() / 10 <= 0.4e9
