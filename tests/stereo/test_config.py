import pytest
from pydantic import ValidationError

from track_persistence.stereo.config import StereoConfig


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"min_depth_m": 300.0}, "must be below max_depth_m"),
        ({"log_size_spread": 0.1}, "must be below log_size_spread"),
    ],
)
def test_contradicting_params_are_refused(config: StereoConfig, change: dict, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        StereoConfig(**(config.model_dump() | change))
