from typing import Any

import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.nuisance_config import NuisancesConfig
from track_persistence.simulation.nuisances import SceneNuisances, draw_nuisances, misaligned, partial

OFF: dict[str, dict[str, Any]] = {
    "light": {
        "exposure_drift": 0.0,
        "white_balance_drift": 0.0,
        "change_share": 0.0,
        "change_stops": [0.0, 0.0],
        "change_frames": [1, 40],
        "dark_share": 0.0,
        "dark_stops": [0.0, 0.0],
        "dark_loss_stops": [0.0, 0.0],
    },
    "camera": {
        "read_noise": [0.0, 0.0],
        "shot_noise": [0.0, 0.0],
        "defocus_px": [0.0, 0.0],
        "jpeg_loss": [0, 0],
        "coarse_share": 0.0,
        "coarse_factor": [1.0, 1.0],
    },
    "veils": {"rain_share": 0.0, "dust_share": 0.0, "lens_share": 0.0, "opacity": [0.0, 0.0]},
    "shake": {
        "scene_share": 0.0,
        "amplitude_px": [0.0, 0.0],
        "period_frames": [4, 60],
        "rig_share": 0.8,
        "shutter_share": [0.0, 0.0],
    },
    "boxes": {"offset": 0.0, "scale": 0.0, "partial_share": 0.0, "partial_kept": [0.6, 0.9]},
    "clock": {"dropped": [0.0, 0.0], "duplicated": [0.0, 0.0], "desync_share": 0.0, "desync_frames": [0.0, 0.0]},
    "appearance": {
        "share": 0.0,
        "weights": {"dead_leaves": 0.3, "spectrum": 0.2, "fractal": 0.15, "stripes": 0.2, "text": 0.15},
    },
}
TOTAL = 100
BOXES = np.array([[10.0, 20.0, 40.0, 80.0], [12.0, 21.0, 42.0, 84.0]])


def config_with(section: str, **values: Any) -> NuisancesConfig:
    return NuisancesConfig.model_validate({**OFF, section: {**OFF[section], **values}})


def drawn(section: str, seed: int = 0, **values: Any) -> SceneNuisances:
    return draw_nuisances(generator(seed, "nuisances"), config_with(section, **values), TOTAL)


def test_zeros_switch_everything_off() -> None:
    for camera in drawn("light").cameras:
        assert np.array_equal(camera.clock.shown, np.arange(TOTAL))
        assert not camera.clock.dropped.any()
        assert (camera.gains == 1).all()
        assert not camera.way_px.any()
        assert not camera.smear_px.any()
        assert camera.veils == ()
        assert (camera.read_noise, camera.shot_noise, camera.defocus_px, camera.jpeg_loss) == (0, 0, 0, 0)
        assert (camera.amplification, camera.coarse) == (1, 1)


def test_the_same_generator_draws_the_same_nuisances() -> None:
    first, second = (drawn("shake", scene_share=1.0, amplitude_px=[5.0, 9.0]).cameras[1] for _ in range(2))
    assert np.array_equal(first.way_px, second.way_px)
    other = drawn("shake", seed=1, scene_share=1.0, amplitude_px=[5.0, 9.0]).cameras[1]
    assert not np.array_equal(first.way_px, other.way_px)


def test_the_gain_drifts_slowly_and_within_its_limit() -> None:
    gains = [drawn("light", seed, exposure_drift=0.2).cameras[0].gains for seed in range(30)]
    for gain in gains:
        assert np.abs(gain - 1).max() <= 0.2 + 1e-6
        assert np.array_equal(gain[:, 0], gain[:, 1])
        # A wave of amplitude 0.2 and a third of the sequence's period changes by 0.2 * 2 pi * 3 / 100 a frame at most.
        assert np.abs(np.diff(gain, axis=0)).max() <= 0.2 * 2 * np.pi * 3 / TOTAL
    assert max(np.abs(gain - 1).max() for gain in gains) > 0.05


def test_white_balance_drifts_in_red_and_blue_alone() -> None:
    gains = drawn("light", white_balance_drift=0.3).cameras[0].gains
    assert (gains[:, 1] == 1).all()
    assert np.ptp(gains[:, 0]) > 0.01
    assert not np.allclose(gains[:, 0], gains[:, 2])


def test_a_change_of_the_light_meets_both_cameras_at_once() -> None:
    for seed in range(12):
        first, second = drawn("light", seed, change_share=1.0, change_stops=[1.0, 1.0]).cameras
        assert np.array_equal(first.gains, second.gains)
        # One stop up or down is a factor of 2.
        assert first.gains.min() >= 0.5
        assert first.gains.max() <= 2
    changes = [np.ptp(drawn("light", s, change_share=1.0, change_stops=[1.0, 1.0]).cameras[0].gains) for s in range(12)]
    assert sum(change > 0.4 for change in changes) >= 8


def test_in_the_dark_the_signal_falls_and_its_amplification_rises() -> None:
    for camera in drawn("light", dark_share=1.0, dark_stops=[3.0, 3.0], dark_loss_stops=[1.0, 1.0]).cameras:
        assert camera.amplification == 2**3
        assert (camera.gains == 0.5).all()
    both = {"dark_share": 1.0, "dark_loss_stops": [1.0, 1.0], "change_share": 1.0, "change_stops": [1.0, 1.0]}
    for seed in range(6):
        assert (drawn("light", seed, **both).cameras[0].gains == 0.5).all()


def test_a_repeated_picture_is_the_one_before_it() -> None:
    clock = drawn("clock", duplicated=[0.5, 0.5]).cameras[0].clock
    repeats = [frame for frame in range(1, TOTAL) if clock.shown[frame] == clock.shown[frame - 1]]
    # 99 draws of probability one half lie within 50 +- 5 standard deviations of 5.
    assert 25 <= len(repeats) <= 75
    for frame in range(1, TOTAL):
        assert clock.world_frame(frame) == (clock.world_frame(frame - 1) if frame in repeats else frame)


def test_a_frame_is_dropped_for_all_tracks_of_one_camera() -> None:
    first, second = drawn("clock", dropped=[0.3, 0.3]).cameras
    assert 10 <= first.clock.dropped.sum() <= 50
    assert not np.array_equal(first.clock.dropped, second.clock.dropped)
    frame = int(np.flatnonzero(first.clock.dropped)[0])
    assert first.clock.is_dropped(frame)


@pytest.mark.parametrize(("offset", "expected"), [(2.0, 2), (-1.4, -1), (0.3, 0)])
def test_the_second_camera_runs_ahead_by_whole_frames(offset: float, expected: int) -> None:
    first, second = drawn("clock", desync_share=1.0, desync_frames=[offset, offset]).cameras
    assert [first.clock.world_frame(frame) for frame in (0, 50)] == [0, 50]
    assert [second.clock.world_frame(frame) for frame in (0, 50)] == [expected, 50 + expected]


def test_shaking_is_smooth_and_follows_the_clock() -> None:
    camera = drawn("shake", scene_share=1.0, amplitude_px=[8.0, 8.0], shutter_share=[0.5, 0.5]).cameras[0]
    frames = np.arange(TOTAL, dtype=np.int32)
    way = camera.shake_px(frames)
    assert way.shape == (TOTAL, 2)
    assert 1 < np.abs(way).max() <= 8
    # A wave of 8 px and a period of 4 frames moves by 8 * 2 pi / 4 px a frame at most.
    assert np.abs(np.diff(way, axis=0)).max() <= 8 * 2 * np.pi / 4
    fastest = np.abs(np.gradient(way, axis=0)).max()
    # While the shutter is open for half a frame, the picture moves by half of that; spread evenly: over sqrt(12).
    assert camera.smear_px.max() == pytest.approx(fastest / 2 / 12**0.5)


def test_cameras_on_one_bar_shake_together() -> None:
    first, second = drawn("shake", scene_share=1.0, amplitude_px=[8.0, 8.0], rig_share=1.0).cameras
    assert np.array_equal(first.way_px, second.way_px)
    first, second = drawn("shake", scene_share=1.0, amplitude_px=[8.0, 8.0], rig_share=0.0).cameras
    assert np.abs(first.way_px - second.way_px).max() > 1


def test_it_rains_in_both_cameras_under_one_wind_and_specks_are_each_lens_its_own() -> None:
    first, second = drawn("veils", rain_share=1.0, opacity=[0.5, 0.5]).cameras
    assert [len(camera.veils) for camera in (first, second)] == [1, 1]
    assert first.veils[0].slant == second.veils[0].slant != 0
    assert not np.array_equal(first.veils[0].offsets_px, second.veils[0].offsets_px)
    numbers = [len(c.veils) for seed in range(30) for c in drawn("veils", seed, lens_share=0.5).cameras]
    assert set(numbers) == {0, 1}


def test_an_error_of_the_boxes_is_one_share_of_their_size_over_the_whole_track() -> None:
    config = config_with("boxes", offset=0.1, scale=0.1)
    shifts = []
    for seed in range(200):
        boxes = misaligned(generator(seed, "boxes"), config, BOXES)
        middles = (boxes[:, :2] + boxes[:, 2:] / 2 - BOXES[:, :2] - BOXES[:, 2:] / 2) / BOXES[:, 2:]
        factors = boxes[:, 2:] / BOXES[:, 2:]
        np.testing.assert_allclose(middles[0], middles[1], atol=1e-12)
        np.testing.assert_allclose(factors[0], factors[1], atol=1e-12)
        shifts.append(middles[0])
    # The standard error of a standard deviation over 400 draws is 1 / sqrt(800) of it: 3.5 %.
    assert np.std(shifts) == pytest.approx(0.1, rel=0.15)
    assert np.array_equal(misaligned(generator(0, "boxes"), config_with("boxes"), BOXES), BOXES)


def test_a_partial_box_keeps_to_one_side_of_the_whole_one() -> None:
    config = config_with("boxes", partial_share=1.0, partial_kept=[0.6, 0.6])
    kinds = set()
    for seed in range(40):
        boxes = partial(generator(seed, "boxes"), config, BOXES)
        kept = boxes[:, 2:] / BOXES[:, 2:]
        assert sorted(kept[0].round(9).tolist()) == [0.6, 1.0]
        np.testing.assert_allclose(kept[0], kept[1])
        assert (boxes[:, :2] >= BOXES[:, :2] - 1e-9).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= BOXES[:, :2] + BOXES[:, 2:] + 1e-9).all()
        kinds.add((*(boxes[0, :2] > BOXES[0, :2]).tolist(), *(kept[0] < 1).tolist()))
    assert len(kinds) == 4  # upper, lower, left, right
    assert np.array_equal(partial(generator(0, "boxes"), config_with("boxes"), BOXES), BOXES)
