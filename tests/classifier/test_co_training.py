import numpy as np
import pytest

from track_persistence.classifier.adapter_fit import AdapterConfig
from track_persistence.classifier.co_training import co_trained
from track_persistence.core.errors import DataError

TRACKS, AGES = 200, 2
WITNESS = {"components": 5, "inverse_regularisation": 1.0}
NAMES = ("looks", "motion", "confidence")
CONFIG = AdapterConfig.model_validate(
    {
        "training_ages_frames": [1, 2],
        "witnesses": {name: WITNESS for name in NAMES},
        "sets": {"same_detector": NAMES},
        "co_training_rounds": 3,
        "log_odds_limit": 6.0,
        "inner_folds": 2,
    }
)


def site(seed, real_share=0.4, confidence_sign=1.0):
    """Make the evidence of 200 tracks at two ages, three views that err independently, and what is true of them."""
    rng = np.random.default_rng(seed)
    labels = rng.random(TRACKS) < real_share
    signal = np.tile(np.where(labels, 1.0, -1.0), AGES)[:, None]
    noise = rng.normal(size=(AGES * TRACKS, 12))
    rows = {
        "looks": np.hstack([signal + 0.7 * noise[:, :3], noise[:, 3:6]]),
        "motion": np.hstack([signal + noise[:, 6:8], noise[:, 8:10]]),
        "confidence": confidence_sign * signal + noise[:, 10:11],
    }
    return rows, {name: values[TRACKS:] for name, values in rows.items()}, labels


def teacher_of(labels, right_share, seed=5):
    """Return the log-odds of a teacher who is right about this share of the tracks, and sure of nothing."""
    right = np.random.default_rng(seed).random(len(labels)) < right_share
    return np.where(labels == right, 1.0, -1.0)


def unknown():
    return np.full(TRACKS, np.nan)


@pytest.mark.parametrize(("real_share", "right"), [(0.2, 0.82), (0.35, 0.9), (0.5, 0.95), (0.65, 0.9)])
def test_pupils_outdo_a_poor_teacher_most_where_both_kinds_are_common(real_share, right):
    rows, whole, labels = site(1, real_share)
    teacher = teacher_of(labels, 0.75)
    found = co_trained(CONFIG, NAMES, rows, whole, teacher, unknown())
    assert ((teacher > 0) == labels).mean() < 0.8
    assert (found == labels).mean() > right


def test_a_confidence_that_is_upside_down_is_no_harm():
    rows, whole, labels = site(2, confidence_sign=-1.0)
    found = co_trained(CONFIG, NAMES, rows, whole, teacher_of(labels, 0.75), unknown())
    assert (found == labels).mean() > 0.95


def test_known_labels_are_never_changed_and_need_no_teacher():
    rows, whole, labels = site(3)
    known = unknown()
    known[:40] = labels[:40]
    known[:3] = ~labels[:3]
    found = co_trained(CONFIG, NAMES, rows, whole, np.zeros(TRACKS), known)
    assert np.array_equal(found[:40], known[:40] == 1)
    assert (found[40:] == labels[40:]).mean() > 0.95


def test_a_teacher_who_knows_nothing_teaches_nothing():
    """Classes are found, but which of them is the real one nobody can know: the teacher's coin decides."""
    rows, whole, labels = site(4)
    shares = [
        (co_trained(CONFIG, NAMES, rows, whole, teacher_of(labels, share), unknown()) == labels).mean()
        for share in (0.4, 0.6)
    ]
    assert shares[0] < 0.1
    assert shares[1] > 0.9


def test_tracks_that_seem_all_of_one_class_are_refused():
    rows, whole, _ = site(5)
    with pytest.raises(DataError, match="rows of one class; give real and false tracks both"):
        co_trained(CONFIG, NAMES, rows, whole, np.full(TRACKS, 800.0), unknown())
