import pytest
from pydantic import ValidationError

from track_persistence.evaluation.ablation_config import AblateConfig

SECTION = {
    "profile": "matched",
    "shards": 40,
    "frames_seen": [1, 3, 5, 10],
    "ghost_frames": 3,
    "num_epochs": 6,
    "components": 256,
    "inverse_regularisation": 1.0,
    "bootstrap_replicates": 200,
}


def test_the_section_is_accepted_as_it_stands_in_params():
    assert AblateConfig(**SECTION).frames_seen == (1, 3, 5, 10)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"frames_seen": [3, 1]}, "must strictly increase"),
        ({"frames_seen": [1, 3, 3]}, "must strictly increase"),
        ({"ghost_frames": 2}, "ghost_frames 2 is none of frames_seen"),
        ({"profile": "both"}, "nominal"),
        ({"epochs": 3}, "Extra inputs"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_rule(changes, rule):
    with pytest.raises(ValidationError, match=rule):
        AblateConfig(**(SECTION | changes))
