"""Contact sheets: a picture per kind of track, for people to look at."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.files import write_bytes
from track_persistence.core.types import CROP_SIZE_PX, Ghost, LabelledTrack, StereoScene

KINDS = ("persistent", "reflection", "glare", "shadow", "noise")
FRAMES_SHOWN = 12
NOISE_SHOWN = 12
GAP_PX = 4
LABEL_PX = 110
PAPER = 245

Image = NDArray[np.uint8]


def write_contact_sheets(folder: Path, scenes: Iterable[StereoScene], rows: int) -> None:
    """Write one PNG per kind with up to `rows` examples; stops reading `scenes` when all sheets are full.

    Each example is a pair of film strips, camera 1 above camera 2; false alarms have no partner and stand alone.
    """
    strips: dict[str, list[Image]] = {kind: [] for kind in KINDS}
    alarms: list[LabelledTrack] = []
    for scene in scenes:
        _collect(scene, strips, alarms, rows)
        if len(alarms) >= rows * NOISE_SHOWN and all(len(strips[kind]) >= rows for kind in KINDS[:-1]):
            break
    for start in range(0, min(len(alarms), rows * NOISE_SHOWN), NOISE_SHOWN):
        crops = [alarm.track.crops[0] for alarm in alarms[start : start + NOISE_SHOWN]]
        strips["noise"].append(_labelled(_strip(crops), ["one frame", "each"]))
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(folder.iterdir()) - {folder / f"{kind}.png" for kind in KINDS}:
        stale.unlink()
    for kind, examples in strips.items():
        write_bytes(folder / f"{kind}.png", _png(_stacked(examples[:rows])))


def _collect(scene: StereoScene, strips: dict[str, list[Image]], alarms: list[LabelledTrack], rows: int) -> None:
    partners = {labelled.object_id: labelled for labelled in scene.tracks[1] if labelled.object_id is not None}
    for labelled in scene.tracks[0]:
        kind = "persistent" if labelled.is_persistent else labelled.ghost.value
        if labelled.object_id is None or len(strips[kind]) >= rows:
            continue
        both = (labelled, partners[labelled.object_id])
        shown = _shown_frames(both)
        pair = np.vstack([_timed_strip(one, shown) for one in both])
        text = [
            f"scene {scene.scene_id}",
            f"object {labelled.object_id}",
            *(f"{len(one.track)} frames" for one in both),
        ]
        strips[kind].append(_labelled(pair, text))
    for camera in scene.tracks:
        alarms += [labelled for labelled in camera if labelled.ghost is Ghost.NOISE]


def _shown_frames(both: tuple[LabelledTrack, LabelledTrack]) -> list[int]:
    frames = np.union1d(both[0].track.frames, both[1].track.frames)
    picks = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES_SHOWN, len(frames))).round().astype(int))
    return [int(frame) for frame in frames[picks]]


def _timed_strip(labelled: LabelledTrack, shown: list[int]) -> Image:
    """Crops of one camera at the shown frames, a blank where the detector missed."""
    at = {int(frame): row for row, frame in enumerate(labelled.track.frames)}
    blank = np.full((CROP_SIZE_PX, CROP_SIZE_PX, 3), PAPER - 40, np.uint8)
    return _strip([labelled.track.crops[at[frame]] if frame in at else blank for frame in shown])


def _strip(crops: list[Any]) -> Image:
    width = FRAMES_SHOWN * (CROP_SIZE_PX + GAP_PX)
    strip = np.full((CROP_SIZE_PX + GAP_PX, width, 3), PAPER, np.uint8)
    for column, crop in enumerate(crops):
        left = column * (CROP_SIZE_PX + GAP_PX)
        strip[:CROP_SIZE_PX, left : left + CROP_SIZE_PX] = crop
    return strip


def _labelled(strip: Image, lines: list[str]) -> Image:
    margin = np.full((strip.shape[0], LABEL_PX, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(margin, line, (4, 18 + 22 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.hstack([margin, strip])


def _stacked(examples: list[Image]) -> Image:
    width = LABEL_PX + FRAMES_SHOWN * (CROP_SIZE_PX + GAP_PX)
    gap = np.full((2 * GAP_PX, width, 3), PAPER, np.uint8)
    return np.vstack([gap, *(row for example in examples for row in (example, gap))])


def _png(image: Image) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return data.tobytes()
