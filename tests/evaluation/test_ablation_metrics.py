import numpy as np
import pytest
from tests.evaluation.test_ablation_config import SECTION

from track_persistence.evaluation.ablation_config import AblateConfig
from track_persistence.evaluation.ablation_metrics import Scored, ablation_metrics

CONFIG = AblateConfig(**(SECTION | {"frames_seen": [1, 3], "bootstrap_replicates": 50}))
# Two real tracks and two ghosts in each of four scenes, the ghosts a glare and a clutter.
LABELS = np.tile([True, True, False, False], 4)
GHOSTS = np.tile(["none", "none", "glare", "clutter"], 4)
SCENES = np.repeat(np.arange(4), 4)
RIGHT = LABELS.astype(float)
BLIND = np.zeros(16)
GLARE_MISSED = np.where(GHOSTS == "glare", 2.0, RIGHT)


def by_age(early: np.ndarray, late: np.ndarray) -> np.ndarray:
    return np.column_stack([early, late])


@pytest.fixture(scope="module")
def metrics():
    scores = {
        ("transformer", "magvit"): by_age(GLARE_MISSED, RIGHT),
        ("transformer", "both"): by_age(RIGHT, GLARE_MISSED),
        ("linear", "magvit"): by_age(BLIND, BLIND),
    }
    return ablation_metrics(Scored(LABELS, SCENES, GHOSTS, scores), "test", CONFIG, 7)


def test_scenes_tracks_and_real_ones_are_counted(metrics):
    assert (metrics["scenes"], metrics["tracks"], metrics["persistent"]) == (4, 16, 8)


def test_every_area_is_that_of_the_scores_at_its_age(metrics):
    found = {
        (age, head, cue): own["auc"]["value"]
        for age, heads in metrics["by_frames"].items()
        for head, cues in heads.items()
        for cue, own in cues.items()
    }
    assert found == {
        # a glare scored above all real tracks, a clutter below them: half of the pairs are in order
        ("1", "transformer", "magvit"): 1 / 2,
        ("1", "transformer", "both"): 1,
        ("1", "linear", "magvit"): 1 / 2,
        ("3", "transformer", "magvit"): 1,
        ("3", "transformer", "both"): 1 / 2,
        ("3", "linear", "magvit"): 1 / 2,
    }


def test_a_difference_is_taken_on_the_same_resampled_scenes(metrics):
    """All scenes are alike here, so no resampling changes the difference of a half."""
    early = metrics["by_frames"]["1"]["transformer"]
    assert early["both"]["minus_transformer_magvit"] == {"value": 1 / 2, "low": 1 / 2, "high": 1 / 2}
    assert early["magvit"]["minus_transformer_magvit"] == {"value": 0, "low": 0, "high": 0}
    assert metrics["by_frames"]["3"]["transformer"]["magvit"]["minus_linear_magvit"]["value"] == 1 / 2


def test_the_difference_of_two_noisy_methods_is_surer_than_either():
    """Both rank alike but for one track, so pairing takes away the noise that they share."""
    rng = np.random.default_rng(3)
    labels = np.tile(LABELS, 10)
    noisy = labels + rng.normal(0, 1, len(labels))
    other = noisy + np.where(np.arange(len(labels)) == 0, 0.1, 0)
    scores = {
        ("transformer", "magvit"): by_age(noisy, noisy),
        ("transformer", "both"): by_age(other, other),
        ("linear", "magvit"): by_age(noisy, noisy),
    }
    scored = Scored(labels, np.arange(len(labels)) // 4, np.tile(GHOSTS, 10), scores)
    own = ablation_metrics(scored, "test", CONFIG, 7)["by_frames"]["1"]["transformer"]["both"]
    difference, area = own["minus_transformer_magvit"], own["auc"]
    assert 0 <= difference["high"] - difference["low"] < 0.2 * (area["high"] - area["low"])


def test_the_table_by_ghost_says_which_cue_catches_which_ghost(metrics):
    assert metrics["by_ghost"].keys() == {"glare", "clutter"}
    glare, clutter = metrics["by_ghost"]["glare"], metrics["by_ghost"]["clutter"]
    assert glare["tracks"] == clutter["tracks"] == 4
    assert glare["transformer"]["both"]["auc"]["value"] == 0
    assert clutter["transformer"]["both"]["auc"]["value"] == 1
    assert clutter["linear"]["magvit"]["auc"]["value"] == 1 / 2


def test_the_same_scores_give_the_same_intervals_again(metrics):
    scores = {
        ("transformer", "magvit"): by_age(GLARE_MISSED, RIGHT),
        ("transformer", "both"): by_age(RIGHT, GLARE_MISSED),
        ("linear", "magvit"): by_age(BLIND, BLIND),
    }
    assert ablation_metrics(Scored(LABELS, SCENES, GHOSTS, scores), "test", CONFIG, 7) == metrics
