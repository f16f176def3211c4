from dataclasses import replace

import numpy as np

from track_persistence.core.seeding import generator
from track_persistence.simulation.config import ImageConfig, RigConfig
from track_persistence.simulation.film import Film
from track_persistence.simulation.nuisances import CameraNuisances, Clock
from track_persistence.simulation.optics import build_rig
from track_persistence.simulation.sensor import draw_sensor
from track_persistence.simulation.veils import draw_veil

TOTAL = 20
RIG = RigConfig.model_validate(
    {
        "focal_px": 400.0,
        "image_size_px": [320, 240],
        "frame_rate_hz": 25.0,
        "baseline_m": 0.5,
        "toe_in_rad": 0.0,
        "pitch_rad": 0.0,
        "distortion": [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
    }
)
IMAGE = ImageConfig.model_validate(
    {
        "context_share": 0.0,
        "exposure": [1.0, 1.0],
        "exposure_flicker": 0.0,
        "white_balance": 0.0,
        "shutter_share": [0.1, 0.1],
        "defocus_px": [0.0, 0.0],
        "read_noise": 0.0,
        "shot_noise": 0.0,
        "jpeg_quality": [95, 95],
    }
)
NOISY = IMAGE.model_copy(update={"read_noise": 8.0})
CALM = CameraNuisances(
    clock=Clock(np.arange(TOTAL, dtype=np.int32), np.zeros(TOTAL, bool)),
    gains=np.ones((TOTAL, 3), np.float32),
    read_noise=0.0,
    shot_noise=0.0,
    amplification=1.0,
    defocus_px=0.0,
    jpeg_loss=0,
    coarse=1.0,
    veils=(),
    way_px=np.zeros((TOTAL, 2)),
    smear_px=np.zeros((TOTAL, 2)),
)
BOX = np.array([[100.0, 80.0, 60.0, 50.0]])


def film(nuisances: CameraNuisances | None, image: ImageConfig = IMAGE) -> Film:
    background = generator(0, "background").integers(0, 200, (15, 20, 3)).astype(np.uint8)
    blocks = background.repeat(16, axis=0).repeat(16, axis=1)
    return Film(0, build_rig(RIG).cameras[0], (blocks,), (), draw_sensor(generator(0, "sensor"), image), nuisances)


def crops(
    nuisances: CameraNuisances | None, boxes: np.ndarray, frames: list[int], image: ImageConfig = IMAGE
) -> np.ndarray:
    made = film(nuisances, image).crops(generator(1, "crops"), boxes.repeat(len(frames), 0), np.array(frames, np.int32))
    return made.astype(np.float64)


def test_calm_nuisances_leave_every_pixel_as_it_is() -> None:
    assert np.array_equal(crops(None, BOX, [0, 7], NOISY), crops(CALM, BOX, [0, 7], NOISY))


def test_shaking_moves_the_box_and_not_what_is_in_it() -> None:
    way = np.tile([6.0, -4.0], (TOTAL, 1))
    shaken = replace(CALM, way_px=way)
    moved = BOX + np.array([6.0, -4.0, 0.0, 0.0])
    np.testing.assert_allclose(crops(shaken, moved, [3]), crops(None, BOX, [3]), atol=2)
    assert np.abs(crops(shaken, BOX, [3]) - crops(None, BOX, [3])).max() > 20


def test_a_repeated_picture_has_the_same_noise_and_the_next_one_does_not() -> None:
    shown = np.array([0, 1, 1, 3, *range(4, TOTAL)], np.int32)
    first, second, third = crops(replace(CALM, clock=Clock(shown, CALM.clock.dropped)), BOX, [1, 2, 3], NOISY)
    assert np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_a_camera_out_of_step_takes_its_light_from_the_moment_that_it_shows() -> None:
    gains = np.ones((TOTAL, 3), np.float32)
    gains[10:] = 0.5
    ahead = Clock(np.arange(TOTAL, dtype=np.int32) + 3, CALM.clock.dropped)
    light = crops(replace(CALM, gains=gains, clock=ahead), BOX, [6, 7, 19]).mean(axis=(1, 2, 3))
    # Frame 7 shows moment 10; frame 19 shows moment 22, past the end, with the last light.
    np.testing.assert_allclose(light / light[0], [1, 0.5, 0.5], atol=0.02)


def test_a_coarse_camera_gives_the_same_picture_with_less_detail() -> None:
    sharp, coarse = crops(None, BOX, [0])[0], crops(replace(CALM, coarse=4.0), BOX, [0])[0]
    assert np.abs(sharp.mean(axis=(0, 1)) - coarse.mean(axis=(0, 1))).max() < 12
    assert np.abs(np.diff(coarse, axis=1)).max() < 0.6 * np.abs(np.diff(sharp, axis=1)).max()
    tiny = np.array([[100.0, 80.0, 8.0, 8.0]])
    assert crops(replace(CALM, coarse=4.0), tiny, [0]).shape == (1, 64, 64, 3)


def test_specks_on_the_lens_stay_where_they_are_while_the_picture_shakes() -> None:
    lens = draw_veil(generator(2, "lens"), "lens", TOTAL, 0.9, 0.0)
    wide = np.array([[40.0, 30.0, 240.0, 180.0]])
    shaken = replace(CALM, way_px=np.arange(TOTAL)[:, None] * np.array([[2.0, 0.0]]))
    masks = []
    for nuisances in (CALM, shaken):
        difference = crops(replace(nuisances, veils=(lens,)), wide, [5])[0] - crops(nuisances, wide, [5])[0]
        masks.append(np.abs(difference).max(axis=2) > 25)
    assert masks[0].mean() > 0.02
    both, either = (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()
    assert both / either > 0.6
