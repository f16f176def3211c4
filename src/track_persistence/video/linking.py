"""Detections linked to tracks by a 2D tracker of roboflow's `trackers`, its own confirmation switched off."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from track_persistence.core.errors import VideoError
from track_persistence.core.params import Section
from track_persistence.video.mot import MotTable

Share = Annotated[float, Field(ge=0, le=1)]
FRAMES_A_SECOND = 30.0  # the library counts its buffer in frames at 30 Hz; at this rate one step is one frame


class LinkConfig(Section):
    """How detections without ids are linked."""

    method: Literal["sort", "bytetrack"]
    """`sort`: Bewley et al. 2016; `bytetrack`: Zhang et al. 2022."""
    min_iou: Share
    """Least overlap of a detection with a track's predicted box."""
    max_missed_frames: NonNegativeInt
    """A track without a detection for longer than this has ended."""
    high_confidence: Share
    """bytetrack only: detections from here on are matched first, and they alone start tracks."""


def link(detections: MotTable, confidences: NDArray[np.float64], config: LinkConfig) -> MotTable:
    """Give every detection the id, from 1, of its track; `confidences` (N,) lie in [0, 1].

    Confirmation is the persistence filter's task, so a track begins with its very first detection, and single
    detections are tracks too. Detections that start no track (bytetrack's weak ones) are left out.
    """
    tracker, detections_type = _make_tracker(config)
    ids = np.full(len(detections), -1, np.int64)
    corners = detections.boxes_xywh_px.astype(np.float64)
    corners[:, 2:] += corners[:, :2]
    last = int(detections.frames[-1])
    bounds = np.searchsorted(detections.frames, np.arange(1, last + 2))
    for frame in range(1, last + 1):
        rows = np.arange(bounds[frame - 1], bounds[frame])
        seen = detections_type(
            xyxy=corners[rows], confidence=confidences[rows], class_id=np.zeros(len(rows), int), data={"row": rows}
        )
        ids[rows] = _step(tracker, seen, rows)
    linked = np.flatnonzero(ids >= 0)
    if not linked.size:
        raise VideoError(f"{detections.path}: no detection reaches link.high_confidence {config.high_confidence}")
    texts = tuple(_with_id(detections.texts[i], int(ids[i]) + 1) for i in linked)
    return replace(
        detections,
        frames=detections.frames[linked],
        ids=ids[linked] + 1,
        boxes_xywh_px=detections.boxes_xywh_px[linked],
        scores=detections.scores[linked],
        lines=detections.lines[linked],
        texts=texts,
    )


def _step(tracker: Any, seen: Any, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Advance the tracker by one frame; returns the id of every row, -1 where it belongs to no track.

    The library names a track only when it is matched a second time, at the earliest. Here a new track gets its name at
    once, so the tracks without a name are those born in this frame, and each one's box is the detection that started
    it.
    """
    result = tracker.update(seen)
    ids = np.full(len(rows), -1, np.int64)
    if not len(rows):
        return ids
    ids[result.data["row"] - rows[0]] = result.tracker_id
    free = np.flatnonzero(ids < 0)
    for track in tracker.tracks:
        if track.tracker_id != -1:
            continue
        track.tracker_id = tracker._allocate_tracker_id()
        born_at = np.abs(seen.xyxy[free] - track.get_state_bbox()).max(axis=1)
        nearest = free[int(np.argmin(born_at))]
        ids[nearest] = track.tracker_id
        free = free[free != nearest]
    return ids


def _make_tracker(config: LinkConfig) -> tuple[Any, Any]:
    try:
        from supervision import Detections
        from trackers import ByteTrackTracker, SORTTracker
    except ImportError as error:
        raise VideoError(
            f"--detections needs the package {error.name!r}; run `pip install track-persistence[video]`, "
            "or link the detections yourself and pass --tracks"
        ) from error
    common: dict[str, Any] = {
        "lost_track_buffer": config.max_missed_frames,
        "frame_rate": FRAMES_A_SECOND,
        "minimum_consecutive_frames": 1,
        "minimum_iou_threshold": config.min_iou,
    }
    if config.method == "sort":
        return SORTTracker(track_activation_threshold=0.0, **common), Detections
    high = config.high_confidence
    return ByteTrackTracker(track_activation_threshold=high, high_conf_det_threshold=high, **common), Detections


def _with_id(text: str, track_id: int) -> str:
    frame, _, rest = text.split(",", maxsplit=2)
    return f"{frame},{track_id},{rest}"
