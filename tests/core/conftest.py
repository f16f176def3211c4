"""Small scenes and features, drawn from a fixed seed."""

from collections.abc import Callable

import numpy as np
import pytest

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.core.types import Ghost, Kind, LabelledFeatures, LabelledTrack, StereoScene, Track, Trajectory


def make_camera(name: str = "left", x_m: float = 0.0, **fields: object) -> Camera:
    values: dict = {
        "name": name,
        "intrinsics": np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]),
        "distortion": np.zeros(5),
        "cam_from_world": np.hstack([np.eye(3), [[-x_m], [0], [0]]]),
        "image_size_px": (640, 480),
        "frame_rate_hz": 30.0,
    }
    return Camera(**(values | fields))


def make_rig() -> StereoRig:
    return StereoRig((make_camera(), make_camera("right", x_m=0.5, distortion=np.array([0.1, 0, 0, 0]))))


def make_track(camera: int, track_id: int, length: int, rng: np.random.Generator) -> Track:
    return Track(
        camera,
        track_id,
        np.cumsum(rng.integers(1, 3, length)).astype(np.int32),
        rng.uniform(1, 50, (length, 4)).astype(np.float32),
        rng.uniform(0, 1, length).astype(np.float32),
        rng.integers(0, 256, (length, 64, 64, 3)).astype(np.uint8),
    )


def make_scene(scene_id: int = 3, length: int = 6) -> StereoScene:
    rng = np.random.default_rng(scene_id)
    real = LabelledTrack(make_track(0, 0, length, rng), Kind.PERSISTENT, object_id=8)
    glare = LabelledTrack(make_track(0, 1, 2, rng), Kind.BRIEF, Ghost.GLARE, 9, np.int32([1]))
    noise = LabelledTrack(make_track(1, 0, 1, rng), Kind.NOISE, Ghost.NOISE)
    path = Trajectory(
        8, np.arange(length, dtype=np.int32), rng.normal(size=(length, 3)), rng.uniform(size=(length, 2)) > 0.5
    )
    return StereoScene(scene_id, make_rig(), ((real, glare), (noise,)), (path,))


def make_features(track_id: int, dtype: str = "float16") -> LabelledFeatures:
    rng = np.random.default_rng(track_id)
    track = make_track(1, track_id, 4, rng)
    features = rng.normal(size=(4, 16)).astype(dtype)
    return LabelledFeatures(
        5, 1, track_id, track.frames, track.boxes_xywh_px, track.confidences, features, Kind.PERSISTENT, Ghost.NONE, 2
    )


@pytest.fixture
def camera() -> Callable[..., Camera]:
    return make_camera


@pytest.fixture
def scene() -> Callable[..., StereoScene]:
    return make_scene


@pytest.fixture
def labelled_features() -> Callable[..., LabelledFeatures]:
    return make_features
