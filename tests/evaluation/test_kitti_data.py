"""A KITTI sequence as two views, on hand-made files and on the real ones beside the repository."""

from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import KITTI_SECTION

from track_persistence.core.errors import StorageError
from track_persistence.core.rig import Camera
from track_persistence.evaluation.kitti_config import KittiConfig
from track_persistence.evaluation.kitti_data import derived_corners_px, load_rig_of, load_sequence
from track_persistence.video.kitti import Boxes3D, read_detections

KITTI = Path(__file__).parents[3] / "shared" / "data" / "kitti_tracking"
needs_data = pytest.mark.skipif(not KITTI.is_dir(), reason="KITTI is not beside the repository")

FOCAL_PX = 700.0
LEFT_M, RIGHT_M = 0.06, -0.44  # x of a camera's t: the baseline is 0.5 m
CONFIG = KittiConfig.model_validate(KITTI_SECTION)


def camera(x_m):
    intrinsics = np.array([[FOCAL_PX, 0, 600], [0, FOCAL_PX, 180], [0, 0, 1]])
    return Camera("c", intrinsics, np.empty(0), np.hstack([np.eye(3), [[x_m], [0], [0]]]), (1242, 375), 10.0)


def cubes(*bottoms_m):
    """Return cubes with a side of 2 m."""
    count = len(bottoms_m)
    return Boxes3D(np.array(bottoms_m, np.float64), np.full((count, 3), 2.0), np.zeros(count))


def derived(boxes, sigma_px=0.0, seed=0):
    return derived_corners_px(camera(-0.5), boxes, sigma_px, np.random.default_rng(seed))


def write_calibration(folder, *names):
    rows = {"P0": 0.0, "P1": -0.5, "P2": LEFT_M, "P3": RIGHT_M}
    lines = [f"{name}: 700 0 600 {700 * rows[name]} 0 700 180 0 0 0 1 0" for name in names]
    (folder / "calib").mkdir()
    (folder / "calib" / "0000.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def made(tmp_path):
    """Make a sequence of a cube in frames 0 to 2, seen ahead, and one in frame 5 that only the left image shows."""
    write_calibration(tmp_path, "P0", "P1", "P2", "P3")
    for name in ("label_02", "pointrcnn/Car"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "label_02" / "0000.txt").write_text("6 1 Car 0 0 0 0 0 60 60 2 2 2 0 1 11 0\n")
    ahead = [f"{frame},2,530,110,670,250,0.0,2,2,2,0,1,11,0,0" for frame in range(3)]
    # Its last column on the far face, x = -5.7 and z = 7: 600 - 564 on the left, 600 - 614 on the right, outside.
    aside = ["5,2,0,40,36,320,2.0,2,2,2,-6.7,1,6,0,0"]
    (tmp_path / "pointrcnn" / "Car" / "0000.txt").write_text("\n".join(ahead + aside) + "\n")
    return tmp_path


def test_the_derived_box_encloses_the_near_face_of_a_cube_ahead():
    # The near face stands at z = 10; in the camera's frame its x run from -1.5 to 0.5, its y from -1 to 1.
    assert derived(cubes([0, 1, 11])).tolist() == [[600 - 105, 180 - 70, 600 + 35, 180 + 70]]


def test_the_derived_box_ends_where_the_image_ends():
    # x from (-9 - 0.5) to (-7 - 0.5), the left edge on the near face: 600 - 665 < 0; the right edge on the far one.
    assert derived(cubes([-8, 1, 11]))[0].tolist() == pytest.approx([0, 110, 600 - 7.5 / 12 * 700, 250])


def test_a_box_that_reaches_the_camera_has_no_derived_box():
    found = derived(cubes([0, 1, 0.5], [0, 1, -9], [0, 1, 11]))
    assert np.isnan(found).all(axis=1).tolist() == [True, True, False]


def test_every_edge_has_noise_of_its_own_of_the_given_deviation():
    boxes = cubes(*[[0.0, 1.0, 11.0]] * 4000)
    noise = derived(boxes, 1.5) - derived(boxes)
    assert noise.std(axis=0) == pytest.approx([1.5] * 4, rel=0.05)  # 4.5 standard errors
    assert np.abs(np.corrcoef(noise.T) - np.eye(4)).max() < 0.07


def test_one_box_more_or_less_in_view_leaves_the_others_noise_alone():
    seen, hidden = derived(cubes([0, 1, 11], [1, 1, 20]), 1.0), derived(cubes([0, 1, -9], [1, 1, 20]), 1.0)
    assert seen[1].tolist() == hidden[1].tolist()


def test_the_cameras_are_p2_and_p3_and_their_last_column_sets_them_apart(tmp_path):
    write_calibration(tmp_path, "P0", "P1", "P2", "P3")
    rig = load_rig_of(tmp_path, "0000", CONFIG)
    assert rig.baseline_m == pytest.approx(LEFT_M - RIGHT_M)
    assert rig.cameras[0].centre_m.tolist() == pytest.approx([-LEFT_M, 0, 0])
    assert (rig.cameras[0].image_size_px, rig.cameras[0].frame_rate_hz) == ((1242, 375), 10.0)


def test_a_calibration_without_p3_is_refused(tmp_path):
    write_calibration(tmp_path, "P0", "P1", "P2")
    with pytest.raises(StorageError, match=r"0000\.txt: holds 3 cameras; expected P0 to P3"):
        load_rig_of(tmp_path, "0000", CONFIG)


def test_detections_are_linked_in_both_views_with_frames_from_0(made):
    sequence = load_sequence(made, "0000", "Car", CONFIG, np.random.default_rng(0))
    left, right = sequence.tracks
    assert [track.frames.tolist() for track in left] == [[0, 1, 2], [5]]
    assert [track.frames.tolist() for track in right] == [[0, 1, 2]]
    assert {track.camera for track in right} == {1}
    assert sequence.frames == 7  # the last label is in frame 6


def test_confidence_is_the_logistic_of_the_score_and_disparity_that_of_the_near_face(made):
    sequence = load_sequence(made, "0000", "Car", CONFIG, np.random.default_rng(0))
    (ahead, aside), (right,) = sequence.tracks
    assert ahead.confidences.tolist() == [0.5] * 3
    assert aside.confidences.tolist() == pytest.approx([1 / (1 + np.exp(-2.0))])
    # The left file's box is taken as it is: 600 px; the right one is 600 - 0.44 * 70.
    assert (ahead.centres_px[0, 0], right.centres_px[0, 0]) == pytest.approx((600, 600 - 30.8))


@needs_data
@pytest.mark.parametrize("category", ["Car", "Pedestrian"])
def test_a_real_left_box_is_the_detectors_3d_box_through_p2(category):
    # Read by hand, so that neither the reader of calibrations nor the projection vouches for itself.
    line = next(text for text in (KITTI / "calib" / "0004.txt").read_text().splitlines() if text.startswith("P2"))
    projection = np.array(line.split()[1:], np.float64).reshape(3, 4)
    found = read_detections(KITTI / "pointrcnn" / category / "0004.txt", category)
    corners = found.boxes.corners_m
    rays = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2) @ projection.T
    ahead = rays[:, :, 2].min(axis=1) > 0.1
    pixels = rays[ahead, :, :2] / rays[ahead, :, 2:]
    boxes = np.clip(np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1), 0, [1241, 374, 1241, 374])
    assert ahead.mean() > 0.99
    assert np.abs(boxes - found.corners_px[ahead]).max() < 0.1


@needs_data
def test_the_real_baseline_is_that_of_the_colour_cameras():
    assert load_rig_of(KITTI, "0000", CONFIG).baseline_m == pytest.approx(0.533, abs=1e-3)  # Geiger 2013: 54 cm
