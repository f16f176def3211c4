"""A short film of coloured tracks: real ones move, false ones flicker."""

from pathlib import Path

import cv2
import numpy as np

from track_persistence.evaluation.recordings_config import RecordingConfig

FRAMES, BLOCK_FRAMES = 60, 10


def write_footage(folder: Path, name: str) -> RecordingConfig:
    """Write video, tracks and labels of 60 frames and return them with paths below `folder`.

    In every block of ten frames a real track is born in the third frame and lives for twelve frames, so over the
    block's end, and a false one in the eighth for two. Track 90 is unclear.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 7, (96, 64))
    for number in range(FRAMES):
        writer.write(np.full((64, 96, 3), 4 * number, np.uint8))
    writer.release()
    lines, labels = ["1,90,70,0,10,10,0.2"], ["track_id,label", "90,-1"]
    for block in range(FRAMES // BLOCK_FRAMES):
        start = block * BLOCK_FRAMES
        lines += [f"{t},{block},{t},20,16,24,2.5" for t in range(start + 3, min(start + 15, FRAMES + 1))]
        lines += [f"{t},{50 + block},60,10,12,12,0.1" for t in (start + 8, start + 9)]
        labels += [f"{block},1", f"{50 + block},0"]
    (folder / f"{name}.txt").write_text("\n".join(lines))
    (folder / f"{name}.csv").write_text("\n".join(labels))
    return RecordingConfig(
        name=name,
        video=Path(f"{name}.avi"),
        tracks=Path(f"{name}.txt"),
        confidence="raw",
        labels=Path(f"{name}.csv"),
        ground_truth=None,
    )
