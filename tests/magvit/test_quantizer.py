"""Lookup-free quantisation: signs forward, straight through backward, entropies as computed by hand."""

import math

import pytest
import torch

from track_persistence.magvit.quantizer import LookupFreeQuantizer


@pytest.fixture
def quantizer(architecture) -> LookupFreeQuantizer:
    torch.manual_seed(1)
    return LookupFreeQuantizer(architecture(latent_dim=4, code_bits=4, code_groups=2))


def with_projection(quantizer: LookupFreeQuantizer, bias: list[float]) -> LookupFreeQuantizer:
    torch.nn.init.zeros_(quantizer.project.weight)
    quantizer.project.bias.data = torch.tensor(bias)
    return quantizer


def test_codes_are_minus_one_or_plus_one(quantizer):
    codes = quantizer(torch.randn(2, 4, 3, 4, 4)).codes
    assert set(codes.detach().round(decimals=5).unique().tolist()) == {-1.0, 1.0}


def test_the_gradient_passes_straight_through_to_the_latents(quantizer):
    latents = torch.randn(1, 4, 1, 4, 4, requires_grad=True)
    quantizer(latents).codes.sum().backward()
    expected = quantizer.project.weight.sum(dim=0).flatten()  # d(sum of projections) / d(latent channel)
    torch.testing.assert_close(latents.grad[0, :, 0, 0, 0], expected)


def test_a_latent_of_zero_is_undecided_and_the_mean_code_uniform(quantizer):
    # every bit has probability 1/2: both entropies are log 2 per bit; (0 - 1)^2 = 1
    result = with_projection(quantizer, [0.0] * 4)(torch.randn(1, 4, 2, 4, 4))
    assert result.uncertainty.item() == pytest.approx(math.log(2))
    assert result.diversity.item() == pytest.approx(math.log(2))
    assert result.commitment.item() == pytest.approx(1.0)


def test_one_code_for_everything_has_no_entropy(quantizer):
    # bits at +-10 are certain, and the batch's mean code is that one code; (10 - 1)^2 = 81
    result = with_projection(quantizer, [10.0, -10.0, 10.0, -10.0])(torch.randn(1, 4, 2, 4, 4))
    assert result.uncertainty.item() == pytest.approx(0, abs=1e-6)
    assert result.diversity.item() == pytest.approx(0, abs=1e-6)
    assert result.commitment.item() == pytest.approx(81.0)


def test_bits_that_always_agree_count_once_in_the_diversity(quantizer):
    # half of the voxels have all bits on, half all off: each group of 2 bits uses 2 of 4 codes, log 2 per 2 bits
    with_projection(quantizer, [0.0] * 4)
    quantizer.project.weight.data = torch.full((4, 4, 1, 1, 1), 10.0)
    latents = torch.ones(1, 4, 2, 4, 4)
    latents[:, :, 1] = -1
    assert quantizer(latents).diversity.item() == pytest.approx(math.log(2) / 2, rel=1e-4)


def test_code_numbers_read_the_bits_of_each_group_from_the_lowest(quantizer):
    codes = torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(1, 4, 1, 1, 1)  # groups (1, 0) and (1, 1)
    assert quantizer.code_indices(codes).tolist() == [[1, 3]]
