from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack, Track
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.pair_evidence import pair_evidence

TrackOf = Callable[..., Track]


def box_track(camera: int, frames: list[int], centres_px: list[tuple[float, float]], side_px: float) -> BoxTrack:
    boxes = np.array([(x - side_px / 2, y - side_px / 2, side_px, side_px) for x, y in centres_px], np.float32)
    return BoxTrack(camera, 0, np.array(frames, np.int32), boxes, np.ones(len(frames), np.float32))


def test_a_pair_is_summed_up_over_its_joint_frames(parallel_rig: StereoRig, config: StereoConfig) -> None:
    # Joint frames 2, 3 and 5. In these the rows differ by 1, 1 and 40 px, and the disparities are 10, 10 and -10 px.
    first = box_track(0, [1, 2, 3, 5], [(60, 50), (60, 50), (60, 50), (60, 50)], 8.0)
    second = box_track(1, [2, 3, 5, 9], [(50, 51), (50, 51), (70, 90), (50, 50)], 12.0)
    found = pair_evidence(parallel_rig, [first], [second], config)
    assert found.joint_frames.tolist() == [[3]]
    assert found.fitting_shares[0, 0] == found.meeting_shares[0, 0] == pytest.approx(2 / 3)
    # 100 px * 1 m / 10 px, but for the row of difference, which bends the nearest points by less than 2 %.
    assert found.depths_m[0, 0] == pytest.approx(10, rel=0.02)
    assert found.sides_px[0, 0] == 12
    # Two frames of two pixels of deviation 1 each: variance (1 + 1) / 2.
    assert found.offsets_px[0, 0] == pytest.approx(1.0)
    assert found.offset_variances_px2[0, 0] == pytest.approx(1.0)
    # The frames' mean is 11 / 4; both weights are 1 / 2.
    assert found.line_sums[:, 0, 0] == pytest.approx(
        [1, (2 + 3) / 2 - 11 / 4, (0.75**2 + 0.25**2) / 2, 1, (2 + 3) / 2 - 11 / 4]
    )
    # Overlap 3 of 5 frames; the sizes at one depth are as 8 to 12.
    log_size = np.log(12 / 8)
    expected = np.log(0.8 / 0.2) - 0.5 * log_size**2 * (1 / 0.04 - 1 / 0.64) + 2 * np.log(3 / 5)
    assert found.like_ratios[0, 0] == pytest.approx(expected, rel=0.01)
    assert found.allowed.tolist() == [[True]]


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"min_joint_frames": 3}, True),
        ({"min_joint_frames": 4}, False),
        ({"min_fitting_share": 0.7}, False),
        ({"min_depth_m": 11.0}, False),
        ({"max_depth_m": 9.0}, False),
    ],
)
def test_each_gate_forbids_a_pair(
    parallel_rig: StereoRig, config: StereoConfig, change: dict[str, float], allowed: bool
) -> None:
    first = box_track(0, [2, 3, 5], [(60, 50), (60, 50), (60, 50)], 8.0)
    second = box_track(1, [2, 3, 5], [(50, 50), (50, 50), (50, 90)], 8.0)
    found = pair_evidence(parallel_rig, [first], [second], config.model_copy(update=change))
    assert found.allowed.tolist() == [[allowed]]


def test_pairs_do_not_depend_on_what_else_was_seen(rig: StereoRig, config: StereoConfig, track_of: TrackOf) -> None:
    rng = np.random.default_rng(2)
    tracks = [
        [
            track_of(camera, number, i, rng.uniform((-2, -1, 5), (2, 1, 20), (6, 3)), np.sort(rng.permutation(12)[:6]))
            for i in range(4)
        ]
        for number, camera in enumerate(rig.cameras)
    ]
    together = pair_evidence(rig, *tracks, config)
    for i, first in enumerate(tracks[0]):
        for j, second in enumerate(tracks[1]):
            alone = pair_evidence(rig, [first], [second], config)
            assert together.joint_frames[i, j] == len(np.intersect1d(first.frames, second.frames))
            for name, value in vars(alone).items():
                assert np.allclose(value[..., 0, 0], vars(together)[name][..., i, j], rtol=1e-9, atol=1e-9), name


def test_sides_are_those_that_the_second_camera_would_see(parallel_rig: StereoRig, config: StereoConfig) -> None:
    left, right = parallel_rig.cameras
    long_lens = replace(left, intrinsics=np.array([[200.0, 0, 50], [0, 200, 50], [0, 0, 1]]))
    boxes = [box_track(camera, [0], [(50.0, 50.0)], side) for camera, side in enumerate((9.0, 4.0))]
    found = pair_evidence(StereoRig((long_lens, right)), boxes[:1], boxes[1:], config)
    assert found.sides_px[0, 0] == 4.5


def test_parallel_rays_pass_and_have_no_depth(parallel_rig: StereoRig, config: StereoConfig) -> None:
    same = [(50.0, 50.0)] * 2
    found = pair_evidence(parallel_rig, [box_track(0, [0, 1], same, 5.0)], [box_track(1, [0, 1], same, 5.0)], config)
    assert found.meeting_shares[0, 0] == 1 and found.depths_m[0, 0] == np.inf


def test_a_camera_without_tracks_makes_an_empty_table(parallel_rig: StereoRig, config: StereoConfig) -> None:
    found = pair_evidence(parallel_rig, [], [box_track(1, [0], [(50.0, 50.0)], 5.0)], config)
    assert found.joint_frames.shape == found.offsets_px.shape == (0, 1)
