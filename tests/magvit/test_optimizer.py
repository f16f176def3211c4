"""The step of Muon reaches the kernels, AdamW's the rest, and a resumed optimiser goes on as if never stopped."""

import copy

import pytest
import torch
from torch import nn

from track_persistence.magvit.optimizer import KernelOptimizer


def small_network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.SiLU(), nn.Conv3d(8, 4, 1))
        return network.to(memory_format=torch.channels_last_3d)


def loss_of(network: nn.Module) -> torch.Tensor:
    video = torch.linspace(-1, 1, 3 * 4 * 4 * 4).reshape(1, 3, 4, 4, 4)
    return (network(video) - 0.3).square().mean()


def optimizer_of(network, tokenizer_config, **fields):
    config = tokenizer_config().optimizer.model_copy(update={"weight_decay": 0.0, **fields})
    return KernelOptimizer(network.parameters(), config)


def test_a_kernel_moves_by_an_orthogonal_matrix(tokenizer_config):
    network = small_network()
    before = network[0].weight.detach().clone()
    optimizer_of(network, tokenizer_config, momentum=0.0).step(loss_of(network), 1.0)
    step = (network[0].weight.detach() - before).permute(0, 2, 3, 4, 1).flatten(1)
    values = torch.linalg.svdvals(step)
    assert values.min() > 0.5 * values.max() > 0  # five Newton-Schulz steps leave singular values within 0.7 to 1.2


@pytest.mark.parametrize("index", [0, 2])
def test_every_weight_moves_and_the_loss_falls(tokenizer_config, index):
    network = small_network()
    optimizer = optimizer_of(network, tokenizer_config)
    before, first = copy.deepcopy(network.state_dict()), loss_of(network).item()
    for _ in range(20):
        optimizer.step(loss_of(network), 1.0)
    assert loss_of(network).item() < 0.7 * first
    for name in ("weight", "bias"):
        assert not torch.equal(before[f"{index}.{name}"], network.state_dict()[f"{index}.{name}"])


def test_a_share_of_zero_moves_nothing(tokenizer_config):
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    optimizer_of(network, tokenizer_config).step(loss_of(network), 0.0)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_gradient_that_is_not_finite_moves_nothing_and_is_returned(tokenizer_config):
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    norm = optimizer_of(network, tokenizer_config).step(loss_of(network) * float("inf"), 1.0)
    assert not torch.isfinite(norm)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_resumed_optimiser_goes_on_as_if_never_stopped(tokenizer_config):
    straight, stopped = small_network(), small_network()
    one, two = optimizer_of(straight, tokenizer_config), optimizer_of(stopped, tokenizer_config)
    for network, optimizer in ((straight, one), (stopped, two)):
        for _ in range(3):
            optimizer.step(loss_of(network), 1.0)
    resumed = small_network()
    again = optimizer_of(resumed, tokenizer_config)
    resumed.load_state_dict(stopped.state_dict())
    again.load_state_dict(copy.deepcopy(two.state_dict()))
    one.step(loss_of(straight), 0.5)
    again.step(loss_of(resumed), 0.5)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in straight.state_dict().items())


def test_kernels_in_another_memory_order_are_refused_instead_of_left_where_they_are(tokenizer_config):
    network = nn.Sequential(nn.Conv3d(3, 8, 3), nn.Conv3d(8, 4, 1))
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        optimizer_of(network, tokenizer_config)
