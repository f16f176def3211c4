from pathlib import Path

import numpy as np
import pytest

from track_persistence.core.params import load_section
from track_persistence.core.types import StereoScene
from track_persistence.evaluation.config import ScenariosConfig
from track_persistence.evaluation.outcomes import Judges, Outcome, outcomes
from track_persistence.evaluation.scene_counts import count_outcome, errors_of
from track_persistence.evaluation.scene_drawing import FRAMES_PER_POINT, depth_points, example_of, frame_by_frame
from track_persistence.tracking.config import TrackingConfig

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
TRACKING = load_section(PARAMS, "tracking", TrackingConfig)


@pytest.fixture
def found(scene: StereoScene, judges: Judges, scoring: ScenariosConfig) -> dict[str, Outcome]:
    return outcomes(scene, judges, TRACKING, scoring)


def test_the_example_shows_every_3d_track_and_which_are_kept(
    scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig
) -> None:
    example = example_of(scene, found, "appearance", scoring)
    assert [len(path) for path in example["truth"]] == [9]  # frame 9 is hidden from the right camera
    tracks = sorted(example["tracks"], key=lambda track: len(track["positions_m"]))
    assert [(track["real"], track["kept"], len(track["positions_m"])) for track in tracks] == [
        (False, False, 3),
        (True, True, 10),
    ]
    assert np.shape(tracks[1]["covariances_m2"]) == (10, 3, 3)
    assert tracks[1]["positions_m"][5] == pytest.approx([1 / 9, 0, 10], abs=0.02)  # from -1 to 1 m in 9 steps


def test_the_example_holds_the_calibration(
    scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig
) -> None:
    left, right = example_of(scene, found, "appearance", scoring)["cameras"]
    assert (left["name"], left["image_size_px"], left["lens"]) == ("left", [640, 480], "brown_conrady")
    assert right["cam_from_world"] == [[1, 0, 0, -0.5], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_gospa_over_time_adds_up_to_the_counts_of_the_scene(
    scene: StereoScene, found: dict[str, Outcome], scoring: ScenariosConfig
) -> None:
    drawn = example_of(scene, found, "appearance", scoring)["gospa"]
    assert list(drawn) == ["off", "appearance"]
    for method, parts in drawn.items():
        counts = count_outcome(scene, found[method], scoring, TRACKING.stereo).points
        for part in ("localisation", "missed", "false"):
            assert sum(parts[part]) == pytest.approx(counts[f"gospa_{part}_m2"])
    # 30 frames a second; the ghost stands in frames 2 to 4
    assert drawn["off"]["times_s"][:3] == pytest.approx([0, 1 / 30, 2 / 30])
    assert np.flatnonzero(drawn["off"]["false"]).tolist() == [2, 3, 4]


def test_frame_by_frame_is_plain_triangulation_of_the_kept_tracks(
    scene: StereoScene, found: dict[str, Outcome]
) -> None:
    (track,) = frame_by_frame(scene, found["appearance"], TRACKING)
    assert track.track_ids == (5, 6)
    # pixels without noise triangulate to the truth, to the accuracy of float32 boxes
    assert track.positions_m == pytest.approx(scene.trajectories[0].positions_m, abs=1e-3)
    assert np.isnan(track.velocities_mps).all()
    assert frame_by_frame(scene, Outcome(frozenset(), ()), TRACKING) == []


def test_depth_points_are_those_that_every_camera_sees(scene: StereoScene, found: dict[str, Outcome]) -> None:
    paths = errors_of(scene, found["appearance"].reconstructed, TRACKING.stereo)
    assert FRAMES_PER_POINT == 10
    points = depth_points(paths * 2)  # frame 0 of nine seen ones, twice
    assert points["depths_m"] == pytest.approx([10, 10])
    error_m = np.linalg.norm(paths[0].estimate_m[0] - paths[0].truth_m[0])
    assert points["errors_m"] == pytest.approx([error_m, error_m])
    assert depth_points([]) == {"depths_m": [], "errors_m": []}
