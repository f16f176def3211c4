"""Open-MAGVIT2 and O2-MAGVIT2: every key has its place, the arithmetic is theirs, and who looks into the future."""

from pathlib import Path

import pytest
import torch
from tests.magvit.published.made_checkpoints import LATENTS, O2, OPEN, Names, make_video, make_weights, reference

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published import o2_magvit2, open_magvit2
from track_persistence.magvit.published.container import read_tensors
from track_persistence.magvit.published.network import LATENT, PRE_OUT
from track_persistence.magvit.published.residual_encoder import ResidualEncoder

FILE = Path("published.ckpt")
PARITY = Path(__file__).parents[4] / "shared" / "data" / "parity" / "open_magvit2_video_small.pt"
FAMILIES = [(OPEN, open_magvit2), (O2, o2_magvit2)]
both = pytest.mark.parametrize(("names", "family"), FAMILIES, ids=["open", "o2"])


@both
@pytest.mark.parametrize("blocks", [1, 3])
def test_latents_are_those_of_the_repositorys_operations_for_any_number_of_frames(names, family, blocks):
    weights = make_weights(names, seed=1, blocks=blocks)
    module = family.build(FILE, weights).module
    for frames in (1, 2, 3, 4) if blocks == 1 else (3,):
        video = make_video(frames, clips=2)
        torch.testing.assert_close(
            module(video)[LATENT], reference(names, weights, video, blocks), atol=1e-5, rtol=1e-5
        )


@both
def test_a_clip_too_long_for_one_piece_is_convolved_in_pieces_all_the_same(names, family, monkeypatch):
    weights = make_weights(names, seed=2, blocks=1)
    monkeypatch.setattr("track_persistence.magvit.published.residual_encoder.PIECE_VALUES", 2 * 32 * 32 * 32)
    video = make_video(7)
    torch.testing.assert_close(
        family.build(FILE, weights).module(video)[LATENT],
        reference(names, weights, video, 1),
        atol=1e-5,
        rtol=1e-5,
    )


@both
def test_the_shape_of_the_network_is_read_from_names_and_shapes(names, family):
    network = family.build(FILE, make_weights(names, seed=1, blocks=2))
    assert network.time_stride == 2  # of two steps down, the one at 64 channels, which are more than the first 32
    assert network.taps == {PRE_OUT: 64, LATENT: LATENTS}
    assert network.pixel_range == (-1.0, 1.0)
    assert not network.module.training
    taps = network.module(make_video(3))
    assert {name: tuple(tap.shape) for name, tap in taps.items()} == {
        PRE_OUT: (1, 64, 2, 8, 8),
        LATENT: (1, LATENTS, 2, 8, 8),
    }


@both
def test_the_first_tap_is_what_the_last_projection_reads(names, family):
    weights = make_weights(names, seed=1, blocks=1)
    taps = family.build(FILE, weights).module(make_video(3))
    kernel, bias = weights[f"{names.last}.weight"][:, :, 0, 0, 0], weights[f"{names.last}.bias"]
    projected = torch.einsum("oc,bcthw->bothw", kernel, taps[PRE_OUT]) + bias[:, None, None, None]
    torch.testing.assert_close(taps[LATENT], projected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("names", "family", "leaks"), [(OPEN, open_magvit2, True), (O2, o2_magvit2, False)])
def test_only_normalising_over_time_leaks_the_future(names, family, leaks):
    network = family.build(FILE, make_weights(names, seed=3, blocks=1))
    video = make_video(5)
    changed = video.clone()
    changed[:, :, 3:] = 1 - changed[:, :, 3:] ** 2
    before, after = network.module(video)[LATENT], network.module(changed)[LATENT]
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 1e-3
    difference = (before[:, :, :2] - after[:, :, :2]).abs().max()  # latents 0 and 1 stand at frames 0 and 2
    assert (difference > 1e-3) == leaks
    if not leaks:
        assert difference == 0
    assert network.is_causal == (not leaks)


def averaged(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"model_ema." + key.replace(".", ""): value for key, value in weights.items()}


def test_the_running_average_is_taken_where_there_is_one():
    last, average = make_weights(OPEN, seed=4, blocks=1), make_weights(OPEN, seed=5, blocks=1)
    other = {"decoder.conv_in.conv_1.weight": torch.zeros(1), "model_ema.decay": torch.tensor(0.9)}
    network = open_magvit2.build(FILE, last | averaged(average) | other)
    assert network.ema
    video = make_video(1)
    torch.testing.assert_close(network.module(video)[LATENT], reference(OPEN, average, video, 1), atol=1e-5, rtol=1e-5)
    assert not open_magvit2.build(FILE, last | other).ema


def test_half_a_running_average_is_refused_and_not_filled_from_the_last_weights():
    last = make_weights(OPEN, seed=4, blocks=1)
    average = averaged(last)
    del average["model_ema.encodernorm_outweight"]
    with pytest.raises(CheckpointError, match=r"published.ckpt: model_ema.encodernorm_outweight: tensor is missing"):
        open_magvit2.build(FILE, last | average)


@pytest.mark.parametrize(("prefix", "ema"), [("", False), ("tokenizer.", False), ("module.", True)])
def test_o2s_files_differ_in_what_stands_before_the_names(prefix, ema):
    weights = make_weights(O2, seed=6, blocks=1)
    network = o2_magvit2.build(
        FILE, {prefix + key: value for key, value in weights.items()} | {"discriminator.weight": torch.zeros(1)}
    )
    assert network.ema == ema
    video = make_video(1)
    torch.testing.assert_close(network.module(video)[LATENT], reference(O2, weights, video, 1), atol=1e-5, rtol=1e-5)


@both
def test_a_family_knows_its_own_files_alone_even_without_one_tensor(names, family):
    keys = set(make_weights(names, seed=1, blocks=1))
    for key in keys:
        assert [known.recognises(keys - {key}) for _, known in FAMILIES] == [known is family for _, known in FAMILIES]


def each_missing(names: Names) -> list[str]:
    return [
        f"{names.first}.weight",
        f"{names.block(1, 0)}{names.convs[0]}.weight",
        f"{names.middle(1)}{names.norms[0]}.bias",
    ]


@both
def test_a_missing_tensor_is_named(names, family):
    weights = make_weights(names, seed=1, blocks=2)
    for key in each_missing(names):
        with pytest.raises(CheckpointError, match=rf"published.ckpt: {key}: tensor is missing"):
            family.build(FILE, {other: value for other, value in weights.items() if other != key})


@both
def test_a_tensor_of_another_shape_is_named(names, family):
    key = f"{names.down(1)}.weight"
    weights = make_weights(names, seed=1, blocks=1) | {key: torch.zeros(64, 32, 3, 3, 3)}
    with pytest.raises(CheckpointError, match=rf"{key}: expected shape \(64, 64, 3, 3, 3\), got \(64, 32, 3, 3, 3\)"):
        family.build(FILE, weights)


@both
def test_a_level_that_is_left_out_is_seen(names, family):
    dropped = names.block(1, 0).rsplit(".", 3 if names is OPEN else 2)[0]
    weights = {key: value for key, value in make_weights(names, 1, 1).items() if not key.startswith(dropped)}
    with pytest.raises(CheckpointError, match="expected numbers from 0 without gaps"):
        family.build(FILE, weights)


@both
def test_a_layer_of_another_architecture_is_refused(names, family):
    weights = make_weights(names, 1, 1) | {"encoder.attention.weight": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"encoder.attention.weight: tensor does not belong"):
        family.build(FILE, weights)


def test_widths_that_cannot_be_grouped_are_refused():
    weights = {
        key: value[: len(value) // 2] if "conv_in" in key else value for key, value in make_weights(OPEN, 1, 1).items()
    }
    with pytest.raises(CheckpointError, match="16 channels"):
        open_magvit2.build(FILE, weights)


def test_the_image_model_is_not_taken_for_the_video_model():
    weights = make_weights(OPEN, 1, 1)
    weights["encoder.conv_in.conv_1.weight"] = torch.zeros(32, 3, 3, 3)
    with pytest.raises(CheckpointError, match=r"5 dimensions.*not of the image model"):
        open_magvit2.build(FILE, weights)


def test_two_networks_in_one_file_are_refused():
    weights = make_weights(O2, 1, 1)
    with pytest.raises(CheckpointError, match=r"holds 2 encoders, below '', 'module\.'"):
        o2_magvit2.build(FILE, weights | {f"module.{key}": value for key, value in weights.items()})


@pytest.mark.parametrize(
    ("family", "stride", "parameters"), [(open_magvit2, 4, 144_865_298), (o2_magvit2, 4, 148_848_914)]
)
def test_the_published_sizes(family, stride, parameters):
    with torch.device("meta"):
        module = ResidualEncoder(family.PUBLISHED)
        latents = module(torch.empty(1, 3, 17, 64, 64))
    side = 64 // 2 ** (len(family.PUBLISHED.widths) - 1)
    assert tuple(latents[LATENT].shape) == (1, 18, 1 + 16 // stride, side, side)
    assert latents[PRE_OUT].shape[1] == 512
    assert sum(value.numel() for value in module.parameters()) == parameters


@pytest.mark.skipif(not PARITY.is_file(), reason="the reference outputs are not beside the repository")
def test_outputs_equal_the_repositorys_own(tmp_path):
    known = torch.load(PARITY, weights_only=True)
    path = tmp_path / "video.ckpt"
    torch.save(known["wrapped"], path)
    weights = read_tensors(path)
    for skipped, outputs, ema in (("nothing", "outputs_ema", True), ("model_ema", "outputs", False)):
        network = open_magvit2.build(path, {key: value for key, value in weights.items() if skipped not in key})
        assert network.ema == ema
        for frames, video in known["inputs"].items():
            difference = (network.module(video)[LATENT] - known[outputs][frames]).abs().max()
            assert difference < 1e-5, (outputs, frames)
