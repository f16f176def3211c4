"""What the cameras saw of one thing, frame by frame: the common input of triangulation, smoothing and cues.

V cameras, F frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig

FloatArray = NDArray[np.float64]
LEAST_CONFIDENCE = 0.05


@dataclass(frozen=True, eq=False)
class Observations:
    """Box centres of one thing in every camera.

    frames: (F,) int32, strictly increasing, each seen by at least one camera. pixels: (V, F, 2) raw (distorted) box
    centres. sigmas_px: (V, F) their deviation per axis. confidences: (V, F) in [0, 1]. All three are NaN where a camera
    did not see the thing.
    """

    frames: NDArray[np.int32]
    pixels: FloatArray
    sigmas_px: FloatArray
    confidences: FloatArray

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which camera saw it in which frame, (V, F) bool."""
        measured: NDArray[np.bool_] = ~np.isnan(self.sigmas_px)
        return measured

    @property
    def views(self) -> NDArray[np.intp]:
        """Number of cameras that saw it, (F,), at least 1."""
        counts: NDArray[np.intp] = self.seen.sum(axis=0)
        return counts


def box_sigma_px(
    boxes_xywh_px: NDArray[np.float32], confidences: NDArray[np.float32], config: StereoConfig
) -> FloatArray:
    """Return the standard deviation per axis of box centres, (T,) pixels; boxes_xywh_px: (T, 4), confidences: (T,)."""
    side: FloatArray = boxes_xywh_px[:, 2:].mean(axis=1, dtype=np.float64)
    doubt = np.maximum(confidences.astype(np.float64), LEAST_CONFIDENCE) ** -config.confidence_exponent
    sigma: FloatArray = np.hypot(config.pixel_sigma_px, config.size_sigma * side) * doubt
    return sigma


def check_in_image(camera: Camera, track: BoxTrack) -> None:
    """Raise `DataError` where a box lies wholly outside the image: it was detected in images of another size."""
    low, high = track.boxes_xywh_px[:, :2], track.boxes_xywh_px[:, :2] + track.boxes_xywh_px[:, 2:]
    outside = ((high <= -0.5) | (low >= np.array(camera.image_size_px) - 0.5)).any(axis=1)
    if outside.any():
        at = int(np.argmax(outside))
        width, height = camera.image_size_px
        raise DataError(
            f"{track.name}: frame {track.frames[at]}: box {track.boxes_xywh_px[at].round(1).tolist()} lies outside the "
            f"{width} x {height} px that camera {camera.name} is calibrated for; use the calibration of these images, "
            "or drop boxes that a 2D tracker only predicted"
        )


def cut_axes(camera: Camera, track: BoxTrack, border_px: float) -> NDArray[np.bool_]:
    """Return along which axis, x and y, the image's border cuts the box off in each frame, (T, 2) bool.

    A box that ends within `border_px` of the border counts as cut off.
    """
    # Pixel centres are whole numbers, so the image's edges lie half a pixel outside.
    low = track.boxes_xywh_px[:, :2] + 0.5
    high = low + track.boxes_xywh_px[:, 2:]
    return np.asarray((low < border_px) | (high > np.array(camera.image_size_px) - border_px), np.bool_)


def observe(members: Sequence[BoxTrack | None], config: StereoConfig) -> Observations:
    """Return what the cameras saw of one thing; `members` holds its track in each camera, None where there is none.

    Raises `DataError` when no camera saw it.
    """
    tracks = [track for track in members if track is not None]
    if not tracks:
        raise DataError(f"observations: no track in any of {len(members)} cameras; drop empty groups")
    frames = np.unique(np.concatenate([track.frames for track in tracks]))
    pixels = np.full((len(members), len(frames), 2), np.nan)
    sigmas, confidences = np.full((2, len(members), len(frames)), np.nan)
    for camera, track in enumerate(members):
        if track is not None:
            rows = np.searchsorted(frames, track.frames)
            pixels[camera, rows] = track.centres_px
            sigmas[camera, rows] = box_sigma_px(track.boxes_xywh_px, track.confidences, config)
            confidences[camera, rows] = track.confidences
    return Observations(frames, pixels, sigmas, confidences)
