import json
from collections.abc import Callable
from pathlib import Path

import pytest

from track_persistence.core.errors import CheckpointError
from track_persistence.core.types import Track
from track_persistence.tracking.config import FUSIONS
from track_persistence.tracking.fusion_model import FusionModel


def test_there_is_a_stacker_for_every_set_of_witnesses(fusion_model: FusionModel) -> None:
    assert len(FUSIONS) == 7
    for witnesses in FUSIONS.values():
        assert set(fusion_model.weights(witnesses, views=2).weights) == set(witnesses)
    both = fusion_model.stackers["appearance_geometry"]
    assert fusion_model.weights(("geometry", "appearance"), views=1) is both.alone
    assert fusion_model.weights(("geometry", "appearance"), views=3) is both.group


def test_the_model_survives_its_file(fusion_model: FusionModel, tmp_path: Path) -> None:
    fusion_model.save(tmp_path / "fusion.json")
    assert FusionModel.load(tmp_path / "fusion.json") == fusion_model


def test_statistics_judge_boxes_and_confidences(fusion_model: FusionModel, still_track: Callable[..., Track]) -> None:
    assert fusion_model.judge_statistics(still_track(0, 1, (0, 0, 10), range(5))) == 5 - 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format="other"), r"fusion\.json: format: .*track_persistence\.fusion"),
        (lambda content: content["stackers"].pop("geometry"), "stackers: expected one for each set"),
        (
            lambda content: content["stackers"]["geometry"]["alone"]["weights"].clear(),
            r"stackers\.geometry: expected a weight",
        ),
        (lambda content: content["statistics"]["weights"].pop("aspect_std"), "statistics: expected a weight for each"),
        (lambda content: content.update(code="import os"), "code: Extra inputs are not permitted"),
    ],
)
def test_another_file_is_refused_by_key(
    fusion_model: FusionModel, tmp_path: Path, change: Callable[[dict], object], message: str
) -> None:
    content = fusion_model.model_dump(mode="json")
    change(content)
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        FusionModel.load(path)


def test_a_missing_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.json: cannot be read: No such file.*run stage `fuse`"):
        FusionModel.load(tmp_path / "none.json")
