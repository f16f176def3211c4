"""The whole program on two hand-made sequences whose GOSPA is known, and on a slice of the real ones."""

import json
import math
from pathlib import Path

import pytest
from tests.evaluation.conftest import KITTI_SECTION, KITTI_SMOOTHING

from track_persistence.core.errors import VideoError
from track_persistence.core.params import load_section
from track_persistence.evaluation import kitti
from track_persistence.evaluation.kitti import Settings, run, table_lines
from track_persistence.evaluation.kitti_config import KittiConfig
from track_persistence.evaluation.kitti_methods import Setup
from track_persistence.stereo.config import BiasConfig, LastingConfig
from track_persistence.tracking.config import TrackingConfig
from track_persistence.tracking.geometry import GROUP_CUES, UNPAIRED_CUES, AdditiveModel, Curve, GeometryModel
from track_persistence.tracking.geometry_config import GeometryConfig

PARAMS = Path(__file__).parents[2] / "params.yaml"
KITTI = Path(__file__).parents[3] / "shared" / "data" / "kitti_tracking"
GEOMETRY = GeometryConfig(
    shards=1,
    frames_seen=(1,),
    process_psd=0.1,
    speed_sigma_mps=3.0,
    knots=6,
    inverse_regularisation=1.0,
    bootstrap_replicates=20,
)


def settings(**changes):
    section = KittiConfig.model_validate({**KITTI_SECTION, **changes})
    return Settings(section, load_section(PARAMS, "tracking", TrackingConfig), GEOMETRY, 7)


def constant(log_odds):
    """Return a judge that gives everything these log-odds."""

    def part(names):
        return AdditiveModel(
            base=log_odds, curves={name: Curve(knots=(0.0,), log_odds=(0.0,), missing=0.0) for name in names}
        )

    return GeometryModel(
        format="track_persistence.geometry",
        prior_log_odds=0.0,
        process_psd=0.1,
        speed_sigma_mps=3.0,
        group=part(GROUP_CUES),
        unpaired=part(UNPAIRED_CUES),
    )


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def data(tmp_path):
    """Make two equal sequences of 10 frames.

    A cube of 2 m with its centre at z = 21 m, found in all frames but 3 and 4, and in the frames 0 to 3 another thing
    of that size at x = 6 m, z = 31 m that is no object.
    """
    car = "565,145,635,215,3.0,2,2,2,0,1,21,0,0"
    # Its edges: 600 + 700 * 5 / 32 and 600 + 700 * 7 / 30, 180 -+ 700 / 30.
    ghost = "709.375,156.6667,763.3333,203.3333,-1.0,2,2,2,6,1,31,0,0"
    for name in ("0000", "0001"):
        rows = {"P0": -0.1, "P1": 0.4, "P2": 0, "P3": 0.5}
        write(
            tmp_path / "calib" / f"{name}.txt",
            [f"{key}: 700 0 600 {-700 * x_m} 0 700 180 0 0 0 1 0" for key, x_m in rows.items()],
        )
        labels = [f"{frame} 1 Car 0 0 0 565 145 635 215 2 2 2 0 1 21 0" for frame in range(10)]
        write(tmp_path / "label_02" / f"{name}.txt", labels)
        found = [f"{frame},2,{car}" for frame in range(10) if frame not in (3, 4)]
        found += [f"{frame},2,{ghost}" for frame in range(4)]
        write(tmp_path / "pointrcnn" / "Car" / f"{name}.txt", found)
    return tmp_path


def gospa_m(metrics, method, part=""):
    return metrics["classes"]["Car"]["methods"][method][f"gospa{part}_m"]["value"]


def test_gospa_and_its_parts_are_those_derived_by_hand(data, tmp_path):
    metrics = run(settings(), data, constant(9.0), tmp_path / "out")
    # Box centres meet on the near face of a cube, 1 m before its centre; a missed or false point costs 4^2 / 2 m^2.
    localisation, missed, false = 8 * 1.0**2, 2 * 8.0, 4 * 8.0
    with_ghost, without = math.sqrt((localisation + missed + false) / 10), math.sqrt((localisation + missed) / 10)
    assert gospa_m(metrics, "off", "_localisation") == pytest.approx(math.sqrt(localisation / 10))
    assert gospa_m(metrics, "off", "_missed") == pytest.approx(math.sqrt(missed / 10))
    assert gospa_m(metrics, "off", "_false") == pytest.approx(math.sqrt(false / 10))
    expected = {
        "off": with_ghost,
        "min_hits_3": with_ghost,  # the ghost has 4 frames
        "min_hits_5": without,
        "mean_confidence": without,  # 1 / (1 + e) = 0.27 for the ghost, 0.95 for the car
        "geometry_simulated": with_ghost,  # this judge keeps everything
        "geometry_kitti": without,  # fitted on the other sequence, which looks the same
        "nothing": math.sqrt(10 * 8.0 / 10),
        "labels": without,
    }
    methods = metrics["classes"]["Car"]["methods"]
    assert {name: gospa_m(metrics, name) for name in methods} == pytest.approx(expected)
    assert methods["min_hits_5"]["gospa_change_m"]["value"] == pytest.approx(without - with_ghost)
    assert (methods["off"]["precision"]["value"], methods["off"]["recall"]["value"]) == (8 / 12, 8 / 10)
    assert methods["off"]["rmse_m"]["value"] == pytest.approx(1.0)


def test_the_judge_from_simulation_decides_with_its_own_threshold(data, tmp_path):
    metrics = run(settings(), data, constant(-9.0), tmp_path / "out")
    assert gospa_m(metrics, "geometry_simulated") == gospa_m(metrics, "nothing")


def test_groups_thresholds_and_the_systematic_part_are_reported(data, tmp_path):
    found = run(settings(), data, constant(9.0), tmp_path / "out")["classes"]["Car"]
    assert (found["groups"]["real"], found["groups"]["false"]) == (2, 2)
    assert {name: area["value"] for name, area in found["groups"]["auc"].items()} == {
        "hits": 1.0,
        "mean_confidence": 1.0,
        "geometry_simulated": 0.5,  # all groups alike
        "geometry_kitti": 1.0,
    }
    assert found["min_mean_confidence_by_sequence"] == {"0000": 0.5, "0001": 0.5}
    systematic = found["systematic"]
    assert systematic["boxes"] == 20
    assert systematic["rmse_m"]["value"] == pytest.approx(1.0)
    assert systematic["mean_depth_error_m"]["value"] == pytest.approx(-1.0)


def test_the_files_say_that_the_second_view_is_derived_and_show_every_method(data, tmp_path):
    metrics = run(settings(), data, constant(9.0), tmp_path / "out")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["second_view"].startswith("derived: the detector's 3D boxes projected through P3")
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.splitlines() == table_lines(metrics)
    assert table.startswith("Second view derived")
    assert "| min_hits_5 | 1.55 [1.55, 1.55] | 0.89 [0.89, 0.89] | 1.26 [1.26, 1.26] | 0.00 [0.00, 0.00] |" in table
    assert "| nothing | 2.83 [2.83, 2.83] |" in table


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_noise(data, tmp_path):
    noisy = settings(edge_sigma_px=1.0)

    def metrics_file(seed):
        run(Settings(noisy.kitti, noisy.tracking, noisy.geometry, seed), data, constant(9.0), tmp_path / "out")
        return (tmp_path / "out" / "metrics.json").read_bytes()

    one, again, other = metrics_file(7), metrics_file(7), metrics_file(8)
    assert one == again
    localisation_m = [gospa_m(json.loads(content), "off", "_localisation") for content in (one, other)]
    assert localisation_m[0] != localisation_m[1]


def test_noise_and_motion_of_this_data_replace_those_of_the_simulation():
    given = settings()
    setup = Setup.of("Car", given.kitti, given.tracking, given.geometry)
    assert (setup.tracking.fusion, setup.tracking.stereo.correlated_frames) == (("geometry",), 1.0)
    assert (setup.geometry.process_psd, setup.geometry.speed_sigma_mps) == (10.0, 10.0)
    assert setup.tracking.geometry_threshold == given.tracking.geometry_threshold
    assert setup.tracking.stereo.outlier_sigmas == given.tracking.stereo.outlier_sigmas


def test_no_error_lasts_where_both_views_are_projections_of_the_same_boxes():
    given = settings()
    bias = BiasConfig(pixel_sigma_px=0.0, size_sigma=0.05, cut_size_sigma=0.2)
    errors = LastingConfig(shared=bias, own=bias, border_px=2.0, clock_sigma_frames=0.5)
    tracking = given.tracking.model_copy(update={"lasting": errors})
    assert Setup.of("Car", given.kitti, tracking, given.geometry).tracking.lasting is None


def test_a_sequence_may_be_named_only_once():
    with pytest.raises(ValueError, match="every sequence may stand here only once"):
        settings(sequences=["0000", "0000"])


def test_a_missing_file_is_named(data, tmp_path):
    (data / "label_02" / "0001.txt").unlink()
    with pytest.raises(VideoError, match=r"label_02/0001\.txt: cannot be read: No such file.*pass the folder"):
        run(settings(), data, constant(9.0), tmp_path / "out")


def test_the_command_reads_sections_and_model(data, tmp_path, monkeypatch):
    sections = {
        "kitti": KITTI_SECTION,
        "tracking": load_section(PARAMS, "tracking", TrackingConfig).model_dump(mode="json"),
        "geometry": GEOMETRY.model_dump(mode="json"),
        "seed": 7,
    }
    params, model, output = tmp_path / "params.yaml", tmp_path / "model.json", tmp_path / "out"
    params.write_text(json.dumps(sections))  # JSON is YAML
    constant(9.0).save(model)
    flags = {"--data": data, "--geometry-model": model, "--output-dir": output, "--params": params}
    monkeypatch.setattr("sys.argv", ["kitti", *(str(part) for pair in flags.items() for part in pair)])
    kitti.main()
    assert gospa_m(json.loads((output / "metrics.json").read_text()), "off") == pytest.approx(math.sqrt(5.6), abs=1e-5)


@pytest.mark.skipif(not KITTI.is_dir(), reason="KITTI is not beside the repository")
def test_a_slice_of_the_real_sequences_runs_and_the_labels_bound_what_a_filter_can_gain(tmp_path):
    frames, names = 40, ("0001", "0006")
    for name in names:
        write(tmp_path / "calib" / f"{name}.txt", (KITTI / "calib" / f"{name}.txt").read_text().splitlines())
        for folder, separator in (("label_02", " "), ("pointrcnn/Car", ",")):
            lines = (KITTI / folder / f"{name}.txt").read_text().splitlines()
            write(tmp_path / folder / f"{name}.txt", [one for one in lines if int(one.split(separator)[0]) < frames])
    smoothing = {**KITTI_SMOOTHING, "motion": "constant_velocity"}
    given = settings(
        sequences=list(names),
        edge_sigma_px=1.0,
        size_sigma=0.013,
        categories={"Car": {"gospa_cutoff_m": 4.0, "smoothing": smoothing}},
    )
    metrics = run(given, tmp_path, constant(9.0), tmp_path / "out")["classes"]["Car"]
    methods = metrics["methods"]
    assert methods["off"]["counts"]["frames"] == 2 * frames
    assert {found["counts"]["truth"] for found in methods.values()} == {methods["off"]["counts"]["truth"]}
    assert methods["off"]["recall"]["value"] > 0.8
    assert methods["off"]["rmse_m"]["value"] < 2.0
    assert methods["labels"]["gospa_m"]["value"] < methods["off"]["gospa_m"]["value"]
    assert methods["labels"]["precision"]["value"] > methods["off"]["precision"]["value"]
    # A car's near end is the larger one, so its box centres meet before its middle, by less than half its length.
    assert -2.5 < metrics["systematic"]["mean_depth_error_m"]["value"] < 0
