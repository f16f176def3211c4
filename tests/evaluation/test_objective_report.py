import copy

import pytest

from track_persistence.evaluation.objective_report import markdown


def measured(value, spread=0.01):
    return {"value": value, "low": value - spread, "high": value + spread}


def areas(reference):
    """Return the areas of four encoders, each less `reference`."""
    values = {"cause": 0.75, "all": 0.9, "random_weights": 0.625, "colour_hog": 1.0}
    return {name: {"auc": measured(area), "minus_all": measured(area - reference)} for name, area in values.items()}


METRICS = {
    "steps": 20,
    "reference": "all",
    "quality": {name: {"psnr_db": measured(22.16), "codebook": {"used_share": 0.5}} for name in ("cause", "all")},
    "simulated": {
        "profile": "matched",
        "training_tracks": 9,
        "scenes": 2,
        "tracks": 8,
        "persistent": 3,
        "by_frames": {"1": {head: areas(0.9) for head in ("transformer", "linear")}},
        "mean_over_ages": {head: areas(0.9) for head in ("transformer", "linear")},
    },
    "choice": {
        "candidate": "all",
        "candidates": {"cause": {"minus_chosen": measured(-0.15)}, "all": {"minus_chosen": measured(0.0)}},
    },
    "transfer_frames": 3,
    "transfer": {
        "hog_to_mog2": {
            "fitted": {"real": 79, "false": 170},
            "tested": {"real": 97, "false": 96},
            "methods": {"all": {"auc": measured(0.9), "minus_all": measured(0.0, float("nan"))}},
        }
    },
}


@pytest.fixture(scope="module")
def text():
    return markdown(METRICS)


def test_the_choice_is_named_with_what_the_others_lack(text):
    assert "Chosen: `all`" in text
    assert "Less than it: `cause` -.150 [-.160, -.140]." in text


def test_an_encoder_has_a_line_for_each_head_and_its_reconstruction_on_the_first(text):
    assert "| `cause` | 22.2 | 50% | transformer | .750 | .750 [.740, .760] | -.150 [-.160, -.140] |" in text
    assert "|  |  |  | logistic regression | .750 | .750 [.740, .760] | -.150 [-.160, -.140] |" in text
    assert "| colour and gradient histograms | - | - | transformer | 1.000 | 1.000 [.990, 1.010] |" in text


def test_counts_stand_before_ratios(text):
    assert "8 tracks of 2 validation scenes of the matched profile, 3 of them real; heads fitted on 9 tracks" in text
    assert "hog_to_mog2: fitted on 79 real and 170 false tracks, tested on 97 and 96" in text


def test_an_interval_that_nothing_says_is_left_out(text):
    assert "| `all` | .900 [.890, .910] | .000 |" in text


def test_without_recordings_there_is_no_table_of_real_footage():
    alone = copy.deepcopy(METRICS) | {"transfer": {}}
    assert "Real footage" not in markdown(alone)
