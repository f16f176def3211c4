import json
import math
from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.errors import CheckpointError, DataError
from track_persistence.core.types import Ghost
from track_persistence.stereo.cues import GeometryCues, UnpairedCues
from track_persistence.tracking.geometry import (
    GROUP_CUES,
    UNPAIRED_CUES,
    AdditiveModel,
    Curve,
    GeometryModel,
    numbers_of,
)
from track_persistence.tracking.geometry_config import GeometryConfig
from track_persistence.tracking.geometry_fit import fit_geometry
from track_persistence.tracking.geometry_samples import Sample

CONFIG = GeometryConfig(
    shards=1,
    frames_seen=(1,),
    process_psd=0.1,
    speed_sigma_mps=3.0,
    knots=3,
    inverse_regularisation=1.0,
    bootstrap_replicates=20,
)


def group_cues(**changes: float | None) -> GeometryCues:
    values = {
        "epipolar_log_likelihood_ratio": 5.0,
        "epipolar_log_likelihood": -1.0,
        "motion_chi_square": 1.0,
        "depth_m": 10.0,
        "speed_mps": 1.0,
        "size_m": 1.0,
        "size_disagreement": 0.1,
        "size_change": 0.1,
        "ray_angle_rad": 0.05,
        "joint_frames": 4,
        "lost_share": 0.0,
    }
    return GeometryCues(**(values | changes))  # type: ignore[arg-type]


def unpaired(share: float) -> UnpairedCues:
    return UnpairedCues(expected_share=share, candidates=0, best_log_likelihood_ratio=None)


def sample(is_real: bool, cues: GeometryCues | UnpairedCues) -> Sample:
    ghost = Ghost.NONE if is_real else Ghost.REFLECTION
    return Sample(0, 0, ghost, is_real, hits=1, mean_confidence=0.5, cues=cues)


def flat(names: dict[str, object], base: float) -> AdditiveModel:
    curve = Curve(knots=(0.0,), log_odds=(0.0,), missing=0.0)
    return AdditiveModel(base=base, curves=dict.fromkeys(names, curve))


def model_with(name: str, curve: Curve) -> GeometryModel:
    group = flat(dict(GROUP_CUES), 1.0)
    return GeometryModel(
        format="track_persistence.geometry",
        prior_log_odds=0.25,
        process_psd=0.1,
        speed_sigma_mps=3.0,
        group=AdditiveModel(base=1.0, curves={**group.curves, name: curve}),
        unpaired=flat(dict(UNPAIRED_CUES), -2.0),
    )


def test_a_curve_is_straight_between_its_knots_and_flat_beyond() -> None:
    curve = Curve(knots=(0.0, 2.0), log_odds=(1.0, 3.0), missing=-5.0)
    assert [curve.at(value) for value in (-9.0, 0.0, 0.5, 2.0, 9.0)] == [1.0, 1.0, 1.5, 3.0, 3.0]
    assert curve.at(math.nan) == -5.0


def test_the_contributions_sum_to_the_likelihood_ratio_and_the_prior_makes_log_odds_of_it() -> None:
    model = model_with("lost_share", Curve(knots=(0.0, 1.0), log_odds=(0.5, -1.5), missing=0.0))
    verdict = model.judge(group_cues(lost_share=0.5))
    # base 1 less the prior 0.25, and the middle of 0.5 and -1.5
    assert verdict.contributions["base"] == 0.75 and verdict.contributions["lost_share"] == -0.5
    assert verdict.likelihood_ratio == pytest.approx(sum(verdict.contributions.values())) == pytest.approx(0.25)
    assert verdict.log_odds == pytest.approx(0.5)
    assert set(verdict.contributions) == {"base", *GROUP_CUES}


def test_a_track_without_partner_is_judged_by_its_own_model() -> None:
    verdict = model_with("depth_m", Curve(knots=(0.0,), log_odds=(9.0,), missing=0.0)).judge(unpaired(1.0))
    assert verdict.log_odds == -2.0
    assert set(verdict.contributions) == {"base", *UNPAIRED_CUES}


def test_a_cue_that_is_not_defined_is_nan() -> None:
    numbers = numbers_of(group_cues(motion_chi_square=None, depth_m=math.e - 1e-3))
    assert math.isnan(numbers["motion_chi_square"])
    assert numbers["depth_m"] == pytest.approx(1.0)


def test_the_fit_recovers_the_log_odds_of_the_counts() -> None:
    # Of groups that lose points 1 in 4 is real, of the others 3 in 4; single tracks are real in 1 of 10.
    samples = [sample(number % 4 == 0, group_cues(lost_share=0.5)) for number in range(400)]
    samples += [sample(number % 4 != 0, group_cues(lost_share=0.0)) for number in range(400)]
    samples += [sample(number % 10 == 0, unpaired(1.0)) for number in range(200)]
    model = fit_geometry(samples, CONFIG.model_copy(update={"inverse_regularisation": 100.0}))
    assert model.prior_log_odds == pytest.approx(math.log(420 / 580))
    assert model.judge(group_cues(lost_share=0.5)).log_odds == pytest.approx(-math.log(3), abs=0.05)
    assert model.judge(group_cues(lost_share=0.0)).log_odds == pytest.approx(math.log(3), abs=0.05)
    # Laplace's rule: 21 of 202
    assert model.judge(unpaired(1.0)).log_odds == pytest.approx(math.log(21 / 181), abs=0.05)


def test_the_curves_are_centred_on_the_samples() -> None:
    rng = np.random.default_rng(3)
    samples = [sample(bool(rng.random() < 0.5), group_cues(depth_m=float(rng.uniform(3, 30)))) for _ in range(300)]
    samples += [sample(False, unpaired(0.5))]
    model = fit_geometry(samples, CONFIG)
    depths = [model.judge(one.cues).contributions["depth_m"] for one in samples[:300]]
    assert np.mean(depths) == pytest.approx(0, abs=1e-9)
    assert np.std(depths) > 1e-3


def test_a_kind_of_track_that_never_occurs_in_training_is_undecided() -> None:
    samples = [sample(number % 2 == 0, group_cues()) for number in range(10)]
    assert fit_geometry(samples, CONFIG).judge(unpaired(0.3)).log_odds == pytest.approx(0, abs=1e-6)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(DataError, match=r"geometry: 3 samples, 3 of them real; both .* read more shards"):
        fit_geometry([sample(True, group_cues())] * 3, CONFIG)


def test_a_model_is_read_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model = model_with("size_m", Curve(knots=(0.1, 1 / 3), log_odds=(math.pi, -1e-17), missing=1e300))
    model.save(path)
    assert GeometryModel.load(path) == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("prior_log_odds"), r"model\.json: prior_log_odds: Field required"),
        (lambda content: content.update(format="magvit"), r"model\.json: format: .*track_persistence\.geometry"),
        (lambda content: content["group"]["curves"].pop("depth_m"), r"group: expected a curve for each of .*depth_m"),
        (lambda content: content["group"]["curves"]["depth_m"].update(knots=[2, 1], log_odds=[0, 0]), "increase"),
        (lambda content: content.update(code="import os"), r"code: Extra inputs are not permitted"),
    ],
)
def test_another_file_is_refused_by_key(tmp_path: Path, change: object, message: str) -> None:
    content = model_with("depth_m", Curve(knots=(0.0,), log_odds=(0.0,), missing=0.0)).model_dump(mode="json")
    change(content)  # type: ignore[operator]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        GeometryModel.load(path)


def test_a_missing_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.json: cannot be read: No such file.*run stage `geometry`"):
        GeometryModel.load(tmp_path / "none.json")
