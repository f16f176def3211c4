"""One camera's film of a scene: background, causes and sensor together give the crop of any region at any frame."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera
from track_persistence.core.types import CROP_SIZE_PX, CropArray, IntArray
from track_persistence.simulation.causes import Cause
from track_persistence.simulation.nuisances import CameraNuisances
from track_persistence.simulation.optics import extents_from_boxes
from track_persistence.simulation.painters import Painter
from track_persistence.simulation.sensor import Sensor
from track_persistence.simulation.views import Window

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
# A coarse camera still gives a crop this many samples along each side.
FEWEST_SAMPLES = 6


@dataclass(frozen=True, eq=False)
class Film:
    """What camera `number` records: the background's pyramid, the causes in front of it, the sensor, the nuisances."""

    number: int
    camera: Camera
    background: tuple[NDArray[Any], ...]
    causes: tuple[Cause, ...]
    sensor: Sensor
    nuisances: CameraNuisances | None = None

    def crops(
        self, rng: np.random.Generator, boxes_xywh_px: Array, frames: IntArray, speck: Painter | None = None
    ) -> CropArray:
        """Cut the crops (N, 64, 64, 3) of boxes (N, 4) at `frames` (N,).

        Frames are the camera's and boxes lie in the recorded picture, shaking included. `speck` is painted over each
        crop, with the crop's row as its index.
        """
        recorded = self.regions(boxes_xywh_px)
        regions = self.steady(recorded, frames)
        extents = extents_from_boxes(self.camera, regions)
        offsets = rng.integers(1 << 30, size=len(frames)).tolist()
        moments = [frame if self.nuisances is None else self.nuisances.moment(frame) for frame in frames.tolist()]
        crops = np.empty((len(frames), CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)
        for row, frame in enumerate(frames.tolist()):
            # A picture that is shown once more has the same noise.
            if row > 0 and moments[row] == moments[row - 1]:
                offsets[row] = offsets[row - 1]
            x, y, width, height = regions[row].tolist()
            columns, rows = self._samples(width), self._samples(height)
            window = Window.over(extents[row], columns, rows)
            canvas = self._background(x, y, width / columns, height / rows, (columns, rows))
            for cause, index in self._seen_in(x, y, width, height, frame):
                cause.painter.paint(canvas, window, self.number, index)
            if speck is not None:
                speck.paint(canvas, window, self.number, row)
            self._veil(canvas, recorded[row], moments[row])
            crops[row] = self._sensor.develop(canvas, moments[row], (width, height), offsets[row])
        return crops

    def regions(self, boxes_xywh_px: Array) -> Array:
        """Boxes (N, 4) with their margin of context, cut to the image."""
        margin = boxes_xywh_px[:, 2:] * self.sensor.config.context_share
        limit = np.array(self.camera.image_size_px) - 0.5
        low = np.maximum(boxes_xywh_px[:, :2] - margin, -0.5)
        high = np.minimum(boxes_xywh_px[:, :2] + boxes_xywh_px[:, 2:] + margin, limit)
        return np.concatenate([low, high - low], axis=1)

    def steady(self, boxes_xywh_px: Array, frames: IntArray) -> Array:
        """Boxes (N, 4) of the recorded picture at `frames` (N,) where they lay if the camera did not shake."""
        if self.nuisances is None:
            return boxes_xywh_px
        still: Array = boxes_xywh_px - np.pad(self.nuisances.shake_px(frames), ((0, 0), (0, 2)))
        return still

    def alive(self, frame: int) -> list[tuple[Cause, int]]:
        """Return the causes that the camera's `frame` shows, each with the index of that moment in its life."""
        moment = frame if self.nuisances is None else self.nuisances.clock.world_frame(frame)
        found = []
        for cause in self.causes:
            index = moment - int(cause.frames[0])
            if 0 <= index < len(cause.frames):
                found.append((cause, index))
        return found

    @cached_property
    def _sensor(self) -> Sensor:
        return self.sensor if self.nuisances is None else self.sensor.disturbed(self.nuisances)

    def _samples(self, side_px: float) -> int:
        """Return how many samples a side of a region gets: no more than the camera has pixels there."""
        most = min(CROP_SIZE_PX, round(side_px))
        coarse = 1.0 if self.nuisances is None else self.nuisances.coarse
        return most if coarse == 1 else min(most, max(round(side_px / coarse), FEWEST_SAMPLES))

    def _veil(self, canvas: Plane, region: Array, moment: int) -> None:
        """Lay what is in the air and on the lens over the canvas of a region (4,) of the recorded picture."""
        if self.nuisances is None:
            return
        rows, columns = canvas.shape[1:]
        x, y, width, height = region.tolist()
        for veil in self.nuisances.veils:
            veil.cover(canvas, moment, (x, y), (width / columns, height / rows))

    def _seen_in(self, x: float, y: float, width: float, height: float, frame: int) -> list[tuple[Cause, int]]:
        """Return the causes whose boxes touch the region, the far ones first."""
        touching = []
        for cause, index in self.alive(frame):
            left, top, wide, high = cause.boxes_xywh_px[self.number][index].tolist()
            if left < x + width and x < left + wide and top < y + height and y < top + high:
                touching.append((cause, index))
        return sorted(touching, key=lambda item: -item[0].depths_m[self.number][item[1]])

    def _background(self, x: float, y: float, step_x: float, step_y: float, size: tuple[int, int]) -> Plane:
        """Sample the background (3, H, W) float32 from the pyramid level that is just fine enough."""
        level = min(int(np.log2(max(min(step_x, step_y), 1.0))), len(self.background) - 1)
        shrink = 2.0**level
        source_from_crop = np.array(
            [
                [step_x / shrink, 0.0, (x + 0.5 * step_x + 0.5) / shrink - 0.5],
                [0.0, step_y / shrink, (y + 0.5 * step_y + 0.5) / shrink - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = self.background[level]
        patch = cv2.warpAffine(image, source_from_crop, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(patch.transpose(2, 0, 1), dtype=np.float32)
