"""Files of magvit2-pytorch: parity with the library's own outputs, what is read from where, what is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.published.magvit2_pytorch import build, recognises
from track_persistence.magvit.published.network import LATENT, PRE_OUT

PARITY = Path(__file__).parents[3].parent / "shared" / "data" / "parity" / "magvit2_pytorch_small.pt"
FILE = Path("tokenizer.pt")
README = (
    "residual",
    "compress_space",
    "attend_space",
    "linear_attend_space",
    *("residual", "residual"),
    ("consecutive_residual", 3),
    "compress_time",
    "attend_time",
)
HEADS, MEMORIES, HEAD_WIDTH = 8, 4, 32
LINEAR_INNER = 128


def affine(key: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{key}.weight": shape, f"{key}.bias": shape[:1]}


def unit(key: str, width: int) -> dict[str, tuple[int, ...]]:
    hidden = max(16, width // 2)
    return (
        affine(f"{key}.fn.0.conv", width, width, 3, 3, 3)
        | affine(f"{key}.fn.2", width, width, 1, 1, 1)
        | affine(f"{key}.fn.4.to_k", 1, width, 1, 1)
        | affine(f"{key}.fn.4.net.0", hidden, width, 1, 1)
        | affine(f"{key}.fn.4.net.2", width, hidden, 1, 1)
    )


def attention(key: str, width: int) -> dict[str, tuple[int, ...]]:
    inner = HEADS * HEAD_WIDTH
    return {
        f"{key}.mem_kv": (2, HEADS, MEMORIES, HEAD_WIDTH),
        f"{key}.norm.gamma": (width,),
        f"{key}.to_qkv.0.weight": (3 * inner, width),
        f"{key}.to_out.1.weight": (width, inner),
    }


def linear_attention(key: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{key}.norm.gamma": (width,),
        f"{key}.attn.to_q.0.weight": (LINEAR_INNER, width),
        f"{key}.attn.to_kv.0.weight": (2 * LINEAR_INNER, width),
        f"{key}.attn.to_out.0.weight": (width, LINEAR_INNER),
    }


def feed_forward(key: str, width: int) -> dict[str, tuple[int, ...]]:
    hidden = width * 8 // 3
    inner = affine(f"{key}.net.0", 2 * hidden, width, 1, 1, 1) | affine(f"{key}.net.2", width, hidden, 1, 1, 1)
    return {f"{key}.norm.gamma": (width, 1, 1, 1)} | inner


def layer_shapes(kind: str, number: int, width: int, wider: int) -> dict[str, tuple[int, ...]]:
    key = f"encoder_layers.{number}"
    return {
        "residual": unit(key, width),
        "compress_space": affine(f"{key}.conv", wider, width, 3, 3),
        "compress_time": affine(f"{key}.conv", wider, width, 3),
        "attend_space": attention(f"{key}.0.fn", width) | feed_forward(f"{key}.1.fn", width),
        "linear_attend_space": linear_attention(f"{key}.0.fn", width) | feed_forward(f"{key}.1.fn", width),
        "attend_time": attention(f"{key}.0.fn.fn", width) | feed_forward(f"{key}.1.fn.fn", width),
        "gateloop_time": {f"{key}.fn.fn.norm.gamma": (width,), f"{key}.fn.fn.to_qkva.0.weight": (3 * width, width)},
        "cond_residual": affine(f"{key}.to_cond", width, 4) | {f"{key}.conv.weights": (width, width, 3, 3, 3)},
    }[kind]


def tokenizer_weights(
    layers: Sequence[str | tuple[str, int]], width: int = 4, max_width: int = 8, seed: int = 0
) -> dict[str, Tensor]:
    """The encoder's tensors as the library names and shapes them, with random values."""
    shapes = affine("conv_in.conv", width, 3, 7, 7, 7)
    for number, layer in enumerate(layers):
        wider = min(2 * width, max_width)
        if isinstance(layer, tuple):
            for part in range(layer[1]):
                shapes |= unit(f"encoder_layers.{number}.{part}", width)
        else:
            shapes |= layer_shapes(layer, number, width, wider)
            width = wider if layer.startswith("compress") else width
    shapes |= affine(f"encoder_layers.{len(layers)}.1", width)
    random = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(shape, generator=random) / max(1, torch.Size(shape[1:]).numel()) ** 0.5
        for key, shape in shapes.items()
    }


def encode(weights: dict[str, Tensor], video: Tensor) -> Tensor:
    with torch.no_grad():
        return build(FILE, weights).module(video)[LATENT]


def clip(frames: int, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, frames, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def recorded() -> dict:
    return torch.load(PARITY, weights_only=True)


@pytest.mark.skipif(not PARITY.is_file(), reason="the shared data is not here")
@pytest.mark.parametrize("frames", [1, 5, 17])
def test_outputs_and_codes_are_those_of_the_library(recorded: dict, frames: int) -> None:
    weights = recorded["state_dict"]
    latents = encode(weights, recorded["inputs"][frames])
    torch.testing.assert_close(latents, recorded["outputs"][frames], rtol=0, atol=1e-5)
    # Lookup-free quantisation: the sign of every projected channel is a bit, the first one the most significant.
    projected = (
        latents.movedim(1, -1) @ weights["quantizers.project_in.weight"].T + weights["quantizers.project_in.bias"]
    )
    bits = projected > 0
    codes = (bits * 2 ** torch.arange(bits.shape[-1] - 1, -1, -1)).sum(dim=-1)
    assert torch.equal(codes, recorded["codes"][frames])


@pytest.mark.skipif(not PARITY.is_file(), reason="the shared data is not here")
def test_the_recorded_file_tells_its_widths_and_strides(recorded: dict) -> None:
    network = build(PARITY, recorded["state_dict"])
    # max_dim 64, and two layers that halve time.
    assert (network.family, dict(network.taps), network.time_stride) == (
        "magvit2_pytorch",
        {PRE_OUT: 64, LATENT: 64},
        4,
    )
    assert (network.pixel_range, network.ema, network.module.training) == ((0.0, 1.0), False, False)


def test_the_configuration_of_the_readme_is_read_at_its_size() -> None:
    network = build(FILE, tokenizer_weights(README, width=64, max_width=512))
    with torch.no_grad():
        latents = network.module(clip(1))[PRE_OUT]
    # 64 channels doubled twice, 64 px halved once.
    assert latents.shape == (1, 256, 1, 32, 32)
    assert network.time_stride == 2


@pytest.mark.parametrize("prefix", ["", "model_state_dict.", "model.", "model_state_dict.module."])
def test_a_tokenizer_is_found_wherever_it_lies_in_its_file(prefix: str) -> None:
    weights = tokenizer_weights(["residual"])
    nested = {prefix + key: value for key, value in weights.items()} | {f"{prefix}quantizers.mask": torch.ones(8)}
    assert recognises(nested)
    assert torch.equal(encode(nested, clip(1)), encode(weights, clip(1)))


def test_of_a_trainers_file_the_running_average_is_taken() -> None:
    last, averaged = (tokenizer_weights(["residual"], seed=seed) for seed in (1, 2))
    file = {f"model.{key}": value for key, value in last.items()}
    file |= {f"ema_model.ema_model.{key}": value for key, value in averaged.items()}
    file |= {"ema_model.initted": torch.tensor(True), "ema_model.step": torch.tensor(3)}
    assert recognises(file)
    assert build(FILE, file).ema
    assert torch.equal(encode(file, clip(1)), encode(averaged, clip(1)))


def test_half_precision_is_read_as_float32() -> None:
    halves = {key: value.half() for key, value in tokenizer_weights(["residual"]).items()}
    assert encode(halves, clip(1)).dtype == torch.float32


def test_other_files_are_not_recognised() -> None:
    assert not recognises({"encoder.conv_in.conv_1.weight", "encoder.conv_out.conv_1.weight"})
    assert not recognises({"conv_in.conv.weight"})


KINDS = ("residual", "attend_space", "linear_attend_space", "attend_time", "gateloop_time")


@pytest.mark.parametrize("kind", KINDS)
def test_no_latent_depends_on_later_frames(kind: str) -> None:
    weights = tokenizer_weights(["compress_space", "compress_space", "compress_space", kind])
    video = clip(4)
    changed = video.clone()
    changed[:, :, 2] = 1 - changed[:, :, 2]
    before, after = encode(weights, video), encode(weights, changed)
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert not torch.equal(before[:, :, 2], after[:, :, 2])


def test_a_latent_of_strided_time_ends_a_stride_less_one_before_its_last_frame() -> None:
    weights = tokenizer_weights(["compress_space", "compress_space", "compress_time", "residual", "compress_time"])
    video = clip(9)
    # Stride 4 and 3 black frames in front: latent j sees up to frame 4 j - 3, so frame 1 is the last that latent 1
    # sees, frame 2 the first that only latent 2 sees.
    first_changed = []
    for frame in (0, 1, 2, 5, 6):
        changed = video.clone()
        changed[:, :, frame] = 1 - changed[:, :, frame]
        same = (encode(weights, video) == encode(weights, changed)).all(dim=1).flatten(2).all(dim=-1)[0]
        first_changed.append(int(same.int().argmin()) if not same.all() else len(same))
    assert first_changed == [1, 1, 2, 2, 3]
    assert build(FILE, weights).lag == 3


def test_a_blur_in_time_looks_a_frame_further() -> None:
    weights = tokenizer_weights(["compress_time"])
    assert build(FILE, weights).lag == 1
    assert build(FILE, weights | {"encoder_layers.0.maybe_blur.f": torch.tensor([1.0, 2.0, 1.0])}).lag == 0


def test_strided_time_shows_the_library_nothing_of_a_lone_frame() -> None:
    strided, plain = tokenizer_weights(["compress_time"]), tokenizer_weights(["residual"])
    assert torch.equal(encode(strided, clip(1, seed=1)), encode(strided, clip(1, seed=2)))
    assert not torch.equal(encode(plain, clip(1, seed=1)), encode(plain, clip(1, seed=2)))


def test_the_first_frame_has_its_own_convolution_where_the_file_has_one() -> None:
    weights = tokenizer_weights([])
    own = affine("conv_in_first_frame", 4, 3, 7, 7)
    weights |= {key: torch.full(shape, 0.01) for key, shape in own.items()}
    video = torch.ones(1, 3, 3, 64, 64)
    latents = encode(weights, video)
    # 3 channels of 7 x 7 ones away from the border, times 0.01, and the bias.
    torch.testing.assert_close(latents[0, :, 0, 32, 32], torch.full((4,), 147 * 0.01 + 0.01))
    without = {key: value for key, value in weights.items() if "first_frame" not in key}
    # To the ordinary convolution the second frame is the first.
    torch.testing.assert_close(latents[:, :, 1:], encode(without, video[:, :, 1:]))
    assert torch.equal(encode(weights, video[:, :, :1]), latents[:, :, :1])


def test_a_blur_before_a_stride_is_read_from_the_file() -> None:
    weights = tokenizer_weights(["compress_space"]) | {"encoder_layers.0.maybe_blur.f": torch.tensor([1.0, 2.0, 1.0])}
    sharp = weights | {"encoder_layers.0.maybe_blur.f": torch.tensor([0.0, 1.0, 0.0])}
    none = tokenizer_weights(["compress_space"])
    torch.testing.assert_close(encode(sharp, clip(1)), encode(none, clip(1)))
    assert not torch.allclose(encode(weights, clip(1)), encode(none, clip(1)))


def broken(layers: Sequence[str], key: str, value: Tensor | None) -> dict[str, Tensor]:
    weights = tokenizer_weights(layers)
    if value is None:
        del weights[key]
        return weights
    return weights | {key: value}


@pytest.mark.parametrize(
    ("layers", "key", "value", "rule"),
    [
        (["residual"], "encoder_layers.0.fn.4.net.2.bias", None, "tensor is missing"),
        (["residual"], "encoder_layers.0.fn.4.net.0.weight", None, "tensor is missing"),
        (["residual"], "encoder_layers.1.1.weight", None, "numbers from 0 without gaps|tensor is missing"),
        (["residual"], "conv_in.conv.weight", None, "tensor is missing"),
        (["residual"], "conv_in.conv.weight", torch.ones(4, 1, 7, 7, 7), r"expected shape \(4, 3, 7, 7, 7\)"),
        (["residual"], "conv_in.conv.weight", torch.ones(4, 3, 7, 6, 7), "odd in space"),
        (["residual"], "conv_in.conv.weight", torch.ones(4, 3, 7, 7), "expected 5 dimensions"),
        (["residual"], "conv_in.conv.weight", torch.ones(0, 3, 7, 7, 7), "none of them 0"),
        (["residual"], "encoder_layers.0.fn.0.conv.weight", torch.ones(4, 8, 3, 3, 3), r"expected shape \(4, 4"),
        (["residual"], "encoder_layers.1.1.weight", torch.ones(5), r"expected shape \(4,\)"),
        (["attend_space"], "encoder_layers.0.0.fn.mem_kv", torch.ones(2, 8, 4, 16), r"expected shape \(384, 4\)"),
        (["attend_space"], "encoder_layers.0.0.fn.mem_kv", torch.ones(3, 8, 4, 32), r"expected shape \(2, 8, 4, 32\)"),
        (["linear_attend_space"], "encoder_layers.0.0.fn.attn.to_q.0.weight", torch.ones(64, 4), "16 heads of width 8"),
        (["residual"], "encoder_layers.0.fn.2.bias", torch.full((4,), torch.nan), "NaN or infinity"),
        (["residual"], "encoder_layers.0.fn.2.bias", torch.ones(4, dtype=torch.int64), "expected torch.float32"),
        (["residual"], "encoder_layers.0.fn.9.bias", torch.ones(4), "does not belong"),
        (["residual"], "encoder_layers.1.2.weight", torch.ones(4), "does not belong"),
        (["residual"], "encoder_layers.3.1.weight", torch.ones(4), "numbers from 0 without gaps"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_key(
    layers: list[str], key: str, value: Tensor | None, rule: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"^tokenizer\.pt: .*(?:{rule})") as raised:
        build(FILE, broken(layers, key, value))
    assert key.split(".")[0] in str(raised.value)


def test_a_conditioned_layer_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"encoder_layers\.0\.to_cond\.bias: a conditioned layer"):
        build(FILE, tokenizer_weights(["cond_residual"]))


def test_a_layer_of_an_unknown_kind_is_refused_with_those_known() -> None:
    weights = broken(["residual"], "encoder_layers.0.fn.0.conv.weight", None)
    with pytest.raises(
        CheckpointError, match=r"encoder_layers\.0\.fn\.0\.conv\.bias: .*known: residual, .*attend_time"
    ):
        build(FILE, weights)


def test_a_file_with_two_tokenizers_is_refused() -> None:
    weights = tokenizer_weights(["residual"])
    file = {f"{name}.{key}": value for name in ("first", "second") for key, value in weights.items()}
    with pytest.raises(CheckpointError, match=r"2 encoders, below 'first\.', 'second\.'"):
        build(FILE, file)
