from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from track_persistence.core.rig import CameraRig, StereoRig
from track_persistence.core.types import BoxTrack, Track
from track_persistence.stereo.association import associate
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.cues import MotionPrior, cues, unpaired_cues

TrackOf = Callable[..., Track]
FRAMES = np.arange(10)


def alone(rig: CameraRig, camera: int, track: BoxTrack, config: StereoConfig) -> float:
    tracks: list[list[BoxTrack]] = [[] for _ in rig.cameras]
    tracks[camera] = [track]
    association = associate(rig, tracks, config)
    found = unpaired_cues(rig, association, (camera, 0), track, config)
    assert (found.candidates, found.best_log_likelihood_ratio) == (0, None)
    return found.expected_share


def box_at(camera: int, x_px: float, count: int = 3) -> BoxTrack:
    boxes = np.tile(np.float32([x_px - 2, 48, 4, 4]), (count, 1))
    return BoxTrack(camera, 4, np.arange(count, dtype=np.int32), boxes, np.ones(count, np.float32))


@pytest.mark.parametrize(
    ("camera", "x_px", "seen"),
    [
        # From 200 m to 1 m the disparity of 17 steps is 0.5 + 6.22 k px, and the images reach from -0.5 to 100.5 px.
        (0, 100.0, 17),  # 100 - 0.5 to 100 - 100 px
        (0, 50.0, 9),  # 50 - 50.25 px at k = 8 is the last inside
        (0, 5.0, 1),  # 5 - 6.7 px is outside already
        (1, 0.0, 17),
        (1, 50.0, 9),
    ],
)
def test_the_other_camera_should_have_seen_the_share_of_its_epipolar_segment_inside_the_image(
    parallel_rig: StereoRig, config: StereoConfig, camera: int, x_px: float, seen: int
) -> None:
    assert alone(parallel_rig, camera, box_at(camera, x_px), config) == pytest.approx(seen / 17)


def test_a_camera_that_looks_away_should_have_seen_nothing(parallel_rig: StereoRig, config: StereoConfig) -> None:
    first, second = parallel_rig.cameras
    turned = replace(second, cam_from_world=np.column_stack([np.diag([-1.0, 1, -1]), [1.0, 0, 0]]))
    assert alone(StereoRig((first, turned)), 0, box_at(0, 100), config) == 0
    # A third camera that looks along counts instead: the best one does.
    beside = replace(second, name="third", cam_from_world=np.column_stack([np.eye(3), [-0.5, 0, 0]]))
    assert alone(CameraRig((first, turned, beside)), 0, box_at(0, 100), config) == 1


def test_a_track_that_was_too_dear_for_its_partner_keeps_it_as_a_candidate(
    parallel_rig: StereoRig, config: StereoConfig, track_of: TrackOf
) -> None:
    crossing = np.array([0.05, 0, 10]) + FRAMES[:, None] * np.array([0.1, 0, 0])
    pair = [track_of(camera, number, 7, crossing, FRAMES) for number, camera in enumerate(parallel_rig.cameras)]
    dear = config.model_copy(update={"null_partner_cost": 1e3})
    # Behind both cameras with the only partner of the same frames: no candidate.
    behind = track_of(parallel_rig.cameras[0], 0, 8, np.tile([-4.0, 0, 10], (10, 1)), FRAMES)
    tracks = [[pair[0], behind], [pair[1]]]
    association = associate(parallel_rig, tracks, dear)
    found = cues(parallel_rig, association, tracks, dear, MotionPrior(1.0, 1.0))
    assert found.groups == ()
    (kept, ghost), (partner,) = found.unpaired
    ratio = association.log_likelihood_ratios[0, 1][0, 0]
    assert (kept.candidates, kept.best_log_likelihood_ratio) == (1, ratio)
    assert (partner.candidates, partner.best_log_likelihood_ratio) == (1, ratio)
    assert (ghost.candidates, ghost.best_log_likelihood_ratio) == (0, None)
