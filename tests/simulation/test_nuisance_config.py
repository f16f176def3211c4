from typing import Any

import pytest
from pydantic import ValidationError

from track_persistence.simulation.nuisance_config import (
    AppearanceConfig,
    BoxNuisances,
    CameraNuisancesConfig,
    LightNuisances,
)

CAMERA: dict[str, Any] = {
    "read_noise": [0.0, 4.0],
    "shot_noise": [0.0, 6.0],
    "defocus_px": [0.0, 1.6],
    "jpeg_loss": [0, 35],
    "coarse_share": 0.4,
    "coarse_factor": [1.0, 4.0],
}
LIGHT: dict[str, Any] = {
    "exposure_drift": 0.2,
    "white_balance_drift": 0.12,
    "change_share": 0.25,
    "change_stops": [0.4, 1.5],
    "change_frames": [1, 40],
    "dark_share": 0.15,
    "dark_stops": [1.0, 4.0],
    "dark_loss_stops": [0.2, 1.3],
}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"read_noise": [-1.0, 2.0]}, "at least 0"),
        ({"defocus_px": [2.0, 1.0]}, "must not exceed"),
        ({"jpeg_loss": [30, 10]}, "ordered"),
        ({"coarse_factor": [0.5, 2.0]}, "at least 1"),
        ({"blur": 3}, "not permitted"),
    ],
)
def test_a_range_that_means_nothing_is_refused(change: dict[str, Any], rule: str) -> None:
    CameraNuisancesConfig.model_validate(CAMERA)
    with pytest.raises(ValidationError, match=rule):
        CameraNuisancesConfig.model_validate({**CAMERA, **change})


def test_light_cannot_change_beyond_what_a_picture_holds() -> None:
    LightNuisances.model_validate(LIGHT)
    with pytest.raises(ValidationError, match="stops"):
        LightNuisances.model_validate({**LIGHT, "dark_stops": [1.0, 9.0]})


def test_a_part_of_a_box_is_more_than_nothing() -> None:
    off = {"offset": 0.0, "scale": 0.0, "partial_share": 0.0, "partial_kept": [0.0, 0.0]}
    BoxNuisances.model_validate(off)
    with pytest.raises(ValidationError, match="partial_kept"):
        BoxNuisances.model_validate({**off, "partial_share": 0.5})


def test_textures_need_a_family_to_come_from() -> None:
    AppearanceConfig.model_validate({"share": 0.0, "weights": {}})
    with pytest.raises(ValidationError, match="weights"):
        AppearanceConfig.model_validate({"share": 0.2, "weights": {"text": 0.0}})
