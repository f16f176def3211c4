"""Unlabelled recordings become clips of unknown cause; every track counts once, however long it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from track_persistence.core.errors import ParamsError, VideoError
from track_persistence.core.params import load_section
from track_persistence.evaluation.unlabelled import recorded_clips
from track_persistence.magvit.clips import UNKNOWN_CAUSE
from track_persistence.magvit.config import TokenizerConfig, UnlabelledConfig, UnlabelledSource

CONFIG = load_section(Path(__file__).parents[2] / "params.yaml", "tokenizer", TokenizerConfig)


@pytest.fixture
def footage(tmp_path) -> Path:
    """Make 12 frames that grow brighter, with a track of all of them and one of two."""
    writer = cv2.VideoWriter(str(tmp_path / "yard.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 7, (96, 64))
    for number in range(12):
        writer.write(np.full((64, 96, 3), 20 * number, np.uint8))
    writer.release()
    lines = [f"{t},7,{t},20,16,24,2.5" for t in range(1, 13)] + [f"{t},3,70,20,16,24,-8" for t in (5, 6)]
    (tmp_path / "yard.txt").write_text("\n".join(lines))
    return tmp_path


def config(tracks: int = 10, video: str = "yard.avi", sources: int = 1) -> TokenizerConfig:
    source = UnlabelledSource(video=video, tracks="yard.txt")
    return CONFIG.model_copy(update={"unlabelled": UnlabelledConfig(sources=(source,) * sources, tracks=tracks)})


def test_a_track_is_one_clip_of_its_first_frames_and_of_unknown_cause(footage):
    clips, files = recorded_clips(config(), footage, 0.1, 7)
    assert [(clip.track_id, len(clip), clip.cause) for clip in clips] == [(3, 2, UNKNOWN_CAUSE), (7, 6, UNKNOWN_CAUSE)]
    assert clips[1].crops.mean(axis=(1, 2, 3)) == pytest.approx(20 * np.arange(6), abs=5)
    assert files == [footage / "yard.avi", footage / "yard.txt"]


def test_no_more_tracks_are_kept_than_wanted_and_the_seed_chooses(footage):
    chosen = {recorded_clips(config(tracks=1), footage, 0.1, seed)[0][0].track_id for seed in range(8)}
    assert chosen == {3, 7}


def test_tracks_of_all_recordings_are_kept_apart(footage):
    clips, _ = recorded_clips(config(sources=2), footage, 0.1, 7)
    assert [(clip.scene_id, clip.track_id) for clip in clips] == [(0, 3), (0, 7), (1, 3), (1, 7)]


def test_without_sources_there_are_no_clips(tmp_path):
    assert recorded_clips(config(sources=0), tmp_path / "nowhere", 0.1, 7) == ([], [])


def test_a_missing_or_unusable_video_is_named(footage):
    with pytest.raises(ParamsError, match=r"tokenizer\.unlabelled\.sources\.0\.video: 'lawn\.avi' is no file below"):
        recorded_clips(config(video="lawn.avi"), footage, 0.1, 7)
    (footage / "yard.avi").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"yard\.avi"):
        recorded_clips(config(), footage, 0.1, 7)
