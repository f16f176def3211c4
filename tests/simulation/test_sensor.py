from dataclasses import replace

import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.config import ImageConfig
from track_persistence.simulation.nuisances import CameraNuisances, Clock
from track_persistence.simulation.sensor import draw_sensor

CALM = CameraNuisances(
    clock=Clock(np.arange(4, dtype=np.int32), np.zeros(4, bool)),
    gains=np.ones((4, 3), np.float32),
    read_noise=0.0,
    shot_noise=0.0,
    amplification=1.0,
    defocus_px=0.0,
    jpeg_loss=0,
    coarse=1.0,
    veils=(),
    way_px=np.zeros((4, 2)),
    smear_px=np.zeros((4, 2)),
)
IMAGE = ImageConfig.model_validate(
    {
        "context_share": 0.0,
        "exposure": [1.0, 1.0],
        "exposure_flicker": 0.0,
        "white_balance": 0.0,
        "shutter_share": [0.1, 0.1],
        "defocus_px": [0.3, 0.3],
        "read_noise": 3.0,
        "shot_noise": 4.0,
        "jpeg_quality": [60, 60],
    }
)


def crop_noise(region_px: tuple[float, float]) -> float:
    sharp = IMAGE.model_copy(update={"defocus_px": (0.0, 0.0), "jpeg_quality": (95, 95)})
    sensor = draw_sensor(generator(0, "test"), sharp)
    grey = np.full((3, 64, 64), 120, np.float32)
    return float(sensor.develop(grey, 0, region_px, 12345).astype(np.float64).std(axis=(0, 1)).mean())


def test_noise_is_averaged_where_many_camera_pixels_make_one_crop_pixel() -> None:
    assert crop_noise((64, 64)) > 1.5 * crop_noise((512, 512)) > 0


def test_a_small_window_becomes_a_crop_of_full_size_and_clips() -> None:
    sensor = draw_sensor(generator(1, "test"), IMAGE)
    crop = sensor.develop(np.full((3, 20, 12), 900, np.float32), 3, (12, 20), 7)
    assert crop.shape == (64, 64, 3)
    assert crop.dtype == np.uint8
    assert crop.min() > 230


def test_noise_adds_up_as_variances_and_grows_with_the_amplification() -> None:
    sensor = draw_sensor(generator(0, "test"), IMAGE)
    # 3 and 4 grey levels are independent: together 5.
    assert sensor.disturbed(replace(CALM, read_noise=4.0)).noise_by_level[0] == pytest.approx(5)
    # Amplified 4 times, read noise is 4 times as large; shot noise 2 times, for at one level there is 1/4 of the light.
    dark = sensor.disturbed(replace(CALM, amplification=4.0)).noise_by_level
    assert dark[0] == pytest.approx(12)
    assert dark[255] == pytest.approx(np.hypot(12, 8))


def test_gains_and_blur_over_time_meet_their_own_frame_alone() -> None:
    gains, smear = CALM.gains.copy(), CALM.smear_px.copy()
    gains[2], smear[3] = (0.5, 0.25, 1.0), (4.0, 0.0)
    sensor = draw_sensor(generator(0, "test"), IMAGE).disturbed(replace(CALM, gains=gains, smear_px=smear))
    flat = sensor.develop(np.full((3, 64, 64), 200, np.float32), 2, (64, 64), 7).mean(axis=(0, 1))
    np.testing.assert_allclose(flat, [100, 50, 200], atol=3)
    edges = np.zeros((3, 64, 64), np.float32)
    edges[:, 20:40, 20:40] = 200
    moving = sensor.develop(edges, 3, (64, 64), 7).astype(float).mean(axis=2)
    across, down = np.abs(np.diff(moving[30])).max(), np.abs(np.diff(moving[:, 30])).max()
    assert across < 0.3 * down


def test_compression_gets_worse_but_not_senseless() -> None:
    sensor = draw_sensor(generator(0, "test"), IMAGE)
    assert sensor.disturbed(replace(CALM, jpeg_loss=25)).jpeg_quality == 35
    assert sensor.disturbed(replace(CALM, jpeg_loss=90)).jpeg_quality == 5
