"""A pair of tiny checkpoints with seeded random weights, and a stereo scene that can be worked out by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.made_classifier import classifier_metadata, profile_entry

from track_persistence.classifier.baselines import STATISTICS
from track_persistence.classifier.checkpoint import save_classifier
from track_persistence.classifier.model import create_model
from track_persistence.core.files import file_digest
from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import Track
from track_persistence.magvit.checkpoint import save_tokenizer
from track_persistence.magvit.config import ArchitectureConfig
from track_persistence.magvit.tokenizer import TrackTokenizer
from track_persistence.stereo.config import SmoothingConfig, StereoConfig
from track_persistence.tracking.aged_logistic import AgedLogistic
from track_persistence.tracking.config import FUSIONS, TrackingConfig, Witnesses
from track_persistence.tracking.fusion_model import FusionModel, Stacker

THRESHOLD, TEMPERATURE = 0.5, 0.01


@dataclass(frozen=True)
class Checkpoints:
    model: Path
    magvit: Path


def write_checkpoints(folder: Path, time_stride: Any = 1, **metadata: Any) -> Checkpoints:
    torch.manual_seed(11)
    architecture = ArchitectureConfig(
        encoder_widths=(8, 8, 8),
        decoder_widths=(8, 8, 8),
        blocks_per_level=1,
        latent_dim=16,
        time_stride=time_stride,
        code_bits=4,
        code_groups=1,
    )
    found = Checkpoints(folder / "persistence.safetensors", folder / "magvit.safetensors")
    save_tokenizer(found.magvit, TrackTokenizer(architecture))
    model = create_model(input_dim=16, hidden_dim=16, num_layers=2, num_heads=2, feedforward_dim=16)
    # The low temperature spreads the probabilities of random weights over (0, 1).
    values = {"profiles": {name: profile_entry(TEMPERATURE) for name in ("matched", "nominal")}, "threshold": THRESHOLD}
    save_classifier(found.model, model, classifier_metadata(file_digest(found.magvit)) | values | metadata)
    return found


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    return write_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def make_checkpoints() -> Callable[..., Checkpoints]:
    return write_checkpoints


@pytest.fixture
def rig() -> StereoRig:
    """f = 500 px, baseline 1 m, no distortion."""

    def camera(name: str, x_m: float) -> Camera:
        intrinsics = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
        return Camera(name, intrinsics, np.empty(0), np.column_stack([np.eye(3), [-x_m, 0, 0]]), (641, 481), 25.0)

    return StereoRig((camera("left", 0.0), camera("right", 1.0)))


@pytest.fixture
def config() -> TrackingConfig:
    return TrackingConfig(
        fusion=("appearance",),
        geometry_threshold=0.5,
        lasting=None,
        smoothing=SmoothingConfig(
            motion="off", process_psd=0.5, speed_sigma_mps=5.0, student_dof=5.0, iterations=5, max_sigma_m=3.0
        ),
        stereo=StereoConfig(
            pixel_sigma_px=1.0,
            size_sigma=0.0,
            confidence_exponent=0.0,
            min_joint_frames=1,
            bias_sigma_px=1.0,
            drift_spread_px=3.0,
            correlated_frames=1.0,
            min_fitting_share=0.5,
            min_depth_m=1.0,
            max_depth_m=200.0,
            log_size_sigma=0.2,
            log_size_spread=0.8,
            overlap_weight=2.0,
            null_partner_cost=3.0,
            outlier_sigmas=4.0,
        ),
    )


@pytest.fixture
def still_track(rig: StereoRig) -> Callable[..., Track]:
    """Return a function: the track of a 1 m wide thing that stands at (x, y, z) metres; its crops hold `grey`."""

    def make(camera: int, track_id: int, position_m: Any, frames: Any, grey: int = 0) -> Track:
        x, y, z = position_m
        centre = np.array([320 + 500 * (x - camera) / z, 240 + 500 * y / z])
        side = 500 / z
        count = len(frames)
        return Track(
            camera,
            track_id,
            np.asarray(frames, np.int32),
            np.tile([*(centre - side / 2), side, side], (count, 1)).astype(np.float32),
            np.full(count, 0.5 + 0.25 * camera, np.float32),
            np.full((count, 64, 64, 3), grey, np.uint8),
        )

    return make


@pytest.fixture
def fusion_model() -> FusionModel:
    """Statistics say hits less 2.5; in every fusion a witness counts half at any age.

    The base is 1/4 for a group and -1/4 for a track without partner.
    """

    def half(chosen: Witnesses, base: float) -> AgedLogistic:
        return AgedLogistic(ages=(1.0,), base=(base,), weights=dict.fromkeys(chosen, (0.5,)))

    return FusionModel(
        format="track_persistence.fusion",
        statistics=AgedLogistic(
            ages=(1.0,), base=(-2.5,), weights={name: (1.0 if name == "hits_frames" else 0.0,) for name in STATISTICS}
        ),
        stackers={
            name: Stacker(group=half(chosen, 0.25), alone=half(chosen, -0.25)) for name, chosen in FUSIONS.items()
        },
    )
