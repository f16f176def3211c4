from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from track_persistence.core.errors import VideoError
from track_persistence.core.params import load_section
from track_persistence.core.types import Ghost, Kind
from track_persistence.evaluation.footage_config import FootageConfig
from track_persistence.evaluation.recordings import labelled_blocks, read_recording
from track_persistence.evaluation.recordings_config import RecordingConfig, RecordingsConfig

FOOTAGE = load_section(Path(__file__).parents[2] / "params.yaml", "footage", FootageConfig)


@pytest.fixture
def source(tmp_path):
    """Make 30 frames with a real track, a flicker, something that stays for 25 frames, and an unclear one."""
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 7, (96, 64))
    for number in range(30):
        writer.write(np.full((64, 96, 3), 8 * number, np.uint8))
    writer.release()
    lines = [f"{t},7,{t},20,16,24,2.5" for t in range(4, 16)] + [f"{t},2,70,20,16,24,0.1" for t in (28, 29)]
    lines += [f"{t},5,50,20,16,24,0.2" for t in range(1, 26)] + ["1,3,70,0,10,10,0.2", "30,3,70,0,10,10,0.2"]
    (tmp_path / "t.txt").write_text("\n".join(lines))
    (tmp_path / "l.csv").write_text("track_id,label\n7,1\n2,0\n5,0\n3,-1\n")
    return RecordingConfig(
        name="yard",
        video=tmp_path / "v.avi",
        tracks=tmp_path / "t.txt",
        confidence="raw",
        labels=tmp_path / "l.csv",
        ground_truth=None,
    )


def test_clear_tracks_come_in_order_of_birth_cut_but_their_boxes_whole(source):
    recording = read_recording(source, FOOTAGE, 0.1, 6)
    assert [track.track_id for track in recording.tracks] == [5, 7, 2]
    assert recording.labels.tolist() == [False, True, False]
    assert [len(track) for track in recording.tracks] == [6, 6, 2]
    assert [len(track.frames) for track in recording.whole] == [25, 12, 2]
    assert recording.tracks[1].crops.mean(axis=(1, 2, 3)) == pytest.approx(8 * np.arange(3, 9), abs=4)


def test_false_tracks_are_sorted_by_the_whole_of_their_lives(source):
    recording = read_recording(source, FOOTAGE, 0.1, 6)
    assert (recording.kinds[0], recording.kinds[2]) == ("static_clutter", "flicker")


def test_tracks_born_just_before_the_end_can_be_left_out(source):
    recording = read_recording(source, FOOTAGE, 0.1, 6).born_before(10)
    assert recording.last_frame == 30
    assert [track.track_id for track in recording.tracks] == [5, 7]
    assert recording.labels.tolist() == [False, True]


def test_ground_truth_labels_as_well_as_a_table(source, tmp_path):
    truth = tmp_path / "gt.txt"
    truth.write_text("".join(f"{t},4,{t},20,16,24,1,-1,-1,-1\n" for t in range(1, 31)))
    by_truth = source.model_copy(update={"labels": None, "ground_truth": truth})
    recording = read_recording(by_truth, FOOTAGE, 0.1, 6)
    assert {t.track_id: bool(real) for t, real in zip(recording.tracks, recording.labels, strict=True)}[7] is True


def blocks_of(source, block_frames, longest_frames=20):
    config = RecordingsConfig(sources=(source,), block_frames=block_frames, longest_frames=longest_frames)
    return dict(labelled_blocks(source, config, FOOTAGE, 0.1))


def test_a_recording_becomes_labelled_tracks_for_training(source):
    found = {labelled.track.track_id: labelled for labelled in blocks_of(source, 30, 6)[1]}
    assert (found[7].kind, found[7].ghost) == (Kind.PERSISTENT, Ghost.NONE)
    assert (found[5].kind, found[5].ghost) == (Kind.BRIEF, Ghost.CLUTTER)
    assert (found[2].kind, found[2].ghost) == (Kind.NOISE, Ghost.NOISE)
    assert {track_id: len(labelled.track) for track_id, labelled in found.items()} == {5: 6, 7: 6, 2: 2}


def test_a_track_belongs_to_the_block_of_its_birth_and_ends_with_it(source):
    blocks = blocks_of(source, 10)
    assert list(blocks) == [1, 21]  # none is born in frames 11 to 20
    frames = {labelled.track.track_id: labelled.track.frames for labelled in blocks[1]}
    assert {track_id: (own[0], own[-1]) for track_id, own in frames.items()} == {5: (1, 10), 7: (4, 10)}
    assert [labelled.track.track_id for labelled in blocks[21]] == [2]
    # what it is was decided by its whole life: 25 boxes in one place
    assert blocks[1][0].ghost is Ghost.CLUTTER
    assert blocks[1][1].track.crops.mean(axis=(1, 2, 3)) == pytest.approx(8 * np.arange(3, 10), abs=4)


def test_blocks_that_begin_with_a_birth_hold_it(source):
    """Frame 28 is the first of the tenth block of three frames."""
    assert [labelled.track.track_id for labelled in blocks_of(source, 3)[28]] == [2]


def test_a_source_needs_one_truth_and_a_name_of_its_own(source):
    with pytest.raises(ValidationError, match="either labels or ground_truth"):
        RecordingConfig.model_validate({**source.model_dump(), "ground_truth": "gt.txt"})
    with pytest.raises(ValidationError, match="names must differ"):
        RecordingsConfig(sources=(source, source), block_frames=10, longest_frames=6)
    with pytest.raises(ValidationError, match="a name becomes a file's"):
        RecordingsConfig(sources=(source.model_copy(update={"name": "a/b"}),), block_frames=10, longest_frames=6)


def test_a_recording_without_any_clear_label_is_refused(source):
    source.labels.write_text("track_id,label\n7,-1\n2,-1\n5,-2\n3,-1\n")
    with pytest.raises(VideoError, match=r"t\.txt: no track is labelled real or false"):
        read_recording(source, FOOTAGE, 0.1, 6)
