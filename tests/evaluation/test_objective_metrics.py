import numpy as np
import pytest
from tests.evaluation.test_ablation_config import SECTION

from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_table import AblationTable
from track_persistence.evaluation.objective_metrics import choose, simulated_metrics

CONFIG = AblateConfig(**(SECTION | {"frames_seen": [1, 3], "ghost_frames": 1, "bootstrap_replicates": 50}))
# Six scenes of two real tracks and two ghosts: one scene to train, four to validate, one to test.
LABELS = np.tile([True, True, False, False], 6)
SCENES = np.repeat(np.arange(6), 4)
TABLE = AblationTable(
    labels=LABELS,
    scene_ids=SCENES,
    ghosts=np.where(LABELS, "none", "glare"),
    splits=np.repeat(["train", *["validation"] * 4, "test"], 4),
    starts=np.arange(24),
    lengths=np.ones(24, np.int64),
    frames=np.zeros((24, 1)),
)
RIGHT = np.tile([1.0, 1.0, 0.0, 0.0], 4)
HALF = np.tile([1.0, 1.0, 2.0, 0.0], 4)  # one ghost above the real tracks, one below
BLIND = np.zeros(16)


def scored(transformer: list[np.ndarray], linear: list[np.ndarray]) -> np.ndarray:
    return np.stack([np.column_stack(transformer), np.column_stack(linear)])


SCORES = {
    "cause": scored([RIGHT, HALF], [BLIND, BLIND]),
    "all": scored([HALF, HALF], [RIGHT, RIGHT]),
    "random_weights": scored([RIGHT, RIGHT], [HALF, HALF]),
}


@pytest.fixture(scope="module")
def metrics():
    return simulated_metrics(TABLE, SCORES, "all", CONFIG, 7)


def test_training_tracks_are_counted_apart_from_those_of_validation_scenes(metrics):
    counts = {name: metrics[name] for name in ("training_tracks", "scenes", "tracks", "persistent")}
    assert counts == {"training_tracks": 4, "scenes": 4, "tracks": 16, "persistent": 8}


def test_every_encoder_has_its_area_at_each_age_under_each_head(metrics):
    found = {
        (age, head): {encoder: own["auc"]["value"] for encoder, own in encoders.items()}
        for age, heads in metrics["by_frames"].items()
        for head, encoders in heads.items()
    }
    assert found == {
        ("1", "transformer"): {"cause": 1, "all": 1 / 2, "random_weights": 1},
        ("3", "transformer"): {"cause": 1 / 2, "all": 1 / 2, "random_weights": 1},
        ("1", "linear"): {"cause": 1 / 2, "all": 1, "random_weights": 1 / 2},
        ("3", "linear"): {"cause": 1 / 2, "all": 1, "random_weights": 1 / 2},
    }


def test_the_mean_over_ages_and_its_difference_are_taken_under_the_same_head(metrics):
    """All scenes are alike, so that no resampling moves an end of an interval."""
    transformer, linear = (metrics["mean_over_ages"][head] for head in ("transformer", "linear"))
    assert transformer["cause"]["auc"] == {"value": 3 / 4, "low": 3 / 4, "high": 3 / 4}
    assert transformer["cause"]["minus_all"] == {"value": 1 / 4, "low": 1 / 4, "high": 1 / 4}
    assert linear["cause"]["minus_all"] == {"value": -1 / 2, "low": -1 / 2, "high": -1 / 2}


def test_the_largest_mean_area_under_the_transformer_is_chosen_among_the_candidates_alone():
    choice = choose(TABLE, SCORES, ["cause", "all"], CONFIG, 7)
    assert choice["candidate"] == "cause"  # random weights score better and are no candidate
    assert choice["candidates"].keys() == {"cause", "all"}
    assert choice["candidates"]["cause"]["minus_chosen"]["value"] == 0
    assert choice["candidates"]["all"]["minus_chosen"]["value"] == -1 / 4
