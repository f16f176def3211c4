"""The attention layers of magvit2-pytorch against what their definitions give."""

import math

import pytest
import torch
from torch import Tensor, nn

from track_persistence.magvit.published.magvit2_attention import (
    AttendSpace,
    AttendTime,
    FeedForward,
    GainNorm,
    GateLoop,
    MemoryAttention,
    TaylorAttention,
    shifted,
)


def drawn(module: nn.Module) -> nn.Module:
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) / 2)
    return module.eval()


def rows(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("channels_first", [False, True])
def test_the_norm_divides_by_the_root_mean_square(channels_first: bool) -> None:
    norm = GainNorm(2, channels_first)
    nn.init.constant_(norm.gain, 10.0)
    shape = (1, 2, 1, 1, 1) if channels_first else (1, 2)
    # The mean square of 3 and 4 is 25 / 2.
    expected = torch.tensor([3.0, 4.0]) / math.sqrt(12.5) * 10
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0]).view(shape)).flatten(), expected)
    assert torch.equal(norm(torch.zeros(shape)), torch.zeros(shape))


def test_the_feed_forward_gates_its_first_half_by_the_gelu_of_its_second() -> None:
    network = FeedForward(1, 1)
    nn.init.ones_(network.norm.gain)
    with torch.no_grad():
        network.widen.weight.copy_(torch.tensor([3.0, 1.0]).view(2, 1, 1, 1, 1))
        network.narrow.weight.fill_(1.0)
        for conv in (network.widen, network.narrow):
            conv.bias.zero_()
    # One channel alone is normalised to its sign: 3 x gelu(1), gelu(1) = Phi(1).
    phi = (1 + math.erf(1 / math.sqrt(2))) / 2
    assert network(torch.full((1, 1, 1, 1, 1), 7.0)).item() == pytest.approx(3 * phi)


def explicit_attention(module: MemoryAttention, x: Tensor, entry: int, visible: int) -> Tensor:
    """The output at one entry of one sequence (L, C), entry by entry and head by head."""
    _, heads, _, width = module.memory.shape
    parts = module.qkv(module.norm(x)).view(len(x), 3, heads, width)
    mixed = []
    for head in range(heads):
        keys = torch.cat([module.memory[0, head], parts[:visible, 1, head]])
        values = torch.cat([module.memory[1, head], parts[:visible, 2, head]])
        weights = (keys @ parts[entry, 0, head] / math.sqrt(width)).softmax(dim=0)
        mixed.append(weights @ values)
    return module.out(torch.cat(mixed))


@pytest.mark.parametrize(("causal", "visible"), [(False, 5), (True, 3)])
def test_attention_sees_its_memory_and_the_entries_up_to_its_own(causal: bool, visible: int) -> None:
    module = drawn(MemoryAttention(6, (2, 4, 3), causal))
    x = rows(2, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(module(x)[1, 2], explicit_attention(module, x[1], entry=2, visible=visible))


def test_taylor_attention_weighs_by_the_second_order_of_the_exponential() -> None:
    module = drawn(TaylorAttention(6, heads=2, head_width=3))
    x = rows(2, 5, 6)
    with torch.no_grad():
        normed = module.norm(x[1])
        query = module.query(normed).view(5, 2, 3)
        keys, values = module.key_value(normed).view(5, 2, 2, 3).unbind(1)
        mixed = []
        for head in range(2):
            products = keys[:, head] @ query[2, head] / math.sqrt(3)
            weights = 1 + products + products**2 / 2
            mixed.append(weights @ values[:, head] / weights.sum())
        torch.testing.assert_close(module(x)[1, 2], module.out(torch.cat(mixed)))


def test_the_second_half_of_the_channels_comes_from_the_frame_before() -> None:
    video = torch.arange(1.0, 7.0).view(1, 2, 3, 1, 1)
    assert shifted(video).flatten().tolist() == [1, 2, 3, 0, 4, 5]
    assert shifted(video[:, :, :1]).flatten().tolist() == [1, 0]


def test_attention_over_space_keeps_frames_apart() -> None:
    layer = drawn(AttendSpace(MemoryAttention(4, (2, 4, 3), causal=False), FeedForward(4, 5)))
    video = rows(2, 4, 3, 2, 2)
    with torch.no_grad():
        torch.testing.assert_close(layer(video)[1:, :, 2:], layer(video[1:, :, 2:]))
        moved = layer(video.flip(-1))
        torch.testing.assert_close(moved, layer(video).flip(-1))


def test_attention_over_time_keeps_voxels_apart() -> None:
    layer = drawn(AttendTime(MemoryAttention(4, (2, 4, 3), causal=True), FeedForward(4, 5)))
    video = rows(2, 4, 3, 2, 2)
    with torch.no_grad():
        torch.testing.assert_close(layer(video)[1:, ..., 1:, :1], layer(video[1:, ..., 1:, :1]))


def test_a_gate_loop_remembers_what_its_gate_keeps() -> None:
    loop = GateLoop(1)
    nn.init.ones_(loop.norm.gain)
    with torch.no_grad():
        loop.project.weight.copy_(torch.tensor([[1.0], [2.0], [math.log(3)]]))
    # One channel alone is normalised to its sign, 1: query 1, value 2, decay 3 / 4, so the state is 2, then
    # 2 x 3/4 + 2 = 7/2, then 7/2 x 3/4 + 2 = 37/8. The input is added to it.
    looped = loop(torch.ones(1, 1, 3, 1, 1)).flatten()
    torch.testing.assert_close(looped, torch.tensor([3.0, 9 / 2, 45 / 8]))
