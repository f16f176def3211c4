"""Stage `fuse` on made-up tracks whose witnesses are known to be right or useless."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from track_persistence.core.errors import DataError, ParamsError
from track_persistence.core.files import file_digest
from track_persistence.core.params import RunConfig, SplitConfig, load_section
from track_persistence.core.seeding import TRAIN, VALIDATION, split_of
from track_persistence.core.storage import write_features
from track_persistence.core.types import Ghost, Kind, LabelledFeatures
from track_persistence.tracking.config import FUSIONS, TrackingConfig
from track_persistence.tracking.fusion_config import FuseConfig
from track_persistence.tracking.fusion_metrics import METHODS, PLAIN_SUM
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.fusion_train import Inputs, Settings, run
from track_persistence.tracking.held_back import WHOLE, HeldVerdict, write_verdicts

SPLIT = SplitConfig(validation=0.3, test=0.3)
SEED, SCENES, PER_CAMERA, LENGTH = 3, 40, 6, 6
AGES = (1, 3)
PROFILES = {"matched": 1_000_000, "nominal": 0}


def is_real(index: int) -> bool:
    return index % 2 == 0


def track(scene_id: int, camera: int, index: int, rng: np.random.Generator) -> LabelledFeatures:
    """Half of the tracks are real; confidence tells most of them apart, features tell nothing."""
    real = is_real(index)
    boxes = np.tile(np.float32([5, 5, 20, 30]), (LENGTH, 1)) + rng.normal(0, 0.5, (LENGTH, 4)).astype(np.float32)
    confidences = np.clip(rng.normal(0.65 if real else 0.45, 0.1, LENGTH), 0, 1).astype(np.float32)
    return LabelledFeatures(
        scene_id,
        camera,
        index,
        np.arange(LENGTH, dtype=np.int32),
        boxes,
        confidences,
        rng.normal(0, 1, (LENGTH, 16)).astype(np.float16),
        Kind.PERSISTENT if real else Kind.BRIEF,
        Ghost.NONE if real else Ghost.GLARE,
        index,
    )


def verdicts_of(profile: str, scene_id: int, rng: np.random.Generator) -> list[HeldVerdict]:
    """Geometry is right by about one standard deviation; tracks 4 and 5 of a scene have no partner."""
    split = split_of(scene_id, SEED, SPLIT)
    found = []
    for index in range(PER_CAMERA):
        ratio = float(rng.normal(1.0 if is_real(index) else -1.0, 1.0))
        for camera in (0, 1):
            for age in (*AGES, WHOLE):
                hits = LENGTH if age == WHOLE else int(age)
                partner, seen = (index, hits) if index < 4 else (None, 0)
                ghost = "none" if is_real(index) else "glare"
                found.append(
                    HeldVerdict(profile, split, scene_id, camera, index, str(age), hits, partner, seen, ghost, ratio)
                )
    return found


@pytest.fixture(scope="module")
def inputs(checkpoints: Any, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("fuse")
    rng = np.random.default_rng(1)
    verdicts = []
    for profile, first in PROFILES.items():
        ids = range(first, first + SCENES)
        tracks = [track(n, camera, index, rng) for n in ids for camera in (0, 1) for index in range(PER_CAMERA)]
        labels = {
            "encoder_digest": file_digest(checkpoints.magvit),
            "precision": "float32",
            "published": "{}",
            "profile": profile,
        }
        write_features(folder / "features" / f"{profile}-0.h5", tracks, 16, "float16", labels)
        for number in ids:
            if split_of(number, SEED, SPLIT) != TRAIN:
                verdicts += verdicts_of(profile, number, rng)
    write_verdicts(folder / "verdicts.csv", verdicts)
    return Inputs(folder / "features", checkpoints.model, folder / "verdicts.csv")


@pytest.fixture
def settings(config: TrackingConfig, tmp_path: Path) -> Settings:
    return Settings(
        FuseConfig(ages=AGES, inverse_regularisation=1.0, bootstrap_replicates=20),
        config,
        SPLIT,
        RunConfig(engine="local", device="cpu", workers=1, store=tmp_path / "store"),
        SEED,
    )


def test_every_set_of_witnesses_is_measured_and_the_bytes_are_the_same_again(
    inputs: Inputs, settings: Settings, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        run(settings, inputs, tmp_path / name)
    for file in ("fusion.json", "metrics.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert set(metrics) == set(PROFILES)
    for profile in PROFILES:
        part = metrics[profile]["test"]
        assert list(part["by_frames"]) == list(part["rejected_by_ghost"]) == ["1", "3", "whole"]
        assert set(part["by_frames"]["3"]) == {"tracks", *METHODS}
        assert set(part["rejected_by_ghost"]["3"]) == {"glare", "real"}
        at_3 = part["by_frames"]["3"]
        assert at_3["statistics_geometry"]["auc"]["value"] > at_3["geometry"]["auc"]["value"] > 0.8
        assert at_3["statistics_geometry"]["auc"]["low"] <= at_3["statistics_geometry"]["auc"]["value"]
        useless = at_3["appearance"]["auc"]
        assert useless["low"] < 0.6 and useless["value"] < 0.65
        # Loud and useless pixels spoil a plain sum, which the weights do not let happen.
        fused = at_3["appearance_statistics_geometry"]
        assert fused["auc"]["value"] > at_3[PLAIN_SUM]["auc"]["value"]
        assert fused["expected_calibration_error"]["value"] < at_3[PLAIN_SUM]["expected_calibration_error"]["value"]
        rejected = part["rejected_by_ghost"]["3"]
        assert (
            rejected["glare"]["statistics_geometry"]["value"]
            > 0.8
            > 0.2
            > (rejected["real"]["statistics_geometry"]["value"])
        )
        assert rejected["glare"]["tracks"] == rejected["real"]["tracks"] > 0
    model = FusionModel.load(tmp_path / "one" / "fusion.json")
    assert abs(model.weights(FUSIONS["appearance"], 2).weight("appearance", 1)) < 0.3


def test_verdicts_on_tracks_that_the_features_lack_are_refused(
    inputs: Inputs, settings: Settings, tmp_path: Path
) -> None:
    write_verdicts(
        tmp_path / "verdicts.csv",
        [HeldVerdict("nominal", VALIDATION, 2, 0, 0, WHOLE, LENGTH + 1, None, 0, "none", 1.0)],
    )
    with pytest.raises(DataError, match=r"hold no track 0 of camera 0 of scene 2 with 7 frames.*run extract"):
        run(settings, Inputs(inputs.features, inputs.classifier, tmp_path / "verdicts.csv"), tmp_path)


def test_validation_tracks_of_one_class_are_refused(inputs: Inputs, settings: Settings, tmp_path: Path) -> None:
    write_verdicts(
        tmp_path / "verdicts.csv", [HeldVerdict("nominal", VALIDATION, 2, 0, 0, WHOLE, LENGTH, None, 0, "none", 1.0)]
    )
    with pytest.raises(DataError, match="all 1 validation samples are of one class"):
        run(settings, Inputs(inputs.features, inputs.classifier, tmp_path / "verdicts.csv"), tmp_path)


def test_a_classifier_of_another_encoder_is_refused(
    inputs: Inputs, settings: Settings, tmp_path: Path, make_checkpoints: Any
) -> None:
    other = make_checkpoints(tmp_path, encoder_digest="0" * 32)
    with pytest.raises(DataError, match=f"was trained on {'0' * 32}; run extract and train again"):
        run(settings, Inputs(inputs.features, other.model, inputs.verdicts), tmp_path)


def test_ages_that_do_not_increase_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("fuse: {ages: [1, 3, 3], inverse_regularisation: 1.0, bootstrap_replicates: 20}")
    with pytest.raises(ParamsError, match=r"fuse\.ages: .*ages must increase strictly"):
        load_section(path, "fuse", FuseConfig)
