"""Contact sheets: a picture per kind of track, for people to look at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.files import write_bytes
from track_persistence.core.types import CROP_SIZE_PX, Ghost, LabelledTrack, StereoScene

OBJECTS, NOISE = "persistent", Ghost.NOISE.value
KINDS = {
    "nominal": (OBJECTS, "reflection", "glare", "shadow", NOISE),
    "matched": (OBJECTS, *(ghost.value for ghost in Ghost if ghost is not Ghost.NONE)),
}
FRAMES_SHOWN = 12
GAP_PX = 4
LABEL_PX = 110
PAPER = 245

Image = NDArray[np.uint8]


def contact_sheets_of(scenes: Iterable[StereoScene], kinds: Sequence[str], rows: int) -> dict[str, bytes]:
    """Return one PNG per kind with up to `rows` examples; stops reading `scenes` when all sheets are full.

    An example is a pair of film strips, camera 1 above camera 2, or one strip where one camera alone has a track of it.
    Tracks of one frame without a partner share a row.
    """
    strips: dict[str, list[Image]] = {kind: [] for kind in kinds}
    single: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for scene in scenes:
        if all(len(strips[kind]) + len(single[kind]) // FRAMES_SHOWN >= rows for kind in kinds):
            break
        for kind, both in _examples(scene):
            if len(both) == 1 and len(both[0].track) == 1:
                single[kind].append(both[0].track.crops[0])
            elif len(strips[kind]) < rows:
                strips[kind].append(_example(scene.scene_id, both))
    for kind, crops in single.items():
        for start in range(0, len(crops), FRAMES_SHOWN):
            strips[kind].append(_labelled(_strip(crops[start : start + FRAMES_SHOWN]), ["one frame", "each"]))
    return {kind: _png(_stacked(examples[:rows])) for kind, examples in strips.items()}


def write_contact_sheets(folder: Path, sheets: Mapping[str, bytes]) -> None:
    """Write each sheet as `<name>.png`; other files of the folder go."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(folder.iterdir()) - {folder / f"{name}.png" for name in sheets}:
        stale.unlink()
    for name, png in sheets.items():
        write_bytes(folder / f"{name}.png", png)


def _examples(scene: StereoScene) -> Iterator[tuple[str, list[LabelledTrack]]]:
    """Yield the tracks of each thing: the longest one of each camera that has any."""
    found: dict[tuple[str, Any], list[LabelledTrack]] = {}
    for camera in scene.tracks:
        longest: dict[tuple[str, Any], LabelledTrack] = {}
        for labelled in camera:
            kind = OBJECTS if labelled.is_persistent else labelled.ghost.value
            alone = (labelled.track.camera, labelled.track.track_id)
            key = kind, alone if labelled.object_id is None else labelled.object_id
            if key not in longest or len(longest[key].track) < len(labelled.track):
                longest[key] = labelled
        for key, labelled in longest.items():
            found.setdefault(key, []).append(labelled)
    for (kind, _), both in found.items():
        yield kind, both


def _example(scene_id: int, both: list[LabelledTrack]) -> Image:
    shown = _shown_frames(both)
    strips = np.vstack([_timed_strip(one, shown) for one in both])
    text = [f"scene {scene_id % 1_000_000}", *(f"camera {one.track.camera + 1}: {len(one.track)}" for one in both)]
    return _labelled(strips, text)


def _shown_frames(both: list[LabelledTrack]) -> list[int]:
    frames = np.unique(np.concatenate([one.track.frames for one in both]))
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
