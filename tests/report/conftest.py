"""The results of a small run, made by hand."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.report.learned_results import (
    ablation_metrics,
    fuse_metrics,
    geometry_metrics,
    measured,
    train_metrics_of_a_run,
)

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.storage import write_scenes
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Track
from track_persistence.report.config import ReportConfig
from track_persistence.report.report import Targets, run
from track_persistence.report.sources import Folders

NO_TARGETS = {"auc": {}, "accuracy": {}, "calibration_error": None, "delay_ratio": None, "length_auc_distance": None}
CONFIG = ReportConfig.model_validate(
    {
        "required_accuracy": 0.95,
        "targets": {
            "matched": {
                "auc": {"1": 0.92, "3": 0.92},
                "accuracy": {},
                "calibration_error": 0.03,
                "delay_ratio": 0.5,
                "length_auc_distance": 0.02,
            },
            "nominal": NO_TARGETS | {"accuracy": {"whole": 0.99}},
        },
        "reduction_tolerance": 0.05,
        "early_frames": 3,
        "strips_per_outcome": 3,
        "frames_per_strip": 20,
        "picture_quality": 75,
    }
)


@pytest.fixture(name="measured")
def measured_fixture() -> Callable[..., dict[str, float]]:
    return measured


@pytest.fixture
def train_metrics() -> dict[str, Any]:
    return train_metrics_of_a_run()


@pytest.fixture(name="metrics")
def metrics_fixture() -> dict[str, dict[str, Any]]:
    """The metrics files that verdicts rest on."""
    return {
        "train": train_metrics_of_a_run(),
        "fuse": fuse_metrics(),
        "ablate": ablation_metrics(),
        "scenarios": scenario_metrics_of_a_run(),
    }


@pytest.fixture
def scenario_metrics() -> dict[str, Any]:
    return scenario_metrics_of_a_run()


@pytest.fixture(name="scenario_example")
def scenario_example_fixture() -> dict[str, Any]:
    return scenario_example()


def errors(bound_ratio: float) -> dict[str, Any]:
    """3D errors of real tracks in two depth bins, bounded by 0.4 and 1.2 m and by 0.8 m in all."""
    bounds_m = {"": 0.8, "_0": 0.4, "_1": 1.2}
    return {
        **{f"bound_m{name}": measured(bound_m) for name, bound_m in bounds_m.items()},
        **{f"rmse_m{name}": measured(bound_ratio * bound_m) for name, bound_m in bounds_m.items()},
        **{f"bound_ratio{name}": measured(bound_ratio) for name in bounds_m},
        "nees": measured(2.8),
        "nees_one_frame_a_path": {"value": 2.9, "paths": 20, "expected_low": 2.0, "expected_high": 4.2},
        "coverage_50": measured(0.55),
        "coverage_95": measured(0.96),
        "jerk_ratio": measured(5.0),
    }


def scenario_metrics_of_a_run() -> dict[str, Any]:
    def state(precision: float, gospa_m: float) -> dict[str, Any]:
        return {
            "precision": measured(precision),
            "recall": measured(0.97),
            "spurious_points": measured(40.0, 5.0),
            "missed_points": measured(3.0, 1.0),
            "rmse_m": measured(0.12),
            "gospa_m": measured(gospa_m),
            "gospa_localisation_m": measured(0.3 * gospa_m),
            "gospa_missed_m": measured(0.1 * gospa_m),
            "gospa_false_m": measured(0.6 * gospa_m),
            "gospa_change_m": measured(gospa_m - 2.0),
            "ospa_m": measured(0.9 * gospa_m),
            "distances": {f"{name}_at_{cm}cm": measured(0.8) for name in ("precision", "recall") for cm in (50, 100)},
            "tracks": {name: measured(0.9) for name in ("hota", "idf1", "mota", "id_switches", "fragmentations")},
            "paths": errors(0.5),
        }

    dropped = {"1": 0.0, "2": 0.6, "3": 0.88}
    return {
        number: {
            "seeds": 5,
            "expected_filtered": {"1": 0.0, "2": 0.667, "3": 0.87}[number],
            "track_reduction": measured(share, 0.03),
            "point_reduction": measured(share / 2, 0.03),
            "off": state(0.4, 2.0),
            "fusion": "appearance",
            "appearance": state(0.9, 0.5),
            "frame_by_frame": errors(1.1),
        }
        for number, share in dropped.items()
    }


def scenario_example() -> dict[str, Any]:
    """One object and one ghost before two cameras, the ghost dropped by appearance."""
    rig = scene_of(0, ()).rig
    path_m = np.linspace([0.0, 0.0, 8.0], [1.0, 0.2, 9.0], 6)
    covariances_m2 = np.tile(np.diag([0.01, 0.01, 0.2]), (6, 1, 1))
    tracks = [
        {
            "real": real,
            "kept": real,
            "positions_m": (path_m + shift_m).tolist(),
            "covariances_m2": covariances_m2.tolist(),
        }
        for real, shift_m in ((True, 0.05), (False, 1.0))
    ]
    times_s = [frame / 25 for frame in range(6)]
    parts = {"times_s": times_s, "localisation": [0.01] * 6, "missed": [0.0] * 6}
    points = {"depths_m": [8.0, 12.0], "errors_m": [0.3, 1.0]}
    return {
        "cameras": [
            {
                "name": camera.name,
                "intrinsics": camera.intrinsics.tolist(),
                "distortion": camera.distortion.tolist(),
                "cam_from_world": camera.cam_from_world.tolist(),
                "image_size_px": list(camera.image_size_px),
                "frame_rate_hz": camera.frame_rate_hz,
                "lens": camera.lens.value,
            }
            for camera in rig.cameras
        ],
        "truth": [path_m.tolist()],
        "tracks": tracks,
        "gospa": {"off": parts | {"false": [4.5] * 6}, "appearance": parts | {"false": [0.0] * 6}},
        "depth": {"edges_m": [3.0, 10.0, 30.0], "frame_by_frame": points, "result": points},
    }


def labelled_track(camera: int, track_id: int, frames: int, colour: int) -> LabelledTrack:
    """A track of plain crops; red holds `colour`, blue stays 0."""
    crops = np.zeros((frames, 64, 64, 3), np.uint8)
    crops[..., 0] = colour
    boxes = np.tile(np.array([10, 20, 30, 40], np.float32), (frames, 1))
    track = Track(
        camera, track_id, np.arange(5, 5 + frames, dtype=np.int32), boxes, np.full(frames, 0.5, np.float32), crops
    )
    return LabelledTrack(track, Kind.PERSISTENT, Ghost.NONE, object_id=track_id)


def scene_of(scene_id: int, tracks: tuple[LabelledTrack, ...]) -> StereoScene:
    cameras = []
    for number in range(2):
        pose = np.hstack([np.eye(3), [[-0.5 * number], [0], [0]]])
        intrinsics = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
        cameras.append(Camera(f"camera{number}", intrinsics, np.zeros(4), pose, (640, 480), 25.0))
    rig = StereoRig((cameras[0], cameras[1]))
    return StereoScene(scene_id, rig, (tracks, ()), ())


def _json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _png(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((40, 60, 3), 128, np.uint8))


@pytest.fixture(name="example")
def example_fixture() -> Callable[[int, str, int], dict[str, Any]]:
    return example


def example(track_id: int, outcome: str, frames: int) -> dict[str, Any]:
    attention = np.arange(1, frames + 1) / (frames * (frames + 1) / 2)
    return {
        "scene_id": 3,
        "camera": 0,
        "track_id": track_id,
        "outcome": outcome,
        "probability": 0.75,
        "attention": attention.tolist(),
        "kind": "persistent",
        "ghost": "none",
    }


PLOTS = {
    "loss": "epoch,train_loss,validation_loss,validation_accuracy\n1,0.6,0.5,0.8\n2,0.4,0.3,0.9\n",
    "roc": "fpr,tpr,frames_seen,profile\n0,0,1,matched\n1,1,1,matched\n0,0,3,matched\n0.1,0.9,3,matched\n"
    "1,1,3,matched\n0,0,3,nominal\n1,1,3,nominal\n0,0,3,recordings\n1,1,3,recordings\n",
    "pr": "recall,precision,frames_seen,profile\n0,1,3,matched\n1,0.6,3,matched\n0,1,3,nominal\n1,0.7,3,nominal\n"
    "0,1,3,recordings\n1,0.7,3,recordings\n",
    "calibration": "bin,mean_predicted,fraction_positive,count,frames_seen,profile\n1,0.123456789,0.1,30,3,matched\n"
    "9,0.9,0.95,60,3,matched\n0,0.05,0.2,10,whole,matched\n0,0.02,0.0,40,3,nominal\n4,0.4,0.5,20,3,recordings\n",
    "confusion": "actual,predicted,profile\npersistent,persistent,matched\npersistent,transient,matched\n"
    "transient,transient,matched\ntransient,transient,nominal\npersistent,persistent,recordings\n",
}


@dataclass(frozen=True)
class Run:
    """The folders of a small run, and where its report goes."""

    folders: Folders
    targets: Targets
    config: ReportConfig


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[str], Run]:
    """Write the results of a small run under a folder of the given name."""
    return lambda name: run_in(tmp_path / name)


@pytest.fixture(name="finished", scope="session")
def finished_fixture(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small run with its report. Leave it unchanged."""
    made = run_in(tmp_path_factory.mktemp("finished"))
    run(made.config, made.folders, made.targets)
    return made


def run_in(root: Path) -> Run:
    """Write the results of a small run under `root`."""
    folders = Folders(
        *(root / part for part in ("tokenizer", "model", "geometry", "fusion", "ablation", "scenarios")),
        *(root / part for part in ("evidence", "analysis", "scenes", "sheets")),
    )
    _json(folders.tokenizer / "metrics.json", {"psnr_db": measured(24.5, 0.5), "codes_used": 311})
    _png(folders.tokenizer / "reconstructions.png")
    _json(folders.model / "metrics.json", train_metrics_of_a_run())
    for plot, text in PLOTS.items():
        path = folders.model / "plots" / f"{plot}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    _json(folders.geometry / "metrics.json", geometry_metrics())
    _json(folders.fusion / "metrics.json", fuse_metrics())
    _json(folders.ablation / "metrics.json", ablation_metrics())
    _json(folders.scenarios / "metrics.json", {"2": scenario_metrics_of_a_run()["2"]})
    _json(folders.scenarios / "examples.json", {"2": scenario_example()})
    evidence = {
        "schema": 1,
        "profile": "matched",
        "cases": {"track-0001": {"probability": 0.75}},
        "attention": {"excess_lift": measured(0.4)},
    }
    _json(folders.evidence / "evidence.json", evidence)
    examples = {
        "track-0001": example(1, "true_positive", 3),
        "track-0002": example(2, "false_negative", 30),
    }
    _json(folders.evidence / "examples.json", examples)
    _json(folders.analysis / "analysis.json", {"attention_patterns": analysis("Attention grows along the track.")})
    write_scenes(folders.scenes / "shard.h5", [scene_of(2, ()), _example_scene()], {})
    for name in ("matched-static_glare", "nominal-persistent"):
        _png(folders.contact_sheets / f"{name}.png")
    targets = Targets(root / "metrics", root / "plots", root / "reports")
    return Run(folders, targets, CONFIG)


def _example_scene() -> StereoScene:
    return scene_of(3, (labelled_track(0, 1, 3, 200), labelled_track(0, 2, 30, 90)))


@pytest.fixture(name="analysis")
def analysis_fixture() -> Callable[[str], dict[str, Any]]:
    return analysis


def analysis(text: str) -> dict[str, Any]:
    return {
        "task": "attention_patterns",
        "source": "offline",
        "model": "rules",
        "request_digest": "0" * 32,
        "statements": [
            {"topic": "position", "text": text, "cites": ["attention.excess_lift"], "unsupported_numbers": []}
        ],
        "facts": {"attention.excess_lift": 0.4},
    }
