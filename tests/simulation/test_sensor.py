import numpy as np

from track_persistence.core.seeding import generator
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.sensor import draw_sensor


def crop_noise(config: GenerateConfig, region_px: tuple[float, float]) -> float:
    sharp = config.image.model_copy(update={"defocus_px": (0.0, 0.0), "jpeg_quality": (95, 95)})
    sensor = draw_sensor(generator(0, "test"), sharp)
    grey = np.full((3, 64, 64), 120, np.float32)
    return float(sensor.develop(grey, 0, region_px, 12345).astype(np.float64).std(axis=(0, 1)).mean())


def test_noise_is_averaged_where_many_camera_pixels_make_one_crop_pixel(config: GenerateConfig) -> None:
    assert crop_noise(config, (64, 64)) > 1.5 * crop_noise(config, (512, 512)) > 0


def test_a_small_window_becomes_a_crop_of_full_size_and_clips(config: GenerateConfig) -> None:
    sensor = draw_sensor(generator(1, "test"), config.image)
    crop = sensor.develop(np.full((3, 20, 12), 900, np.float32), 3, (12, 20), 7)
    assert crop.shape == (64, 64, 3)
    assert crop.dtype == np.uint8
    assert crop.min() > 230
