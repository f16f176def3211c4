"""A hand-made stereo scene whose 3D truth is known exactly, and judges with plain answers."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from track_persistence.classifier.baselines import STATISTICS
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Track, Trajectory
from track_persistence.evaluation.config import MixConfig, ScenariosConfig
from track_persistence.evaluation.outcomes import Judges
from track_persistence.tracking.aged_logistic import AgedLogistic
from track_persistence.tracking.config import FUSIONS
from track_persistence.tracking.filter import Verdict
from track_persistence.tracking.fusion_model import FusionModel, Stacker
from track_persistence.tracking.geometry import GROUP_CUES, UNPAIRED_CUES, AdditiveModel, Curve, GeometryModel

KITTI_SMOOTHING = {
    "motion": "off",
    "process_psd": 10.0,
    "speed_sigma_mps": 10.0,
    "student_dof": None,
    "iterations": 5,
    "max_sigma_m": 3.0,
}
KITTI_SECTION = {
    "sequences": ["0000", "0001"],
    "image_size_px": [1242, 375],
    "frame_rate_hz": 10.0,
    "edge_sigma_px": 0.0,
    "min_side_px": 4.0,
    "link": {"method": "sort", "min_iou": 0.3, "max_missed_frames": 3, "high_confidence": 0.6},
    "pixel_sigma_px": 0.7,
    "size_sigma": 0.0,
    "correlated_frames": 1.0,
    "truth": {
        "max_truncated": 0,
        "max_occluded": 2,
        "min_height_px": 25.0,
        "dont_care_share": 0.5,
        "neighbours": {"Car": ["Van"]},
    },
    "categories": {"Car": {"gospa_cutoff_m": 4.0, "smoothing": KITTI_SMOOTHING}},
    "min_hits": [3, 5],
    "min_mean_confidence": [0.0, 0.5],
    "bootstrap_replicates": 20,
}

FOCAL_PX = 500.0
REAL, FALSE = 255, 0


class CropJudge:
    """Keeps a track when its crops are white."""

    threshold = 0.5

    def predict_tracks(self, tracks: Sequence[Track]) -> list[Verdict]:
        """Judge by the first pixel."""
        verdicts = []
        for track in tracks:
            real = int(track.crops[0, 0, 0, 0]) == REAL
            weights = np.full(len(track), 1 / len(track), np.float32)
            verdicts.append(Verdict(real, 0.9 if real else 0.1, 2.2 if real else -2.2, weights))
        return verdicts


def camera(name: str, x_m: float) -> Camera:
    return Camera(
        name,
        np.array([[FOCAL_PX, 0, 320], [0, FOCAL_PX, 240], [0, 0, 1]]),
        np.zeros(5),
        np.hstack([np.eye(3), [[-x_m], [0], [0]]]),
        (640, 480),
        30.0,
    )


RIG = StereoRig((camera("left", 0.0), camera("right", 0.5)))


def seen_from(index: int, track_id: int, frames: list[int], positions_m: np.ndarray, real: bool) -> Track:
    """Project points onto one camera; real objects are white and seen with confidence 0.9, others black with 0.4."""
    x, y, z = (positions_m - RIG.cameras[index].centre_m).T
    centres = np.stack([FOCAL_PX * x / z + 320, FOCAL_PX * y / z + 240], axis=1)
    boxes = np.hstack([centres - 20, np.full((len(frames), 2), 40.0)]).astype(np.float32)
    confidences = np.full(len(frames), 0.9 if real else 0.4, np.float32)
    crops = np.full((len(frames), 64, 64, 3), REAL if real else FALSE, np.uint8)
    return Track(index, track_id, np.int32(frames), boxes, confidences, crops)


def make_scene() -> StereoScene:
    """Build the scene.

    An object at 10 m in frames 0 to 9, which the right camera's truth calls hidden in frame 9; a ghost at 12 m
    in frames 2 to 4, seen by both cameras; a false alarm of the left camera in frame 12.
    """
    moving = np.stack([np.linspace(-1, 1, 10), np.zeros(10), np.full(10, 10.0)], axis=1)
    standing = np.tile([2.0, 1.0, 12.0], (3, 1))
    tracks: list[list[LabelledTrack]] = [[], []]
    for index in (0, 1):
        real = seen_from(index, 5 + index, list(range(10)), moving, real=True)
        ghost = seen_from(index, 8, [2, 3, 4], standing, real=False)
        tracks[index] += [
            LabelledTrack(real, Kind.PERSISTENT, object_id=1),
            LabelledTrack(ghost, Kind.BRIEF, Ghost.REFLECTION, object_id=2),
        ]
    alarm = seen_from(0, 9, [12], np.array([[-3.0, 1, 9]]), real=False)
    tracks[0].append(LabelledTrack(alarm, Kind.NOISE, Ghost.NOISE))
    visible = np.ones((10, 2), bool)
    visible[9, 1] = False
    truth = Trajectory(1, np.arange(10, dtype=np.int32), moving, visible)
    return StereoScene(1_000_000, RIG, (tuple(tracks[0]), tuple(tracks[1])), (truth,))


@pytest.fixture
def scene() -> StereoScene:
    return make_scene()


@pytest.fixture
def scoring() -> ScenariosConfig:
    mix = MixConfig(persistent=1, brief=1, noise=1, expected_filtered=0.5)
    return ScenariosConfig(
        seeds=2,
        mixes={"1": mix, "2": mix, "3": mix},
        cases={},
        lasting=None,
        gate_m=1.0,
        gospa_cutoff_m=2.0,
        hota_zero_distance_m=2.0,
        distances_cm=(10, 100),
        depth_edges_m=(3.0, 15.0, 30.0),
        min_hits=3,
        min_mean_confidence=0.5,
        replicates=10,
    )


@pytest.fixture
def judges() -> Judges:
    return Judges(CropJudge(), long_is_real(), confident_is_real())


def confident_is_real() -> FusionModel:
    """Log-odds by statistics are 10 (mean confidence - 0.65); witnesses are added as they are."""
    weights = dict.fromkeys(STATISTICS, (0.0,)) | {"confidence_mean": (10.0,)}
    sums = {
        name: AgedLogistic(ages=(1.0,), base=(0.0,), weights=dict.fromkeys(witnesses, (1.0,)))
        for name, witnesses in FUSIONS.items()
    }
    return FusionModel(
        format="track_persistence.fusion",
        statistics=AgedLogistic(ages=(1.0,), base=(-6.5,), weights=weights),
        stackers={name: Stacker(group=added, alone=added) for name, added in sums.items()},
    )


def long_is_real() -> GeometryModel:
    """Even odds in the training data; a group is real by odds of 3 from ten joint frames on and unreal up to five."""
    flat = Curve(knots=(0.0,), log_odds=(0.0,), missing=0.0)
    odds = math.log(3)
    by_length = Curve(knots=(math.log(5.5), math.log(9.5)), log_odds=(-odds, odds), missing=0.0)
    return GeometryModel(
        format="track_persistence.geometry",
        prior_log_odds=0.0,
        process_psd=0.1,
        speed_sigma_mps=5.0,
        group=AdditiveModel(base=0.0, curves=dict.fromkeys(GROUP_CUES, flat) | {"joint_frames": by_length}),
        unpaired=AdditiveModel(base=-odds, curves=dict.fromkeys(UNPAIRED_CUES, flat)),
    )
