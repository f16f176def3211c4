import json
from pathlib import Path
from typing import Any

import pytest

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import load_section
from track_persistence.tracking.config import FUSIONS, TrackingConfig, name_of, needs_fusion


def load(config: TrackingConfig, folder: Path, fusion: Any) -> TrackingConfig:
    path = folder / "params.yaml"
    path.write_text(json.dumps({"tracking": config.model_dump(mode="json") | {"fusion": fusion}}))
    return load_section(path, "tracking", TrackingConfig)


def test_witnesses_are_kept_in_one_order(config: TrackingConfig, tmp_path: Path) -> None:
    assert load(config, tmp_path, ["geometry", "appearance"]).fusion == ("appearance", "geometry")


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ("both", r"tracking\.fusion: .*expected a list of witnesses out of appearance, statistics, geometry"),
        (["pixels"], r"tracking\.fusion\.0: .*'appearance', 'statistics' or 'geometry'.*got 'pixels'"),
        (["geometry", "geometry"], r"tracking\.fusion: .*named twice"),
        ([], r"tracking\.fusion: .*at least 1 item"),
    ],
)
def test_unknown_witnesses_are_refused_with_the_known_ones(
    config: TrackingConfig, tmp_path: Path, fusion: Any, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        load(config, tmp_path, fusion)


def test_names_and_needs_of_the_sets() -> None:
    assert name_of(("geometry", "appearance")) == "appearance_geometry"
    assert all(name_of(witnesses) == name for name, witnesses in FUSIONS.items())
    assert [name for name, witnesses in FUSIONS.items() if not needs_fusion(witnesses)] == ["appearance", "geometry"]
