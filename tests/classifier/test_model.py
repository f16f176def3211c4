import numpy as np
import pytest
import torch
from torch import Tensor

from track_persistence.classifier import layers
from track_persistence.classifier.calibration import Calibration
from track_persistence.classifier.model import Architecture, PersistenceTransformer, create_model, sinusoids
from track_persistence.core.errors import DataError, ParamsError

DIMENSION = 16
LENGTHS = [5, 1, 9, 7]  # 5 and 7 share a length group, so the grouped path pads too
TOLERANCE = 1e-5


@pytest.fixture
def model() -> PersistenceTransformer:
    model = create_model(DIMENSION, 32, 2, 4, 64, 0.1)
    model.initialise(torch.Generator().manual_seed(3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5.0 if parameter.ndim > 1 else 1.0)  # far from uniform attention
    return model.eval()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    features = torch.randn(len(LENGTHS), max(LENGTHS), DIMENSION, generator=torch.Generator().manual_seed(4))
    return features, torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


def paths_agree(model: PersistenceTransformer, features: Tensor, valid: Tensor) -> bool:
    """Whether the explaining path, which sees the padded batch, gives the logits of the fused, grouped one."""
    with torch.no_grad():
        return torch.allclose(model(features, valid)[0], model.logits(features, valid), rtol=0, atol=TOLERANCE)


def tracks_do_not_mix(model: PersistenceTransformer, features: Tensor, valid: Tensor) -> bool:
    """Whether each track gets in the batch the logit it gets alone."""
    with torch.no_grad():
        together = model.logits(features, valid)
        alone = [
            model.logits(track[None, :length], valid[None, row, :length])
            for row, (track, length) in enumerate(zip(features, LENGTHS, strict=True))
        ]
    return torch.allclose(together, torch.cat(alone), rtol=0, atol=TOLERANCE)


def test_the_explaining_and_the_fused_path_agree_with_padding(
    model: PersistenceTransformer, batch: tuple[Tensor, Tensor]
) -> None:
    assert paths_agree(model, *batch)


def test_a_track_alone_gets_the_logit_it_gets_in_a_batch(
    model: PersistenceTransformer, batch: tuple[Tensor, Tensor]
) -> None:
    assert tracks_do_not_mix(model, *batch)


@pytest.mark.parametrize("path", ["attend", "attend_with_weights"])
def test_an_ignored_mask_in_either_path_is_noticed(
    model: PersistenceTransformer, batch: tuple[Tensor, Tensor], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = getattr(layers, path)
    monkeypatch.setattr(layers, path, lambda qkv, valid, heads: right(qkv, torch.ones_like(valid), heads))
    assert not paths_agree(model, *batch)


def test_an_ignored_mask_mixes_tracks_of_a_batch(
    model: PersistenceTransformer, batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = layers.attend
    monkeypatch.setattr(layers, "attend", lambda qkv, valid, heads: right(qkv, torch.ones_like(valid), heads))
    assert not tracks_do_not_mix(model, *batch)


def test_what_lies_on_padding_does_not_matter(model: PersistenceTransformer, batch: tuple[Tensor, Tensor]) -> None:
    features, valid = batch
    poisoned = features.masked_fill(~valid[..., None], torch.nan)
    with torch.no_grad():
        for clean, dirty in zip(model(features, valid), model(poisoned, valid), strict=True):
            assert torch.equal(clean, dirty)


def test_attention_rows_of_valid_frames_sum_to_one_and_padding_gets_none(
    model: PersistenceTransformer, batch: tuple[Tensor, Tensor]
) -> None:
    features, valid = batch
    with torch.no_grad():
        attention = model(features, valid)[1]
    assert attention.shape == (4, 4, 9, 9)
    torch.testing.assert_close(attention.sum(-1), valid[:, None, :].expand(-1, 4, -1).float())
    assert (attention * ~valid[:, None, None, :]).abs().max() == 0


@pytest.mark.parametrize("frames", [1, 500])
def test_any_length_gets_a_probability_and_an_importance(model: PersistenceTransformer, frames: int) -> None:
    features = np.random.default_rng(0).normal(size=(frames, DIMENSION)).astype(np.float32)
    probability, importance = model.predict(features), model.get_frame_importance(features)
    assert isinstance(probability, float)
    assert 0 < probability < 1
    assert importance.shape == (frames,)
    assert importance.min() >= 0
    assert importance.sum() == pytest.approx(1, abs=1e-5)


def test_predict_takes_a_batch_and_float16(model: PersistenceTransformer) -> None:
    features = np.random.default_rng(0).normal(size=(3, 7, DIMENSION)).astype(np.float16)
    probabilities = model.predict(features)
    assert isinstance(probabilities, np.ndarray)
    assert probabilities.shape == (3,)
    assert probabilities[1] == pytest.approx(model.predict(features[1]), abs=TOLERANCE)


def test_prediction_is_calibrated_by_the_number_of_frames(model: PersistenceTransformer) -> None:
    features = torch.randn(4, DIMENSION, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logit = float(model.logits(features[None], torch.ones(1, 4, dtype=torch.bool)))
    model.calibration = Calibration((1, 4), (1.0, 2.0), (0.0, 0.5))
    assert model.predict(features) == pytest.approx(1 / (1 + np.exp(-logit / 2 - 0.5)), abs=1e-6)


@pytest.mark.parametrize(("input_dim", "channel_dim"), [(0, 6), (16, 6)])
def test_features_and_channels_both_reach_the_decision(input_dim: int, channel_dim: int) -> None:
    model = PersistenceTransformer(Architecture(input_dim, 32, 2, 4, 64, 0.1, channel_dim)).eval()
    rng = np.random.default_rng(0)
    track = rng.normal(size=(5, input_dim + channel_dim)).astype(np.float32)
    before = model.predict(track)
    for column in {0, input_dim + channel_dim - 1}:
        changed = track.copy()
        changed[:, column] += 3
        assert model.predict(changed) != before
    with pytest.raises(DataError, match=rf"expected shape \(B, T, {input_dim + channel_dim}\)"):
        model.predict(track[:, 1:])


def test_channels_are_projected_beside_the_features_and_added(model: PersistenceTransformer) -> None:
    # with the channels' projection at 0 the model is the one without channels
    both = PersistenceTransformer(Architecture(DIMENSION, 32, 2, 4, 64, 0.1, 6)).eval()
    both.load_state_dict(model.state_dict(), strict=False)
    torch.nn.init.zeros_(both.channel_input.weight)
    torch.nn.init.zeros_(both.channel_input.bias)
    features = np.random.default_rng(0).normal(size=(5, DIMENSION)).astype(np.float32)
    channels = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    assert both.predict(np.hstack((features, channels))) == pytest.approx(model.predict(features), abs=1e-6)


def test_the_change_to_the_frame_before_counts_and_never_crosses_from_track_to_track(
    model: PersistenceTransformer,
) -> None:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in ("input.weight", "input.bias"):
                weight.zero_()  # what is left of the features is their change
    rng = torch.Generator().manual_seed(5)
    steady = torch.randn(1, 1, DIMENSION, generator=rng).expand(1, 5, DIMENSION)
    other = torch.randn(1, 5, DIMENSION, generator=rng)
    valid = torch.ones(1, 5, dtype=torch.bool)
    still = model.logits(steady, valid)
    assert torch.allclose(still, model.logits(steady * -1, valid), atol=1e-6)  # nothing changes, nothing is seen
    assert not torch.allclose(still, model.logits(other, valid), atol=1e-3)
    both = model.logits(torch.cat([other, steady]), valid.expand(2, 5))
    assert torch.allclose(both[1:], still, atol=1e-6)


def test_a_model_without_any_input_is_refused() -> None:
    with pytest.raises(ParamsError, match="input_dim and channel_dim are 0"):
        PersistenceTransformer(Architecture(0, 32, 2, 4, 64, 0.1, 0))


def test_predict_ignores_dropout_and_leaves_the_training_mode_as_it_was(model: PersistenceTransformer) -> None:
    features = torch.randn(4, DIMENSION, generator=torch.Generator().manual_seed(1))
    expected = model.predict(features)
    model.train()
    assert model.predict(features) == expected
    assert model.training


def test_the_order_of_frames_matters(model: PersistenceTransformer) -> None:
    features = torch.randn(6, DIMENSION, generator=torch.Generator().manual_seed(2))
    assert abs(model.predict(features) - model.predict(features.flip(0))) > 1e-4


def test_position_zero_is_encoded_as_sine_zero_and_cosine_one() -> None:
    encoded = sinusoids(2, 4, torch.device("cpu"))
    assert encoded[0].tolist() == [0, 1, 0, 1]
    expected = [np.sin(1), np.cos(1), np.sin(1 / 100), np.cos(1 / 100)]  # wavelengths 2 pi and 2 pi * 10000 ** (2 / 4)
    assert encoded[1].tolist() == pytest.approx(expected, abs=1e-7)


def test_weights_depend_on_the_generator_alone() -> None:
    models = [create_model(DIMENSION, 32, 2, 4) for _ in range(2)]
    for model in models:
        model.initialise(torch.Generator().manual_seed(5))
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name])


def test_the_specifications_defaults_are_four_layers_of_eight_heads() -> None:
    model = create_model(input_dim=256, hidden_dim=256, num_layers=4, num_heads=8)
    _, attention = model(torch.zeros(1, 2, 256), torch.ones(1, 2, dtype=torch.bool))
    assert attention.shape == (1, 8, 2, 2)
    assert len(model.layers) == 4


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((4, DIMENSION + 1), np.float32), "expected shape"),
        (np.zeros(DIMENSION, np.float32), "expected shape"),
        (np.zeros((0, DIMENSION), np.float32), "no valid frame"),
        (np.full((2, DIMENSION), np.nan, np.float32), "NaN"),
    ],
)
def test_bad_features_are_refused_in_one_line(
    model: PersistenceTransformer, features: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        model.predict(features)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_shape_is_refused(model: PersistenceTransformer) -> None:
    with pytest.raises(DataError, match="valid: expected shape"):
        model(torch.zeros(2, 3, DIMENSION), torch.ones(2, 4, dtype=torch.bool))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ParamsError, match=r"train.hidden_dim: 30"):
        create_model(DIMENSION, 30, 1, 4)
