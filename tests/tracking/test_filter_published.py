"""The filter with a published encoder: whole tracks are judged, what looks inside the encoder is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.made_classifier import classifier_metadata, profile_entry
from tests.magvit.published.made_checkpoints import O2, OPEN, Names, make_config, make_weights

from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.errors import CheckpointError
from track_persistence.magvit.config import ExtractConfig
from track_persistence.magvit.encoders import load_encoder
from track_persistence.tracking.filter import PersistenceFilter

SETTINGS = make_config(projection="orthogonal", dimension=16)
PROFILES = {name: profile_entry(0.01) for name in ("matched", "nominal")}


def write_checkpoints(folder: Path, names: Names, settings: ExtractConfig = SETTINGS) -> tuple[Path, Path]:
    """Write a published file and a classifier that says it was trained on its features, read with `settings`."""
    published, model = folder / "video.ckpt", folder / "persistence.safetensors"
    torch.save({"state_dict": make_weights(names, seed=1, blocks=1)}, published)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        transformer = create_model(input_dim=16, hidden_dim=16, num_layers=1, num_heads=2, feedforward_dim=16)
    metadata = classifier_metadata(
        load_encoder(published, SETTINGS, "cpu").digest,
        profiles=PROFILES,
        published=settings.published.model_dump(),
    )
    save_classifier(model, transformer, metadata)
    return model, published


def crops(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, 256, (length, 64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("names", [OPEN, O2], ids=["looks ahead", "causal"])
def test_a_prefix_is_judged_as_if_the_track_had_ended_there(tmp_path: Path, names: Names) -> None:
    judge = PersistenceFilter(*write_checkpoints(tmp_path, names))
    pixels = crops(4)
    assert judge.predict(pixels)[2].shape == (4,)
    found = judge.prefix_probabilities(pixels, [1, 3, 9])
    assert found == pytest.approx([judge.predict(pixels[:length])[1] for length in (1, 3, 4)], abs=2e-3)


def test_another_reading_of_the_same_file_is_another_encoder(tmp_path: Path) -> None:
    other = make_config(projection="orthogonal", dimension=16, projection_seed=8)
    with pytest.raises(CheckpointError, match=r"was trained on features of encoder .* run extract and train again"):
        PersistenceFilter(*write_checkpoints(tmp_path, OPEN, other))


def test_tracks_that_grow_need_the_tokenizer_stages_encoder(tmp_path: Path) -> None:
    judge = PersistenceFilter(*write_checkpoints(tmp_path, OPEN))
    with pytest.raises(CheckpointError, match=r"is an encoder of family open_magvit2.*magvit\.safetensors"):
        judge.update({1: crops(1)[0]})
