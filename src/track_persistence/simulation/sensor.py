"""What a camera makes of the light: exposure, lens blur, noise, JPEG; and the crop that is stored.

H, W rows and columns of the crop window at the camera's own resolution, at most 64 x 64.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.types import CROP_SIZE_PX, CropArray
from track_persistence.simulation.config import ImageConfig
from track_persistence.simulation.nuisances import CameraNuisances

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
NOISE_SEED = 21
NOISE_LENGTH = 1 << 20
LEVELS = np.arange(256) / 255
SEEN_BLUR_PX = 0.25
LEAST_BLUR_PX = 0.1
LOWEST_QUALITY = 5


@lru_cache(maxsize=1)
def _noise() -> Plane:
    return np.random.default_rng(NOISE_SEED).standard_normal(NOISE_LENGTH, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Sensor:
    """One camera in one scene.

    gains: (3,) of red, green, blue. flicker: relative, with its phase and the frames per turn.
    noise_by_level: (256,) standard deviation of the noise at each grey level. over_time: gains (T, 3) and blur (T, 2)
    along x and y in pixels that come on top in each frame of the scene, or None.
    """

    config: ImageConfig
    gains: Plane
    flicker: float
    flicker_phase: float
    flicker_frames: float
    defocus_px: float
    jpeg_quality: int
    noise_by_level: Plane
    over_time: tuple[Plane, Array] | None = None
    coarse: float = 1.0

    def develop(self, canvas: Plane, frame: int, region_px: tuple[float, float], noise_offset: int) -> CropArray:
        """Turn light (3, H, W) into a stored crop (64, 64, 3).

        region_px: width and height of the region in the image; where it exceeds the window, camera pixels are averaged,
        and noise and compression shrink accordingly. noise_offset: where to start in the stored noise.
        """
        rows, columns = canvas.shape[1:]
        averaged = min(1.0, rows * columns * self.coarse**2 / (region_px[0] * region_px[1]))
        exposure = 1 + self.flicker * np.sin(self.flicker_phase + 2 * np.pi * frame / self.flicker_frames)
        gains = self.gains * np.float32(exposure)
        blur_x = blur_y = self.defocus_px
        if self.over_time is not None:
            gains = gains * self.over_time[0][frame]
            smear_x, smear_y = self.over_time[1][frame].tolist()
            blur_x, blur_y = math.hypot(blur_x, smear_x), math.hypot(blur_y, smear_y)
        canvas *= gains[:, None, None]
        picture = cv2.convertScaleAbs(np.maximum(cv2.merge(list(canvas)), 0))
        blur_x, blur_y = blur_x * columns / max(region_px[0], columns), blur_y * rows / max(region_px[1], rows)
        if max(blur_x, blur_y) > SEEN_BLUR_PX:
            picture = cv2.GaussianBlur(picture, (0, 0), max(blur_x, LEAST_BLUR_PX), sigmaY=max(blur_y, LEAST_BLUR_PX))
        offset = noise_offset % (NOISE_LENGTH - canvas.size)
        noise = _noise()[offset : offset + canvas.size].reshape(picture.shape)
        spread = cv2.LUT(picture, self.noise_by_level)
        picture = cv2.add(picture, cv2.multiply(noise, spread, scale=averaged**0.5), dtype=cv2.CV_8U)
        quality = round(100 - (100 - self.jpeg_quality) * averaged**0.5)
        small = _compressed(picture, quality)
        if small.shape[:2] != (CROP_SIZE_PX, CROP_SIZE_PX):
            small = cv2.resize(small, (CROP_SIZE_PX, CROP_SIZE_PX), interpolation=cv2.INTER_LINEAR)
        return np.asarray(small, np.uint8)

    def disturbed(self, nuisances: CameraNuisances) -> "Sensor":
        """Return this sensor with the gains, noise, blur, compression and resolution of the nuisances."""
        read = math.hypot(self.config.read_noise, nuisances.read_noise) * nuisances.amplification
        shot = math.hypot(self.config.shot_noise, nuisances.shot_noise) * nuisances.amplification**0.5
        return replace(
            self,
            defocus_px=math.hypot(self.defocus_px, nuisances.defocus_px),
            noise_by_level=_noise_by_level(read, shot),
            jpeg_quality=max(self.jpeg_quality - nuisances.jpeg_loss, min(self.jpeg_quality, LOWEST_QUALITY)),
            over_time=(nuisances.gains, nuisances.smear_px),
            coarse=nuisances.coarse,
        )


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
        noise_by_level=_noise_by_level(config.read_noise, config.shot_noise),
        jpeg_quality=int(rng.integers(config.jpeg_quality[0], config.jpeg_quality[1] + 1)),
    )


def _noise_by_level(read: float, shot: float) -> Plane:
    """Return (256,) standard deviations; photon counting makes the variance grow with the level."""
    return np.sqrt(read**2 + shot**2 * LEVELS).astype(np.float32)


def _compressed(picture: Any, quality: int) -> Any:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
