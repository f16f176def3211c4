"""The convolutional layers of magvit2-pytorch on inputs whose outputs are known by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from track_persistence.magvit.published.magvit2_layers import (
    Blur,
    CausalConvolution,
    ContextGate,
    ResidualUnit,
    SpaceDownsample,
    TimeDownsample,
    clips_of,
    frames_of,
)


def filled(module: nn.Module, **values: float) -> nn.Module:
    """Set every parameter to 0 or, below the names given, to their value."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(next((value for key, value in values.items() if key in name.replace(".", "_")), 0.0))
    return module


def ramp(frames: int) -> Tensor:
    """One channel of one voxel whose value at frame t is t + 1."""
    return torch.arange(1.0, frames + 1).view(1, 1, frames, 1, 1)


def test_frames_and_clips_are_inverse() -> None:
    video = torch.arange(2 * 3 * 4 * 2 * 2.0).view(2, 3, 4, 2, 2)
    assert torch.equal(frames_of(video)[5], video[1, :, 1])
    assert torch.equal(clips_of(frames_of(video), 2), video)


def test_a_causal_convolution_sees_zeros_before_the_clip_and_nothing_after_a_frame() -> None:
    conv = filled(CausalConvolution((1, 1), (3, 1, 1)), weight=1.0)
    # Sums of up to three frames 1, 2, 3, 4 ending at each.
    assert conv(ramp(4)).flatten().tolist() == [1, 3, 6, 9]


def test_the_gate_scales_a_frame_by_a_sigmoid_of_its_own_mean() -> None:
    gate = filled(ContextGate(1, 1), narrow_weight=1.0, widen_weight=1.0)
    # Keys of 0 weigh all voxels alike: the context of frame 0 is (1 + 3) / 2, that of frame 1 is -10 and leaks a tenth.
    video = torch.tensor([[1.0, 3.0], [-10.0, -10.0]]).view(1, 1, 2, 1, 2)
    logistic = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    expected = [logistic[0], 3 * logistic[0], -10 * logistic[1], -10 * logistic[1]]
    assert gate(video).flatten().tolist() == pytest.approx(expected)


def test_the_gate_looks_most_at_voxels_with_large_keys() -> None:
    gate = filled(ContextGate(1, 1), key_weight=math.log(3), narrow_weight=1.0, widen_weight=1.0)
    # Keys log 3 and 0 weigh the voxels 1 and 0 as 3 to 1: the context is 3 / 4.
    assert gate(torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 2)).flatten()[0].item() == pytest.approx(
        1 / (1 + math.exp(-0.75))
    )


def test_a_residual_unit_adds_half_of_what_it_mixes_when_its_gate_is_undecided() -> None:
    unit = filled(ResidualUnit(1, (1, 1, 1), 1), conv_weight=-1.0, mix_weight=2.0)
    # elu(-1) = exp(-1) - 1, doubled and through elu again, times sigmoid(0).
    inner = math.exp(2 * (math.exp(-1) - 1)) - 1
    assert unit(torch.ones(1, 1, 1, 1, 1)).item() == pytest.approx(1 + inner / 2)


@pytest.mark.parametrize("dims", [1, 2])
def test_a_blur_is_binomial_and_repeats_the_edges(dims: int) -> None:
    blur = Blur(dims)
    blur.load_state_dict({"taps": torch.tensor([1.0, 2.0, 1.0])})
    line = torch.tensor([4.0, 0.0, 0.0, 8.0])
    rows = line.view(1, 1, 4) if dims == 1 else line.expand(1, 1, 4, 4)
    # (4 + 2 x 4 + 0) / 4, (4 + 0 + 0) / 4, (0 + 0 + 8) / 4, (0 + 2 x 8 + 8) / 4; across equal rows nothing changes.
    assert blur(rows)[..., :4].reshape(-1, 4)[0].tolist() == [3, 1, 2, 6]
    assert torch.equal(blur(torch.ones_like(rows)), torch.ones_like(rows))


def test_space_is_halved_from_the_first_voxel_on() -> None:
    down = filled(SpaceDownsample((1, 1), (3, 3), blurred=False))
    with torch.no_grad():
        down.conv.weight[0, 0, 1, 1] = 1.0
    video = torch.arange(16.0).view(1, 1, 1, 4, 4)
    # The centre of the kernel takes every other voxel of every other row.
    assert down(video).flatten().tolist() == [0, 2, 8, 10]


@pytest.mark.parametrize(("blurred", "expected"), [(False, [1, 6, 12]), (True, [5 / 4, 25 / 4, 47 / 4])])
def test_time_is_halved_without_a_look_at_the_next_frame_unless_blurred(blurred: bool, expected: list[float]) -> None:
    down = filled(TimeDownsample((1, 1), 3, blurred=blurred), weight=1.0)
    if blurred:
        down.blur.load_state_dict({"taps": torch.tensor([1.0, 2.0, 1.0])})
    # Frames 1 .. 5: 1, 1 + 2 + 3, 3 + 4 + 5; blurred they are 5/4, 2, 3, 4, 19/4: 5/4, 5/4 + 2 + 3, 3 + 4 + 19/4.
    assert down(ramp(5)).flatten().tolist() == expected
