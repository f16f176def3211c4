"""What a camera makes of the light: exposure, lens blur, noise, JPEG; and the crop that is stored.

H, W rows and columns of the crop window at the camera's own resolution, at most 64 x 64.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import CROP_SIZE_PX, CropArray
from track_persistence.simulation.config import ImageConfig

Plane = NDArray[np.float32]
NOISE_SEED = 21
NOISE_LENGTH = 1 << 20
LEVELS = np.arange(256) / 255
SEEN_BLUR_PX = 0.25


@lru_cache(maxsize=1)
def _noise() -> Plane:
    return np.random.default_rng(NOISE_SEED).standard_normal(NOISE_LENGTH, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Sensor:
    """One camera in one scene.

    gains: (3,) of red, green, blue. flicker: relative, with its phase and the frames per turn.
    noise_by_level: (256,) standard deviation of the noise at each grey level.
    """

    config: ImageConfig
    gains: Plane
    flicker: float
    flicker_phase: float
    flicker_frames: float
    defocus_px: float
    jpeg_quality: int
    noise_by_level: Plane

    def develop(self, canvas: Plane, frame: int, region_px: tuple[float, float], noise_offset: int) -> CropArray:
        """Turn light (3, H, W) into a stored crop (64, 64, 3).

        region_px: width and height of the region in the image; where it exceeds the window, camera pixels are averaged,
        and noise and compression shrink accordingly. noise_offset: where to start in the stored noise.
        """
        rows, columns = canvas.shape[1:]
        averaged = min(1.0, rows * columns / (region_px[0] * region_px[1]))
        exposure = 1 + self.flicker * np.sin(self.flicker_phase + 2 * np.pi * frame / self.flicker_frames)
        canvas *= (self.gains * np.float32(exposure))[:, None, None]
        picture = cv2.convertScaleAbs(np.maximum(cv2.merge(list(canvas)), 0))
        blur = self.defocus_px * columns / max(region_px[0], columns)
        if blur > SEEN_BLUR_PX:
            picture = cv2.GaussianBlur(picture, (0, 0), blur)
        offset = noise_offset % (NOISE_LENGTH - canvas.size)
        noise = _noise()[offset : offset + canvas.size].reshape(picture.shape)
        spread = cv2.LUT(picture, self.noise_by_level)
        picture = cv2.add(picture, cv2.multiply(noise, spread, scale=averaged**0.5), dtype=cv2.CV_8U)
        quality = round(100 - (100 - self.jpeg_quality) * averaged**0.5)
        small = _compressed(picture, quality)
        if small.shape[:2] != (CROP_SIZE_PX, CROP_SIZE_PX):
            small = cv2.resize(small, (CROP_SIZE_PX, CROP_SIZE_PX), interpolation=cv2.INTER_LINEAR)
        return np.asarray(small, np.uint8)


def draw_sensor(rng: np.random.Generator, config: ImageConfig) -> Sensor:
    """Draw how one camera is set in one scene."""
    balance = rng.uniform(-config.white_balance, config.white_balance, 2)
    gain = rng.uniform(*config.exposure)
    return Sensor(
        config=config,
        gains=np.array([gain * (1 + balance[0]), gain, gain * (1 + balance[1])], np.float32),
        flicker=config.exposure_flicker * rng.uniform(0, 1),
        flicker_phase=rng.uniform(0, 2 * np.pi),
        flicker_frames=rng.uniform(20, 120),
        defocus_px=rng.uniform(*config.defocus_px),
        noise_by_level=np.sqrt(config.read_noise**2 + config.shot_noise**2 * LEVELS).astype(np.float32),
        jpeg_quality=int(rng.integers(config.jpeg_quality[0], config.jpeg_quality[1] + 1)),
    )


def _compressed(picture: Any, quality: int) -> Any:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
