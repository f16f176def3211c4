"""The data model: tracks, their labels, features, trajectories and scenes.

T frames of a track, D feature width. Every class checks shape, dtype and range when it is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.rig import Camera, StereoRig

CROP_SIZE_PX = 64

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]
CropArray = NDArray[np.uint8]


class Kind(IntEnum):
    """What a track is; only `PERSISTENT` is to be kept.

    BRIEF: a ghost with a cause in the world, or a false box of the detector or tracker on what is there; brief in the
    nominal profile, as long as an object's track in the matched one. NOISE: detector noise without a cause.
    """

    PERSISTENT = 0
    BRIEF = 1
    NOISE = 2


class Ghost(StrEnum):
    """The cause of a track that is not an object.

    REFLECTION: in a mirror. WINDOW: in a window pane that one also looks through. SPECULAR: a highlight on a convex
    surface, which moves with the half-vector. GLARE, STATIC_GLARE: light that blooms in the lens, moving or not. FLARE:
    a spot inside the lens, opposite its light. GLINT: on rippled water. CLUTTER: a thing that is there but is none of
    the objects that are looked for. NOISE: nothing at all. DUPLICATE: a second box on a part of an object. MERGED: one
    box over two objects. ID_SWITCH: the 2D tracker leaves an object and goes on with what is none.
    """

    NONE = "none"
    REFLECTION = "reflection"
    GLARE = "glare"
    SHADOW = "shadow"
    FLARE = "flare"
    CLUTTER = "clutter"
    NOISE = "noise"
    WINDOW = "window"
    SPECULAR = "specular"
    STATIC_GLARE = "static_glare"
    GLINT = "glint"
    DUPLICATE = "duplicate"
    MERGED = "merged"
    ID_SWITCH = "id_switch"


def check_array(name: str, value: Any, shape: tuple[int | None, ...], dtype: Any) -> None:
    """Raise `DataError` unless `value` is an array of `dtype` and `shape` (None matches any length)."""
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: expected a numpy array, got {type(value).__name__}")
    fits = value.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, value.shape, strict=True))
    if not fits or value.dtype != dtype:
        wanted = ", ".join("T" if n is None else str(n) for n in shape)
        raise DataError(f"{name}: expected shape ({wanted}) {np.dtype(dtype)}, got {value.shape} {value.dtype}")


def check_crops(name: str, crops: Any) -> None:
    """Raise `DataError` unless `crops` is a (T, 64, 64, 3) uint8 array with T >= 1."""
    check_array(name, crops, (None, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)
    if len(crops) == 0:
        raise DataError(f"{name}: expected at least one frame, got 0; drop empty tracks")


def _check_timeline(name: str, frames: IntArray, boxes_xywh_px: FloatArray, confidences: FloatArray) -> None:
    check_array(f"{name}: frames", frames, (None,), np.int32)
    count = len(frames)
    if count == 0:
        raise DataError(f"{name}: expected at least one frame, got 0; drop empty tracks")
    steps = np.diff(frames)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        raise DataError(f"{name}: frame {frames[at]} follows {frames[at - 1]}; frames must strictly increase")
    check_array(f"{name}: boxes_xywh_px", boxes_xywh_px, (count, 4), np.float32)
    bad = ~np.isfinite(boxes_xywh_px).all(axis=1) | (boxes_xywh_px[:, 2:] <= 0).any(axis=1)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{name}: frame {frames[at]}: box {boxes_xywh_px[at].tolist()}; "
            "boxes must be finite with width and height above 0"
        )
    check_array(f"{name}: confidences", confidences, (count,), np.float32)
    outside = ~((confidences >= 0) & (confidences <= 1))
    if outside.any():
        at = int(np.argmax(outside))
        raise DataError(
            f"{name}: frame {frames[at]}: confidence {confidences[at]}; must lie in [0, 1], "
            "map raw detector scores to probabilities first"
        )


@dataclass(frozen=True, eq=False)
class BoxTrack:
    """The boxes of one 2D track of one camera: all that geometry needs.

    camera: index in the rig. track_id: unique within the camera.
    frames: (T,) int32, strictly increasing; gaps are misses. boxes_xywh_px: (T, 4) float32, top-left
    corner, width, height; pixel (0, 0) is the centre of the top-left pixel. confidences: (T,) float32 in
    [0, 1]. Raises `DataError` on anything else.
    """

    camera: int
    track_id: int
    frames: IntArray
    boxes_xywh_px: FloatArray
    confidences: FloatArray

    def __post_init__(self) -> None:
        """Check every field against the rules of the class."""
        _check_timeline(self.name, self.frames, self.boxes_xywh_px, self.confidences)

    def __len__(self) -> int:
        """Return the number of observed frames T."""
        return len(self.frames)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"track {self.track_id} of camera {self.camera}"

    @property
    def centres_px(self) -> FloatArray:
        """Box centres, (T, 2) float32 pixels."""
        centres: FloatArray = self.boxes_xywh_px[:, :2] + self.boxes_xywh_px[:, 2:] / np.float32(2)
        return centres


@dataclass(frozen=True, eq=False)
class Track(BoxTrack):
    """One 2D track of one camera with its pixels, as a detector and a 2D tracker emit it.

    crops: (T, 64, 64, 3) uint8 RGB; the other fields as in `BoxTrack`. Raises `DataError` on anything else.
    """

    crops: CropArray

    def __post_init__(self) -> None:
        """Check every field against the rules of the class."""
        super().__post_init__()
        check_crops(f"{self.name}: crops", self.crops)
        if len(self.crops) != len(self.frames):
            raise DataError(f"{self.name}: expected {len(self.frames)} crops, got {len(self.crops)}")

    def first(self, count: int) -> "Track":
        """Return the track as it was after its first `count` observed frames."""
        return Track(
            self.camera,
            self.track_id,
            self.frames[:count],
            self.boxes_xywh_px[:count],
            self.confidences[:count],
            self.crops[:count],
        )


@dataclass(frozen=True, eq=False)
class LabelledTrack:
    """A track with its ground truth; inference code receives `track` alone.

    object_id: the real object or the ghost's 3D cause, shared by both cameras; None for detector noise.
    evidence_frames: (E,) int32, frames of the track in which the truth shows (a fade's onset, say).
    """

    track: Track
    kind: Kind
    ghost: Ghost = Ghost.NONE
    object_id: int | None = None
    evidence_frames: IntArray = field(default_factory=lambda: np.empty(0, np.int32))

    def __post_init__(self) -> None:
        """Check that the label agrees with itself and with the track."""
        name = f"track {self.track.track_id} of camera {self.track.camera}"
        if (self.kind is Kind.PERSISTENT) != (self.ghost is Ghost.NONE):
            raise DataError(f"{name}: kind {self.kind.name} cannot have ghost {self.ghost.value!r}")
        check_array(f"{name}: evidence_frames", self.evidence_frames, (None,), np.int32)

    @property
    def is_persistent(self) -> bool:
        """Whether the track is a real object."""
        return self.kind is Kind.PERSISTENT


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """Encoder features of one labelled track, without its pixels.

    features: (T, D) float16 or float32; the other arrays as in `Track` and `LabelledTrack`.
    """

    scene_id: int
    camera: int
    track_id: int
    frames: IntArray
    boxes_xywh_px: FloatArray
    confidences: FloatArray
    features: NDArray[Any]
    kind: Kind
    ghost: Ghost
    object_id: int | None

    def __post_init__(self) -> None:
        """Check every field against the rules of the class."""
        name = f"scene {self.scene_id}: track {self.track_id} of camera {self.camera}"
        _check_timeline(name, self.frames, self.boxes_xywh_px, self.confidences)
        if self.features.ndim != 2 or len(self.features) != len(self.frames):
            raise DataError(f"{name}: expected features of shape ({len(self.frames)}, D), got {self.features.shape}")
        if not np.isfinite(self.features).all():
            raise DataError(f"{name}: features hold NaN or infinity; check the encoder's weights")

    def __len__(self) -> int:
        """Return the number of observed frames T."""
        return len(self.frames)

    @property
    def is_persistent(self) -> bool:
        """Whether the track is a real object."""
        return self.kind is Kind.PERSISTENT


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The true path of one real object.

    frames: (T,) int32. positions_m: (T, 3) float64 world coordinates of the point whose projection is the box
    centre. visible: (T, 2) bool, per camera: inside the image and not fully occluded.
    """

    object_id: int
    frames: IntArray
    positions_m: NDArray[np.float64]
    visible: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check shapes and dtypes."""
        name = f"trajectory of object {self.object_id}"
        check_array(f"{name}: frames", self.frames, (None,), np.int32)
        check_array(f"{name}: positions_m", self.positions_m, (len(self.frames), 3), np.float64)
        check_array(f"{name}: visible", self.visible, (len(self.frames), 2), np.bool_)


AnyTrack = TypeVar("AnyTrack", bound=BoxTrack, covariant=True)


@dataclass(frozen=True, eq=False)
class CameraTracks(Generic[AnyTrack]):
    """The tracks of one camera together with its calibration; iterates over the tracks."""

    camera: Camera
    tracks: tuple[AnyTrack, ...]

    def __iter__(self) -> Iterator[AnyTrack]:
        """Iterate over the tracks."""
        return iter(self.tracks)

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.tracks)


@dataclass(frozen=True, eq=False)
class StereoScene:
    """A scene seen by a calibrated pair: labelled tracks per camera and the true trajectories."""

    scene_id: int
    rig: StereoRig
    tracks: tuple[tuple[LabelledTrack, ...], tuple[LabelledTrack, ...]]
    trajectories: tuple[Trajectory, ...]

    def camera_tracks(self, camera: int) -> CameraTracks[Track]:
        """Return what a filter or tracker may see of one camera: calibration and unlabelled tracks."""
        return CameraTracks(self.rig.cameras[camera], tuple(labelled.track for labelled in self.tracks[camera]))
