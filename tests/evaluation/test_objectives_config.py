from pathlib import Path

import pytest
from pydantic import ValidationError

from track_persistence.core.params import load_section
from track_persistence.evaluation.objectives_config import ObjectivesConfig
from track_persistence.magvit.config import TokenizerConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
RECORDING = {
    "name": "hog",
    "video": "yard.avi",
    "tracks": "hog.txt",
    "confidence": "raw",
    "labels": "hog.csv",
    "ground_truth": None,
}
SECTION = {
    "candidates": {"reconstruction": {"contrastive": 0, "cause": 0}, "all": {}},
    "steps": 4,
    "transfer_frames": 3,
    "recordings": [],
}


def test_the_candidates_of_the_params_switch_terms_off_and_one_leaves_the_objective_as_it_is():
    config = load_section(PARAMS, "objectives", ObjectivesConfig)
    default = load_section(PARAMS, "tokenizer", TokenizerConfig).loss
    kept = {
        name: {term for term in ("contrastive", "cause") if getattr(config.loss_of(name, default), term) > 0}
        for name in config.candidates
    }
    assert kept == {
        "reconstruction": set(),
        "contrastive": {"contrastive"},
        "all": {"contrastive", "cause"},
    }
    assert config.reference == "all"
    assert config.loss_of("all", default) == default
    assert all(config.loss_of(name, default).reconstruction == default.reconstruction for name in config.candidates)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"candidates": {"all": {}}}, "at least 2"),
        ({"candidates": {"one": {}, "two": {}}}, r"exactly one must change no weight; got \['one', 'two'\]"),
        ({"candidates": {"one": {"cause": 0}, "two": {"cause": 1}}}, "exactly one must change no weight; got none"),
        ({"candidates": {"all": {}, "magvit": {"cause": 0}}}, "'magvit' names a file"),
        ({"candidates": {"all": {}, "given": {"cause": 0}}}, "'given' names a file"),
        ({"candidates": {"all": {}, "a/b": {"cause": 0}}}, "'a/b' names a file"),
        ({"candidates": {"all": {}, "other": {"colour": 0}}}, "'reconstruction'"),
        ({"candidates": {"all": {}, "other": {"cause": -1}}}, "greater than or equal to 0"),
        ({"recordings": [RECORDING]}, "name none, or two or more"),
        ({"recordings": [RECORDING, RECORDING]}, "by different names"),
        ({"steps": 0}, "greater than 0"),
        ({"epochs": 3}, "Extra inputs"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_rule(changes, rule):
    assert ObjectivesConfig(**SECTION).steps == 4
    with pytest.raises(ValidationError, match=rule):
        ObjectivesConfig(**(SECTION | changes))
