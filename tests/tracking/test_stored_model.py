from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from track_persistence.core.errors import CheckpointError
from track_persistence.tracking.geometry import GeometryModel
from track_persistence.tracking.stored_model import load_model, save_model


class Slope(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slope: float


def test_a_model_survives_its_file_to_the_last_digit(tmp_path: Path) -> None:
    model = Slope(slope=1 / 3)
    save_model(model, tmp_path / "slope.json")
    assert load_model(Slope, tmp_path / "slope.json", "fit", "do without") == model


def test_a_missing_file_says_which_stage_writes_it_and_how_to_do_without(tmp_path: Path) -> None:
    message = r"none\.json: cannot be read: No such file or directory; run stage `fit` or `dvc pull`, or do without"
    with pytest.raises(CheckpointError, match=message):
        load_model(Slope, tmp_path / "none.json", "fit", "do without")


def test_the_judge_by_geometry_is_done_without_by_a_list_of_witnesses(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"set tracking\.fusion to \[appearance\]"):
        GeometryModel.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"slope": "steep"}', r"slope\.json: slope: .*valid number.*; not a model of stage `fit`"),
        ('{"slope": 1, "code": "import os"}', r"slope\.json: code: Extra inputs"),
        ("not json", r"slope\.json: the whole file: .*run the stage again"),
    ],
)
def test_another_file_is_refused_by_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "slope.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load_model(Slope, tmp_path / "slope.json", "fit", "do without")
