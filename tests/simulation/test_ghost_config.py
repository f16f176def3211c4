import pytest
from pydantic import ValidationError

from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.ghost_config import CausesConfig


def _causes(config: GenerateConfig) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = config.matched.causes.model_dump(mode="json")
    return content


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("clutter", "things", {"cone": 0.0}),
        ("clutter", "things", {"unicorn": 1.0}),
        ("reflection", "strength", [0.9, 0.5]),
        ("shadow", "wall_share", 1.5),
        ("flare", "colour", 1.0),
    ],
)
def test_an_impossible_setting_is_refused(config: GenerateConfig, section: str, key: str, value: object) -> None:
    content = _causes(config)
    CausesConfig.model_validate(content)
    content[section][key] = value
    with pytest.raises(ValidationError, match=key):
        CausesConfig.model_validate(content)
