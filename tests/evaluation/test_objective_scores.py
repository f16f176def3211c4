from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.ablation_shards import EXTRACT, LONGEST_FRAMES, MATCHED_SHARDS, World, all_tracks, make_world
from tests.evaluation.test_ablation import CONFIG, SEED, SPLIT, training

from track_persistence.core.seeding import VALIDATION
from track_persistence.core.storage import read_features
from track_persistence.evaluation.ablation_cues import COLOUR_HOG, CueJob
from track_persistence.evaluation.ablation_table import read_table
from track_persistence.evaluation.objective_scores import DescriptionJob, make_descriptions, make_scores
from track_persistence.video.descriptors import colour_histograms, gradient_histograms


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def histograms(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("histograms")
    for name in MATCHED_SHARDS:
        make_descriptions(DescriptionJob(world.scenes / name, None, EXTRACT, LONGEST_FRAMES), folder / name)
    return tuple(folder / name for name in MATCHED_SHARDS)


def test_an_encoder_says_of_the_first_frames_what_extract_says(world: World, tmp_path: Path) -> None:
    """A later frame changes no feature of an earlier one, so that cutting a track changes nothing."""
    name = MATCHED_SHARDS[0]
    make_descriptions(DescriptionJob(world.scenes / name, world.checkpoint, EXTRACT, LONGEST_FRAMES), tmp_path / name)
    cut, whole = list(read_features(tmp_path / name)), list(read_features(world.features / name))
    assert {len(own) for own in cut} == {1, 2, 3, 4}
    for own, other in zip(cut, whole, strict=True):
        assert len(own) == min(len(other), LONGEST_FRAMES)
        assert np.allclose(own.features, other.features[: len(own)], atol=2e-3)
        assert (own.track_id, own.ghost) == (other.track_id, other.ghost)


def test_without_a_checkpoint_frames_are_described_by_gradients_and_colours(
    world: World, histograms: tuple[Path, ...]
) -> None:
    for own, item in zip(read_features(histograms[0]), all_tracks(world.scenes / MATCHED_SHARDS[0]), strict=True):
        crops = item.track.crops[:LONGEST_FRAMES]
        expected = np.hstack([gradient_histograms(crops), colour_histograms(crops)])
        assert np.array_equal(own.features, expected.astype(np.float16))


def test_the_tracks_of_validation_scenes_alone_are_scored(histograms: tuple[Path, ...], tmp_path: Path) -> None:
    make_scores(CueJob(COLOUR_HOG, histograms, CONFIG, training(), SPLIT, SEED), tmp_path / "out.npy")
    table = read_table(histograms, lambda track: track.frames, SEED, SPLIT)
    rows = table.rows_of(VALIDATION)
    scores, labels = np.load(tmp_path / "out.npy"), table.labels[rows]
    assert scores.shape == (2, len(rows), len(CONFIG.frames_seen))
    for linear in scores[1].T:  # the stripes' direction tells the class
        assert linear[labels].min() > linear[~labels].max()
