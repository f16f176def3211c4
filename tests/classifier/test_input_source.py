"""What the classifier takes of a track, and on what scale."""

from pathlib import Path

import numpy as np
import pytest

from track_persistence.classifier.channels import no_pixel_channels
from track_persistence.classifier.input_source import InputSource
from track_persistence.classifier.table import open_table
from track_persistence.core.errors import DataError
from track_persistence.core.params import SplitConfig
from track_persistence.core.seeding import split_of
from track_persistence.core.storage import write_features
from track_persistence.core.types import Kind

AGES = (1, 5)


@pytest.mark.parametrize(("inputs", "width"), [("pixels", 16), ("no_pixels", 6), ("both", 22)])
def test_a_source_gives_what_the_classifier_takes(
    features: Path, split: SplitConfig, tmp_path: Path, inputs: str, width: int
) -> None:
    with open_table(features, AGES, 7, split, tmp_path) as table:
        source = InputSource.of(table, inputs)
        row = int(np.argmax(table.lengths))
        read = source.read(row, 4)
        assert read.shape == (4, width)
        if inputs != "no_pixels":
            assert np.array_equal(read[:, :16], table.read(row, 4))
        if inputs != "pixels":
            whole = no_pixel_channels(table.boxes(row, int(table.lengths[row])), source.scales[table.profiles[row]])
            assert np.array_equal(read[:, -6:], whole[:4])  # causal: the first frames do not know the later ones


def test_confidences_are_scaled_by_the_training_tracks_of_their_profile(
    features: Path, split: SplitConfig, tmp_path: Path
) -> None:
    with open_table(features, AGES, 7, split, tmp_path) as table:
        source = InputSource.of(table, "no_pixels")
        for profile in ("matched", "nominal"):
            rows = np.flatnonzero((table.profiles == profile) & (table.splits == "train"))
            values = np.concatenate([source.channels(row)[:, 0] for row in rows])
            assert values.mean() == pytest.approx(0, abs=1e-5)
            assert values.std() == pytest.approx(1, abs=1e-5)


def test_a_profile_without_training_tracks_is_refused(
    features: Path, split: SplitConfig, tmp_path: Path, make_track
) -> None:
    held_back = next(scene for scene in range(100, 200) if split_of(scene, 7, split) == "test")
    track = make_track(held_back, 0, Kind.BRIEF, 2, np.random.default_rng(0))
    provenance = {"encoder_digest": "0123abcd", "precision": "float32", "published": "{}", "profile": "rare"}
    write_features(features / "zlate.h5", [track], 16, "float16", provenance)
    with open_table(features, AGES, 7, split, tmp_path) as table:
        with pytest.raises(DataError, match="profile rare has no training track"):
            InputSource.of(table, "pixels")
