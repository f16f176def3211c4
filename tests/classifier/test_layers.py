import pytest
import torch
from torch import nn

from track_persistence.classifier.layers import EncoderLayer, Packing, attend, attend_with_weights

WIDTH, HEADS = 16, 4


def padded_batch(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), max(lengths), WIDTH, generator=rng), valid


def test_packing_and_padding_undo_each_other_and_put_zeros_on_padding() -> None:
    x, valid = padded_batch([3, 1, 6, 4])
    packing = Packing.of(valid)
    torch.testing.assert_close(packing.pad(packing.pack(x)), x * valid[..., None], rtol=0, atol=0)


def test_positions_count_observed_frames_of_each_track() -> None:
    valid = torch.tensor([[True, True, True, False], [True, False, False, False]])
    packing = Packing.of(valid)
    counted = sorted(zip(packing.tracks.tolist(), packing.positions.tolist(), strict=True))
    assert counted == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_a_gap_in_the_mask_does_not_count_as_a_frame() -> None:
    packing = Packing.of(torch.tensor([[True, False, True]]))
    assert packing.rows.tolist() == [0, 2]
    assert packing.positions.tolist() == [0, 1]


def test_tracks_are_grouped_between_powers_of_two() -> None:
    packing = Packing.of(padded_batch([1, 8, 5, 1, 2])[1])
    assert [tuple(group.valid.shape) for group in packing.groups] == [(2, 1), (1, 2), (2, 8)]


def test_the_mean_is_taken_over_valid_frames_only() -> None:
    valid = torch.tensor([[True, True, False], [True, False, False]])
    x = torch.tensor([[[1.0], [4.0], [100.0]], [[7.0], [100.0], [100.0]]])
    packing = Packing.of(valid)
    assert packing.mean(packing.pack(x)).tolist() == [[(1 + 4) / 2], [7.0]]


def test_both_attentions_mix_valid_frames_alike() -> None:
    _, valid = padded_batch([3, 1, 6])
    qkv = torch.randn(3, 6, 3 * WIDTH, generator=torch.Generator().manual_seed(1))
    fused, (explicit, _) = attend(qkv, valid, HEADS), attend_with_weights(qkv, valid, HEADS)
    torch.testing.assert_close(fused[valid], explicit[valid], rtol=0, atol=1e-6)


def test_equal_keys_get_equal_weights_over_valid_frames() -> None:
    valid = torch.tensor([[True, True, True, False]])
    _, weights = attend_with_weights(torch.zeros(1, 4, 3 * WIDTH), valid, HEADS)
    third = [1 / 3, 1 / 3, 1 / 3, 0.0]
    expected = torch.tensor([third, third, third, [0.0] * 4]).expand(1, HEADS, 4, 4)
    torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize("lengths", [[5, 5], [7, 1, 3, 2]])
def test_the_layer_equals_torchs_own_pre_norm_encoder_layer(lengths: list[int]) -> None:
    layer = EncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0)
    reference = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    pairs = {
        "self_attn.in_proj_": layer.qkv,
        "self_attn.out_proj.": layer.out,
        "linear1.": layer.expand,
        "linear2.": layer.contract,
        "norm1.": layer.attention_norm,
        "norm2.": layer.feedforward_norm,
    }
    state = {prefix + name: value for prefix, module in pairs.items() for name, value in module.state_dict().items()}
    reference.load_state_dict(state)
    x, valid = padded_batch(lengths)
    packing = Packing.of(valid)
    expected = reference(x, src_key_padding_mask=~valid)[valid]  # training mode: the fast path is off
    torch.testing.assert_close(packing.pad(layer(packing.pack(x), packing))[valid], expected, rtol=0, atol=1e-5)
