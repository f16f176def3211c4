"""The simple rules on PETS09 score what the notes that came with the data say they score."""

from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.params import load_section
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.footage_metrics import WHOLE, Scores, footage_metrics
from track_persistence.evaluation.footage_rules import box_tracks
from track_persistence.video.confidence import confidences
from track_persistence.video.labels import read_labels
from track_persistence.video.mot import read_mot

ROOT = Path(__file__).parents[2]
PETS = ROOT.parent / "shared" / "data" / "pets09"
CONFIG = load_section(ROOT / "params.yaml", "footage", FootageConfig).model_copy(update={"bootstrap_replicates": 20})

pytestmark = pytest.mark.skipif(not PETS.is_dir(), reason="PETS09 is not beside the repository")


def rules(detector):
    """Score the simple rules; the filter's place is taken by a constant."""
    table = read_mot(PETS / "tracks" / f"{detector}.txt", "tracks")
    labels = read_labels(PETS / "tracks" / f"{detector}_labels.csv", table)
    constant = {track_id: dict.fromkeys((*CONFIG.ages_frames, WHOLE), 0.5) for track_id in table.rows_by_id()}
    return footage_metrics(CONFIG, 7, box_tracks(table, confidences(table, "raw")), labels, Scores(constant, 0.5))


@pytest.fixture(scope="module")
def hog():
    return rules("hog")


@pytest.fixture(scope="module")
def mog2():
    return rules("mog2")


def auc(metrics, method):
    return [metrics["by_age"][age][method]["auc"]["value"] for age in ("1", "3", "5", "10")]


def test_the_tracks_born_early_enough_are_the_published_ones(hog, mog2):
    assert (hog["tracks"]["real"], hog["tracks"]["false"]) == (79, 170)
    assert (mog2["tracks"]["real"], mog2["tracks"]["false"]) == (97, 96)


def test_hits_so_far_score_as_published(hog, mog2):
    assert auc(hog, "min_hits") == pytest.approx([0.500, 0.763, 0.817, 0.817], abs=6e-4)
    assert auc(mog2, "min_hits")[1:3] == pytest.approx([0.901, 0.932], abs=6e-4)


def test_mean_confidence_scores_as_published(hog, mog2):
    assert auc(hog, "mean_confidence") == pytest.approx([0.828, 0.905, 0.937, 0.939], abs=6e-4)
    assert auc(mog2, "mean_confidence")[1:3] == pytest.approx([0.28, 0.28], abs=0.011)


def test_hits_in_a_row_keep_and_miss_as_published(hog):
    found = {
        hits: (values["precision"]["value"], values["recall"]["value"])
        for hits, values in hog["min_hits_whole"].items()
    }
    expected = {"3": (0.561, 0.759), "5": (0.691, 0.709), "10": (0.710, 0.620)}
    assert np.array([found[k] for k in expected]) == pytest.approx(np.array(list(expected.values())), abs=6e-4)


def test_the_no_pixels_regression_scores_close_to_the_published_one(hog):
    assert auc(hog, "no_pixels_with_labels") == pytest.approx([0.822, 0.897, 0.926, 0.933], abs=0.025)


def test_hog_has_static_clutter_that_duration_cannot_reject(hog):
    assert hog["false_tracks"]["static_clutter"]["tracks"] == 14
